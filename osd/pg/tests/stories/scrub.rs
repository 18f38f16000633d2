//! Stories of copies being compared: what is found, what is repaired, what is left, and that clients go on.

use crate::bench::{Bench, object, row};
use bytes::Bytes;
use osd_object::{Op, OpResult, Version};
use std::time::Duration;
use stdx::codec::from_bytes;
use wire_codec::pg::{InconsistentList, ScrubError};
use wire_codec::{OpTarget, OsdOutcome, PgOp};

fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect::<Vec<u8>>().into()
}
fn write(data: &Bytes) -> Vec<Op> {
    vec![Op::WriteFull { data: data.clone() }]
}
/// A PG with some objects, of 0 to 9 KB.
fn filled(mut b: Bench) -> Bench {
    for n in 0..7 {
        b.op(0, &format!("o{n}"), write(&pattern(n * 1500)));
    }
    // Until all members heard that it is certain, and have it in place.
    b.pass(Duration::from_millis(200));
    b
}
fn list(b: &mut Bench) -> InconsistentList {
    let asked = b.send(0, OpTarget::Pg(PgOp::ListInconsistent));
    b.settle();
    match b.answer(asked) {
        Some(OsdOutcome::Done { outcome: Ok(results), .. }) => match &results[..] {
            [OpResult::Data(data)] => from_bytes(data.clone()).expect("a list"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_read_is_found_by_reading_and_written_again() {
    let mut b = filled(Bench::active());
    for (n, name) in [(1, "o3"), (2, "o3"), (0, "o6"), (2, "o1")] {
        b.rot(n, name);
    }
    b.scrub(0, false);
    b.settle();
    assert_eq!(b.node(0).pg.status().repaired, 0, "the index is all right");
    b.scrub(0, true);
    assert_eq!(b.node(0).pg.status().state, "active+scrubbing+deep+clean");
    b.settle();
    let repaired: Vec<u64> = (0..3).map(|n| b.node(n).pg.status().repaired).collect();
    assert_eq!(repaired, [1, 1, 2]);
    let status = b.node(0).pg.status();
    assert_eq!((status.state.as_str(), status.stamps.errors), ("active+clean", 0));
    for n in 0..3 {
        assert_eq!(b.node(n).durable.read(&object("o3"), 0, 0).unwrap(), pattern(4500));
        assert_eq!(b.node(n).pg.status().stamps.deep.0, 9, "all of them know when it was");
    }
    let before = b.node(1).scrubs;
    b.scrub(0, true);
    b.settle();
    assert!(b.node(1).scrubs >= before + 4, "range by range");
    assert_eq!(b.node(1).pg.status().repaired, 1, "nothing is left to repair");
}

#[test]
fn what_nobody_can_read_is_reported_and_what_is_written_anew_is_forgotten() {
    let mut b = filled(Bench::active());
    for n in 0..3 {
        b.rot(n, "o2");
    }
    b.scrub(0, true);
    b.settle();
    assert_eq!(b.node(0).pg.status().stamps.errors, 1);
    assert!(b.node(0).pg.status().state.contains("inconsistent"));
    let told = list(&mut b);
    assert_eq!(told.objects.len(), 1);
    assert_eq!(told.objects[0].errors, [ScrubError::ReadError]);
    assert_eq!(told.objects[0].copies.len(), 3);
    b.op(0, "o2", write(&pattern(10)));
    b.settle();
    b.scrub(0, true);
    b.settle();
    assert_eq!(b.node(0).pg.status().state, "active+clean");
    assert_eq!(list(&mut b).objects, []);
}

#[test]
fn sound_copies_that_differ_are_reported_and_left_as_they_are() {
    let mut b = filled(Bench::active());
    b.falsify(2, "o4", |o| o.data[7] ^= 1);
    b.falsify(0, "o5", |o| {
        o.omap.insert(Bytes::from_static(b"k"), Bytes::new());
    });
    b.scrub(0, false);
    b.settle();
    let told = list(&mut b);
    let errors: Vec<_> = told.objects.iter().map(|i| (i.object.clone(), i.errors.clone())).collect();
    let mut want = vec![
        (object("o4"), vec![ScrubError::DataDigestMismatch]),
        (object("o5"), vec![ScrubError::OmapDigestMismatch]),
    ];
    want.sort();
    assert_eq!(errors, want);
    assert!(told.objects.iter().all(|i| i.copies.iter().all(|c| c.errors.is_empty())), "nobody is blamed");
    b.scrub(0, true);
    b.settle();
    assert_ne!(
        b.node(2).durable.read(&object("o4"), 0, 0).unwrap(),
        pattern(6000),
        "two against one is no proof"
    );
    assert_eq!(b.node(0).pg.status().stamps.errors, 2);
}

#[test]
fn a_copy_that_missed_a_write_of_the_log_is_made_whole() {
    let mut b = filled(Bench::active());
    let old = Version { interval: 1, seq: 1 };
    b.falsify(1, "o3", |o| {
        o.meta.version = old;
        o.data = vec![9; 70];
        o.xattrs.insert("stale".into(), Bytes::new());
    });
    b.falsify(2, "o0", |o| o.meta.version = Version { interval: 0, seq: 0 });
    b.lose(1, "o6");
    b.op(0, "o2", vec![Op::Delete]);
    b.settle();
    b.forge(2, "o2", old);
    b.scrub(0, false);
    b.settle();
    assert_eq!(list(&mut b).objects, []);
    assert_eq!(b.node(0).pg.status().state, "active+clean");
    for (name, len) in [("o0", 0), ("o3", 4500), ("o6", 9000)] {
        let one = b.node(0).durable.objects[&object(name)].clone();
        assert_eq!((&one.data[..], one.meta.mtime.0), (&pattern(len)[..], 5));
        assert!((1..3).all(|n| b.node(n).durable.objects[&object(name)] == one), "{name}");
    }
    assert!((0..3).all(|n| !b.node(n).durable.objects.contains_key(&object("o2"))));
    let ask = b.op(0, "o3", vec![Op::Read { offset: 0, len: 0 }]);
    b.settle();
    assert!(b.answer(ask).is_some(), "no lock is left");
}

#[test]
fn a_primary_that_missed_a_write_is_named_and_left() {
    let mut b = filled(Bench::active());
    b.falsify(0, "o3", |o| o.meta.version = Version { interval: 1, seq: 1 });
    b.scrub(0, false);
    b.settle();
    let told = list(&mut b);
    assert_eq!(told.objects[0].errors, [ScrubError::VersionMismatch]);
    let blamed: Vec<u32> =
        told.objects[0].copies.iter().filter(|c| !c.errors.is_empty()).map(|c| c.osd).collect();
    assert_eq!(blamed, [0]);
}

#[test]
fn writes_go_on_and_make_no_difference() {
    let mut b = filled(Bench::active());
    b.scrub(0, true);
    for round in 0..200 {
        b.op(0, &format!("o{}", round % 7), vec![Op::Append { data: Bytes::from_static(b"more") }]);
        for _ in 0..3 {
            b.step();
        }
    }
    b.settle();
    let status = b.node(0).pg.status();
    assert_eq!((status.scrubbing, status.inconsistent, status.ops), (None, 0, 0));
    assert_eq!(status.state, "active+clean");
}

#[test]
fn who_takes_part_in_enough_scrubs_is_asked_again_later() {
    let mut b = filled(Bench::active());
    b.node_mut(2).scrubs_elsewhere = true;
    b.scrub(0, true);
    b.pass(Duration::from_secs(1));
    assert_eq!(b.node(0).pg.status().scrubbing, Some(true));
    b.node_mut(2).scrubs_elsewhere = false;
    b.pass(Duration::from_secs(6));
    assert_eq!((b.node(0).pg.status().scrubbing, b.node(0).pg.status().stamps.deep.0), (None, 9));
}

#[test]
fn a_scrub_waits_for_a_member_and_goes_on_in_the_next_interval() {
    let mut b = filled(Bench::active());
    b.rot(2, "o6");
    b.stop(1);
    b.scrub(0, true);
    b.settle();
    b.map(row(1, &[0, 2], Some(0), true), &[0, 2]);
    b.pass(Duration::from_secs(20));
    assert_eq!(b.node(0).pg.status().scrubbing, Some(true), "one copy is lacking");
    b.start(1);
    b.map(row(2, &[0, 2], Some(0), false), &[0, 1, 2]);
    b.pass(Duration::from_secs(20));
    let status = b.node(0).pg.status();
    assert_eq!((status.state.as_str(), status.stamps.deep.0), ("active+clean", 9));
    assert_eq!(b.node(2).pg.status().repaired, 1);
}

#[test]
fn a_pg_of_which_nothing_is_known_counts_as_compared_from_now_on() {
    let mut b = filled(Bench::active());
    b.baseline(0, 5);
    b.settle();
    b.baseline(0, 8);
    b.settle();
    assert!((0..3).all(|n| b.node(n).pg.status().stamps.deep.0 == 5));
    b.stop(1);
    b.start(1);
    assert_eq!(b.node(1).pg.status().stamps.deep.0, 5, "it is on disk");
}

#[test]
fn parity_that_does_not_belong_to_its_data_is_reported() {
    let mut b = filled(Bench::active_shards());
    b.falsify(2, "o4", |o| o.data[7] ^= 1);
    b.scrub(0, true);
    b.settle();
    let told = list(&mut b);
    assert_eq!(told.objects.len(), 1);
    assert_eq!(
        (told.objects[0].object.clone(), &told.objects[0].errors[..]),
        (object("o4"), &[ScrubError::ParityMismatch][..])
    );
    assert_eq!(b.node(0).pg.status().stamps.errors, 1);
    b.op(0, "o4", write(&pattern(70)));
    b.settle();
    b.scrub(0, true);
    b.settle();
    assert_eq!(b.node(0).pg.status().state, "active+clean");
}

#[test]
fn shards_are_held_against_their_checksums_and_rebuilt() {
    let mut b = filled(Bench::active_shards());
    b.rot(1, "o3");
    b.rot(2, "o5");
    b.rot(0, "o6");
    b.scrub(0, true);
    b.settle();
    let repaired: Vec<u64> = (0..3).map(|n| b.node(n).pg.status().repaired).collect();
    assert!(repaired.iter().all(|n| *n >= 1), "{repaired:?}");
    assert_eq!(b.node(0).pg.status().state, "active+clean");
    b.rot(1, "o3");
    b.rot(2, "o3");
    b.scrub(0, true);
    b.settle();
    assert_eq!(b.node(0).pg.status().stamps.errors, 1, "two of three are too many");
}
