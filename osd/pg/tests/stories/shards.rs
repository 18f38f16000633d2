//! Stories of an erasure-coded PG: two data shards and one of parity, stripes of 64 bytes.

use crate::bench::{Bench, object, osd, row};
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{ObjectRead, Op, OpResult};
use placement_map::PgRow;
use std::time::Duration;
use stdx::Errno;
use wire_codec::OsdOutcome;

fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 7 + i / 32) as u8).collect::<Vec<u8>>().into()
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
fn failed(outcome: Option<OsdOutcome>) -> Option<Errno> {
    match outcome {
        Some(OsdOutcome::Done { outcome: Err(f), .. }) => Some(f.code),
        _ => None,
    }
}

#[test]
fn a_read_touches_only_the_shards_it_needs() {
    let mut b = Bench::active_shards();
    let data = pattern(500);
    let w = b.op(0, "o", write(&data));
    b.settle();
    assert!(b.answer(w).is_some());
    b.count_messages();
    let own = b.op(0, "o", read(64, 20));
    b.settle();
    assert_eq!(got(b.answer(own)), Some(data.slice(64..84)));
    assert_eq!(b.count_messages(), 0, "osd.0 has that chunk itself");
    let other = b.op(0, "o", read(100, 20));
    b.settle();
    assert_eq!(got(b.answer(other)), Some(data.slice(100..120)));
    assert_eq!(b.count_messages(), 2, "a question to osd.1 and its answer");
    let all = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(all)), Some(data));
    assert_eq!(b.count_messages(), 2, "and parity is left alone");
}

#[test]
fn an_unreadable_shard_is_decoded_around_and_repaired_and_two_are_an_error() {
    let mut b = Bench::active_shards();
    let data = pattern(300);
    b.op(0, "o", write(&data));
    b.settle();
    b.rot(1, "o");
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data.clone()));
    assert_eq!(b.node(0).pg.status().state, "active+clean", "repaired");
    for n in [0, 1] {
        // What was written again is what was there.
        b.rot(n, "o");
        let r = b.op(0, "o", read(10, 200));
        b.settle();
        assert_eq!(got(b.answer(r)), Some(data.slice(10..210)));
        assert_eq!(b.node(0).pg.status().state, "active+clean");
    }
    b.rot(1, "o");
    b.rot(2, "o");
    let r = b.op(0, "o", read(0, 0));
    let fine = b.op(0, "o", read(0, 10));
    b.settle();
    assert!(b.node(0).pg.status().state.contains("inconsistent"), "{}", b.node(0).pg.status().state);
    assert_eq!(failed(b.answer(r)), Some(Errno::EIO), "nothing is made up");
    assert_eq!(got(b.answer(fine)), Some(data.slice(..10)), "what osd.0 has is there");
}

#[test]
fn a_member_that_does_not_answer_is_done_without() {
    let mut b = Bench::active_shards();
    let data = pattern(200);
    b.op(0, "o", write(&data));
    b.settle();
    let until = b.op(0, "other", write(&data));
    b.settle();
    assert!(b.answer(until).is_some());
    b.cut(1);
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), None);
    b.pass(Duration::from_millis(600));
    assert_eq!(got(b.answer(r)), Some(data), "rebuilt from osd.0 and parity, while the lease lasts");
}

#[test]
fn a_write_that_not_all_shards_prepared_is_undone_and_nothing_old_is_lost() {
    let mut b = Bench::active_shards();
    let (old, new) = (pattern(150), Bytes::from(vec![9; 400]));
    let first = b.op(0, "o", write(&old));
    b.settle();
    assert!(b.answer(first).is_some());
    // osd.2 never hears of it; osd.1 prepares it; then the primary dies.
    b.cut(2);
    let w = b.op(0, "o", write(&new));
    b.settle();
    assert_eq!(b.answer(w), None);
    assert_eq!(b.node(1).pg.status().put_aside, 1);
    b.stop(0);
    b.join_link(2);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    assert_eq!(b.row().in_sync, [osd(1), osd(2)]);
    assert_eq!(b.node(1).pg.status().put_aside, 0, "undone");
    let r = b.op(1, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(old), "decoded from one data shard and parity");
    let again = b.replay(1, w);
    b.settle();
    assert!(b.answer(again).is_some(), "sent again it happens");
    let r = b.op(1, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(new));
}

#[test]
fn a_write_that_all_shards_prepared_stays_though_nobody_was_told() {
    let mut b = Bench::active_shards();
    let (old, new) = (pattern(150), Bytes::from(vec![9; 400]));
    b.op(0, "o", write(&old));
    b.settle();
    let w = b.op(0, "o", write(&new));
    // All have it durable, and the primary dies before it says so.
    b.settle_without(0);
    assert_eq!(b.answer(w), None);
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    let r = b.op(1, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(new));
    assert_eq!((b.node(1).pg.status().put_aside, b.node(2).pg.status().put_aside), (0, 0));
}

#[test]
fn too_few_shards_serve_nobody() {
    let mut b = Bench::active_shards();
    b.op(0, "o", write(&pattern(150)));
    b.settle();
    b.stop(1);
    b.stop(2);
    b.map(row(2, &[0, 1, 2], Some(0), false), &[0]);
    b.pass(Duration::from_secs(5));
    assert!(!b.row().activated);
    assert!(b.node(0).pg.status().state.starts_with("down"), "{}", b.node(0).pg.status().state);
    b.start(2);
    b.map(row(3, &[0, 1, 2], Some(0), false), &[0, 2]);
    b.pass(Duration::from_secs(5));
    assert!(b.row().activated, "two are enough to read");
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(pattern(150)));
}

#[test]
fn what_shards_cannot_keep_is_refused() {
    let mut b = Bench::active_shards();
    let rows = vec![(Bytes::from_static(b"k"), Bytes::from_static(b"v"))];
    let set = b.op(0, "o", vec![Op::OmapSet { rows }]);
    let hidden = b.op(0, "o", vec![Op::SetXattr { name: "\0ec".into(), value: Bytes::new() }]);
    b.settle();
    assert_eq!(failed(b.answer(set)), Some(Errno::EOPNOTSUPP));
    assert_eq!(failed(b.answer(hidden)), Some(Errno::EINVAL));
    assert!(b.node(0).view.meta(&object("o")).unwrap().is_none());
}

/// Overwrites a part of two stripes, lets so many things happen (a message arrives, a transaction is durable), then these
/// end, and come back after the others went on if they could. What is there then is the old or the new object; true if
/// everything had happened before.
fn overwrite_and_end(steps: usize, who: &[u32]) -> bool {
    let mut b = Bench::active_shards();
    let (old, patch) = (pattern(300), Bytes::from(vec![9; 90]));
    let new: Bytes = [&old[..70], &patch[..], &old[160..]].concat().into();
    b.op(0, "o", write(&old));
    b.settle();
    let w = b.op(0, "o", vec![Op::Write { offset: 70, data: patch }]);
    let all = !(0..steps).all(|_| b.step());
    let acknowledged = b.answer(w).is_some();
    for osd in who {
        b.stop(*osd as usize);
    }
    let left: Vec<u32> = (0..3).filter(|osd| !who.contains(osd)).collect();
    let first = left.first().copied().unwrap_or(0);
    if left.len() >= 2 {
        b.map(row(2, &[0, 1, 2], Some(first), false), &left);
        b.pass(Duration::from_secs(3));
        assert!(b.row().activated);
    }
    for osd in who {
        b.start(*osd as usize);
    }
    let back = if left.len() >= 2 { b.row() } else { row(2, &[0, 1, 2], Some(first), false) };
    b.map(back, &[0, 1, 2]);
    b.pass(Duration::from_secs(3));
    assert_eq!((b.row().in_sync.len(), b.row().activated), (3, true), "{steps} {who:?}: {:?}", b.row());
    let primary = first as usize;
    let mut read_with = |rotten: Option<usize>| {
        if let Some(n) = rotten {
            b.rot(n, "o");
        }
        let r = b.op(primary, "o", read(0, 0));
        b.settle();
        got(b.answer(r)).expect("any two shards give it")
    };
    let there = read_with(None);
    assert!(there == new || (there == old && !acknowledged), "{steps} {who:?}: {acknowledged}");
    for n in 0..3 {
        assert_eq!(read_with(Some(n)), there, "{steps} {who:?}: without the shard of osd.{n}");
    }
    assert!((0..3).all(|n| b.node(n).pg.status().put_aside == 0), "{steps} {who:?}");
    let again = b.replay(primary, w);
    b.settle();
    assert!(b.answer(again).is_some());
    let r = b.op(primary, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(new), "{steps} {who:?}: sent again it has happened");
    all
}

#[test]
fn a_partial_overwrite_is_whole_or_not_at_all_wherever_somebody_ends() {
    for who in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
        let steps = (0..).find(|steps| overwrite_and_end(*steps, who)).expect("it ends");
        assert!(steps > 10, "a write is many things: {steps}");
    }
}

#[test]
fn a_pg_that_was_given_up_begins_with_nothing_on_every_member() {
    for late in [None, Some(2), Some(0)] {
        let mut b = Bench::active_shards();
        b.op(0, "o", write(&pattern(150)));
        b.op(0, "p", write(&pattern(90)));
        b.settle();
        let anew = |interval| PgRow { born: 3, ..row(interval, &[0, 1, 2], Some(0), false) };
        if let Some(n) = late {
            // It is away, and comes back with all that it had.
            b.stop(n);
        }
        let there: Vec<u32> = (0..3).filter(|n| late != Some(*n as usize)).collect();
        b.map(PgRow { primary: Some(osd(there[0])), ..anew(3) }, &there);
        b.pass(Duration::from_secs(3));
        assert!(b.row().activated, "those who are there are enough");
        let r = b.op(there[0] as usize, "o", read(0, 0));
        let w = b.op(there[0] as usize, "p", write(&pattern(60)));
        b.pass(Duration::from_secs(1));
        assert_eq!(failed(b.answer(r)), Some(Errno::ENOENT), "it was given up");
        assert!(b.answer(w).is_some(), "and it takes writes");
        if let Some(n) = late {
            b.start(n);
            let row = b.row();
            b.map_of(row, &[0, 1, 2], &[0, 1, 2]);
            b.pass(Duration::from_secs(5));
        }
        assert_eq!(b.row().in_sync.len(), 3);
        for n in 0..3 {
            let held = &b.node(n).durable.objects;
            assert!(!held.contains_key(&object("o")), "osd.{n} holds what was given up");
            assert!(held.contains_key(&object("p")), "osd.{n} lacks what was written since");
        }
        let r = b.op(there[0] as usize, "p", read(0, 0));
        b.settle();
        assert_eq!(got(b.answer(r)), Some(pattern(60)));
    }
}

fn overwrite(offset: u64, data: &Bytes) -> Vec<Op> {
    vec![Op::Write { offset, data: data.clone() }]
}
/// The object after that.
fn overwritten(old: &Bytes, offset: usize, data: &Bytes) -> Bytes {
    let mut new = old.to_vec();
    new[offset..offset + data.len()].copy_from_slice(data);
    new.into()
}

#[test]
fn an_overwrite_reads_the_columns_that_it_changes_and_no_more() {
    let mut b = Bench::active_shards();
    let (old, new) = (pattern(500), Bytes::from(vec![9; 10]));
    b.op(0, "o", write(&old));
    b.settle();
    b.take_reads();
    // Ten bytes of the second chunk of the third stripe, which osd.1 has.
    let w = b.op(0, "o", overwrite(170, &new));
    b.settle();
    assert!(b.answer(w).is_some());
    assert_eq!(b.take_reads(), [vec![10], vec![], vec![]], "the other chunk's same columns give the parity");
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(overwritten(&old, 170, &new)));
    // Without osd.1, so that parity is what gives it.
    b.rot(1, "o");
    let r = b.op(0, "o", read(160, 30));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(overwritten(&old, 170, &new).slice(160..190)));
    b.take_reads();
    let w = b.op(0, "o", overwrite(64, &pattern(128)));
    b.settle();
    assert!(b.answer(w).is_some());
    assert_eq!(b.take_reads().concat(), [0u64; 0], "whole stripes need nothing old");
}

#[test]
fn a_pool_in_a_hurry_asks_all_shards_and_takes_what_comes_first() {
    let mut b = Bench::active_shards();
    let data = pattern(500);
    b.op(0, "o", write(&data));
    b.fast_read();
    b.settle();
    b.take_reads();
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data.clone()));
    assert_eq!(b.take_reads().iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    b.cut(1);
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data), "nobody waits for osd.1, though its chunks are wanted");
}

#[test]
fn overwrites_of_different_columns_are_under_way_together_and_others_wait() {
    let mut b = Bench::active_shards();
    let old = pattern(500);
    b.op(0, "o", write(&old));
    b.settle();
    b.hold_disk(1);
    let [x, y, z] = [1, 2, 3].map(|byte| Bytes::from(vec![byte; 10]));
    let first = b.op(0, "o", overwrite(70, &x));
    let beside = b.op(0, "o", overwrite(130, &y));
    b.settle();
    assert_eq!(b.node(2).pg.status().put_aside, 2, "both are prepared");
    // The columns of the first, in the other chunk of its stripe: the parity is the same.
    let across = b.op(0, "o", overwrite(64 + 32 + 8, &z));
    let behind = b.op(0, "o", overwrite(300, &z));
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(b.node(2).pg.status().put_aside, 2, "nothing overtakes what waits");
    assert!([first, beside, across, behind, r].iter().all(|op| b.answer(*op).is_none()));
    b.release_disk(1);
    b.settle();
    assert!([first, beside, across, behind].iter().all(|op| b.answer(*op).is_some()));
    let new = overwritten(&overwritten(&old, 70, &x), 130, &y);
    let new = overwritten(&overwritten(&new, 104, &z), 300, &z);
    assert_eq!(got(b.answer(r)), Some(new.clone()));
    b.pass(Duration::from_millis(200));
    for n in 0..3 {
        assert_eq!(b.node(n).pg.status().put_aside, 0, "though no write follows");
        b.rot(n, "o");
        let r = b.op(0, "o", read(0, 0));
        b.settle();
        assert_eq!(got(b.answer(r)), Some(new.clone()), "without osd.{n}");
    }
}

#[test]
fn of_overwrites_that_are_under_way_those_are_undone_that_not_all_have() {
    let mut b = Bench::active_shards();
    let old = pattern(500);
    b.op(0, "o", write(&old));
    b.settle();
    let [x, y] = [1, 2].map(|byte| Bytes::from(vec![byte; 10]));
    // Both in chunks of osd.1, so that what is read for them is here.
    let first = b.op(0, "o", overwrite(102, &x));
    b.settle_without(0);
    b.cut(2);
    let second = b.op(0, "o", overwrite(180, &y));
    b.settle_without(0);
    assert_eq!((b.answer(first), b.answer(second)), (None, None));
    assert_eq!((b.node(1).pg.status().put_aside, b.node(2).pg.status().put_aside), (2, 1));
    b.stop(0);
    b.join_link(2);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.pass(Duration::from_secs(3));
    let r = b.op(1, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(overwritten(&old, 102, &x)));
    assert_eq!((b.node(1).pg.status().put_aside, b.node(2).pg.status().put_aside), (0, 0));
}

#[test]
fn a_write_that_comes_again_while_it_waits_for_old_bytes_happens_once() {
    let mut b = Bench::active_shards();
    let (old, new) = (pattern(500), Bytes::from(vec![9; 10]));
    b.op(0, "o", write(&old));
    b.settle();
    // The same columns of the other chunk are with osd.1.
    b.cut(1);
    let w = b.op(0, "o", overwrite(130, &new));
    b.settle();
    // By itself it would be refused now; and it is not in the log yet.
    b.full(0, &[1]);
    let again = b.replay(0, w);
    b.settle();
    b.full(0, &[]);
    b.join_link(1);
    b.pass(Duration::from_secs(1));
    let (first, second) = (b.answer(w), b.answer(again));
    assert!(matches!(first, Some(OsdOutcome::Done { outcome: Ok(_), .. })), "{first:?}");
    assert_eq!(first, second, "the same answer to both");
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(overwritten(&old, 130, &new)));
}

#[test]
fn a_lost_shard_is_rebuilt_from_its_own_group() {
    let mut b = Bench::active_groups();
    let data = pattern(900);
    b.op(0, "o", write(&data));
    b.settle();
    b.stop(1);
    let others = [0, 2, 3, 4, 5, 6, 7];
    b.map_of(row(2, &others, Some(0), false), &others, &others);
    b.pass(Duration::from_secs(3));
    assert!(b.row().activated);
    b.node_mut(1).durable = Model::new();
    b.start(1);
    b.take_reads();
    let all: Vec<u32> = (0..8).collect();
    b.map_of(b.row(), &all, &all);
    b.pass(Duration::from_secs(5));
    assert_eq!(b.row().in_sync.len(), 8, "it is filled");
    let reads: Vec<u64> = b.take_reads().iter().map(|reads| reads.iter().sum()).collect();
    // 900 bytes are four stripes of 256, so 256 bytes of each shard.
    assert_eq!(reads, [256, 0, 256, 256, 0, 0, 0, 0], "the other group is left alone");
    b.take_reads();
    let r = b.op(0, "o", read(0, 0));
    b.settle();
    assert_eq!(got(b.answer(r)), Some(data));
}

/// An overwrite is stopped by the death of one OSD after so many things happened, for any number of them and any OSD.
/// What the others have then, and all have once it is back, is the old object or the new one.
#[test]
fn an_overwrite_happens_or_not_wherever_an_osd_dies() {
    let (old, new) = (pattern(300), Bytes::from(vec![9; 50]));
    let both = [old.clone(), overwritten(&old, 40, &new)];
    let (mut happened, mut undone) = (0, 0);
    for victim in 0..3usize {
        for steps in 0.. {
            let mut b = Bench::active_shards();
            b.op(0, "o", write(&old));
            b.settle();
            let w = b.op(0, "o", overwrite(40, &new));
            let end = !(0..steps).all(|_| b.step());
            let answered = b.answer(w).is_some();
            b.stop(victim);
            let others: Vec<u32> = (0..3).filter(|n| *n != victim as u32).collect();
            let primary = others[0];
            b.map_of(row(2, &[0, 1, 2], Some(primary), false), &others, &others);
            b.pass(Duration::from_secs(4));
            let r = b.op(primary as usize, "o", read(0, 0));
            b.settle();
            let seen = got(b.answer(r)).unwrap_or_else(|| panic!("osd.{victim} died after {steps}"));
            let at = both.iter().position(|object| *object == seen);
            let at = at.unwrap_or_else(|| panic!("osd.{victim} died after {steps}: a mixture"));
            assert!(at == 1 || !answered, "osd.{victim} died after {steps}: an answered write is gone");
            let again = b.replay(primary as usize, w);
            b.settle();
            assert!(b.answer(again).is_some(), "sent again it happens, once");
            b.start(victim);
            b.map_of(b.row(), &[0, 1, 2], &[0, 1, 2]);
            b.pass(Duration::from_secs(8));
            assert_eq!(b.row().in_sync.len(), 3, "osd.{victim} died after {steps}, and is back");
            // Every pair of shards gives the new object.
            for rotten in 0..3 {
                b.rot(rotten, "o");
                let r = b.op(primary as usize, "o", read(0, 0));
                b.settle();
                assert_eq!(got(b.answer(r)), Some(both[1].clone()), "osd.{victim} died after {steps}");
            }
            for n in 0..3 {
                assert_eq!(b.node(n).pg.status().put_aside, 0);
            }
            (happened, undone) = (happened + at, undone + 1 - at);
            if end {
                break;
            }
        }
    }
    assert!(happened > 10 && undone > 10, "{happened} happened, {undone} were undone");
}
