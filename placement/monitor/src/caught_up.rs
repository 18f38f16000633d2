//! Has this monitor caught up since it started? Its state begins with its last snapshot, and the log behind that is
//! applied again entry by entry: until it is through, the state is one of the past. A subscriber that took it for
//! the present would work by settings that were changed long ago.

use crate::raft::Raft;
use crate::view::View;
use openraft::{BasicNode, RaftMetrics};
use std::sync::Arc;

/// Waits until all that was committed before this monitor started is applied, then opens the view.
pub(crate) async fn watch(raft: Raft, view: Arc<View>) {
    let mut metrics = raft.metrics();
    let mut tail = None;
    loop {
        if is_caught_up(&metrics.borrow_and_update(), &mut tail) {
            view.open();
            return;
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Under a leader, an entry of its own term follows everything that was committed before it, so whoever applied one
/// has applied all that. A follower that was away for moments may find such entries in its old log already; it must
/// be through with what it held (`tail`, noted when a leader was first seen), as far as that was not cut off since.
fn is_caught_up(metrics: &RaftMetrics<u64, BasicNode>, tail: &mut Option<u64>) -> bool {
    if metrics.current_leader.is_none() {
        return false;
    }
    let held = metrics.last_log_index.unwrap_or(0);
    let tail = (*tail.get_or_insert(held)).min(held);
    metrics.last_applied.is_some_and(|id| id.leader_id.term == metrics.current_term && id.index >= tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::{CommittedLeaderId, LogId};

    fn metrics(
        leader: Option<u64>,
        term: u64,
        last_log: u64,
        applied: (u64, u64),
    ) -> RaftMetrics<u64, BasicNode> {
        let mut metrics = RaftMetrics::new_initial(0);
        metrics.current_leader = leader;
        metrics.current_term = term;
        metrics.last_log_index = Some(last_log);
        metrics.last_applied = Some(LogId::new(CommittedLeaderId::new(applied.0, 0), applied.1));
        metrics
    }

    #[test]
    fn a_monitor_is_behind_until_it_applied_an_entry_of_the_leaders_term() {
        let mut tail = None;
        assert!(
            !is_caught_up(&metrics(None, 3, 90, (3, 90)), &mut tail),
            "no leader: nobody knows what is committed"
        );
        assert_eq!(tail, None);
        assert!(!is_caught_up(&metrics(Some(0), 4, 91, (3, 40)), &mut tail));
        assert!(!is_caught_up(&metrics(Some(0), 4, 91, (3, 90)), &mut tail));
        assert!(is_caught_up(&metrics(Some(0), 4, 91, (4, 91)), &mut tail));
    }

    #[test]
    fn a_follower_is_behind_until_it_applied_what_it_held_or_what_is_left_of_it() {
        let mut tail = None;
        assert!(
            !is_caught_up(&metrics(Some(1), 3, 90, (3, 40)), &mut tail),
            "of the same term, and still of the past"
        );
        assert!(!is_caught_up(&metrics(Some(1), 3, 95, (3, 89)), &mut tail));
        assert!(is_caught_up(&metrics(Some(1), 3, 200, (3, 90)), &mut tail), "what came later comes as news");
        let mut tail = Some(90);
        assert!(is_caught_up(&metrics(Some(1), 4, 50, (4, 50)), &mut tail), "the rest was never committed");
    }
}
