//! Monitors that come and go while the cluster runs: the quorum's voters and the map's list of monitors change
//! together. Every step may be repeated, so whoever was cut off on the way asks again.

use crate::peers::id_of;
use crate::proposer::Proposer;
use crate::raft::Raft;
use crate::view::View;
use openraft::{BasicNode, ChangeMembers};
use placement_map::{Command, CommandReply, Refusal, RefusalKind, mon_add_refusal};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use wire_codec::mon::MonError;

/// How long a new monitor may take to have everything that the leader has, before it is asked to vote.
const LEARN_WAIT: Duration = Duration::from_secs(2);

/// Whether a command changes who the monitors are, so that [`carry_out`] has to.
pub(crate) fn concerns(command: &Command) -> bool {
    matches!(command, Command::MonAdd { .. } | Command::MonRm { .. })
}

/// Carries one of them out. Only on the leader.
pub(crate) async fn carry_out(
    raft: &Raft,
    view: &View,
    proposer: &Proposer,
    command: Command,
) -> Result<CommandReply, MonError> {
    match &command {
        Command::MonAdd { name, addr } => {
            let number = number_of(name)?;
            if let Some(refusal) = view.with(|state| mon_add_refusal(state.map(), name, *addr)) {
                return Err(MonError::Refused(refusal));
            }
            // The map last: by the time that anybody hears of it, it is one that decides.
            vote(raft, number, name, *addr).await?;
            commit(proposer, command).await
        }
        Command::MonRm { name } => {
            let number = number_of(name)?;
            let listed = view.with(|state| state.map().monitors.contains_key(name));
            let epoch = view.with(|state| state.map().epoch);
            // The map first: it refuses what must not be. A voter that the map has forgotten is the rest of a
            // removal that was cut off.
            let reply = match listed || !is_member(raft, number) {
                true => commit(proposer, command).await?,
                false => CommandReply::Done { epoch },
            };
            if is_member(raft, number) {
                let leaving = ChangeMembers::RemoveVoters(BTreeSet::from([number]));
                raft.change_membership(leaving, false).await.map_err(|_| MonError::NoQuorum)?;
            }
            Ok(reply)
        }
        _ => unreachable!("asked for by `concerns`"),
    }
}

fn number_of(name: &str) -> Result<u64, MonError> {
    let number = name.parse().ok().and_then(|name| id_of(&name));
    number.ok_or_else(|| {
        let text = format!("{name:?} is no monitor's name; monitors are named mon.0, mon.1 and so on");
        MonError::Refused(Refusal::new(RefusalKind::Invalid, text))
    })
}

fn is_member(raft: &Raft, number: u64) -> bool {
    raft.server_metrics().borrow().membership_config.membership().get_node(&number).is_some()
}

/// Brings a monitor up to date, then gives it a vote: one that cannot be reached must not count towards a majority.
async fn vote(raft: &Raft, number: u64, name: &str, addr: SocketAddr) -> Result<(), MonError> {
    let metrics = raft.server_metrics();
    let votes = metrics.borrow().membership_config.membership().voter_ids().any(|id| id == number);
    drop(metrics);
    if votes {
        return Ok(());
    }
    match timeout(LEARN_WAIT, learn(raft, number, addr)).await {
        Ok(learned) => {
            learned?;
            let new = ChangeMembers::AddVoterIds(BTreeSet::from([number]));
            raft.change_membership(new, false).await.map(drop).map_err(|_| MonError::NoQuorum)
        }
        Err(_) => {
            // Taken off again: the next try may name another address.
            let gone = ChangeMembers::RemoveNodes(BTreeSet::from([number]));
            let _ = timeout(LEARN_WAIT, raft.change_membership(gone, false)).await;
            let text = format!("{name} does not answer at {addr}; start it, then ask again");
            Err(MonError::Refused(Refusal::new(RefusalKind::Impossible, text)))
        }
    }
}

/// Waits until a monitor without a vote holds the log up to the entry that names it. openraft's own wait is over
/// while the newcomer has not answered at all, if the log is short.
async fn learn(raft: &Raft, number: u64, addr: SocketAddr) -> Result<(), MonError> {
    let named = raft.add_learner(number, BasicNode::new(addr), false).await;
    let named = named.map_err(|_| MonError::NoQuorum)?.log_id;
    let mut metrics = raft.metrics();
    loop {
        let has = metrics.borrow_and_update().replication.as_ref().and_then(|all| all.get(&number).copied());
        if has.flatten().is_some_and(|matched| matched >= named) {
            return Ok(());
        }
        metrics.changed().await.map_err(|_| MonError::NoQuorum)?;
    }
}

async fn commit(proposer: &Proposer, command: Command) -> Result<CommandReply, MonError> {
    match proposer.propose(command).await {
        Ok(outcome) => outcome.map_err(MonError::Refused),
        Err(_) => Err(MonError::NoQuorum),
    }
}
