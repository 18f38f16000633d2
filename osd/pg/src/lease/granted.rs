//! The promise that a member gave: what it must wait out when it becomes primary.

use placement_map::OsdId;
use std::time::Duration;
use stdx::Time;

/// The promise a member is bound by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Granted {
    /// To whom; unknown after a restart.
    to: Option<OsdId>,
    until: Time,
}

/// What a member promised of a PG, to be kept by those that the PG is divided into.
#[derive(Clone, Debug)]
pub struct Promise(pub(crate) Granted);

impl PartialEq for Promise {
    fn eq(&self, other: &Promise) -> bool {
        (self.0.to, self.0.until) == (other.0.to, other.0.until)
    }
}

/// A grantor's clock may run faster than the primary's by this fraction before a lease outlives its promise:
/// one part in 16, against the 10^-4 of bad quartz.
const SLACK: u32 = 16;

impl Granted {
    /// After a restart nobody remembers; so as if it had been granted in the last moment before.
    pub(crate) fn unknown(now: Time, lease: Duration) -> Granted {
        Granted { to: None, until: now + lease + lease / SLACK }
    }
    /// Promises a lease from now on.
    pub(crate) fn grant(&mut self, now: Time, to: OsdId, lease: Duration) {
        self.until = self.until.max(now + lease + lease / SLACK);
        self.to = Some(to);
    }
    /// The holder itself said that it stopped, so it needs no waiting for.
    pub(crate) fn stopped(&mut self, osd: OsdId) {
        if self.to == Some(osd) {
            self.until = Time::ZERO;
        }
    }
    /// When a new primary may serve, given that its own lease binds nobody.
    pub(crate) fn wait_until(&self, me: OsdId) -> Time {
        if self.to == Some(me) { Time::ZERO } else { self.until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_only_grow_and_end_when_the_holder_stops() {
        let lease = Duration::from_secs(1);
        let mut g = Granted::default();
        assert_eq!(g.wait_until(OsdId(9)), Time::ZERO, "no promise was ever given");
        g.grant(Time::ZERO + lease, OsdId(1), lease);
        assert!(g.wait_until(OsdId(9)) > Time::ZERO + 2 * lease);
        let before = g.wait_until(OsdId(9));
        g.grant(Time::ZERO, OsdId(1), lease);
        assert_eq!(g.wait_until(OsdId(9)), before);
        g.stopped(OsdId(2));
        assert_eq!(g.wait_until(OsdId(9)), before, "another one's stopping frees nothing");
        assert_eq!(g.wait_until(OsdId(1)), Time::ZERO);
        g.stopped(OsdId(1));
        assert_eq!(g.wait_until(OsdId(9)), Time::ZERO);
        let g = Granted::unknown(Time::ZERO, lease);
        assert!(g.wait_until(OsdId(1)) > Time::ZERO + lease, "after a restart even oneself is waited for");
    }
}
