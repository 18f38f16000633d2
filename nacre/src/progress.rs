//! A line on a terminal that says how far something is. Nothing is printed where nobody looks.

use crate::size;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// The line, on standard error; gone with this value.
pub(crate) struct Progress {
    what: String,
    shown: bool,
    begun: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// `what`: the verb, as "exporting rbd/vm".
    pub(crate) fn new(what: impl Into<String>) -> Progress {
        let shown = std::io::stderr().is_terminal();
        Progress { what: what.into(), shown, begun: Instant::now(), last: None }
    }

    /// Bytes done, and bytes in all (0: not known).
    pub(crate) fn tell(&mut self, done: u64, all: u64) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let line = line(&self.what, done, all, self.begun.elapsed());
        // A terminal that went away must not end the work.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, all: u64, took: Duration) -> String {
    let speed = (done as f64 / took.as_secs_f64().max(0.001)) as u64;
    let speed = size::show(speed);
    if all == 0 {
        return format!("{what}: {}, {speed}/s", size::show(done));
    }
    let percent = (u128::from(done) * 100 / u128::from(all)).min(100);
    let filled = (percent / 5) as usize;
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(20 - filled));
    format!("{what}: [{bar}] {percent} % of {}, {speed}/s", size::show(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_fast() {
        let second = Duration::from_secs(1);
        let text = line("exporting a", 5 << 20, 10 << 20, second);
        assert_eq!(text, "exporting a: [##########..........] 50 % of 10.0 MiB, 5.0 MiB/s");
        assert_eq!(line("importing a", 2048, 0, second), "importing a: 2.0 KiB, 2.0 KiB/s");
        assert!(line("x", 9, 3, second).contains("100 %"));
    }
}
