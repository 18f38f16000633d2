//! How long garbage is kept and how often it is looked for. Both may change while the gateway runs; while the
//! cluster has no space for writes, both are short: what was deleted has to make room.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// While space is short, garbage is kept for at most so long. A GET that is still on it then breaks off, and its
/// client asks again; that nobody can write is worse.
const SHORT_DELAY: Duration = Duration::from_secs(30);
/// While space is short, garbage is looked for at least so often.
const SHORT_EVERY: Duration = Duration::from_secs(5);
/// Space counts as short for so long after a write that found none: other places may have some, so that a write
/// which succeeds proves nothing.
const SHORT_FOR: Duration = Duration::from_secs(600);
/// An interval of nothing would be a busy loop.
const EVERY_MIN: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    delay: Duration,
    every: Duration,
    space_short_until: Option<Instant>,
}

impl State {
    fn space_is_short(&self, now: Instant) -> bool {
        self.space_short_until.is_some_and(|until| now < until)
    }
    fn ahead(&self, now: Instant) -> Duration {
        if self.space_is_short(now) { self.delay.saturating_sub(SHORT_DELAY) } else { Duration::ZERO }
    }
    fn every(&self, now: Instant) -> Duration {
        let every = if self.space_is_short(now) { self.every.min(SHORT_EVERY) } else { self.every };
        every.max(EVERY_MIN)
    }
}

/// The pace of the collection of garbage.
pub(crate) struct Pace {
    state: watch::Sender<State>,
}

impl Pace {
    pub(crate) fn new(delay: Duration, every: Duration) -> Pace {
        Pace { state: watch::Sender::new(State { delay, every, space_short_until: None }) }
    }

    /// New settings, from now on.
    pub(crate) fn set(&self, delay: Duration, every: Duration) {
        self.state.send_if_modified(|s| {
            let new = State { delay, every, ..*s };
            std::mem::replace(s, new) != new
        });
    }

    /// A write found no space.
    pub(crate) fn space_is_short(&self) {
        self.state.send_if_modified(|s| {
            let now = Instant::now();
            let news = !s.space_is_short(now);
            s.space_short_until = Some(now + SHORT_FOR);
            if news {
                tracing::warn!(
                    "the cluster is full; what was deleted is freed {SHORT_DELAY:?} after, at the latest"
                );
            }
            news
        });
    }

    /// New garbage is kept for so long.
    pub(crate) fn delay(&self) -> Duration {
        self.state.borrow().delay
    }

    /// Garbage that is due within this time is freed already: nothing, but while space is short.
    pub(crate) fn ahead(&self) -> Duration {
        self.state.borrow().ahead(Instant::now())
    }

    /// How often garbage is looked for.
    pub(crate) fn every(&self) -> Duration {
        self.state.borrow().every(Instant::now())
    }

    /// Waits for the next round, where the last one ended at `last`.
    pub(crate) async fn next_round(&self, last: Instant) {
        let mut states = self.state.subscribe();
        loop {
            let due = last + states.borrow_and_update().every(Instant::now());
            tokio::select! {
                () = sleep_until(due) => return,
                // The sender is ours: it does not go away before we do.
                _ = states.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn new_settings_count_for_the_round_that_is_waited_for() {
        let pace = Pace::new(HOUR, HOUR);
        let second = Duration::from_secs(1);
        // Without the change this waits for an hour.
        tokio::join!(pace.next_round(Instant::now()), async { pace.set(second, Duration::ZERO) });
        assert_eq!((pace.delay(), pace.every()), (second, EVERY_MIN));
    }

    #[test]
    fn while_space_is_short_garbage_goes_early_and_often() {
        let pace = Pace::new(HOUR, HOUR);
        let state = || *pace.state.borrow();
        let now = Instant::now();
        assert_eq!((state().ahead(now), state().every(now)), (Duration::ZERO, HOUR));
        pace.space_is_short();
        assert_eq!((state().ahead(now), state().every(now)), (HOUR - SHORT_DELAY, SHORT_EVERY));
        let later = Instant::now() + SHORT_FOR;
        assert_eq!((state().ahead(later), state().every(later)), (Duration::ZERO, HOUR));
        pace.set(Duration::from_secs(3), HOUR);
        assert_eq!(state().ahead(now), Duration::ZERO, "kept for less than that anyway");
        assert_eq!(state().every(now), SHORT_EVERY, "new settings do not make space");
    }
}
