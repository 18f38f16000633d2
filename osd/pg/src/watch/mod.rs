//! Watch and notify: clients that hear of an object, through failovers.
//!
//! A watch lasts with its object, as an attribute that is written as any other. Whether the watcher is there is the
//! primary's to judge, by its own clock: a watcher says so every few seconds (`Op::WatchPing`, which a client's objecter
//! also sends at once to a new primary), and one that is silent for longer than its timeout is dropped by a write of the
//! PG's own. A new primary meets the watchers of an object when somebody first speaks of watching it, and gives each
//! the whole of its timeout from then on, so that nobody loses a watch to a failover.
//!
//! A notify waits for every watcher that there was when it came; whoever is dropped, or has not answered when its time
//! is over, is told to the notifier as having missed it. It is told again to a watcher that pings while it has not
//! answered: so it survives a lost session, and a watcher may hear it twice under one number. When the primary changes, the notifier's
//! objecter asks the next one anew, under another number.

mod table;

pub(crate) use table::{Due, Leaving, Notify, Watches};

use crate::effect::Effect;
use crate::event::SessionId;
use crate::machine::Pg;
use crate::ops::Queued;
use crate::ops::replies::Pending;
use bytes::Bytes;
use osd_class::{Executed, watch};
use osd_object::op::OpFailure;
use osd_object::{
    Mutation, Notified, ObjectId, ObjectRead, Op, OpResult, RequestId, SnapId, Transaction, Version, WatchId,
};
use std::time::Duration;
use stdx::Errno;
use wire_codec::watch::{WatchEvent, WatchNews};
use wire_codec::{OpTarget, OsdOutcome};

/// Notifies under way in one PG. Each may hold `NOTIFY_BYTES_MAX` and what all watchers of an object answer.
const NOTIFIES_MAX: usize = 16;

/// What a write does to the watches of its object.
#[derive(Debug)]
pub(crate) struct Change {
    /// The object went, perhaps to be made anew.
    removed: bool,
    steps: Vec<Op>,
}

fn is_about_watching(op: &Op) -> bool {
    matches!(op, Op::Watch { .. } | Op::Unwatch { .. } | Op::ListWatchers) || speaks(op)
}

/// Whether a step is carried out by the PG itself when it answers.
fn speaks(op: &Op) -> bool {
    matches!(op, Op::WatchPing { .. } | Op::Notify { .. } | Op::NotifyAck { .. })
}

/// Whether the steps change nothing but who watches, so that the object keeps its time.
pub(crate) fn keeps_mtime(ops: &[Op]) -> bool {
    let only = |op: &Op| matches!(op, Op::Watch { .. } | Op::Unwatch { .. }) || is_guard(op);
    ops.iter().all(only)
}

fn is_guard(op: &Op) -> bool {
    use Op::{AssertExists, AssertSnapsKnown, AssertVersion, CmpOmap, CmpXattr};
    matches!(op, AssertExists | AssertVersion { .. } | CmpXattr { .. } | CmpOmap { .. } | AssertSnapsKnown)
}

impl Pg {
    /// Whether what an operation says of watching makes sense: of its own watches, of a live object, in a pool of copies.
    pub(crate) fn fits_watching(&self, of: RequestId, object: &ObjectId, ops: &[Op]) -> Result<(), Errno> {
        if !ops.iter().any(is_about_watching) {
            return Ok(());
        }
        if self.shape.is_some() {
            return Err(Errno::EOPNOTSUPP);
        }
        let others = |op: &Op| match op {
            Op::Watch { watcher } => watcher.id.client != of.client,
            Op::Unwatch { id } | Op::WatchPing { id } | Op::NotifyAck { id, .. } => id.client != of.client,
            _ => false,
        };
        let last = ops.len() - 1;
        let alone = ops.iter().take(last).all(is_guard) && speaks(&ops[last]);
        let rolls = ops.iter().any(|op| matches!(op, Op::Rollback { .. }));
        if object.snap != SnapId::HEAD
            || ops.iter().any(others)
            || (ops.iter().any(speaks) && !alone)
            || rolls
        {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// An operation that only reads was executed. If it is a notify that has to wait for its watchers, it is kept, and
    /// none is given back; all others are to be answered now.
    pub(crate) fn read_of_watching(
        &mut self,
        queued: Queued,
        object: &ObjectId,
        executed: &mut Executed,
        view: &dyn ObjectRead,
    ) -> Option<Queued> {
        let OpTarget::Object { ops, .. } = &queued.op.target else { return Some(queued) };
        let Some(op) = ops.last().filter(|op| is_about_watching(op)) else { return Some(queued) };
        if executed.outcome.is_err() {
            return Some(queued);
        }
        match op {
            Op::WatchPing { id } => self.watcher_heard(queued.session, object, *id, view),
            Op::NotifyAck { notify, id, reply } => {
                self.notify_acked(queued.session, object, *notify, *id, reply.clone());
            }
            Op::ListWatchers => self.load_watchers(object, view),
            Op::Notify { .. } => return self.notify(queued, object, executed, view),
            _ => {}
        }
        Some(queued)
    }

    /// A replay was answered from the log: if it watches, its sender has to be heard all the same, as it may come from a
    /// new session, or to a new primary.
    pub(crate) fn replay_of_watching(&mut self, queued: &Queued, object: &ObjectId, view: &dyn ObjectRead) {
        let OpTarget::Object { ops, .. } = &queued.op.target else { return };
        for op in ops {
            if let Op::Watch { watcher } = op
                && watcher.id.client == queued.op.request.client
            {
                self.watcher_heard(queued.session, object, watcher.id, view);
            }
        }
    }

    fn load_watchers(&mut self, object: &ObjectId, view: &dyn ObjectRead) {
        let now = self.now;
        // What cannot be read was answered with EIO before.
        let Ok(stored) = watch::stored(view, object) else { return };
        if let Some(p) = self.primary.as_mut() {
            p.watches.load(now, object, &stored);
        }
    }

    fn watcher_heard(&mut self, session: SessionId, object: &ObjectId, id: WatchId, view: &dyn ObjectRead) {
        self.load_watchers(object, view);
        let now = self.now;
        let Some(p) = self.primary.as_mut() else { return };
        if !p.watches.heard(now, object, id, session) {
            return;
        }
        let waits = p.watches.notifies.iter().filter(|(_, n)| n.object == *object && n.waiting.contains(&id));
        let again: Vec<WatchNews> = waits.map(|(number, n)| n.news(*number)).collect();
        for news in again {
            self.tell_watcher(session, id, news);
        }
    }

    /// A notify: watchers hear of it.
    fn notify(
        &mut self,
        queued: Queued,
        object: &ObjectId,
        executed: &mut Executed,
        view: &dyn ObjectRead,
    ) -> Option<Queued> {
        let OpTarget::Object { ops, .. } = &queued.op.target else { unreachable!("it has a step") };
        let Some(Op::Notify { timeout_ms, payload }) = ops.last() else { unreachable!("it is a notify") };
        let (timeout, payload) = (Duration::from_millis(u64::from(*timeout_ms)), payload.clone());
        self.load_watchers(object, view);
        let (now, interval, step) = (self.now, self.interval, ops.len() - 1);
        let needs = self.seen_uncommitted(object);
        let p = self.primary.as_mut().expect("only a primary executes");
        if let Some(same) = p.watches.notifies.values_mut().find(|n| n.request == queued.op.request) {
            // Sent again by a new session: it goes on, and is answered there.
            same.session = queued.session;
            self.ops.done(&queued);
            return None;
        }
        if p.watches.notifies.len() >= NOTIFIES_MAX {
            executed.outcome = Err(OpFailure { code: Errno::EBUSY, step: step as u32, detail: Bytes::new() });
            return Some(queued);
        }
        let watchers = p.watches.of(object);
        let number = p.watches.number(interval);
        let notify = Notify {
            object: object.clone(),
            session: queued.session,
            request: queued.op.request,
            payload,
            version: executed.before.map_or(Version::ZERO, |m| m.version),
            results: executed.outcome.iter().flatten().take(step).cloned().collect(),
            at: now,
            needs,
            waiting: watchers.iter().map(|(id, _)| *id).collect(),
            acks: Vec::new(),
            missed: Vec::new(),
        };
        let news = notify.news(number);
        p.watches.notifies.insert(number, notify);
        p.watches.look_at(now + timeout, Due::Notify(number));
        self.ops.done(&queued);
        for (id, session) in &watchers {
            if let Some(session) = session {
                self.tell_watcher(*session, *id, news.clone());
            }
        }
        if watchers.is_empty() {
            self.notify_over(number);
        }
        None
    }

    fn notify_acked(
        &mut self,
        session: SessionId,
        object: &ObjectId,
        number: u64,
        id: WatchId,
        reply: Bytes,
    ) {
        let now = self.now;
        let Some(p) = self.primary.as_mut() else { return };
        p.watches.heard(now, object, id, session);
        let Some(notify) = p.watches.notifies.get_mut(&number).filter(|n| n.object == *object) else {
            return;
        };
        if notify.waiting.remove(&id) {
            notify.acks.push((id, reply));
            if notify.waiting.is_empty() {
                self.notify_over(number);
            }
        }
    }

    /// Answers a notify with what came of it.
    fn notify_over(&mut self, number: u64) {
        let Some(n) = self.primary.as_mut().and_then(|p| p.watches.notifies.remove(&number)) else { return };
        let mut missed = n.missed;
        missed.extend(n.waiting);
        let mut results = n.results;
        results.push(OpResult::Notified(Box::new(Notified { acks: n.acks, missed })));
        let outcome = OsdOutcome::Done { version: n.version, outcome: Ok(results) };
        let pending = Pending { session: n.session, request: n.request, outcome, read_at: Some(n.at) };
        self.answer_after(n.needs, pending);
    }

    /// What a write that was executed will do to the watches of its object; none for nearly all writes.
    pub(crate) fn change_of_watches(
        &self,
        queued: &Queued,
        object: &ObjectId,
        executed: &Executed,
    ) -> Option<Change> {
        if executed.outcome.is_err() || !executed.changed {
            return None;
        }
        let OpTarget::Object { ops, .. } = &queued.op.target else { return None };
        let known = self.primary.as_ref().is_some_and(|p| p.watches.knows(object));
        let gone = |m: &Mutation| matches!(m, Mutation::Remove { object: o } if o == object);
        let removed = known && executed.transaction.mutations.iter().any(gone);
        let changes = |op: &&Op| matches!(op, Op::Watch { .. } | Op::Unwatch { .. });
        let steps: Vec<Op> = ops.iter().filter(changes).cloned().collect();
        (removed || !steps.is_empty()).then_some(Change { removed, steps })
    }

    /// That write happened, as number `seq`.
    pub(crate) fn watches_changed(
        &mut self,
        session: SessionId,
        object: &ObjectId,
        change: Change,
        seq: u64,
    ) {
        let now = self.now;
        if change.removed {
            let all = self.primary.as_ref().map(|p| p.watches.of(object)).unwrap_or_default();
            self.watchers_leave(object, all.into_iter().map(|(id, _)| id), seq);
        }
        for step in change.steps {
            match step {
                Op::Watch { watcher } => {
                    if let Some(p) = self.primary.as_mut() {
                        p.watches.add(now, object, &watcher, Some(session));
                    }
                }
                Op::Unwatch { id } => {
                    let Some(p) = self.primary.as_mut() else { return };
                    p.watches.remove(object, id);
                    for number in p.watches.missed_by(object, id) {
                        self.notify_over(number);
                    }
                }
                _ => unreachable!("only these are kept"),
            }
        }
    }

    /// These watches end with write `seq`: their sessions hear of it when that is certain, and nobody waits for them.
    fn watchers_leave(&mut self, object: &ObjectId, gone: impl IntoIterator<Item = WatchId>, seq: u64) {
        for id in gone {
            let Some(p) = self.primary.as_mut() else { return };
            if let Some(session) = p.watches.remove(object, id) {
                p.watches.leaving.push_back(Leaving { seq, session, id });
            }
            for number in p.watches.missed_by(object, id) {
                self.notify_over(number);
            }
        }
    }

    /// Ends notifies whose time is over, and drops watchers that were silent for too long.
    pub(crate) fn advance_watches(&mut self, view: &dyn ObjectRead) {
        let now = self.now;
        while self.serving() {
            let due = self.primary.as_mut().and_then(|p| p.watches.next_due(now));
            match due {
                None => break,
                Some(Due::Notify(number)) => self.notify_over(number),
                Some(Due::Watch(object, id)) => {
                    if !self.drop_watchers(&object, id, view) {
                        let later = now + self.config.resend;
                        if let Some(p) = self.primary.as_mut() {
                            p.watches.look_at(later, Due::Watch(object, id));
                        }
                    }
                }
            }
        }
        self.tell_who_left();
    }

    /// Tells those whose watch is gone for certain.
    pub(crate) fn tell_who_left(&mut self) {
        loop {
            let Some(p) = self.primary.as_mut() else { return };
            let committed_to = p.committed_to;
            let Some(left) = p.watches.leaving.pop_front_if(|l| l.seq <= committed_to) else { return };
            self.tell_watcher(left.session, left.id, WatchNews::Gone);
        }
    }

    /// Drops a watcher of an object that is silent, and whoever else is. False: not now.
    fn drop_watchers(&mut self, object: &ObjectId, id: WatchId, view: &dyn ObjectRead) -> bool {
        // What waits in the queue may be its ping.
        let now_or_never = self.writable()
            && self.ops.idle()
            && !self.ops.must_wait(object, true)
            && !self.written_now.contains(object)
            && self.log.head().seq - self.primary.as_ref().map_or(0, |p| p.committed_to)
                < self.config.in_flight_max as u64 / 2;
        if !now_or_never {
            return false;
        }
        let now = self.now;
        let gone = self.primary.as_ref().map(|p| p.watches.silent(now, object, id)).unwrap_or_default();
        let read = watch::without(view, object, &gone).and_then(|effect| Ok((effect, view.meta(object)?)));
        let (effect, meta) = match read {
            Ok(both) => both,
            // Scrub is who reports it.
            Err(_) => return false,
        };
        let version = self.next_version();
        if let (Some(effect), Some(meta)) = (effect, meta) {
            let mut transaction = Transaction { mutations: vec![effect] };
            // The time stays the client's.
            transaction.push(Mutation::Stamp { object: object.clone(), version, mtime: meta.mtime });
            self.own_write(object.clone(), version, true, Vec::new(), transaction);
        }
        self.watchers_leave(object, gone, version.seq);
        true
    }

    /// When a watch or a notify is looked at next.
    pub(crate) fn watch_timeout(&self) -> Option<stdx::Time> {
        self.primary.as_ref().filter(|_| self.serving())?.watches.timeout()
    }

    fn tell_watcher(&mut self, session: SessionId, id: WatchId, news: WatchNews) {
        self.effect(Effect::Tell { session, event: WatchEvent { id, news } });
    }
}
