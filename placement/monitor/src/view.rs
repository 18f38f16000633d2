//! What was applied so far, for everybody in the process who looks at it: sessions that push it on, the leader's
//! failure detector, queries.

use crate::raft::Batch;
use bytes::Bytes;
use openraft::{BasicNode, LogId, StoredMembership};
use placement_map::{ClusterState, CommandReply, Epoch, Incremental, Refusal};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use wire_codec::mon::{MapUpdate, Update};

/// Epochs kept as steps; who is further behind gets the whole map.
const STEPS_KEPT: usize = 256;
/// Steps sent in one message; more are worth a whole map.
const STEPS_SENT_MAX: usize = 64;

/// The applied state. Locked for moments only, never across an await.
#[derive(Debug)]
pub(crate) struct View {
    inner: Mutex<Inner>,
    /// Counts what was applied; wakes those who wait for news.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    state: ClusterState,
    last_applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    /// The last epochs, in order, without a gap, up to the state's.
    steps: VecDeque<Incremental>,
    /// The state is of the present, as far as a monitor can know: it may be told.
    open: bool,
}

/// How far a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    /// None: it wants no rows.
    pub(crate) rows: Option<u64>,
}

impl View {
    pub(crate) fn new() -> View {
        View { inner: Mutex::default(), news: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held is a broken invariant of `apply`; the process goes down with it anyway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&ClusterState) -> R) -> R {
        look(&self.lock().state)
    }

    /// Wakes on news. The value counts announcements.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The state is no longer one of the past: from now on subscribers hear of it.
    pub(crate) fn open(&self) {
        self.lock().open = true;
        self.announce();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(crate) fn announce(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    pub(crate) fn applied(&self) -> (Option<LogId<u64>>, StoredMembership<u64, BasicNode>) {
        let inner = self.lock();
        (inner.last_applied, inner.membership.clone())
    }

    /// Notes an entry that changes nothing of ours.
    pub(crate) fn advance(&self, log_id: LogId<u64>, membership: Option<StoredMembership<u64, BasicNode>>) {
        let mut inner = self.lock();
        inner.last_applied = Some(log_id);
        if let Some(membership) = membership {
            inner.membership = membership;
        }
    }

    /// Carries a batch out.
    pub(crate) fn apply(&self, log_id: LogId<u64>, batch: &Batch) -> Vec<Result<CommandReply, Refusal>> {
        let mut inner = self.lock();
        let mut replies = Vec::with_capacity(batch.commands.len());
        for command in &batch.commands {
            let applied = inner.state.apply(batch.at, command);
            inner.steps.extend(applied.incremental);
            replies.push(applied.reply);
        }
        let over = inner.steps.len().saturating_sub(STEPS_KEPT);
        inner.steps.drain(..over);
        inner.last_applied = Some(log_id);
        replies
    }

    /// Takes a snapshot over.
    pub(crate) fn replace(
        &self,
        state: ClusterState,
        last_applied: Option<LogId<u64>>,
        membership: StoredMembership<u64, BasicNode>,
    ) {
        let mut inner = self.lock();
        let open = inner.open;
        *inner = Inner { state, last_applied, membership, steps: VecDeque::new(), open };
    }

    /// The state's bytes with what they contain, as of one moment.
    pub(crate) fn freeze(&self) -> (Bytes, Option<LogId<u64>>, StoredMembership<u64, BasicNode>) {
        let inner = self.lock();
        (stdx::codec::to_bytes(&inner.state), inner.last_applied, inner.membership.clone())
    }

    /// What a subscriber at `at` lacks, and where it is then. None: nothing, or this monitor is itself behind (of
    /// the subscriber, or of what it knew before it was started).
    pub(crate) fn news_for(&self, at: Position) -> Option<(Update, Position)> {
        let inner = self.lock();
        let epoch = inner.state.map().epoch;
        let rows_version = inner.state.rows_version();
        if !inner.open || at.epoch > epoch || at.rows.is_some_and(|have| have > rows_version) {
            return None;
        }
        let map = inner.map_update(at.epoch);
        let rows: Vec<_> = match at.rows {
            Some(have) => inner.state.rows_after(have).map(|(pg, row)| (pg, row.clone())).collect(),
            None => Vec::new(),
        };
        if map == MapUpdate::Same && at.rows.is_none_or(|have| have == rows_version) {
            return None;
        }
        let position = Position { epoch, rows: at.rows.map(|_| rows_version) };
        Some((Update { map, rows, rows_version }, position))
    }
}

impl Inner {
    fn map_update(&self, have: Epoch) -> MapUpdate {
        let behind = (self.state.map().epoch.0 - have.0) as usize;
        if behind == 0 {
            return MapUpdate::Same;
        }
        if have.0 == 0 || behind > self.steps.len().min(STEPS_SENT_MAX) {
            return MapUpdate::Full(Box::new(self.state.map().clone()));
        }
        MapUpdate::Incrementals(self.steps.range(self.steps.len() - behind..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::{Bootstrap, Command, Uuid};
    use stdx::time::WallTime;

    fn view(flags: u32) -> View {
        let view = View::new();
        let monitors = vec![("mon.0".to_owned(), "127.0.0.1:1".parse().expect("an address"))];
        let bootstrap = Command::Bootstrap(Bootstrap {
            fsid: Uuid([1; 16]),
            monitors,
            config: vec![],
            feature_level: placement_map::FEATURE_LEVEL,
        });
        let flip = |n| Command::SetFlag { flag: "noout".to_owned(), on: n % 2 == 0 };
        let commands = std::iter::once(bootstrap).chain((0..flags).map(flip)).collect();
        view.apply(LogId::default(), &Batch { at: WallTime(1), commands });
        view
    }

    #[test]
    fn nothing_is_told_before_the_view_is_open_and_a_snapshot_keeps_it_open() {
        let view = view(3);
        let at = Position { epoch: Epoch(0), rows: None };
        assert_eq!(view.news_for(at), None);
        let mut news = view.subscribe();
        news.mark_unchanged();
        view.open();
        assert!(news.has_changed().expect("the view is there"), "who waits is woken");
        assert!(view.news_for(at).is_some());
        let state = view.with(ClusterState::clone);
        view.replace(state, None, StoredMembership::default());
        assert!(view.news_for(at).is_some());
    }

    #[test]
    fn subscribers_get_steps_when_near_and_the_whole_map_when_far() {
        let view = view(300);
        view.open();
        let at = |epoch| Position { epoch: Epoch(epoch), rows: None };
        let (update, end) = view.news_for(at(0)).expect("news");
        assert!(matches!(update.map, MapUpdate::Full(map) if map.epoch == Epoch(301)));
        assert_eq!(view.news_for(end), None);
        let (update, end) = view.news_for(at(299)).expect("news");
        assert!(
            matches!(update.map, MapUpdate::Incrementals(steps) if steps.len() == 2 && steps[0].epoch.0 == 300)
        );
        assert_eq!(end, at(301));
        let (update, _) = view.news_for(at(200)).expect("news");
        assert!(matches!(update.map, MapUpdate::Full(_)));
        assert_eq!(view.news_for(at(302)), None, "ahead of this monitor: it has to catch up first");
    }
}
