//! Waiting for a condition, with a deadline and a name.

use std::time::{Duration, Instant};

/// Asks `condition` every `interval` until it answers; panics with `what` and its last words at the deadline.
pub fn until<T>(
    what: &str,
    patience: Duration,
    interval: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    loop {
        match condition() {
            Ok(value) => return value,
            Err(why) if begin.elapsed() >= patience => {
                panic!("{what}: not within {:.0} s; last: {why}", patience.as_secs_f64())
            }
            // The pause between two looks, never the thing that is waited for.
            Err(_) => std::thread::sleep(interval),
        }
    }
}

/// Asks ten times a second.
pub fn for_condition<T>(what: &str, patience: Duration, condition: impl FnMut() -> Result<T, String>) -> T {
    until(what, patience, Duration::from_millis(100), condition)
}
