//! openraft's own tests of a store, and restarts.

use super::{Identity, LogStore, Machine, Store, StoreError};
use crate::raft::{Batch, TypeConfig};
use crate::view::View;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{
    CommittedLeaderId, Entry, EntryPayload, LogId, RaftLogReader, RaftSnapshotBuilder, StorageError, Vote,
};
use placement_map::{Bootstrap, Command, Epoch, Uuid};
use std::path::Path;
use std::sync::Arc;
use stdx::time::WallTime;
use tempfile::TempDir;

fn identity() -> Identity {
    Identity { fsid: Uuid([1; 16]), name: "mon.0".to_owned(), founders: vec![], config: vec![] }
}

fn open(dir: &Path) -> (LogStore, Machine, Arc<View>) {
    let store = Store::open(dir).expect("it opens");
    let view = Arc::new(View::new());
    (LogStore::new(store.clone()), Machine::open(store, view.clone()).expect("it loads"), view)
}

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<u64>> {
        let dir = tempfile::tempdir().expect("a directory");
        Store::create(dir.path(), &identity()).expect("a new store");
        let (log, machine, _) = open(dir.path());
        Ok((dir, log, machine))
    }
}

#[test]
fn openraft_s_suite_passes() {
    Suite::test_all(Fresh).expect("the suite");
}

fn entry(index: u64, commands: Vec<Command>) -> Entry<TypeConfig> {
    let log_id = LogId::new(CommittedLeaderId::new(1, 0), index);
    Entry { log_id, payload: EntryPayload::Normal(Batch { at: WallTime(index), commands }) }
}

fn flag(on: bool) -> Vec<Command> {
    vec![Command::SetFlag { flag: "noout".to_owned(), on }]
}

#[tokio::test]
async fn vote_log_and_snapshot_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    Store::create(dir.path(), &identity()).expect("a new store");
    let (mut log, mut machine, view) = open(dir.path());
    let monitors = vec![("mon.0".to_owned(), "127.0.0.1:1".parse().expect("an address"))];
    let bootstrap = Command::Bootstrap(Bootstrap {
        fsid: Uuid([1; 16]),
        monitors,
        config: vec![],
        feature_level: placement_map::FEATURE_LEVEL,
    });
    let entries = [entry(1, vec![bootstrap]), entry(2, flag(true)), entry(3, flag(false))];
    log.blocking_append(entries.clone()).await.expect("appended");
    log.save_vote(&Vote::new(7, 0)).await.expect("saved");
    machine.apply(entries[..2].to_vec()).await.expect("applied");
    assert_eq!(view.with(|state| state.map().epoch), Epoch(2));
    machine.get_snapshot_builder().await.build_snapshot().await.expect("built");
    machine.apply(entries[2..].to_vec()).await.expect("applied");
    drop((log, machine));

    let (mut log, mut machine, view) = open(dir.path());
    assert_eq!(log.read_vote().await.expect("read"), Some(Vote::new(7, 0)));
    assert_eq!(log.try_get_log_entries(0..9).await.expect("read"), entries);
    assert_eq!(machine.applied_state().await.expect("known").0, Some(entries[1].log_id));
    assert_eq!(view.with(|state| state.map().epoch), Epoch(2), "the snapshot");
    machine.apply(entries[2..].to_vec()).await.expect("applied");
    assert_eq!(view.with(|state| state.map().epoch), Epoch(3), "and the log after it");
}

#[test]
fn a_store_is_made_once_opened_once_and_never_guessed() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Missing { .. })));
    Store::create(dir.path(), &identity()).expect("a new store");
    assert!(matches!(Store::create(dir.path(), &identity()), Err(StoreError::Exists { .. })));
    let store = Store::open(dir.path()).expect("it opens");
    assert_eq!(store.identity().expect("named"), identity());
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
    drop(store);
    let path = dir.path().join(super::FILE);
    let mut bytes = std::fs::read(&path).expect("a file");
    let whole = bytes.len();
    // Every page past the header overwritten; then a file cut short; then no database at all.
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, &bytes).expect("written");
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged { .. })), "damaged pages");
    std::fs::write(&path, &bytes[..whole / 2]).expect("written");
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged { .. })), "cut short");
    std::fs::write(&path, b"something else").expect("written");
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Damaged { .. })), "no store");
}

#[test]
fn nobody_but_its_owner_may_look_into_a_monitor_s_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let mode = || std::fs::metadata(dir.path()).expect("there").permissions().mode() & 0o777;
    let loosen = || {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    };
    loosen();
    Store::create(dir.path(), &identity()).expect("a new store");
    assert_eq!(mode(), 0o700);
    loosen(); // as older programs left it
    drop(Store::open(dir.path()).expect("opens"));
    assert_eq!(mode(), 0o700);
}
