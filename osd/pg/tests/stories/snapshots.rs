//! Stories of snapshots: what each shows, what follows a member that was away, and what goes when they go.

use super::bench::{Bench, object, ops_of, row};
use super::{append, read, write};
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, Op, OpResult, SnapContext, SnapId};
use std::time::Duration;
use stdx::Errno;
use wire_codec::{OpTarget, OsdOutcome};

fn context(snaps: &[u64]) -> SnapContext {
    SnapContext {
        seq: snaps.first().copied().unwrap_or(0),
        snaps: snaps.iter().copied().map(SnapId).collect(),
    }
}

fn at(name: &str, snap: u64) -> ObjectId {
    ObjectId { snap: SnapId(snap), ..object(name) }
}

fn done(b: &mut Bench, target: OpTarget, snaps: &[u64]) -> OpOutcome {
    let session = b.send_in(0, target, context(snaps));
    b.settle();
    match b.answer(session) {
        Some(OsdOutcome::Done { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    }
}

fn op(b: &mut Bench, name: &str, ops: Vec<Op>, snaps: &[u64]) {
    done(b, ops_of(object(name), ops), snaps).expect("it is carried out");
}

fn text(b: &mut Bench, object: ObjectId) -> Result<String, Errno> {
    match done(b, ops_of(object, read()), &[]) {
        Ok(results) => match &results[..] {
            [OpResult::Data(data)] => Ok(String::from_utf8_lossy(data).into_owned()),
            other => panic!("{other:?}"),
        },
        Err(failure) => Err(failure.code),
    }
}

fn clones(model: &Model) -> Vec<u64> {
    model.objects.keys().filter(|o| o.snap != SnapId::HEAD).map(|o| o.snap.0).collect()
}

#[test]
fn a_snapshot_shows_what_was_and_a_deleted_object_is_gone_for_everybody_else() {
    shows_what_was(Bench::active());
    shows_what_was(Bench::active_shards());
}

fn shows_what_was(mut b: Bench) {
    op(&mut b, "o", write("one"), &[]);
    b.snaps(2, &[]);
    op(&mut b, "o", append(" two"), &[2, 1]);
    assert_eq!(text(&mut b, at("o", 1)), Ok("one".into()));
    assert_eq!(text(&mut b, at("o", 2)), Ok("one".into()));
    op(&mut b, "o", vec![Op::Delete], &[2, 1]);
    assert_eq!(text(&mut b, object("o")), Err(Errno::ENOENT));
    let listed = b.list(0, None, 10);
    b.settle();
    assert_eq!(b.answer(listed), Some(OsdOutcome::Listed { objects: vec![], more: false }));
    op(&mut b, "o", vec![Op::Rollback { snap: SnapId(1) }], &[2, 1]);
    assert_eq!(text(&mut b, object("o")), Ok("one".into()));
    for n in 0..3 {
        assert_eq!(clones(&b.node(n).durable), [2], "one clone serves both, at osd.{n}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut b = Bench::active();
    b.snaps(3, &[]);
    let target = |ops| ops_of(object("o"), ops);
    let code = |outcome: OpOutcome| outcome.expect_err("refused").code;
    assert_eq!(code(done(&mut b, target(write("x")), &[1, 2])), Errno::EINVAL, "not newest first");
    assert_eq!(code(done(&mut b, target(write("x")), &[4])), Errno::EINVAL, "not given out yet");
    assert_eq!(
        code(done(&mut b, ops_of(at("o", 1), write("x")), &[])),
        Errno::EINVAL,
        "nobody writes the past"
    );
    let known = vec![Op::WriteFull { data: Bytes::new() }, Op::AssertSnapsKnown];
    assert_eq!(code(done(&mut b, target(known.clone()), &[2, 1])), Errno::EOLDSNAPC, "there is one more");
    done(&mut b, target(known), &[3, 1]).expect("it knows of all");
}

#[test]
fn a_member_that_was_away_gets_the_clones_by_the_log() {
    let mut b = Bench::active();
    b.snaps(1, &[]);
    op(&mut b, "o", write("one"), &[]);
    op(&mut b, "gone", write("x"), &[]);
    op(&mut b, "gone", write("y"), &[1]);
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    op(&mut b, "o", write("two"), &[1]);
    b.snaps(2, &[]);
    op(&mut b, "o", write("three"), &[2, 1]);
    b.start(2);
    b.map_of(b.row(), &[0, 1, 2], &[0, 1, 2]);
    b.pass(Duration::from_secs(3));
    assert_eq!(b.row().in_sync.len(), 3);
    assert_eq!(b.node(2).durable.objects.keys().filter(|o| o.snap != SnapId::HEAD).count(), 3);
    for (snap, wanted) in [(1, "one"), (2, "two")] {
        assert_eq!(&b.node(2).durable.read(&at("o", snap), 0, 0).unwrap()[..], wanted.as_bytes());
    }
}

#[test]
fn what_is_kept_for_a_removed_snapshot_goes_everywhere_and_nothing_else() {
    lets_go_of_what_was_removed(Bench::active());
    lets_go_of_what_was_removed(Bench::active_shards());
}

fn lets_go_of_what_was_removed(mut b: Bench) {
    b.snaps(1, &[]);
    for name in ["a", "b", "c"] {
        op(&mut b, name, write("one"), &[]);
        op(&mut b, name, write("two"), &[1]);
    }
    b.snaps(2, &[]);
    op(&mut b, "a", vec![Op::Delete], &[2, 1]);
    b.snaps(2, &[1]);
    b.pass(Duration::from_secs(1));
    for n in 0..3 {
        assert_eq!(clones(&b.node(n).durable), [2], "at osd.{n}");
    }
    assert_eq!(text(&mut b, at("a", 2)), Ok("two".into()));
    assert_eq!(text(&mut b, at("a", 1)), Err(Errno::ESTALE), "not as if it had been absent then");
    assert!(!b.node(0).pg.status().state.contains("snaptrim"), "{}", b.node(0).pg.status().state);
    b.snaps(2, &[1, 2]);
    b.pass(Duration::from_secs(1));
    for n in 0..3 {
        let left: Vec<&ObjectId> = b.node(n).durable.objects.keys().filter(|o| o.name.name == "a").collect();
        assert!(left.is_empty(), "the last snapshot of a deleted object takes it along: {left:?}");
    }
    // A write of a client that has not heard of it yet keeps nothing for it.
    op(&mut b, "b", write("three"), &[2, 1]);
    assert!(clones(&b.node(0).durable).is_empty());
    // Every member knows what was walked through, so the next primary does not do it again.
    assert!((0..3).all(|n| b.node(n).pg.status().snap_trim_backlog == 0));
    b.stop(0);
    b.map(row(2, &[1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(5));
    assert_eq!(b.node(1).pg.status().snap_trim_backlog, 0);
}

fn put(text: &str) -> Vec<Op> {
    vec![Op::WriteFull { data: Bytes::copy_from_slice(text.as_bytes()) }]
}

/// What a snapshot, or the live object, shows after a while.
fn later(b: &mut Bench, to: usize, object: ObjectId) -> Result<String, Errno> {
    let session = b.send_in(to, ops_of(object, read()), SnapContext::default());
    b.pass(Duration::from_secs(1));
    match b.answer(session) {
        Some(OsdOutcome::Done { outcome: Ok(results), .. }) => match &results[..] {
            [OpResult::Data(data)] => Ok(String::from_utf8_lossy(data).into_owned()),
            other => panic!("{other:?}"),
        },
        Some(OsdOutcome::Done { outcome: Err(failure), .. }) => Err(failure.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clone_that_not_all_shards_prepared_is_undone_with_its_write() {
    let (old, new) = ("x".repeat(100), "y".repeat(200));
    let mut b = Bench::active_shards();
    op(&mut b, "o", put(&old), &[]);
    b.snaps(1, &[]);
    b.cut(2);
    let w = b.send_in(0, ops_of(object("o"), put(&new)), context(&[1]));
    b.settle();
    assert_eq!((b.answer(w), b.node(1).pg.status().put_aside), (None, 1));
    b.stop(0);
    b.join_link(2);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    assert_eq!(b.node(1).pg.status().put_aside, 0, "undone");
    assert!(clones(&b.node(1).durable).is_empty() && clones(&b.node(2).durable).is_empty());
    for snap in [at("o", 1), object("o")] {
        assert_eq!(later(&mut b, 1, snap), Ok(old.clone()), "as if it had never been sent");
    }
    let again = b.replay(1, w);
    b.pass(Duration::from_secs(1));
    assert!(b.answer(again).is_some(), "sent again it happens");
    assert_eq!(later(&mut b, 1, at("o", 1)), Ok(old));
    assert_eq!(later(&mut b, 1, object("o")), Ok(new));
    assert_eq!((clones(&b.node(1).durable), clones(&b.node(2).durable)), (vec![1], vec![1]));
}

#[test]
fn a_clone_that_all_shards_prepared_stays_though_nobody_was_told() {
    let (old, new) = ("x".repeat(100), "y".repeat(200));
    let mut b = Bench::active_shards();
    op(&mut b, "o", put(&old), &[]);
    b.snaps(1, &[]);
    let w = b.send_in(0, ops_of(object("o"), put(&new)), context(&[1]));
    b.settle_without(0);
    assert_eq!(b.answer(w), None);
    b.stop(0);
    // The others start anew as well: what they put aside says all that is to be done.
    for n in [1, 2] {
        b.stop(n);
        b.start(n);
    }
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(5));
    assert_eq!(later(&mut b, 1, at("o", 1)), Ok(old));
    assert_eq!(later(&mut b, 1, object("o")), Ok(new));
    assert_eq!((clones(&b.node(1).durable), clones(&b.node(2).durable)), (vec![1], vec![1]));
}

#[test]
fn a_member_that_was_away_gets_its_shards_of_the_clones() {
    let mut b = Bench::active_shards();
    let text = |letter: &str| letter.repeat(150);
    b.snaps(1, &[]);
    op(&mut b, "o", put(&text("a")), &[]);
    op(&mut b, "gone", put("x"), &[]);
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    op(&mut b, "o", put(&text("b")), &[1]);
    op(&mut b, "gone", vec![Op::Delete], &[1]);
    b.snaps(2, &[]);
    op(&mut b, "o", put(&text("c")), &[2, 1]);
    b.start(2);
    b.map_of(b.row(), &[0, 1, 2], &[0, 1, 2]);
    b.pass(Duration::from_secs(3));
    assert_eq!(b.row().in_sync.len(), 3);
    // What it got is needed from here on.
    b.stop(1);
    b.map(row(2, &[0, 2], Some(0), false), &[0, 2]);
    b.pass(Duration::from_secs(5));
    for (snap, wanted) in [(1, "a"), (2, "b")] {
        assert_eq!(later(&mut b, 0, at("o", snap)), Ok(text(wanted)));
    }
    assert_eq!(later(&mut b, 0, object("o")), Ok(text("c")));
    assert_eq!(later(&mut b, 0, at("gone", 1)), Ok("x".into()));
    assert_eq!(later(&mut b, 0, object("gone")), Err(Errno::ENOENT));
}

#[test]
fn a_clone_that_was_put_aside_when_its_snapshot_went_goes_too() {
    let mut b = Bench::active_shards();
    op(&mut b, "o", put("one"), &[]);
    b.snaps(1, &[]);
    b.cut(2);
    let w = b.send_in(0, ops_of(object("o"), put("two")), context(&[1]));
    b.settle();
    assert_eq!((b.answer(w), b.node(0).pg.status().put_aside), (None, 1));
    b.snaps(1, &[1]);
    b.pass(Duration::from_millis(200));
    b.join_link(2);
    b.pass(Duration::from_secs(3));
    assert!(b.answer(w).is_some(), "it happened");
    assert_eq!(b.node(0).pg.status().snap_trim_backlog, 0, "and was walked through behind it");
    for n in 0..3 {
        assert!(clones(&b.node(n).durable).is_empty(), "osd.{n} keeps what nobody asks for");
    }
}

#[test]
fn what_was_begun_before_a_snapshot_went_is_walked_through_behind_it() {
    let mut b = Bench::active_shards();
    op(&mut b, "o", put(&"x".repeat(100)), &[]);
    b.snaps(1, &[]);
    // It wants the rest of a stripe, and waits for osd.1.
    b.cut(1);
    let part = vec![Op::Write { offset: 3, data: Bytes::from_static(b"y") }];
    let w = b.send_in(0, ops_of(object("o"), part), context(&[1]));
    b.settle();
    assert_eq!((b.answer(w), b.node(0).pg.status().put_aside), (None, 0), "it has only begun");
    b.snaps(1, &[1]);
    b.pass(Duration::from_millis(700));
    b.join_link(1);
    b.pass(Duration::from_secs(3));
    assert!(b.answer(w).is_some(), "it happened");
    assert_eq!(b.node(0).pg.status().snap_trim_backlog, 0);
    for n in 0..3 {
        assert!(clones(&b.node(n).durable).is_empty(), "osd.{n} keeps what nobody asks for");
    }
}
