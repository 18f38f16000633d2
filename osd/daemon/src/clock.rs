//! The clocks of this process, read above the waterline and handed down as values.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stdx::Time;
use stdx::time::WallTime;

/// This process's monotonic clock.
#[derive(Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins a day after its origin, so that "long ago" can be told from "never".
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Time {
        Time::ZERO + DAY + self.origin.elapsed()
    }

    /// When `time` is, for a timer.
    pub fn instant(&self, time: Time) -> tokio::time::Instant {
        (self.origin + time.since(Time::ZERO + DAY)).into()
    }

    /// The time of day.
    pub fn wall() -> WallTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

const DAY: Duration = Duration::from_secs(86_400);
