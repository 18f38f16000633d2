//! Stories of copies that cannot be read: whoever has a good one gives it, and the bad one is written again.

use crate::bench::{Bench, object, osd, row};
use bytes::Bytes;
use osd_object::{Op, OpResult};
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
