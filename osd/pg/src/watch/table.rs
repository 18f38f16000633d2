//! Who is there: the watches of objects that a primary knows of, when each was last heard, and the notifies that wait
//! for them. By the clock of one tenure; what lasts is with the objects.

use crate::event::SessionId;
use bytes::Bytes;
use osd_object::{ObjectId, OpResult, RequestId, Version, WatchId, Watcher, Watchers};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use stdx::Time;
use wire_codec::watch::WatchNews;

/// One that is suspected to be silent is listened for this much longer. A primary that was itself suspended finds the
/// pings of that time in its sockets, and must not judge before it has read them.
const LISTEN: Duration = Duration::from_secs(1);

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    objects: BTreeMap<ObjectId, BTreeMap<WatchId, Live>>,
    pub(crate) notifies: BTreeMap<u64, Notify>,
    numbered: u64,
    /// For each watch and notify one time at which it is looked at; a watch may turn out to have been heard since.
    due: BTreeSet<(Time, Due)>,
    /// Sessions that hear of the end of their watch once a write is certain.
    pub(crate) leaving: VecDeque<Leaving>,
}

#[derive(Debug)]
struct Live {
    session: Option<SessionId>,
    timeout: Duration,
    heard: Time,
    suspected: bool,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Watch(ObjectId, WatchId),
    Notify(u64),
}

/// A watch that ends with the write of this number.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) seq: u64,
    pub(crate) session: SessionId,
    pub(crate) id: WatchId,
}

/// A notify under way.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) object: ObjectId,
    pub(crate) session: SessionId,
    pub(crate) request: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) version: Version,
    /// What the steps before it gave.
    pub(crate) results: Vec<OpResult>,
    pub(crate) at: Time,
    pub(crate) needs: u64,
    pub(crate) waiting: BTreeSet<WatchId>,
    pub(crate) acks: Vec<(WatchId, Bytes)>,
    pub(crate) missed: Vec<WatchId>,
}

impl Notify {
    /// What its watchers hear.
    pub(crate) fn news(&self, number: u64) -> WatchNews {
        WatchNews::Notify { notify: number, notifier: self.request.client, payload: self.payload.clone() }
    }
}

impl Watches {
    /// Whether anything is known of an object's watchers.
    pub(crate) fn knows(&self, object: &ObjectId) -> bool {
        self.objects.contains_key(object)
    }

    /// Takes over what is stored of an object. Who is new to us has the whole of its timeout from now on.
    pub(crate) fn load(&mut self, now: Time, object: &ObjectId, stored: &Watchers) {
        for watcher in stored.all() {
            let known = self.objects.get(object).is_some_and(|live| live.contains_key(&watcher.id));
            if !known {
                self.add(now, object, watcher, None);
            }
        }
    }

    /// Somebody watches, from this session if any, and was heard just now.
    pub(crate) fn add(
        &mut self,
        now: Time,
        object: &ObjectId,
        watcher: &Watcher,
        session: Option<SessionId>,
    ) {
        let live = Live { session, timeout: watcher.timeout(), heard: now, suspected: false };
        let before = self.objects.entry(object.clone()).or_default().insert(watcher.id, live);
        // One that was there has its time in the queue; if that is later than its new timeout, it is looked at late once.
        if before.is_none() {
            self.due.insert((now + watcher.timeout(), Due::Watch(object.clone(), watcher.id)));
        }
    }

    /// A watcher was heard, from a session. False: it is not known.
    pub(crate) fn heard(&mut self, now: Time, object: &ObjectId, id: WatchId, session: SessionId) -> bool {
        let Some(live) = self.objects.get_mut(object).and_then(|live| live.get_mut(&id)) else {
            return false;
        };
        (live.session, live.heard, live.suspected) = (Some(session), now, false);
        true
    }

    /// A session ended: its watchers may come back by another one.
    pub(crate) fn session_gone(&mut self, session: SessionId) {
        for live in self.objects.values_mut().flat_map(BTreeMap::values_mut) {
            live.session = live.session.filter(|s| *s != session);
        }
        self.leaving.retain(|l| l.session != session);
    }

    /// An object's watchers and where each hears.
    pub(crate) fn of(&self, object: &ObjectId) -> Vec<(WatchId, Option<SessionId>)> {
        let live = self.objects.get(object).into_iter().flatten();
        live.map(|(id, live)| (*id, live.session)).collect()
    }

    /// Forgets a watch; gives where it heard.
    pub(crate) fn remove(&mut self, object: &ObjectId, id: WatchId) -> Option<SessionId> {
        let live = self.objects.get_mut(object)?;
        let session = live.remove(&id)?.session;
        if live.is_empty() {
            self.objects.remove(object);
        }
        session
    }

    /// The number for another notify: of this interval, so that no other primary gives the same.
    pub(crate) fn number(&mut self, interval: u64) -> u64 {
        self.numbered += 1;
        (interval << 32) | (self.numbered & 0xffff_ffff)
    }

    /// Looks at something at that time.
    pub(crate) fn look_at(&mut self, at: Time, due: Due) {
        self.due.insert((at, due));
    }

    /// The earliest time at which something is looked at.
    pub(crate) fn timeout(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is due by now: a notify whose time is over, or a watch that was not heard for its timeout and a little more.
    pub(crate) fn next_due(&mut self, now: Time) -> Option<Due> {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, due) = self.due.pop_first()?;
            let Due::Watch(object, id) = &due else { return Some(due) };
            let Some(live) = self.objects.get_mut(object).and_then(|live| live.get_mut(id)) else { continue };
            let end = live.heard + live.timeout;
            if end <= now && live.suspected {
                return Some(due);
            }
            live.suspected = end <= now;
            let again = if live.suspected { now + LISTEN } else { end };
            self.due.insert((again, due));
        }
        None
    }

    /// Watchers of an object that were not heard for their timeout, besides the one that was found due.
    pub(crate) fn silent(&self, now: Time, object: &ObjectId, found: WatchId) -> Vec<WatchId> {
        let live = self.objects.get(object).into_iter().flatten();
        live.filter(|(id, l)| **id == found || (l.suspected && l.heard + l.timeout + LISTEN <= now))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Nobody waits for this watcher any more: notifies that are thereby over.
    pub(crate) fn missed_by(&mut self, object: &ObjectId, id: WatchId) -> Vec<u64> {
        let mut over = Vec::new();
        for (number, notify) in self.notifies.iter_mut().filter(|(_, n)| n.object == *object) {
            if notify.waiting.remove(&id) {
                notify.missed.push(id);
                over.extend(notify.waiting.is_empty().then_some(*number));
            }
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osd_object::ObjectName;
    use placement_map::PoolId;

    fn object() -> ObjectId {
        ObjectId::head(PoolId(1), 5, ObjectName::new("o"))
    }
    fn watcher(cookie: u64, timeout_ms: u32) -> Watcher {
        Watcher { id: WatchId { client: 1, cookie }, timeout_ms, name: String::new() }
    }
    fn at(ms: u64) -> Time {
        Time(ms * 1_000_000)
    }

    #[test]
    fn one_is_silent_only_after_its_timeout_and_a_little_more() {
        let mut w = Watches::default();
        let (a, b) = (watcher(1, 2_000), watcher(2, 9_000));
        w.add(at(0), &object(), &a, Some(SessionId(1)));
        w.add(at(0), &object(), &b, None);
        assert_eq!(w.timeout(), Some(at(2_000)));
        assert!(w.heard(at(1_500), &object(), a.id, SessionId(2)));
        assert_eq!(w.next_due(at(2_000)), None, "heard since");
        assert_eq!(w.timeout(), Some(at(3_500)));
        assert_eq!(w.next_due(at(60_000)), None, "perhaps it was us who slept");
        assert!(w.heard(at(60_100), &object(), b.id, SessionId(3)));
        assert_eq!(w.next_due(at(60_999)), None);
        assert_eq!(w.next_due(at(61_000)), Some(Due::Watch(object(), a.id)));
        assert_eq!(w.silent(at(61_000), &object(), a.id), [a.id]);
        assert_eq!(w.remove(&object(), a.id), Some(SessionId(2)));
        assert_eq!(w.remove(&object(), a.id), None);
        assert_eq!(w.of(&object()), [(b.id, Some(SessionId(3)))]);
        w.session_gone(SessionId(3));
        assert_eq!(w.of(&object()), [(b.id, None)], "it may come back");
        w.remove(&object(), b.id);
        assert!(!w.knows(&object()));
        assert_eq!((w.next_due(at(1 << 30)), w.timeout()), (None, None), "nothing is left to look at");
    }

    #[test]
    fn what_is_stored_gets_its_whole_timeout_and_does_not_disturb_who_is_there() {
        let mut w = Watches::default();
        let mut stored = Watchers::default();
        stored.insert(watcher(1, 2_000)).unwrap();
        w.load(at(5_000), &object(), &stored);
        assert_eq!(w.timeout(), Some(at(7_000)));
        assert!(w.heard(at(6_000), &object(), watcher(1, 0).id, SessionId(1)));
        w.load(at(6_500), &object(), &stored);
        assert_eq!(w.of(&object()), [(watcher(1, 0).id, Some(SessionId(1)))]);
        assert!(!w.heard(at(6_000), &object(), watcher(9, 0).id, SessionId(1)), "a stranger");
        assert_ne!(w.number(1), w.number(1));
        assert_ne!(Watches::default().number(1), Watches::default().number(2));
    }
}
