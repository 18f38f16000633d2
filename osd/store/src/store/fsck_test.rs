//! Real stores, damaged on purpose: what a check finds, what a repair makes of it, and that looking changes nothing.

use super::host_test::{FSID, config, directory};
use super::store_test::{object, random_transaction, read_now};
use super::{Examiner, FsckReport, Problem, Store, fsck, repair};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::index::rocks::RocksIndex;
use crate::index::{Family, Index, IndexBatch};
use crate::keys::{ObjectRow, RowKind, chunk_key, row_key};
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectRead, Transaction, Version};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use stdx::time::WallTime;
use stdx::{Errno, Rng};

/// A stopped store with some objects, each of 40 KiB of its number, with an attribute and two omap rows.
fn stopped(config: &StoreConfig, objects: u64) {
    Store::mkfs(config, 0, FSID).unwrap();
    let mut store = Store::open(config).unwrap();
    for n in 0..objects {
        let o = || object(n);
        let b = |s: &str| Bytes::copy_from_slice(s.as_bytes());
        let mutations = vec![
            Mutation::Write { object: o(), offset: 0, data: vec![n as u8 + 1; 40 << 10].into() },
            Mutation::SetXattr { object: o(), name: "a".into(), value: b("value") },
            Mutation::OmapSet { object: o(), rows: vec![(b("k1"), b("v1")), (b("k2"), b("v2"))] },
            Mutation::Stamp { object: o(), version: Version { interval: 1, seq: n + 1 }, mtime: WallTime(5) },
        ];
        store.submit(n, Transaction { mutations }).unwrap();
    }
    store.shutdown().unwrap();
}

fn kinds(report: &FsckReport) -> Vec<&'static str> {
    report.problems.iter().map(Problem::kind).collect()
}

fn flip(path: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// Changes rows behind the store's back.
fn tamper(config: &StoreConfig, change: impl FnOnce(&RocksIndex, &mut IndexBatch)) {
    let mut index = RocksIndex::open(&config.index_path(), 32 << 20).unwrap();
    let lsn = index.persisted_lsn().unwrap();
    let mut batch = IndexBatch::new();
    change(&index, &mut batch);
    index.write(batch.as_bytes()).unwrap();
    index.flush_wait(lsn).unwrap();
}

fn contents(dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => contents(&entry.path(), into),
            false => drop(into.insert(entry.path(), std::fs::read(entry.path()).unwrap())),
        }
    }
}

#[test]
fn looking_changes_no_byte_and_sees_what_the_log_holds() {
    let dir = directory();
    let config = config(&dir, 48 << 20);
    Store::mkfs(&config, 0, FSID).unwrap();
    let mut store = Store::open(&config).unwrap();
    let (mut rng, mut model) = (Rng::new(8), Model::new());
    for ticket in 0..200 {
        let t = random_transaction(&mut rng, &model, 12);
        store.submit(ticket, t.clone()).unwrap();
        model.apply(&t);
        store.poll().unwrap();
        if ticket == 120 {
            store.flush_index().unwrap();
        }
    }
    assert!(matches!(Examiner::open(&config), Err(StoreError::InUse { .. })), "it runs");
    store.drain().unwrap();
    drop(store);

    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    contents(&config.path, &mut before);
    let mut examiner = Examiner::open(&config).unwrap();
    let mut told = Vec::new();
    let report = examiner.check(true, &mut |done, total| told.push((done, total))).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.objects, model.objects.len() as u64);
    assert!(told.iter().all(|(done, total)| done <= total));
    let log = examiner.log().unwrap();
    let lsns: u64 = log.batches.iter().map(|b| b.records).sum();
    let superblock = examiner.superblock().unwrap();
    assert_eq!((lsns, log.damage), (superblock.durable_lsn - superblock.trim_lsn, None));
    assert_eq!(superblock.durable_lsn, 200);
    assert!(lsns >= 79 && !superblock.clean && superblock.copies.iter().all(|c| c.state.is_ok()));
    let found = examiner.find(None, usize::MAX).unwrap();
    assert!(found.iter().map(|o| &o.id).eq(model.objects.keys()));
    for o in &found {
        let known = &model.objects[&o.id];
        assert_eq!(o.meta, known.meta);
        assert!(
            examiner
                .xattrs(&o.id)
                .unwrap()
                .into_iter()
                .eq(known.xattrs.iter().map(|(k, v)| (k.clone(), v.to_vec())))
        );
        let mut rows = Vec::new();
        let more = examiner.omap(&o.id, 1 << 20, &mut |k, v| rows.push((k.to_vec(), v.to_vec()))).unwrap();
        assert!(!more && rows.into_iter().eq(known.omap.iter().map(|(k, v)| (k.to_vec(), v.to_vec()))));
        let extents = examiner.extents(o).unwrap();
        assert!(extents.iter().flat_map(|e| &e.units).all(|(_, good)| *good));
        assert!(extents.iter().all(|e| e.offset < known.meta.size));
    }
    drop(examiner);
    contents(&config.path, &mut after);
    assert!(before == after, "a file was made, changed or removed");
}

#[test]
fn a_bad_unit_is_named_stays_an_error_and_is_given_up_for_a_refill_only_when_asked() {
    let dir = directory();
    let config = config(&dir, 32 << 20);
    stopped(&config, 5);
    let place = {
        let mut examiner = Examiner::open(&config).unwrap();
        let o = &examiner.find(Some("o2"), 9).unwrap()[0];
        assert_eq!(o.id, object(2));
        examiner.extents(o).unwrap()[0].device_offset
    };
    flip(&config.device_path(), place + 3 * 4096 + 77);
    let report = fsck(&config).unwrap();
    let [Problem::BadUnit { owner, offset, .. }] = &report.problems[..] else { panic!("{report:?}") };
    assert_eq!((owner.id.as_ref(), *offset), (Some(&object(2)), 3 * 4096));
    assert_eq!(report.mendable(), (0, 1));
    assert!(report.problems[0].to_string().contains("o2"), "{}", report.problems[0]);

    let done = repair(&config, false).unwrap();
    assert!(!done.marked_damaged && done.objects_distrusted == 0, "{done:?}");
    let mut store = Store::open(&config).unwrap();
    assert_eq!(read_now(&mut store, &object(2), 0, 0), Err(Errno::EIO));
    assert_eq!(read_now(&mut store, &object(2), 0, 4096).unwrap(), vec![3; 4096]);
    store.shutdown().unwrap();
    drop(store);

    let done = repair(&config, true).unwrap();
    assert_eq!((done.objects_distrusted, done.marked_damaged), (1, true));
    assert_eq!(kinds(&fsck(&config).unwrap()), ["lost-writes", "bad-unit"]);
    let mut store = Store::open(&config).unwrap();
    assert!(store.is_damaged());
    for n in 0..5 {
        let seq = if n == 2 { 0 } else { n + 1 };
        assert_eq!(store.meta(&object(n)).unwrap().unwrap().version.seq, seq);
    }
    assert_eq!(read_now(&mut store, &object(2), 0, 0), Err(Errno::EIO), "an error until it is replaced");
    // As a peer's push does.
    let write = Mutation::Write { object: object(2), offset: 0, data: vec![9; 40 << 10].into() };
    store.submit(1, Transaction { mutations: vec![Mutation::Remove { object: object(2) }, write] }).unwrap();
    store.clear_damaged().unwrap();
    store.shutdown().unwrap();
    drop(store);
    assert!(fsck(&config).unwrap().is_clean());
}

#[test]
fn superblock_copies_are_written_anew() {
    let dir = directory();
    let config = config(&dir, 16 << 20);
    stopped(&config, 2);
    for copy in [1, 2, 3] {
        flip(&config.device_path(), copy * (64 << 10) + 30);
    }
    // The one that is left may be old: this much is too much.
    assert!(matches!(fsck(&config), Err(StoreError::DamagedSuperblock { .. })));
    assert!(matches!(repair(&config, true), Err(StoreError::DamagedSuperblock { .. })));
    for copy in [2, 3] {
        flip(&config.device_path(), copy * (64 << 10) + 30);
    }
    let report = fsck(&config).unwrap();
    assert_eq!(kinds(&report), ["superblock-copy"]);
    assert_eq!(report.mendable(), (1, 0));
    assert_eq!(repair(&config, false).unwrap().superblock_copies, 1);
    assert!(fsck(&config).unwrap().is_clean());
}

#[test]
fn rows_of_nobody_are_dropped_and_the_rest_is_as_it_was() {
    let dir = directory();
    let config = config(&dir, 32 << 20);
    stopped(&config, 3);
    let number = Examiner::open(&config).unwrap().find(Some("o1"), 1).unwrap()[0].number;
    tamper(&config, |index, batch| {
        let chunk = index.get(Family::Extents, &chunk_key(number, 0)).unwrap().unwrap();
        // Places that nobody has: the same units under an object that does not exist are units with two owners.
        batch.put(Family::Extents, &chunk_key(77, 0), &chunk);
        batch.put(Family::Rows, &row_key(78, RowKind::Omap, b"k"), b"v");
        batch.put(Family::Rows, &row_key(78, RowKind::Xattr, b"k"), b"v");
        batch.put(Family::Extents, &chunk_key(number, 9), &chunk);
        batch.put(Family::Extents, b"odd", &chunk);
    });
    let report = fsck(&config).unwrap();
    let mut found = kinds(&report);
    found.sort_unstable();
    assert_eq!(
        found,
        ["behind-end", "extent-row", "orphan-extents", "orphan-row", "orphan-row"],
        "{report:?}"
    );
    assert_eq!((report.leaked_units, report.mendable()), (10, (5, 0)));
    let done = repair(&config, false).unwrap();
    assert_eq!((done.rows_dropped, done.rows_cut, done.marked_damaged), (4, 1, false));
    let report = fsck(&config).unwrap();
    assert!(report.is_clean() && report.shared_units == 0, "{report:?}");
    let mut store = Store::open(&config).unwrap();
    for n in 0..3 {
        assert_eq!(read_now(&mut store, &object(n), 0, 0).unwrap(), vec![n as u8 + 1; 40 << 10]);
        assert_eq!(store.omap_get(&object(n), b"k2").unwrap().as_deref(), Some(&b"v2"[..]));
    }
    store.shutdown().unwrap();
}

#[test]
fn objects_with_unreadable_rows_are_removed_only_for_a_refill() {
    let dir = directory();
    let config = config(&dir, 32 << 20);
    stopped(&config, 3);
    let number = Examiner::open(&config).unwrap().find(Some("o1"), 1).unwrap()[0].number;
    tamper(&config, |_, batch| {
        batch.put(Family::Extents, &chunk_key(number, 0), b"no writer makes this");
        batch.put(Family::Objects, &object(2).sort_key(), b"nor this");
    });
    assert!(matches!(Store::open(&config), Err(StoreError::DamagedIndex { .. })), "it does not serve so");
    let report = fsck(&config).unwrap();
    assert_eq!(report.mendable().1, 2, "{report:?}");
    repair(&config, false).unwrap();
    assert_eq!(fsck(&config).unwrap().mendable().1, 2, "nothing was given up");
    let done = repair(&config, true).unwrap();
    assert_eq!((done.objects_removed, done.marked_damaged), (2, true));
    assert_eq!(kinds(&fsck(&config).unwrap()), ["lost-writes"]);
    let store = Store::open(&config).unwrap();
    let there: Vec<bool> = (0..3).map(|n| store.meta(&object(n)).unwrap().is_some()).collect();
    assert_eq!(there, [true, false, false]);
    assert!(store.is_damaged());
}

#[test]
fn what_lies_behind_the_end_of_an_object_is_cleared() {
    let dir = directory();
    let config = config(&dir, 32 << 20);
    stopped(&config, 2);
    // The object is said to be shorter than what was written.
    tamper(&config, |index, batch| {
        let key = object(1).sort_key();
        let mut row = ObjectRow::decode(&index.get(Family::Objects, &key).unwrap().unwrap()).unwrap();
        row.meta.size = 37_000;
        batch.put(Family::Objects, &key, &row.encode());
    });
    let report = fsck(&config).unwrap();
    assert_eq!((kinds(&report), report.mendable()), (vec!["dirty-tail"], (1, 0)));
    assert_eq!(repair(&config, false).unwrap().tails_cleared, 1);
    assert!(fsck(&config).unwrap().is_clean());
    let mut store = Store::open(&config).unwrap();
    let grow = Mutation::Truncate { object: object(1), size: 40_000 };
    store.submit(1, Transaction { mutations: vec![grow] }).unwrap();
    let want = [vec![2; 37_000], vec![0; 3_000]].concat();
    assert_eq!(read_now(&mut store, &object(1), 0, 0).unwrap(), want);
    store.shutdown().unwrap();
}
