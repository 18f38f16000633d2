//! The clock of this process, read above the waterline and handed down as values.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use stdx::Time;

/// This process's monotonic clock. It goes on while the machine is suspended: a lease that a primary holds ends
/// meanwhile for those who granted it, so it must end for the primary too.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Since the machine's start.
    origin: Duration,
}

impl Clock {
    /// A clock that begins a day after its origin, so that "long ago" can be told from "never".
    pub(crate) fn start() -> Clock {
        Clock { origin: since_boot() }
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + DAY + since_boot().saturating_sub(self.origin)
    }

    /// When `time` is, for a timer.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        tokio::time::Instant::now() + time.since(self.now())
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Time since the machine's start, suspension included (`CLOCK_BOOTTIME`).
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    // Neither is negative: the kernel counts up from zero.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_a_day_and_counts_what_the_machine_slept() {
        let clock = Clock::start();
        let (a, b) = (clock.now(), clock.now());
        assert!(a >= Time::ZERO + DAY && b >= a && b.since(a) < DAY);
        // A machine that slept since its start shows it by the difference of the two clocks.
        let awake = clock_gettime(ClockId::Monotonic);
        assert!(since_boot() >= Duration::new(awake.tv_sec.unsigned_abs(), 0));
        assert_eq!(clock.instant(Time::ZERO).checked_duration_since(tokio::time::Instant::now()), None);
    }
}
