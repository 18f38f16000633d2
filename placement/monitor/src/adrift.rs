//! Is this monitor cut off from the quorum? Then it has nothing new to tell, and its peers are better served by
//! another one: their links are closed so that they look for it. Data I/O needs no monitor meanwhile.

use crate::raft::Raft;
use openraft::{RaftMetrics, ServerState};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long without a leader that has its majority; an election takes two seconds at most.
const GRACE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Whether a leader with a majority is known at this moment. A leader counts only while a majority answers it.
fn anchored(metrics: &RaftMetrics<u64, openraft::BasicNode>) -> bool {
    match metrics.state {
        ServerState::Leader => {
            let alone = metrics.membership_config.membership().voter_ids().count() <= 1;
            let grace = GRACE.as_millis() as u64;
            alone || metrics.millis_since_quorum_ack.is_some_and(|silence| silence < grace)
        }
        _ => metrics.current_leader.is_some_and(|leader| leader != metrics.id),
    }
}

/// Keeps `adrift` true while this monitor has been cut off for longer than the grace. Runs for the life of the process.
pub(crate) async fn watch(raft: Raft, adrift: watch::Sender<bool>) {
    let metrics = raft.metrics();
    let mut anchored_at = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if anchored(&metrics.borrow()) {
            anchored_at = Instant::now();
        }
        let now = anchored_at.elapsed() >= GRACE;
        adrift.send_if_modified(|was| {
            if *was != now {
                tracing::warn!(cut_off = now, "this monitor's link to the quorum changed");
            }
            std::mem::replace(was, now) != now
        });
    }
}
