//! To the leader with it: requests that any monitor takes and only the leader can answer.

use crate::access;
use crate::leader::Desk;
use crate::level;
use crate::members;
use crate::peers::{Peers, Question, name_of};
use crate::proposer::Proposer;
use crate::raft::Raft;
use crate::skew::Skews;
use crate::view::View;
use placement_map::status::{Answer, Query, Quorum, answer};
use placement_map::{Command, CommandReply, Feature};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stdx::time::WallTime;
use tokio::time::{Instant, timeout, timeout_at};
use wire_codec::MonMessage;
use wire_codec::mon::{Forwarded, MonError};
use wire_transport::{PeerName, Program};

/// How long a request waits for a leader to be found before it is given back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one other monitor may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// The pause before asking again when nothing was heard of a new leader.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What handles requests. One per monitor, shared by its sessions.
pub(crate) struct Router {
    pub(crate) me: u64,
    /// What this monitor runs.
    pub(crate) program: Program,
    pub(crate) raft: Raft,
    pub(crate) view: Arc<View>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) proposer: Proposer,
    pub(crate) peers: Peers,
    pub(crate) skews: Skews,
    pub(crate) wall: fn() -> WallTime,
}

enum Leader {
    Me,
    Other(u64, SocketAddr),
    Nobody,
}

impl Router {
    fn leader(&self) -> Leader {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        match metrics.current_leader {
            Some(id) if id == self.me => Leader::Me,
            Some(id) => {
                let membership = metrics.membership_config.membership();
                match membership.get_node(&id).and_then(|node| node.addr.parse().ok()) {
                    Some(addr) => Leader::Other(id, addr),
                    None => Leader::Nobody,
                }
            }
            None => Leader::Nobody,
        }
    }

    /// Carries out a command of `from`, wherever the leader is.
    pub(crate) async fn command(&self, from: &PeerName, command: Command) -> Result<CommandReply, MonError> {
        access::command(from, &command).map_err(|text| MonError::Denied { text })?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let result = match self.leader() {
                Leader::Me => self.command_here(from, command.clone()).await,
                Leader::Other(id, addr) => {
                    let question = Question::Command(from.as_str().to_owned(), Box::new(command.clone()));
                    match timeout(ANSWER_WAIT, self.peers.ask(id, addr, question)).await {
                        Ok(Ok(MonMessage::CommandReply { result, .. })) => result,
                        _ => Err(MonError::NoQuorum),
                    }
                }
                Leader::Nobody => Err(MonError::NoQuorum),
            };
            if result != Err(MonError::NoQuorum) || !self.pause(deadline).await {
                return result;
            }
        }
    }

    /// Carries out a command if this monitor leads.
    pub(crate) async fn command_here(
        &self,
        from: &PeerName,
        command: Command,
    ) -> Result<CommandReply, MonError> {
        if !self.founded() {
            return Err(MonError::NoQuorum);
        }
        let command = self.signed(from, command);
        // Before it is in the log, where a monitor that is too old for it would have to read it.
        self.view.with(|state| state.map().too_new(command.level())).map_err(MonError::Refused)?;
        if members::concerns(&command) {
            let done = members::carry_out(&self.raft, &self.view, &self.proposer, command);
            return timeout(PATIENCE, done).await.unwrap_or(Err(MonError::NoQuorum));
        }
        match timeout(PATIENCE, self.proposer.propose(command)).await {
            Ok(Ok(outcome)) => outcome.map_err(MonError::Refused),
            _ => Err(MonError::NoQuorum),
        }
    }

    /// Answers a query, wherever the leader is.
    pub(crate) async fn query(&self, from: &PeerName, query: Query) -> Result<Answer, MonError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let result = match self.leader() {
                Leader::Me => self.query_here(&query).await,
                Leader::Other(id, addr) => {
                    let question = Question::Query(from.as_str().to_owned(), query.clone());
                    match timeout(ANSWER_WAIT, self.peers.ask(id, addr, question)).await {
                        Ok(Ok(MonMessage::QueryReply { result, .. })) => result,
                        _ => Err(MonError::NoQuorum),
                    }
                }
                Leader::Nobody => Err(MonError::NoQuorum),
            };
            if result != Err(MonError::NoQuorum) || !self.pause(deadline).await {
                return result;
            }
        }
    }

    /// Answers a query if this monitor leads, from a state that holds everything committed before it was asked.
    pub(crate) async fn query_here(&self, query: &Query) -> Result<Answer, MonError> {
        match timeout(ANSWER_WAIT, self.raft.ensure_linearizable()).await {
            Ok(Ok(_)) => {}
            _ => return Err(MonError::NoQuorum),
        }
        if !self.founded() {
            return Err(MonError::NoQuorum);
        }
        let mut seen = self.desk.lock().seen.clone();
        seen.quorum = self.quorum();
        self.view.with(|state| answer(state, &seen, query, (self.wall)())).map_err(MonError::Refused)
    }

    /// A change of settings with the name of who asked, once the log can hold that.
    fn signed(&self, from: &PeerName, command: Command) -> Command {
        if !self.view.with(|state| state.map().has(Feature::ConfigHistory)) {
            return command;
        }
        let (section, key, value) = match command {
            Command::ConfigSet { section, key, value } => (section, key, Some(value)),
            Command::ConfigRm { section, key } => (section, key, None),
            other => return other,
        };
        Command::ConfigChange { who: from.as_str().to_owned(), changes: vec![(section, key, value)] }
    }

    /// Whether the founders' first command was carried out: moments after the first start there is a leader and
    /// no cluster yet.
    fn founded(&self) -> bool {
        self.view.with(|state| state.map().epoch.0 > 0)
    }

    /// The leader's view of who takes part: itself, and members that answer it.
    fn quorum(&self) -> Quorum {
        let voters = self.voters();
        let programs = self.peers.programs();
        let run = |(id, program): (u64, Program)| {
            let version = program.version_text().unwrap_or_default();
            (
                name_of(id).as_str().to_owned(),
                placement_map::status::Program { feature_level: program.level, version },
            )
        };
        let answering = self.peers.answering();
        let members = voters.into_iter().filter(|id| *id == self.me || answering.contains(id));
        Quorum {
            leader: Some(name_of(self.me).as_str().to_owned()),
            members: members.map(|id| name_of(id).as_str().to_owned()).collect(),
            programs: programs.into_iter().chain([(self.me, self.program)]).map(run).collect(),
            clock_skews: self.skews.get(),
        }
    }

    fn voters(&self) -> Vec<u64> {
        let metrics = self.raft.server_metrics();
        metrics.borrow().membership_config.membership().voter_ids().collect()
    }

    /// What all voters can do, as far as this monitor is linked with them.
    pub(crate) fn voters_can(&self) -> u32 {
        level::voters_can(self.me, self.program.level, self.voters(), &self.peers.programs())
    }

    /// Brings a beacon or a report to the leader. Lost if there is none: they are repeated.
    pub(crate) fn tell(&self, from: &PeerName, message: Forwarded) {
        if !access::speaks_for_itself(from, &message) {
            tracing::warn!(%from, "a peer reported in another's name; ignored");
            return;
        }
        match self.leader() {
            Leader::Me => self.desk.hear(&message, &self.view),
            Leader::Other(id, addr) => self.peers.tell(id, addr, from.as_str(), message),
            Leader::Nobody => {}
        }
    }

    /// Takes in what another monitor passed on, if this one leads.
    pub(crate) fn told(&self, from: &PeerName, message: &Forwarded) {
        if access::speaks_for_itself(from, message) && matches!(self.leader(), Leader::Me) {
            self.desk.hear(message, &self.view);
        }
    }

    /// Waits for another leader or a moment; false once the deadline has passed.
    async fn pause(&self, deadline: Instant) -> bool {
        let mut metrics = self.raft.server_metrics();
        let until = deadline.min(Instant::now() + RETRY_PAUSE);
        let _ = timeout_at(until, metrics.changed()).await;
        Instant::now() < deadline
    }
}
