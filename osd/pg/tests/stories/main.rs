//! Stories of one PG at three OSDs, told step by step: the test decides what arrives, what is durable, and
//! what the monitors say.

mod bench;
mod family;
mod repair;
mod replaced;
mod resting;
mod scrub;
mod shards;
mod snapshots;
mod split;
mod watch;

use bench::{Bench, PG, object, ops_of, osd, row};
use bytes::Bytes;
use osd_object::{ObjectRead, Op, OpResult, Version};
use osd_pg::Effect;
use std::time::Duration;
use stdx::Errno;
use wire_codec::{OsdOutcome, PgMessage};

fn write(text: &'static str) -> Vec<Op> {
    vec![Op::WriteFull { data: Bytes::from_static(text.as_bytes()) }]
}
fn append(text: &'static str) -> Vec<Op> {
    vec![Op::Append { data: Bytes::from_static(text.as_bytes()) }]
}
fn read() -> Vec<Op> {
    vec![Op::Read { offset: 0, len: 0 }]
}
fn data(text: &'static str) -> OsdOutcome {
    let version = Version { interval: 1, seq: 1 };
    OsdOutcome::Done { version, outcome: Ok(vec![OpResult::Data(Bytes::from_static(text.as_bytes()))]) }
}

#[test]
fn a_write_is_answered_when_the_last_in_sync_disk_has_it() {
    let mut b = Bench::active();
    b.hold_disk(2);
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert_eq!(b.answer(w), None, "osd.2's disk has not got it");
    b.release_disk(2);
    b.settle();
    assert!(matches!(
        b.answer(w),
        Some(OsdOutcome::Done { version: Version { interval: 1, seq: 1 }, outcome: Ok(_) })
    ));
    for n in 0..3 {
        assert_eq!(&b.node(n).durable.read(&object("o"), 0, 0).unwrap()[..], b"x");
    }
}

#[test]
fn nothing_is_read_that_is_not_certain() {
    let mut b = Bench::active();
    b.hold_disk(1);
    let w = b.op(0, "o", write("x"));
    let r = b.op(0, "o", read());
    let refused = b.op(0, "o", vec![Op::Create { exclusive: true }]);
    let other = b.op(0, "other", vec![Op::Stat]);
    b.settle();
    assert_eq!([b.answer(w), b.answer(r), b.answer(refused)], [None, None, None]);
    assert!(b.answer(other).is_some(), "what it did not touch is certain");
    b.release_disk(1);
    b.settle();
    assert_eq!(b.answer(r), Some(data("x")));
    assert!(
        matches!(b.answer(refused), Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == Errno::EEXIST)
    );
}

#[test]
fn a_read_without_a_lease_asks_every_member_and_waits() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.pass(Duration::from_secs(5));
    b.cut(2);
    let r = b.op(0, "o", read());
    b.settle();
    assert_eq!(b.answer(r), None, "osd.2 might have become primary by now");
    b.join_link(2);
    b.pass(Duration::from_millis(500));
    b.settle();
    assert_eq!(b.answer(r), Some(data("x")));
    b.count_messages();
    let r = b.op(0, "o", read());
    b.settle();
    assert_eq!(b.answer(r), Some(data("x")));
    assert_eq!(b.count_messages(), 0, "within the lease a read asks nobody");
}

#[test]
fn a_new_primary_waits_out_the_lease_and_then_answers_replays_alike() {
    let mut b = Bench::active();
    let w = b.op(0, "o", append("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.settle();
    assert_eq!(b.row().in_sync, [osd(1), osd(2)], "activated without the stopped member");
    let again = b.replay(1, w);
    b.settle();
    assert_eq!(b.answer(again), None, "osd.0 may still be answering reads under osd.1's lease");
    b.pass(Duration::from_secs(2));
    b.settle();
    let first = b.answer(w);
    assert_eq!(b.answer(again), first);
    assert_eq!(&b.node(1).view.read(&object("o"), 0, 0).unwrap()[..], b"x", "appended once");
}

#[test]
fn nobody_joins_while_a_predecessor_may_still_answer_reads() {
    let mut b = Bench::active();
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    let r = b.op(0, "o", read());
    b.settle();
    assert!(b.answer(r).is_some(), "under a lease of osd.1");
    // osd.0 lives, but hears nothing; osd.2 is back and has all that osd.1 has.
    b.deaf(0);
    b.start(2);
    b.map_of(row(2, &[0, 1], Some(1), false), &[1, 2], &[1, 2]);
    b.settle();
    assert!(b.row().activated);
    // In sync, osd.2 could become primary. It has promised osd.0 nothing, and would serve at once.
    assert_eq!(b.row().in_sync, [osd(1)]);
    b.pass(Duration::from_secs(2));
    b.settle();
    assert_eq!(b.row().in_sync, [osd(1), osd(2)]);
}

#[test]
fn a_read_does_not_wait_for_the_lease_of_a_member_that_left() {
    let mut b = Bench::active();
    b.cut(2);
    let r = b.op(0, "o", read());
    b.settle();
    assert_eq!(b.answer(r), None, "osd.2 has promised nothing");
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    b.settle();
    assert!(b.answer(r).is_some(), "osd.1 has, and nobody else is in sync");
}

#[test]
fn a_failed_write_stays_failed_for_its_copies() {
    let mut b = Bench::active();
    let delete = b.op(0, "o", vec![Op::Delete]);
    let write = b.op(0, "o", write("x"));
    let copy = b.replay(0, delete);
    b.settle();
    let enoent = |o: Option<OsdOutcome>| matches!(o, Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == Errno::ENOENT);
    assert!(enoent(b.answer(delete)) && enoent(b.answer(copy)));
    assert!(b.answer(write).is_some());
    assert!(b.node(0).view.meta(&object("o")).unwrap().is_some(), "the copy found the object and let it be");
}

#[test]
fn below_min_size_reads_are_served_and_writes_wait() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.stop(1);
    b.stop(2);
    b.map(row(1, &[0], Some(0), true), &[0]);
    let w = b.op(0, "p", write("y"));
    let r = b.op(0, "o", read());
    b.settle();
    b.pass(Duration::from_secs(60));
    assert_eq!(b.answer(r), Some(data("x")));
    assert_eq!(b.answer(w), None);
    b.start(1);
    b.map(row(1, &[0], Some(0), true), &[0, 1]);
    b.settle();
    assert_eq!(b.row().in_sync, [osd(0), osd(1)], "osd.1 was filled and added");
    assert!(b.answer(w).is_some(), "and the write went on");
}

#[test]
fn a_write_under_way_is_not_acknowledged_by_too_few() {
    let mut b = Bench::active();
    b.hold_disk(1);
    b.hold_disk(2);
    let w = b.op(0, "o", write("x"));
    b.settle();
    b.stop(1);
    b.stop(2);
    b.map(row(1, &[0], Some(0), true), &[0]);
    b.settle();
    let r = b.op(0, "o", read());
    b.pass(Duration::from_secs(60));
    assert_eq!([b.answer(w), b.answer(r)], [None, None], "one copy is below min_size");
}

#[test]
fn losing_the_office_sends_everybody_away() {
    let mut b = Bench::active();
    b.hold_disk(1);
    let w = b.op(0, "o", write("x"));
    let r = b.op(0, "o", read());
    b.settle();
    b.map(row(2, &[0, 1, 2], Some(1), false), &[0, 1, 2]);
    assert_eq!([b.answer(w), b.answer(r)], [Some(OsdOutcome::NotPrimary), Some(OsdOutcome::NotPrimary)]);
    let late = b.op(0, "o", read());
    assert_eq!(b.answer(late), Some(OsdOutcome::NotPrimary));
}

#[test]
fn an_old_primary_that_missed_everything_can_neither_write_nor_read() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    // osd.0 neither hears the monitors nor is heard by them; its links to the others work.
    b.deaf(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    b.settle();
    let stale_write = b.op(0, "o", write("old"));
    let stale_read = b.op(0, "o", read());
    let fresh = b.op(1, "o", append("y"));
    b.settle();
    b.pass(Duration::from_secs(10));
    assert!(b.answer(fresh).is_some());
    let aim_anew = Some(OsdOutcome::NotPrimary);
    assert_eq!([b.answer(stale_write), b.answer(stale_read)], [aim_anew.clone(), aim_anew]);
    assert_eq!(&b.node(2).view.read(&object("o"), 0, 0).unwrap()[..], b"xy");
}

#[test]
fn what_only_the_lost_primary_had_is_rolled_back_when_it_returns() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.cut(0);
    let w = b.op(0, "o", append("lost"));
    let made = b.op(0, "new", write("lost too"));
    b.settle();
    assert_eq!([b.answer(w), b.answer(made)], [None, None]);
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(2));
    b.settle();
    b.start(0);
    b.join_link(0);
    b.map(b.row(), &[0, 1, 2]);
    b.settle();
    assert!(b.row().in_sync.contains(&osd(0)), "it is in sync again: {:?}", b.row());
    assert_eq!(&b.node(0).durable.read(&object("o"), 0, 0).unwrap()[..], b"x");
    assert_eq!(b.node(0).durable.meta(&object("new")).unwrap(), None);
}

#[test]
fn an_object_in_pieces_appears_at_once_or_not_at_all() {
    let mut b = Bench::active();
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    let big = vec![7u8; 1000];
    let w = b.op(0, "big", vec![Op::WriteFull { data: big.clone().into() }]);
    b.settle();
    assert!(b.answer(w).is_some());
    b.start(2);
    b.map(b.row(), &[0, 1, 2]);
    // Pieces are 100 bytes here: stop the joiner in the middle of the push.
    b.until(|e| matches!(e, Effect::Send { message: PgMessage::Push(p), .. } if p.chunk == 4));
    b.stop(2);
    b.start(2);
    assert_eq!(b.node(2).durable.meta(&object("big")).unwrap(), None, "nothing half-made");
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1, 2]);
    b.settle();
    assert!(b.row().in_sync.contains(&osd(2)));
    assert_eq!(b.node(2).durable.read(&object("big"), 0, 0).unwrap(), big);
    let left = b.node(2).durable.objects.keys().filter(|o| o.name.namespace.contains("temp")).count();
    assert_eq!(left, 0, "pieces of the interrupted push are gone");
}

#[test]
fn listings_page_through_live_objects_only() {
    let mut b = Bench::active();
    for n in ["a", "b", "c", "d", "e"] {
        b.op(0, n, write("x"));
    }
    let gone = b.op(0, "c", vec![Op::Delete]);
    b.settle();
    assert!(b.answer(gone).is_some());
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = b.list(0, after.clone(), 2);
        b.settle();
        let Some(OsdOutcome::Listed { objects, more }) = b.answer(page) else { panic!("a page") };
        assert!(objects.len() <= 2);
        after = objects.last().cloned();
        names.extend(objects.into_iter().map(|o| o.name.name));
        if !more {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["a", "b", "d", "e"]);
}

#[test]
fn refusals_that_need_no_state() {
    let mut b = Bench::active();
    let mut internal = object("o");
    internal.name.namespace = "\0pgmeta".into();
    let cases = [
        (internal, read(), Errno::EINVAL),
        (object("o"), vec![], Errno::EINVAL),
        (object(&"n".repeat(3000)), read(), Errno::E2BIG),
        (
            object("o"),
            vec![Op::Call { class: "no".into(), method: "no".into(), input: Bytes::new() }],
            Errno::EOPNOTSUPP,
        ),
    ];
    for (object, ops, code) in cases {
        let r = b.send(0, ops_of(object, ops));
        b.settle();
        let got = b.answer(r);
        assert!(matches!(&got, Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == code), "{got:?}");
    }
}

#[test]
fn a_full_osd_reads_and_deletes_and_takes_nothing() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.full(0, &[0]);
    let (w, d) = (b.op(0, "p", write("y")), b.op(0, "o", vec![Op::Delete]));
    b.settle();
    assert!(matches!(b.answer(w), Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == Errno::ENOSPC));
    assert!(matches!(b.answer(d), Some(OsdOutcome::Done { outcome: Ok(_), .. })));
    b.full(0, &[]);
    let w = b.op(0, "p", write("y"));
    b.settle();
    assert!(matches!(b.answer(w), Some(OsdOutcome::Done { outcome: Ok(_), .. })));
}

#[test]
fn an_object_that_nobody_can_read_fails_its_reader_and_nobody_else() {
    let mut b = Bench::active();
    for n in ["bad", "good"] {
        b.op(0, n, write("x"));
    }
    b.settle();
    for n in 0..3 {
        b.rot(n, "bad");
    }
    let (bad, good) = (b.op(0, "bad", read()), b.op(0, "good", read()));
    b.settle();
    assert!(matches!(b.answer(bad), Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == Errno::EIO));
    assert!(matches!(b.answer(good), Some(OsdOutcome::Done { outcome: Ok(_), .. })));
    assert_eq!(b.node(0).pg.status().pg, PG);
    assert_eq!(b.node(0).pg.status().state, "active+inconsistent+clean");
}

#[test]
fn an_idle_pg_sets_no_timer() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    for n in 0..3 {
        assert_eq!(b.node(n).pg.next_timeout(), None, "osd.{n}");
    }
    assert_eq!(b.node(0).pg.status().state, "active+clean");
}

#[test]
fn a_pg_that_was_given_up_starts_over() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    // osd.2 is being filled when the stores of the others are lost.
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    for n in ["a", "b", "c", "d", "e", "f"] {
        b.op(0, n, vec![Op::WriteFull { data: vec![1; 500].into() }]);
    }
    b.settle();
    b.start(2);
    b.map(b.row(), &[0, 1, 2]);
    b.until(|e| matches!(e, Effect::Send { message: PgMessage::Push(p), .. } if p.chunk == 2));
    b.stop(0);
    b.stop(1);
    let mut lost = row(2, &[], None, false);
    lost.lost = true;
    b.map(lost, &[2]);
    b.settle();
    assert_eq!(b.node(2).pg.status().state, "incomplete");
    b.map(row(3, &[2], Some(2), false), &[2]);
    b.pass(Duration::from_secs(5));
    assert!(b.row().activated, "it serves what is left");
    let stat = b.op(2, "o", vec![Op::Stat]);
    b.settle();
    assert!(b.answer(stat).is_some());
}

#[test]
fn a_restarted_primary_does_not_go_on_in_the_interval_of_its_former_life() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.stop(0);
    b.start(0);
    b.map(row(1, &[0, 1, 2], Some(0), true), &[0, 1, 2]);
    let r = b.op(0, "o", read());
    b.pass(Duration::from_secs(10));
    assert_eq!(b.answer(r), None, "the monitors will see the restart and give out a new interval");
    b.map(row(3, &[0, 1, 2], Some(0), false), &[0, 1, 2]);
    assert_eq!(
        b.answer(r),
        Some(OsdOutcome::NotPrimary),
        "aimed before the new interval, it has to come again"
    );
    let r = b.replay(0, r);
    b.pass(Duration::from_secs(3));
    assert_eq!(b.answer(r), Some(data("x")));
}

#[test]
fn a_member_whose_disk_hangs_is_dropped_and_fetched_again() {
    let mut b = Bench::active();
    b.hold_disk(2);
    let w = b.op(0, "o", write("x"));
    b.pass(Duration::from_secs(15));
    assert_eq!(b.answer(w), None);
    b.pass(Duration::from_secs(15));
    assert!(b.answer(w).is_some(), "two copies are enough to go on");
    assert_eq!(b.row().in_sync, [osd(0), osd(1)]);
    b.release_disk(2);
    b.pass(Duration::from_secs(2));
    assert_eq!(b.row().in_sync.len(), 3);
    assert_eq!(&b.node(2).durable.read(&object("o"), 0, 0).unwrap()[..], b"x");
}

#[test]
fn a_closed_throttle_holds_back_joiners_but_not_peering() {
    let mut b = Bench::active();
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.may_recover(0, false);
    b.start(2);
    b.map(b.row(), &[0, 1, 2]);
    b.pass(Duration::from_secs(5));
    assert_eq!(b.row().in_sync.len(), 2);
    b.may_recover(0, true);
    b.settle();
    assert_eq!(b.row().in_sync.len(), 3);
    // osd.1 has a write that osd.0, the next primary, has not: it is rolled back though the throttle is closed.
    b.may_recover(1, false);
    b.cut(1);
    let w = b.op(0, "o", append("y"));
    b.settle();
    assert_eq!(b.answer(w), None);
    b.join_link(1);
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    assert!(b.row().activated);
    assert_eq!(b.row().in_sync, [osd(1), osd(2)]);
    assert_eq!(&b.node(2).durable.read(&object("o"), 0, 0).unwrap()[..], b"x");
}

#[test]
fn a_deleted_pool_leaves_nothing_behind() {
    let mut b = Bench::active();
    for n in ["a", "b", "c"] {
        b.op(0, n, write("x"));
    }
    b.settle();
    for n in 0..3 {
        b.pool_deleted(n);
        b.pool_deleted(n);
    }
    let late = b.op(0, "a", read());
    b.settle();
    assert_eq!(b.answer(late), Some(OsdOutcome::NotPrimary));
    for n in 0..3 {
        assert!(b.node(n).pg.status().removed && b.node(n).durable.objects.is_empty(), "osd.{n}");
    }
}

#[test]
fn a_stray_copy_goes_only_when_the_primary_can_do_without() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    // By this map osd.2 is no member any more, but the PG is not whole without it.
    b.map_of(row(1, &[0, 1], Some(0), true), &[0, 1], &[0, 1, 2]);
    b.pass(Duration::from_secs(10));
    assert!(!b.node(2).durable.objects.is_empty());
    b.pool_size(2);
    b.map_of(row(1, &[0, 1], Some(0), true), &[0, 1], &[0, 1, 2]);
    b.pass(Duration::from_secs(10));
    assert!(b.node(2).pg.status().removed && b.node(2).durable.objects.is_empty());
}

#[test]
fn nobody_waits_for_the_lease_of_a_primary_that_resigned() {
    let mut b = Bench::active();
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    let waiting = b.op(0, "o", append("y"));
    b.resign(0);
    assert_eq!(b.answer(waiting), Some(OsdOutcome::NotPrimary));
    b.settle();
    let late = b.op(0, "o", read());
    assert_eq!(b.answer(late), Some(OsdOutcome::NotPrimary));
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    let again = b.replay(1, waiting);
    b.settle();
    assert!(matches!(b.answer(again), Some(OsdOutcome::Done { outcome: Ok(_), .. })), "at once");
    assert_eq!(&b.node(2).durable.read(&object("o"), 0, 0).unwrap()[..], b"xy", "appended once");
}

#[test]
fn a_late_operation_does_not_overtake_one_that_was_turned_away() {
    let mut b = Bench::active();
    b.hold_disk(0);
    b.map(row(2, &[0, 1, 2], Some(0), false), &[0, 1, 2]);
    let aimed = b.epoch();
    let first = b.op(0, "o", append("1"));
    b.settle();
    b.map(row(3, &[0, 1, 2], Some(0), false), &[0, 1, 2]);
    assert_eq!(b.answer(first), Some(OsdOutcome::NotPrimary));
    // The client sent this one before it heard of that.
    let second = b.op_of(aimed, 0, "o", append("2"));
    b.release_disk(0);
    b.settle();
    assert_eq!(b.answer(second), Some(OsdOutcome::NotPrimary));
    let (first, second) = (b.replay(0, first), b.replay(0, second));
    b.pass(Duration::from_secs(3));
    assert!(b.answer(first).is_some() && b.answer(second).is_some());
    assert_eq!(&b.node(0).view.read(&object("o"), 0, 0).unwrap()[..], b"12");
}

#[test]
fn writes_below_min_size_keep_their_order_behind_one_that_waited_for_its_object() {
    let mut b = Bench::active();
    b.stop(1);
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    b.start(1);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    b.settle();
    let w = b.op(0, "o", append("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    // osd.2 is sent the object, which therefore is locked; then osd.1 is lost.
    b.start(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1, 2]);
    b.until(|e| matches!(e, Effect::Send { message: PgMessage::Push(_), .. }));
    let first = b.op(0, "o", append("1"));
    b.stop(1);
    b.map_of(row(1, &[0], Some(0), true), &[0, 2], &[0, 2]);
    let second = b.op(0, "o", append("2"));
    b.settle();
    assert_eq!(b.row().in_sync, [osd(0), osd(2)]);
    assert!(b.answer(first).is_some() && b.answer(second).is_some());
    assert_eq!(&b.node(0).view.read(&object("o"), 0, 0).unwrap()[..], b"x12");
}

#[test]
fn below_min_size_reads_do_not_wait_for_what_is_in_flight() {
    let mut b = Bench::active();
    let w = b.op(0, "read me", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.cut(1);
    b.cut(2);
    let big: &'static [u8] = &[7; 8 << 20];
    for name in ["a", "b", "c", "d", "e"] {
        b.op(0, name, vec![Op::WriteFull { data: Bytes::from_static(big) }]);
    }
    b.settle();
    b.stop(1);
    b.stop(2);
    b.map(row(1, &[0], Some(0), true), &[0]);
    let r = b.op(0, "read me", read());
    b.pass(Duration::from_secs(1));
    assert_eq!(b.answer(r), Some(data("x")));
}

#[test]
fn a_full_joiner_is_not_filled_until_it_has_room() {
    let mut b = Bench::active();
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    let w = b.op(0, "o", write("x"));
    b.settle();
    assert!(b.answer(w).is_some());
    b.full(0, &[2]);
    b.start(2);
    b.map(b.row(), &[0, 1, 2]);
    b.pass(Duration::from_secs(5));
    assert_eq!(b.row().in_sync.len(), 2);
    assert_eq!(b.node(0).pg.filling(), osd_pg::Filling::Nothing, "and it takes nobody's turn");
    // That another member is full holds nothing back: filling the joiner may be what relieves it.
    b.full(0, &[1]);
    b.settle();
    assert_eq!(b.row().in_sync.len(), 3);
}

#[test]
fn effects_and_listings_that_no_message_holds_are_not_made() {
    let mut b = Bench::active();
    let piece = |n: u64| Op::Write { offset: n << 20, data: Bytes::from(vec![1; 1 << 20]) };
    let w = b.op(0, "o", (0..18).map(piece).collect());
    let names: Vec<String> = (0..1200).map(|n| format!("{n:02000}")).collect();
    let made: Vec<_> = names.iter().map(|n| b.send(0, ops_of(long(n), write("x")))).collect();
    b.settle();
    let refused = b.answer(w);
    assert!(matches!(refused, Some(OsdOutcome::Done { outcome: Err(f), .. }) if f.code == Errno::E2BIG));
    assert!(made.iter().all(|w| b.answer(*w).is_some()));
    let (mut after, mut seen, mut pages) = (None, 0, 0);
    loop {
        let l = b.list(0, after.clone(), 10_000);
        b.pass(Duration::from_millis(10));
        let Some(OsdOutcome::Listed { objects, more }) = b.answer(l) else { panic!("a listing") };
        (seen, pages) = (seen + objects.len(), pages + 1);
        let bytes: usize = objects.iter().map(|o| o.name.name.len() + o.name.namespace.len()).sum();
        assert!(bytes < 5 << 20, "{bytes}");
        after = objects.last().cloned();
        if !more {
            break;
        }
    }
    assert!(seen == 1200 && pages > 1, "{seen} objects in {pages} pages");
}

/// An object whose names are as long as they may be.
fn long(name: &str) -> osd_object::ObjectId {
    let mut id = object(name);
    id.name.namespace = "s".repeat(2000);
    id.name.locator = "l".repeat(2000);
    id
}

#[test]
fn what_a_stores_log_would_not_take_is_refused_before_anything_is_logged() {
    let mut b = Bench::active();
    let rows = |n: usize| vec![(Bytes::from_static(b"k"), Bytes::from(vec![1; n << 10]))];
    let w = b.op(0, "o", vec![Op::OmapSet { rows: rows(300) }]);
    b.settle();
    match b.answer(w) {
        Some(OsdOutcome::Done { outcome: Err(failure), .. }) => assert_eq!(failure.code, Errno::E2BIG),
        other => panic!("{other:?}"),
    }
    let w = b.op(0, "o", vec![Op::OmapSet { rows: rows(200) }]);
    let large = b.op(0, "p", vec![Op::WriteFull { data: Bytes::from(vec![2; 1 << 20]) }]);
    b.settle();
    for session in [w, large] {
        assert!(
            matches!(b.answer(session), Some(OsdOutcome::Done { outcome: Ok(_), .. })),
            "{:?}",
            b.answer(session)
        );
    }
}
