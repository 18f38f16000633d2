//! How fast chunks are coded, each kernel beside ISA-L on the same buffers in the same run, on one core.
//!
//! `cargo xtask bench erasure [--against isal] [--json FILE] [--kernel NAME] [WORD]...`: only cases with all the words. ISA-L is Debian's
//! `libisal2`, opened at run time; without it there are our own figures alone. GB/s are 10^9 bytes of data (encode: all
//! data chunks; decode: all sources; update: the changed chunk) a second.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a measurement needs a clock and says what it found"
)]

mod isal;
mod report;
mod work;

use erasure::{Code, Kernel};
use report::Report;
use work::{Task, Work};

const KIB: usize = 1 << 10;
/// Beyond every cache, so that each stripe comes from memory.
const COLD_BYTES: usize = 768 << 20;

fn main() {
    let mut report = Report::from_arguments(std::env::args().skip(1));
    let isal = isal::Isal::open();
    if isal.is_none() {
        eprintln!("libisal.so.2 is not there (Debian: apt install libisal2): no peer");
    }
    for (k, m) in [(4, 2), (8, 3), (10, 4), (12, 4)] {
        for chunk in [16 * KIB, 64 * KIB, 1024 * KIB] {
            let best = Kernel::best();
            for kernel in Kernel::all() {
                for task in Task::ALL {
                    let case = format!("{task} {k}+{m} {} KiB {}", chunk / KIB, kernel.kind());
                    if report.wants(&case) {
                        let mut work = Work::new(code(k, m, kernel), chunk, 1, isal.as_ref());
                        report.row(&case, work.measure(task), kernel == best);
                    }
                }
            }
            let stripes = COLD_BYTES / ((k + m) * chunk);
            for task in [Task::Encode, Task::EncodeSummed, Task::Decode(1)] {
                let case = format!("{task} {k}+{m} {} KiB {} cold", chunk / KIB, best.kind());
                if chunk > 16 * KIB && report.wants(&case) {
                    let mut work = Work::new(code(k, m, best), chunk, stripes, isal.as_ref());
                    report.row(&case, work.measure(task), true);
                }
            }
        }
    }
    report.end();
}

fn code(k: usize, m: usize, kernel: Kernel) -> Code {
    let profile = erasure::Profile::isa(k, m).expect("a profile of ours");
    Code::new(profile).with_kernel(kernel)
}
