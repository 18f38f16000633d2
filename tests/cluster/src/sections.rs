//! Several checks on one running cluster: each runs even when another failed, and all failures are told.

use crate::settings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The checks of one test.
#[derive(Default)]
pub struct Sections {
    failed: Vec<String>,
    ran: usize,
}

impl Sections {
    /// Nothing has run.
    pub fn new() -> Sections {
        Sections::default()
    }

    /// Runs one check, unless NACRE_TEST_ONLY names others.
    pub fn run(&mut self, name: &str, check: impl FnOnce()) {
        if settings::only().is_some_and(|only| !name.contains(&only)) {
            return;
        }
        let begin = Instant::now();
        // A check that fails may leave its own things half done; nothing of them is used by the others.
        let result = catch_unwind(AssertUnwindSafe(check));
        let took = begin.elapsed().as_secs_f64();
        self.ran += 1;
        match result {
            Ok(()) => crate::say!("  ok    {name} ({took:.1} s)"),
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
                    .unwrap_or_default();
                crate::say!("  FAIL  {name} ({took:.1} s): {text}");
                self.failed.push(format!("{name}: {text}"));
            }
        }
    }

    /// Panics if a check failed.
    pub fn finish(self) {
        let failed = self.failed.len();
        assert!(failed == 0, "{failed} of {} checks failed:\n- {}", self.ran, self.failed.join("\n- "));
    }
}
