//! The store as production has it: a real file through io_uring, and RocksDB.

use super::harness::{object, read_now};
use super::store_test::{assert_same, random_transaction};
use super::{Completion, Store, fsck};
use crate::config::{CacheMode, StoreConfig};
use crate::error::StoreError;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectRead, Transaction};
use stdx::Rng;

pub(super) const FSID: [u8; 16] = [2; 16];

pub(super) fn config(dir: &tempfile::TempDir, size_bytes: u64) -> StoreConfig {
    StoreConfig {
        path: dir.path().join("osd.0"),
        device: None,
        size_bytes,
        memory_target_bytes: 64 << 20,
        volatile_cache: CacheMode::Auto,
    }
}

/// On a disk: /tmp may be a file system in memory, which may not know O_DIRECT.
pub(super) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

#[test]
fn random_transactions_survive_reopens_with_and_without_a_clean_stop() {
    let dir = directory();
    let config = config(&dir, 96 << 20);
    let uuid = Store::mkfs(&config, 7, FSID).unwrap();
    assert_eq!(Store::mkfs(&config, 7, FSID).unwrap(), uuid, "a store of the same OSD is left alone");
    assert!(matches!(Store::mkfs(&config, 8, FSID), Err(StoreError::Foreign { .. })));
    let (mut rng, mut model) = (Rng::new(4), Model::new());
    let mut store = Store::open(&config).unwrap();
    assert!(matches!(Store::open(&config), Err(StoreError::InUse { .. })));
    assert_eq!((store.identity().uuid, store.identity().osd_id), (uuid, 7));
    for life in 0..6 {
        for ticket in 0..60 {
            let t = random_transaction(&mut rng, &model, 12);
            store.submit(ticket, t.clone()).unwrap();
            model.apply(&t);
            if rng.chance(1, 2) {
                store.poll().unwrap();
            }
        }
        if life == 2 {
            store.flush_index().unwrap();
        }
        match life % 2 {
            0 => store.drain().unwrap(),
            _ => store.shutdown().unwrap(),
        }
        drop(store);
        store = Store::open(&config).unwrap();
        assert_same(&mut store, &model);
    }
    let usage = store.usage();
    assert!(usage.index_bytes > 0 && usage.used_bytes < usage.total_bytes);
    drop(store);
    let report = fsck(&config).unwrap();
    assert!(report.is_clean() && report.objects == model.objects.len() as u64, "{report:?}");
}

/// The daemon's loop: sleep on the descriptor, poll, take completions. Checkpoints happen on the way.
#[test]
fn a_reactor_that_only_wakes_for_the_descriptor_gets_every_acknowledgement() {
    let dir = directory();
    let config = config(&dir, 64 << 20);
    Store::mkfs(&config, 0, FSID).unwrap();
    let mut store = Store::open(&config).unwrap();
    let (mut next, mut done) = (0u64, 0u64);
    const ALL: u64 = 3000;
    while done < ALL {
        while next < ALL && next < done + 32 {
            let data = Bytes::from(vec![next as u8; 4096]);
            let m = Mutation::Write { object: object(next % 7), offset: next % 50 * 4096, data };
            store.submit(next, Transaction { mutations: vec![m] }).unwrap();
            next += 1;
        }
        store.poll().unwrap();
        while let Some(c) = store.next_completion() {
            assert_eq!(c, Completion::Durable { ticket: done });
            done += 1;
        }
        if done < next {
            let mut fds =
                [rustix::event::PollFd::from_borrowed_fd(store.event_fd(), rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, None).unwrap();
        }
    }
    assert!(store.usage().log_bytes < 4 << 20, "the log was trimmed on the way: {:?}", store.usage());
    assert_eq!(read_now(&mut store, &object(3), 0, 1).unwrap().len(), 1);
    assert!(store.fsck().unwrap().is_clean());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let dir = directory();
    let config = config(&dir, 16 << 20);
    assert!(matches!(Store::open(&config), Err(StoreError::NotFound { .. })));
    let tiny = StoreConfig { size_bytes: 1 << 20, ..config.clone() };
    assert!(matches!(Store::mkfs(&tiny, 0, FSID), Err(StoreError::TooSmall { .. })));
    let huge = StoreConfig { size_bytes: 1 << 50, ..config.clone() };
    assert!(matches!(Store::mkfs(&huge, 0, FSID), Err(StoreError::File { .. })));
    assert!(!config.device_path().exists(), "a file that got no space is removed");
    Store::mkfs(&config, 0, FSID).unwrap();
    std::fs::rename(config.index_path(), dir.path().join("elsewhere")).unwrap();
    let opened = Store::open(&config).map(|s| s.identity());
    assert!(matches!(opened, Err(StoreError::DamagedIndex { .. })));
    assert!(opened.unwrap_err().to_string().contains("refill"));
    std::fs::rename(dir.path().join("elsewhere"), config.index_path()).unwrap();
    let store = Store::open(&config).unwrap();
    assert_eq!(store.meta(&object(1)), Ok(None));
}

/// Superblocks that read as zeros do not make a disk new: neither open nor mkfs may treat it so.
#[test]
fn a_wiped_superblock_is_no_empty_disk() {
    use std::os::unix::fs::FileExt;
    let dir = directory();
    let config = config(&dir, 16 << 20);
    Store::mkfs(&config, 0, FSID).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(config.device_path()).unwrap();
    let wipe = |bytes: &[u8]| file.write_all_at(bytes, 0).unwrap();
    let mut saved = vec![0; 256 << 10];
    file.read_exact_at(&mut saved, 0).unwrap();
    wipe(&vec![0; saved.len()]);
    let opened = Store::open(&config).map(drop).unwrap_err();
    assert!(matches!(opened, StoreError::Blank { .. }) && opened.to_string().contains("would destroy"));
    wipe(&saved);
    let mut store = Store::open(&config).unwrap();
    let data = Bytes::from_static(b"dear");
    store
        .submit(1, Transaction { mutations: vec![Mutation::Write { object: object(1), offset: 0, data }] })
        .unwrap();
    store.drain().unwrap();
    store.shutdown().unwrap();
    drop(store);
    file.read_exact_at(&mut saved, 0).unwrap();
    wipe(&vec![0; saved.len()]);
    let damaged = |r: Result<(), StoreError>| assert!(matches!(r, Err(StoreError::DamagedSuperblock { .. })));
    damaged(Store::open(&config).map(drop));
    damaged(Store::mkfs(&config, 0, FSID).map(drop));
    wipe(&saved);
    let mut store = Store::open(&config).unwrap();
    assert_eq!(&read_now(&mut store, &object(1), 0, 4).unwrap()[..], b"dear", "mkfs left the index alone");
}

#[test]
fn nobody_but_its_owner_may_look_into_a_store_whoever_made_its_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = directory();
    let config = config(&dir, 96 << 20);
    let mode = || std::fs::metadata(&config.path).unwrap().permissions().mode() & 0o777;
    let loosen = || std::fs::set_permissions(&config.path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(&config.path).unwrap();
    loosen();
    Store::mkfs(&config, 7, FSID).unwrap();
    assert_eq!(mode(), 0o700);
    loosen(); // as older programs left it
    drop(Store::open(&config).unwrap());
    assert_eq!(mode(), 0o700);
    let room = config.index_room_bytes().expect("the file system says");
    assert!(room > 0);
}
