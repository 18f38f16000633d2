//! The one link to a monitor that an OSD keeps: which monitor, and what is said on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use stdx::Time;
use wire_codec::{Message, MonMessage};
use wire_transport::{Frame, PeerName, Sessions};

/// How often a boot is said again until the map shows it.
const BOOT_AGAIN: Duration = Duration::from_secs(1);
/// A monitor that said nothing for so long is asked whether it is there.
const QUIET: Duration = Duration::from_secs(1);
/// A monitor that does not answer for so long hangs, though its link stands: another one is needed while this
/// OSD's beacons still count as recent (`mon_osd_beacon_grace`, 6 s).
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The monitors, and the link to one of them.
pub(crate) struct Monitors {
    known: Vec<(PeerName, SocketAddr)>,
    current: usize,
    boot_said: Option<Time>,
    next_id: u64,
    /// When the current one said anything; none before its link stands.
    heard: Option<Time>,
}

impl Monitors {
    /// Aims at one of them; `salt` spreads the OSDs over them.
    pub(crate) fn aim(known: Vec<(PeerName, SocketAddr)>, salt: usize, sessions: &mut Sessions) -> Monitors {
        assert!(!known.is_empty(), "a cluster has monitors");
        let current = salt % known.len();
        sessions.aim(&known[current].0, known[current].1);
        Monitors { known, current, boot_said: None, next_id: 1, heard: None }
    }

    /// Whether `peer` is the monitor that is talked to.
    pub(crate) fn is_current(&self, peer: &PeerName) -> bool {
        self.known[self.current].0 == *peer
    }

    /// The monitors are these from now on. If the one that is talked to is none of them any more, another one is.
    pub(crate) fn follow(&mut self, map: &BTreeMap<String, SocketAddr>, sessions: &mut Sessions) {
        let known: Vec<(PeerName, SocketAddr)> =
            map.iter().filter_map(|(name, addr)| Some((name.parse().ok()?, *addr))).collect();
        if known.is_empty() || known == self.known {
            return;
        }
        let current = self.known[self.current].clone();
        self.known = known;
        match self.known.iter().position(|monitor| *monitor == current) {
            Some(at) => self.current = at,
            None => {
                sessions.forget(&current.0);
                self.current %= self.known.len();
                sessions.aim(&self.known[self.current].0, self.known[self.current].1);
                (self.boot_said, self.heard) = (None, None);
            }
        }
    }

    /// The current one cannot be reached: on to the next.
    pub(crate) fn next(&mut self, sessions: &mut Sessions) {
        if self.known.len() > 1 {
            sessions.forget(&self.known[self.current].0);
            self.current = (self.current + 1) % self.known.len();
            sessions.aim(&self.known[self.current].0, self.known[self.current].1);
        }
        self.boot_said = None;
        self.heard = None;
    }

    /// A link exists again: what was said on the old one may be lost.
    pub(crate) fn relinked(&mut self, now: Time) {
        self.boot_said = None;
        self.heard = Some(now);
    }

    /// The current one said something.
    pub(crate) fn heard(&mut self, now: Time) {
        self.heard = Some(now);
    }

    /// Asks a quiet monitor whether it is there, and leaves one that does not answer for another. With one
    /// monitor there is no other, and it may take its time.
    pub(crate) fn watch(&mut self, now: Time, sessions: &mut Sessions) {
        let Some(quiet) = self.heard.filter(|_| self.known.len() > 1).map(|at| now.since(at)) else { return };
        if quiet >= SILENCE_MAX {
            tracing::warn!(monitor = %self.known[self.current].0, "a monitor does not answer; trying another");
            self.next(sessions);
        } else if quiet >= QUIET {
            let frame = Frame::of(&Message::Ping { stamp: now.0 }).expect("a ping is small");
            if let Err(error) = sessions.try_send(&self.known[self.current].0, frame) {
                tracing::debug!(%error, "not asked now");
            }
        }
    }

    /// Sends, if there is a link. Whatever matters is said again when there is one.
    pub(crate) fn send(&self, sessions: &Sessions, message: MonMessage) {
        let frame = Frame::of(&Message::Mon(message)).expect("what an OSD tells a monitor is small");
        if let Err(error) = sessions.try_send(&self.known[self.current].0, frame) {
            tracing::debug!(%error, "not said to the monitor now");
        }
    }

    /// A fresh number for a command.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether it is time to say the boot (again).
    pub(crate) fn boot_due(&mut self, now: Time) -> bool {
        let due = self.boot_said.is_none_or(|at| now.since(at) >= BOOT_AGAIN);
        if due {
            self.boot_said = Some(now);
        }
        due
    }
}
