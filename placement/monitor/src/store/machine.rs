//! The state machine: applies batches to the cluster state in memory. On disk it has its last snapshot; what was
//! applied after that is applied again from the log when a monitor starts.

use super::Store;
use super::log::{Broken, blocking};
use crate::raft::{Outcomes, TypeConfig};
use crate::view::View;
use openraft::storage::RaftStateMachine;
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
    StorageError, StorageIOError, StoredMembership,
};
use placement_map::ClusterState;
use serde::{Deserialize, Serialize};
use std::io::Cursor;
use std::sync::Arc;

const SNAPSHOT: &str = "snapshot";

type Failure = StorageError<u64>;
type Meta = SnapshotMeta<u64, BasicNode>;

/// A snapshot as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    meta: Meta,
    /// A `ClusterState`.
    state: Vec<u8>,
}

/// The state machine. Readers look at its [`View`].
#[derive(Debug)]
pub(crate) struct Machine {
    store: Store,
    view: Arc<View>,
}

fn damaged(error: impl std::fmt::Display) -> Broken {
    Broken::Task(format!("the snapshot is damaged: {error}"))
}
fn failed(error: Broken) -> Failure {
    StorageIOError::write_snapshot(None, &error).into()
}

fn decode(bytes: &[u8]) -> Result<ClusterState, Broken> {
    stdx::codec::from_bytes(bytes::Bytes::copy_from_slice(bytes)).map_err(damaged)
}

impl Machine {
    /// Starts from the snapshot on disk, or from nothing.
    pub(crate) fn open(store: Store, view: Arc<View>) -> Result<Machine, super::StoreError> {
        let dir = store.dir.clone();
        let load = || -> Result<(), Broken> {
            if let Some(bytes) = store.get(SNAPSHOT)? {
                let kept: Kept = postcard::from_bytes(&bytes)?;
                view.replace(decode(&kept.state)?, kept.meta.last_log_id, kept.meta.last_membership);
            }
            Ok(())
        };
        load().map_err(|error| super::StoreError::Damaged { dir, what: error.to_string() })?;
        Ok(Machine { store, view })
    }

    fn current(&self) -> Result<Option<Snapshot<TypeConfig>>, Broken> {
        let Some(bytes) = self.store.get(SNAPSHOT)? else { return Ok(None) };
        let kept: Kept = postcard::from_bytes(&bytes)?;
        Ok(Some(Snapshot { meta: kept.meta, snapshot: Box::new(Cursor::new(kept.state)) }))
    }
}

/// Keeps a snapshot, durably.
async fn keep(store: &Store, kept: Kept) -> Result<(), Broken> {
    let store = store.clone();
    blocking(move || Ok(store.put(SNAPSHOT, &postcard::to_stdvec(&kept)?)?)).await
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>), Failure> {
        Ok(self.view.applied())
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcomes>, Failure>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut outcomes = Vec::new();
        for entry in entries {
            outcomes.push(match entry.payload {
                EntryPayload::Blank => {
                    self.view.advance(entry.log_id, None);
                    Outcomes::default()
                }
                EntryPayload::Membership(membership) => {
                    self.view
                        .advance(entry.log_id, Some(StoredMembership::new(Some(entry.log_id), membership)));
                    Outcomes::default()
                }
                EntryPayload::Normal(batch) => Outcomes(self.view.apply(entry.log_id, &batch)),
            });
        }
        self.view.announce();
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { store: self.store.clone(), view: self.view.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, meta: &Meta, snapshot: Box<Cursor<Vec<u8>>>) -> Result<(), Failure> {
        let bytes = snapshot.into_inner();
        let state = decode(&bytes).map_err(failed)?;
        keep(&self.store, Kept { meta: meta.clone(), state: bytes }).await.map_err(failed)?;
        self.view.replace(state, meta.last_log_id, meta.last_membership.clone());
        self.view.announce();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, Failure> {
        self.current().map_err(|error| StorageIOError::read_snapshot(None, &error).into())
    }
}

/// Makes snapshots beside the running machine.
pub(crate) struct Builder {
    store: Store,
    view: Arc<View>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, Failure> {
        let (bytes, last_log_id, last_membership) = self.view.freeze();
        // The same log position always gives the same bytes, so it can name the snapshot.
        let snapshot_id =
            last_log_id.map_or_else(|| "0".to_owned(), |id| format!("{}-{}", id.leader_id, id.index));
        let meta = SnapshotMeta { last_log_id, last_membership, snapshot_id };
        let state = bytes.to_vec();
        keep(&self.store, Kept { meta: meta.clone(), state: state.clone() }).await.map_err(failed)?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(state)) })
    }
}
