//! Raft's requests as messages between monitors: `MonMessage::Raft`, bodies in postcard.

use super::{Raft, TypeConfig};
use crate::peers::{Peers, Question};
use crate::view::View;
use bytes::Bytes;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use wire_codec::MonMessage;

type Result1<T> = Result<T, RaftError<u64>>;
type Failure<E> = RPCError<u64, BasicNode, E>;

/// A request as it travels.
#[derive(Serialize, Deserialize)]
enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
}

/// Its answer.
#[derive(Serialize, Deserialize)]
enum Response {
    Append(Result1<AppendEntriesResponse<u64>>),
    Vote(Result1<VoteResponse<u64>>),
    Snapshot(Result<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>>),
}

/// Answers another monitor's request. None: its bytes are no request.
pub(crate) async fn serve(raft: &Raft, body: &Bytes) -> Option<Bytes> {
    let response = match postcard::from_bytes(body).ok()? {
        Request::Append(request) => Response::Append(raft.append_entries(request).await),
        Request::Vote(request) => Response::Vote(raft.vote(request).await),
        Request::Snapshot(request) => Response::Snapshot(raft.install_snapshot(request).await),
    };
    postcard::to_stdvec(&response).ok().map(Bytes::from)
}

/// Makes a [`Line`] to each other monitor.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) peers: Peers,
    pub(crate) view: Arc<View>,
}

/// Raft's line to one monitor.
pub(crate) struct Line {
    peers: Peers,
    view: Arc<View>,
    target: u64,
    addr: Option<SocketAddr>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Line;
    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Line {
        Line { peers: self.peers.clone(), view: self.view.clone(), target, addr: node.addr.parse().ok() }
    }
}

impl Line {
    async fn call<E: std::error::Error>(&self, request: &Request) -> Result<Response, Failure<E>> {
        let unreachable = || Unreachable::new(&crate::peers::NoAnswer);
        let garbled = |error: postcard::Error| RPCError::Network(NetworkError::new(&error));
        let addr = self.addr.ok_or_else(unreachable)?;
        // One that could not read what is in the log must not be given it; its own links are closed, and that is logged.
        let needs = self.view.with(|state| state.map().feature_level);
        if self.peers.programs().get(&self.target).is_some_and(|program| program.level < needs) {
            return Err(unreachable().into());
        }
        let body = postcard::to_stdvec(request).map_err(garbled)?.into();
        match self.peers.ask(self.target, addr, Question::Raft(body)).await {
            Ok(MonMessage::Raft { body, .. }) => postcard::from_bytes(&body).map_err(garbled),
            _ => Err(unreachable().into()),
        }
    }

    /// An answer of the other monitor's engine, or a line that mixed answers up.
    #[expect(clippy::result_large_err, reason = "openraft's trait has this error type")]
    fn answer<T, E: std::error::Error>(&self, found: Option<Result<T, E>>) -> Result<T, Failure<E>> {
        match found {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(RemoteError::new(self.target, error).into()),
            None => {
                Err(RPCError::Network(NetworkError::new(&AnyError::error("an answer to another question"))))
            }
        }
    }
}

impl RaftNetwork<TypeConfig> for Line {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failure<RaftError<u64>>> {
        let response = self.call(&Request::Append(request)).await?;
        self.answer(if let Response::Append(answer) = response { Some(answer) } else { None })
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failure<RaftError<u64, InstallSnapshotError>>> {
        let response = self.call(&Request::Snapshot(request)).await?;
        self.answer(if let Response::Snapshot(answer) = response { Some(answer) } else { None })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, Failure<RaftError<u64>>> {
        let response = self.call(&Request::Vote(request)).await?;
        self.answer(if let Response::Vote(answer) = response { Some(answer) } else { None })
    }

    /// The link below reconnects by itself with a backoff of its own; asking a dead peer costs nothing.
    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(Duration::from_millis(200)))
    }
}
