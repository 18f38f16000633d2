//! Stories of copies that cannot be read: whoever has a good one gives it, and the bad one is written again.

use crate::bench::{Bench, object, osd, row};
use bytes::Bytes;
use osd_object::{Op, OpResult};
use osd_pg::SessionId;
use std::time::Duration;
use wire_codec::OsdOutcome;

fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect::<Vec<u8>>().into()
}
fn write(data: &Bytes) -> Vec<Op> {
    vec![Op::WriteFull { data: data.clone() }]
}
fn read(offset: u64, len: u64) -> Vec<Op> {
    vec![Op::Read { offset, len }]
}
fn got(outcome: Option<OsdOutcome>) -> Option<Bytes> {
    match outcome {
        Some(OsdOutcome::Done { outcome: Ok(results), .. }) => match &results[..] {
            [OpResult::Data(data)] => Some(data.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn what_the_primary_cannot_read_comes_from_a_member_and_is_written_again() {
    let mut b = Bench::active();
    let data = pattern(10_000);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(0, "o");
    let r = b.op(0, "o", read(5_000, 100));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data.slice(5_000..5_100)));
    let status = b.node(0).pg.status();
    assert_eq!((status.state.as_str(), status.damaged, status.repaired), ("active+clean", 0, 1));
    b.count_messages();
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!((got(b.answer(r)), b.count_messages()), (Some(data), 0), "it is good again here");
}

#[test]
fn the_second_best_copy_will_do_and_both_bad_ones_are_mended() {
    let mut b = Bench::active();
    let data = pattern(9_000);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(0, "o");
    b.rot(1, "o");
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data.clone()));
    assert_eq!((b.node(0).pg.status().repaired, b.node(1).pg.status().repaired), (1, 1));
    assert_eq!(b.node(0).pg.status().damaged, 0);
    for n in 0..3 {
        assert_eq!(b.node(n).durable.read(&object("o"), 0, 0).unwrap(), data);
    }
}

#[test]
fn a_member_that_is_silent_is_passed_over() {
    let mut b = Bench::active();
    let data = pattern(5_000);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(0, "o");
    b.cut(1);
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), None);
    b.pass(Duration::from_millis(600));
    assert_eq!(got(b.answer(r)), Some(data), "from osd.2, while the lease lasts");
}

#[test]
fn a_write_that_wants_to_see_unreadable_data_goes_on_with_another_copy() {
    let mut b = Bench::active();
    let data = pattern(3_000);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(0, "o");
    let changed = vec![Op::Read { offset: 0, len: 10 }, Op::Append { data: Bytes::from_static(b"end") }];
    let w = b.op(0, "o", changed);
    b.settle();
    assert!(matches!(b.answer(w), Some(OsdOutcome::Done { outcome: Ok(_), .. })), "{:?}", b.answer(w));
    let want: Bytes = [&data[..], b"end"].concat().into();
    for n in 0..3 {
        assert_eq!(b.node(n).durable.read(&object("o"), 0, 0).unwrap(), want);
    }
}

#[test]
fn a_joiner_gets_what_its_source_cannot_read_from_another_member() {
    let mut b = Bench::active();
    let data = pattern(700);
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(0, "o");
    b.start(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1, 2]);
    b.pass(Duration::from_secs(2));
    assert_eq!(b.row().in_sync, [osd(0), osd(1), osd(2)]);
    assert_eq!(b.node(2).durable.read(&object("o"), 0, 0).unwrap(), data);
    assert_eq!(b.node(0).pg.status().state, "active+clean");
    assert_eq!(b.node(0).pg.status().repaired, 1);
}

/// osd.0 and osd.1 are in sync; "o" is "old" at both, then osd.0 has "old and new" alone, which nobody was told of.
fn one_ahead() -> (Bench, SessionId) {
    let mut b = Bench::active();
    b.stop(2);
    b.map(row(1, &[0, 1], Some(0), true), &[0, 1]);
    let w = b.op(0, "o", write(&Bytes::from_static(b"old")));
    b.settle();
    assert!(b.answer(w).is_some(), "both have it");
    b.cut(1);
    let w = b.op(0, "o", vec![Op::Append { data: Bytes::from_static(b" and new") }]);
    b.settle();
    assert_eq!(b.answer(w), None);
    b.stop(0);
    b.join_link(1);
    (b, w)
}

#[test]
fn a_primary_that_cannot_roll_a_member_back_lets_it_lead() {
    let (mut b, w) = one_ahead();
    b.rot(1, "o");
    b.start(0);
    b.map(row(2, &[0, 1], Some(1), false), &[0, 1]);
    b.pass(Duration::from_secs(3));
    let row = b.row();
    assert_eq!((row.primary, row.interval, row.activated), (Some(osd(0)), 3, true), "{row:?}");
    assert!(row.in_sync.contains(&osd(1)), "nobody had to leave: {row:?}");
    let again = b.replay(0, w);
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert!(
        matches!(b.answer(again), Some(OsdOutcome::Done { outcome: Ok(_), .. })),
        "it happened after all"
    );
    assert_eq!(got(b.answer(r)), Some(Bytes::from_static(b"old and new")), "once");
    assert_eq!(&b.node(1).durable.read(&object("o"), 0, 0).unwrap()[..], b"old and new");
    assert_eq!(b.node(0).pg.status().damaged, 0);
}

#[test]
fn a_primary_that_cannot_bring_a_member_forward_lets_it_lead() {
    let (mut b, w) = one_ahead();
    b.rot(0, "o");
    b.start(0);
    b.map(row(2, &[0, 1], Some(0), false), &[0, 1]);
    b.pass(Duration::from_secs(3));
    assert_eq!((b.row().primary, b.row().interval, b.row().activated), (Some(osd(1)), 3, true));
    let r = b.op(1, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(Bytes::from_static(b"old")), "nobody was told of the rest");
    let again = b.replay(1, w);
    b.settle();
    assert!(matches!(b.answer(again), Some(OsdOutcome::Done { outcome: Ok(_), .. })));
    assert_eq!(&b.node(0).durable.read(&object("o"), 0, 0).unwrap()[..], b"old and new");
}

#[test]
fn what_neither_can_give_is_waited_for_and_the_lead_does_not_go_round_and_round() {
    let (mut b, _) = one_ahead();
    b.rot(0, "o");
    b.rot(1, "o");
    b.start(0);
    b.map(row(2, &[0, 1], Some(1), false), &[0, 1]);
    b.pass(Duration::from_secs(10));
    assert_eq!((b.row().interval, b.row().activated), (4, false), "each gave up once: {:?}", b.row());
    assert_eq!(b.row().in_sync.len(), 2, "nothing is thrown away");
    // osd.0 is mended, and led last but one.
    b.mend(0, "o");
    b.pass(Duration::from_secs(30));
    assert!(b.row().activated, "{:?}", b.row());
    assert_eq!(&b.node(1).durable.read(&object("o"), 0, 0).unwrap()[..], b"old and new");
}
