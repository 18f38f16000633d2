//! Ports for one cluster: free now, and below the range from which the kernel gives ports to others, so that they
//! are still free when the cluster comes up again after a crash.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 21_000;
const COUNT: u16 = 9_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address on the loopback where nobody listens.
pub fn free() -> String {
    // Different test programs begin at different places.
    let base = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let addr = format!("127.0.0.1:{}", FIRST + (base + step) % COUNT);
        if TcpListener::bind(&addr).is_ok() {
            return addr;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
