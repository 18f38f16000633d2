//! How long a body is waited for: a client that sends next to nothing is not let hold its connection for ever.

use std::time::Duration;

/// Waited without a byte, at most.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// What a body may take besides the time for its bytes.
const GRACE: Duration = Duration::from_secs(60);
/// The slowest that a body may come in the long run. (Apache's default for bodies is the same.)
const BYTES_PER_SECOND_MIN: u64 = 500;

/// What one body has left. Only the time counts in which the client was waited for: what the cluster takes is not the
/// client's doing.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    waited: Duration,
    received: u64,
}

impl Patience {
    /// How long to wait for the next bytes.
    pub(crate) fn left(&self) -> Duration {
        let earned = Duration::from_secs(self.received / BYTES_PER_SECOND_MIN);
        (GRACE + earned).saturating_sub(self.waited).min(SILENCE_MAX)
    }
    /// It was waited for.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }
    /// So many bytes came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_a_byte_a_second_is_done_with_after_a_minute() {
        let mut patience = Patience::default();
        let mut seconds = 0;
        while !patience.left().is_zero() {
            patience.waited(Duration::from_secs(1));
            patience.received(1);
            seconds += 1;
        }
        assert_eq!(seconds, 60);
    }

    #[test]
    fn who_sends_slowly_but_steadily_is_never_hurried() {
        let mut patience = Patience::default();
        for _ in 0..100_000 {
            patience.waited(Duration::from_secs(2));
            assert!(patience.left() > Duration::from_secs(50));
            patience.received(1000);
        }
        assert_eq!(patience.left(), Duration::from_secs(60));
        patience.waited(Duration::from_secs(60));
        assert_eq!(patience.left(), Duration::ZERO);
    }

    #[test]
    fn whoever_has_sent_much_may_still_not_fall_silent() {
        let mut patience = Patience::default();
        patience.received(1 << 30);
        assert_eq!(patience.left(), SILENCE_MAX);
    }
}
