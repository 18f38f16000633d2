//! How far the monitors' clocks are apart. The leader asks each of the others for its time of day and warns; nothing else
//! looks at it.

use crate::clock::Clock;
use crate::peers::{Peers, Question, name_of};
use crate::raft::Raft;
use openraft::ServerState;
use placement_map::Feature;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stdx::time::WallTime;
use tokio::time::timeout;
use wire_codec::MonMessage;

/// How often all are asked. Clocks drift slowly, and an idle quorum should stay idle.
const ROUND: Duration = Duration::from_secs(10);
/// The same while somebody did not answer.
const ROUND_AGAIN: Duration = Duration::from_secs(1);
/// An answer that takes longer says little of a clock.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// The differences found in the last round, microseconds, by monitor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skews(Arc<Mutex<BTreeMap<String, i64>>>);

impl Skews {
    pub(crate) fn get(&self) -> BTreeMap<String, i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn set(&self, found: BTreeMap<String, i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// By how much their clock is ahead beyond doubt, microseconds: they looked at it somewhere between our asking at `asked`
/// and hearing `took` later. Zero if both clocks may be the same.
fn beyond_doubt(asked: WallTime, took: Duration, theirs: WallTime) -> i64 {
    let micros = |nanos: u64| i64::try_from(nanos / 1000).unwrap_or(i64::MAX);
    let (earliest, theirs) = (micros(asked.0), micros(theirs.0));
    let latest = earliest.saturating_add(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    if theirs > latest {
        theirs - latest
    } else if theirs < earliest {
        theirs - earliest
    } else {
        0
    }
}

/// Runs for the life of the process; asks only while this monitor leads.
pub(crate) async fn watch(raft: Raft, peers: Peers, wall: fn() -> WallTime, skews: Skews) {
    let clock = Clock::start();
    let mut metrics = raft.server_metrics();
    loop {
        let leads = metrics.borrow_and_update().state == ServerState::Leader;
        if leads {
            let (found, all) = round(&raft, &peers, wall, clock).await;
            skews.set(found);
            let _ = timeout(if all { ROUND } else { ROUND_AGAIN }, metrics.changed()).await;
        } else {
            skews.set(BTreeMap::new());
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Asks all; whether all answered.
async fn round(
    raft: &Raft,
    peers: &Peers,
    wall: fn() -> WallTime,
    clock: Clock,
) -> (BTreeMap<String, i64>, bool) {
    let (me, others): (u64, Vec<_>) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow();
        let nodes = metrics.membership_config.membership().nodes();
        (metrics.id, nodes.filter_map(|(id, node)| Some((*id, node.addr.parse().ok()?))).collect())
    };
    let others: Vec<(u64, SocketAddr)> = others.into_iter().filter(|(id, _)| *id != me).collect();
    let wanted = others.len();
    let mut found = BTreeMap::new();
    for (id, addr) in others {
        // An older one could not read the question, and would end the link.
        let knows = peers.programs().get(&id).is_some_and(|program| program.level >= Feature::Levels.level());
        if !knows {
            continue;
        }
        let (asked, began) = (wall(), clock.now());
        let answer = timeout(ANSWER_WAIT, peers.ask(id, addr, Question::Clock)).await;
        let took = clock.now().since(began);
        if let Ok(Ok(MonMessage::ClockTold { at, .. })) = answer {
            found.insert(name_of(id).as_str().to_owned(), beyond_doubt(asked, took, at));
        }
    }
    let all = found.len() == wanted;
    (found, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_way_cannot_explain_counts() {
        let at = |micros: u64| WallTime(micros * 1000);
        let took = Duration::from_micros(400);
        assert_eq!(beyond_doubt(at(1_000_000), took, at(1_000_000)), 0);
        assert_eq!(beyond_doubt(at(1_000_000), took, at(1_000_400)), 0);
        assert_eq!(beyond_doubt(at(1_000_000), took, at(1_100_400)), 100_000);
        assert_eq!(beyond_doubt(at(1_000_000), took, at(900_000)), -100_000);
    }
}
