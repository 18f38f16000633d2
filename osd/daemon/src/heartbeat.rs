//! Who of our peers is alive: pings out, reports of silence to the monitors. Decides; sends nothing.

use placement_map::OsdId;
use std::collections::BTreeMap;
use std::time::Duration;
use stdx::Time;

/// How often a quiet peer is pinged.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(500);
/// No look for so long: this process did not run.
const STOOD_STILL: Duration = Duration::from_secs(2);
/// How often a report is repeated while the map still calls the peer up.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What the monitors should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Who does not answer.
    pub target: OsdId,
    /// Its address refuses connections: the process is gone, not slow.
    pub refused: bool,
}

#[derive(Debug)]
struct Peer {
    heard: Time,
    pinged: Time,
    refused: bool,
    reported: Option<Time>,
}

/// The liveness of all peers of one OSD.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    peers: BTreeMap<OsdId, Peer>,
    /// When this OSD last looked.
    looked: Option<Time>,
}

impl Heartbeats {
    /// Watches exactly these peers from here on. A new one starts as just heard.
    pub(crate) fn watch(&mut self, now: Time, peers: impl IntoIterator<Item = OsdId>) {
        let mut old = std::mem::take(&mut self.peers);
        for id in peers {
            let fresh = Peer { heard: now, pinged: Time::ZERO, refused: false, reported: None };
            self.peers.insert(id, old.remove(&id).unwrap_or(fresh));
        }
    }

    /// A peer came back as a new incarnation: what was held against the old one is void.
    pub(crate) fn reset(&mut self, now: Time, peer: OsdId) {
        if let Some(p) = self.peers.get_mut(&peer) {
            *p = Peer { heard: now, pinged: Time::ZERO, refused: false, reported: None };
        }
    }

    /// Anything came from a peer. True: it had been reported, and the report is to be withdrawn.
    pub(crate) fn heard(&mut self, now: Time, peer: OsdId) -> bool {
        let Some(p) = self.peers.get_mut(&peer) else { return false };
        p.heard = now;
        p.refused = false;
        p.reported.take().is_some()
    }

    /// The session to a peer was lost and its address refuses a new one.
    pub(crate) fn refused(&mut self, peer: OsdId) {
        if let Some(p) = self.peers.get_mut(&peer) {
            p.refused = true;
        }
    }

    /// This OSD looks, which it does every ping interval. If it did not for long, it stood still itself (a paused or
    /// suspended machine), and what peers sent waits unread: that time is nobody's silence.
    pub(crate) fn look(&mut self, now: Time) {
        let gap = self.looked.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        if gap > STOOD_STILL {
            tracing::warn!(?gap, "this OSD stood still; its peers' silence is not counted for that time");
            for p in self.peers.values_mut() {
                p.heard = (p.heard + gap).min(now);
            }
        }
    }

    /// Whom to ping and what to report now.
    /// A peer is reported after `grace` of silence (`osd_heartbeat_grace`).
    pub(crate) fn due(&mut self, now: Time, grace: Duration) -> (Vec<OsdId>, Vec<Report>) {
        let (mut pings, mut reports) = (Vec::new(), Vec::new());
        for (id, p) in &mut self.peers {
            if now.since(p.pinged) >= PING_INTERVAL {
                p.pinged = now;
                pings.push(*id);
            }
            let silent = p.refused || now.since(p.heard) >= grace;
            if silent && p.reported.is_none_or(|at| now.since(at) >= REPORT_INTERVAL) {
                p.reported = Some(now);
                reports.push(Report { target: *id, refused: p.refused });
            }
        }
        (pings, reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(4);

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(10_000 + ms)
    }

    #[test]
    fn silence_is_reported_after_the_grace_and_again_until_it_ends() {
        let mut h = Heartbeats::default();
        let peer = OsdId(1);
        h.watch(at(0), [peer]);
        assert_eq!(h.due(at(0), GRACE), (vec![peer], vec![]));
        assert_eq!(h.due(at(100), GRACE), (vec![], vec![]));
        assert_eq!(h.due(at(3999), GRACE).1, vec![]);
        let report = Report { target: peer, refused: false };
        assert_eq!(h.due(at(4000), GRACE).1, vec![report]);
        assert_eq!(h.due(at(4500), GRACE).1, vec![], "not every time");
        assert_eq!(h.due(at(5000), GRACE).1, vec![report]);
        assert!(h.heard(at(5001), peer), "the report is withdrawn");
        assert!(!h.heard(at(5002), peer));
        assert_eq!(h.due(at(5600), GRACE).1, vec![]);
    }

    #[test]
    fn a_refused_connection_is_reported_at_once_and_forgotten_with_the_new_incarnation() {
        let mut h = Heartbeats::default();
        h.watch(at(0), [OsdId(1), OsdId(2)]);
        h.refused(OsdId(2));
        assert_eq!(h.due(at(1), GRACE).1, vec![Report { target: OsdId(2), refused: true }]);
        h.reset(at(2), OsdId(2));
        assert_eq!(h.due(at(3), GRACE).1, vec![]);
        h.watch(at(4), [OsdId(1)]);
        h.refused(OsdId(2));
        assert_eq!(h.due(at(5), GRACE).1, vec![], "nobody's peer any more");
    }

    #[test]
    fn an_osd_that_stood_still_reports_nobody_for_it() {
        let mut h = Heartbeats::default();
        h.watch(at(0), [OsdId(1)]);
        h.look(at(0));
        h.look(at(1000));
        h.look(at(100_000));
        assert_eq!(h.due(at(100_000), GRACE).1, vec![], "its pongs may be waiting");
        h.look(at(101_000));
        h.look(at(102_900));
        assert_eq!(h.due(at(102_900), GRACE).1, vec![]);
        h.look(at(103_100));
        assert_eq!(h.due(at(103_100), GRACE).1.len(), 1, "silent for a second before and three behind");
    }
}
