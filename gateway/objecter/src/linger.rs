//! Watches that are kept up: when each says that it is there, and what it has heard.

use crate::group::Aim;
use crate::objecter::{Outcome, Ticket};
use crate::target::{Request, Target};
use osd_object::{ObjectName, Op, SnapContext, WatchId};
use placement_map::{OsdId, PoolId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Errno, Time};
use wire_codec::watch::WatchNews;

/// How often a watch says within its timeout that it is there: some of it may be lost with a link or a primary.
pub const PINGS_PER_TIMEOUT: u32 = 4;
/// Notifies remembered, so that each is told once.
const TOLD_MAX: usize = 64;

/// A watch that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The object's pool.
    pub pool: PoolId,
    /// The object.
    pub name: ObjectName,
    /// Names the watch within this client.
    pub cookie: u64,
    /// As the watch was made with.
    pub timeout: Duration,
}

#[derive(Debug)]
struct Linger {
    watch: Watch,
    /// Whom it was known to by the last map.
    aim: Option<Aim>,
    /// The ping under way; while there is one, the PG's group sends it again as needed.
    ping: Option<Ticket>,
    ping_at: Time,
    told: VecDeque<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Lingers {
    all: BTreeMap<u64, Linger>,
    pings: BTreeMap<Ticket, u64>,
}

impl Lingers {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A watch was made. It pings at once: what was told before its caller listened is told again then.
    pub(crate) fn add(&mut self, watch: Watch, aim: Option<Aim>) {
        let cookie = watch.cookie;
        let linger = Linger { watch, aim, ping: None, ping_at: Time::ZERO, told: VecDeque::new() };
        self.all.insert(cookie, linger);
    }

    pub(crate) fn remove(&mut self, cookie: u64) {
        // A ping under way stays known, so that its answer is nobody's.
        self.all.remove(&cookie);
    }

    /// Whether its caller has not heard that yet.
    pub(crate) fn is_news(&mut self, cookie: u64, news: &WatchNews) -> bool {
        let Some(linger) = self.all.get_mut(&cookie) else { return false };
        let WatchNews::Notify { notify, .. } = news else { return true };
        if linger.told.contains(notify) {
            return false;
        }
        if linger.told.len() == TOLD_MAX {
            linger.told.pop_front();
        }
        linger.told.push_back(*notify);
        true
    }

    pub(crate) fn names(&self) -> Vec<(u64, PoolId, ObjectName)> {
        self.all.iter().map(|(cookie, l)| (*cookie, l.watch.pool, l.watch.name.clone())).collect()
    }

    /// By a new map, this is whom the watch should be known to.
    pub(crate) fn follow(&mut self, cookie: u64, aim: Option<Aim>) {
        if let Some(linger) = self.all.get_mut(&cookie).filter(|l| l.aim != aim) {
            linger.aim = aim;
            linger.ping_at = Time::ZERO;
        }
    }

    /// The session to an OSD broke: who is known there says by the next one that he is there.
    pub(crate) fn lost(&mut self, osd: OsdId) {
        for linger in self.all.values_mut().filter(|l| l.aim.is_some_and(|aim| aim.osd == osd)) {
            linger.ping_at = Time::ZERO;
        }
    }

    /// When the next ping is due.
    pub(crate) fn timeout(&self) -> Option<Time> {
        self.all.values().filter(|l| l.ping.is_none()).map(|l| l.ping_at).min()
    }

    /// The pings that are due now.
    pub(crate) fn due(&mut self, now: Time, client: u64) -> Vec<(u64, Request)> {
        let due = self.all.iter_mut().filter(|(_, l)| l.ping.is_none() && l.ping_at <= now);
        due.map(|(cookie, linger)| {
            linger.ping_at = now + linger.watch.timeout / PINGS_PER_TIMEOUT;
            let id = WatchId { client, cookie: *cookie };
            let target = Target::Object { name: linger.watch.name.clone(), ops: vec![Op::WatchPing { id }] };
            let snaps = SnapContext::default();
            let (pool, mtime) = (linger.watch.pool, WallTime(0));
            (*cookie, Request { pool, target, mtime, snaps, deadline: None })
        })
        .collect()
    }

    /// A ping went out.
    pub(crate) fn sent(&mut self, cookie: u64, ticket: Ticket) {
        if let Some(linger) = self.all.get_mut(&cookie) {
            linger.ping = Some(ticket);
            self.pings.insert(ticket, cookie);
        }
    }

    /// If that was a ping: the watch that is thereby known to be gone, if it is.
    pub(crate) fn answered(&mut self, ticket: Ticket, outcome: &Outcome) -> Option<Option<u64>> {
        let cookie = self.pings.remove(&ticket)?;
        let Some(linger) = self.all.get_mut(&cookie) else { return Some(None) };
        linger.ping = None;
        let code = match outcome {
            Outcome::Done { outcome: Err(failure), .. } => Some(failure.code),
            Outcome::Failed(code) => Some(*code),
            Outcome::Done { .. } | Outcome::Listed { .. } => None,
        };
        // Anything else, as a store that cannot be read, may be better the next time.
        let gone = matches!(code, Some(Errno::ENOTCONN | Errno::ENOENT));
        if gone {
            self.all.remove(&cookie);
        }
        Some(gone.then_some(cookie))
    }
}

#[cfg(test)]
#[path = "linger_test.rs"]
mod tests;
