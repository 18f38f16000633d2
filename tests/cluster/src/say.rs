//! Lines that are shown also when a test passes: what it measured, its sizes and its seed.

use std::io::Write;

/// Writes one line to standard error. The test runner captures only the print macros.
pub fn line(text: &str) {
    // A closed standard error must not fail a test.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows a formatted line, passing tests too.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::say::line(&format!($($arg)*)) };
}
