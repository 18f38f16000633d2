//! The clock of this process, read above the waterline and handed down as values.

use std::time::{Duration, Instant};
use stdx::Time;

/// This process's monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins a day after its origin, so that "long ago" can be told from "never".
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + DAY + self.origin.elapsed()
    }

    /// When `time` is, for a timer.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        (self.origin + time.since(Time::ZERO + DAY)).into()
    }
}

const DAY: Duration = Duration::from_secs(86_400);
