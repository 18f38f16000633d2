//! Stories of PGs that are divided: what the children know, who took no part, what a crash leaves.

use crate::family::{Family, at, pg};
use bytes::Bytes;
use osd_object::{ObjectId, Op, OpResult, Version};
use std::time::Duration;
use wire_codec::OsdOutcome;

fn append(text: &'static str) -> Vec<Op> {
    vec![Op::Append { data: Bytes::from_static(text.as_bytes()) }]
}

/// One object for each of four PGs, all of them of the one that there is first.
fn four() -> Vec<ObjectId> {
    (0..4).map(|seed| at(0xa0 + seed, "o")).collect()
}

fn version(outcome: Option<&OsdOutcome>) -> Version {
    match outcome {
        Some(OsdOutcome::Done { version, outcome: Ok(_) }) => *version,
        other => panic!("not done: {other:?}"),
    }
}

fn read(f: &mut Family, object: &ObjectId) -> Vec<u8> {
    let asked = f.ask(object, vec![Op::Read { offset: 0, len: 0 }]);
    f.pass(Duration::from_secs(2));
    match f.answers.get(&asked) {
        Some(OsdOutcome::Done { outcome: Ok(results), .. }) => match &results[0] {
            OpResult::Data(data) => data.to_vec(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Every object holds this, at every OSD.
fn assert_all(f: &mut Family, objects: &[ObjectId], text: &str) {
    for object in objects {
        assert_eq!(read(f, object), text.as_bytes(), "{object}");
        for (n, member) in f.members.iter().enumerate() {
            let held =
                member.durable.read(object, 0, 0).unwrap_or_else(|e| panic!("osd.{n} has no {object}: {e}"));
            assert_eq!(&held[..], text.as_bytes(), "osd.{n} {object}");
        }
    }
}

#[test]
fn children_serve_what_was_their_parents_and_know_its_requests() {
    let mut f = Family::of_one();
    let objects = four();
    let writes: Vec<_> = objects.iter().map(|o| f.ask(o, append("x"))).collect();
    f.settle();
    let versions: Vec<Version> = writes.iter().map(|w| version(f.answers.get(w))).collect();
    f.split(4);
    f.pass(Duration::from_millis(500));
    assert!(f.all_active(), "divided, and active without waiting for any lease");
    assert_all(&mut f, &objects, "x");
    for (write, told) in writes.iter().zip(versions) {
        let again = f.again(*write);
        f.settle();
        assert_eq!(version(f.answers.get(&again)), told, "the same answer as the first time");
    }
    let more: Vec<_> = objects.iter().map(|o| f.ask(o, append("y"))).collect();
    f.settle();
    for w in &more {
        let v = version(f.answers.get(w));
        assert_eq!((v.interval, v.seq), (2, 5), "each goes on behind the log of all");
    }
    assert_all(&mut f, &objects, "xy");
}

#[test]
fn a_write_that_was_under_way_happens_once() {
    let mut f = Family::of_one();
    let objects = four();
    let lead = f.primary(0);
    // Only the primary's own disk gets it.
    (0..3).filter(|n| *n != lead).for_each(|n| f.members[n].cut = true);
    let writes: Vec<_> = objects.iter().map(|o| f.ask(o, append("x"))).collect();
    f.settle();
    f.split(4);
    assert!(
        writes.iter().all(|w| f.answers.get(w) == Some(&OsdOutcome::NotPrimary)),
        "nobody may answer these any more"
    );
    (0..3).for_each(|n| f.members[n].cut = false);
    f.pass(Duration::from_secs(2));
    assert!(f.all_active());
    for w in &writes {
        let again = f.again(*w);
        f.settle();
        assert_eq!(version(f.answers.get(&again)).interval, 1, "known by the child's log");
    }
    assert_all(&mut f, &objects, "x");
}

#[test]
fn a_member_that_was_away_divides_when_it_is_back_and_gets_what_it_missed() {
    let mut f = Family::of_one();
    let objects = four();
    for o in &objects {
        f.ask(o, append("a"));
    }
    f.settle();
    let away = (f.primary(0) + 1) % 3;
    f.kill(away, 0);
    f.mark_down(away);
    f.split(2);
    f.pass(Duration::from_secs(1));
    for o in &objects {
        f.ask(o, append("b"));
    }
    f.settle();
    // Twice, while it is away.
    f.split(4);
    f.pass(Duration::from_secs(1));
    for o in &objects {
        f.ask(o, append("c"));
    }
    f.pass(Duration::from_secs(1));
    f.start(away);
    f.pass(Duration::from_secs(5));
    assert!(f.all_active(), "{:?}", f.state.rows().collect::<Vec<_>>());
    assert_all(&mut f, &objects, "abc");
    assert_eq!(f.scans, 0, "brought level by its log, not by comparing everything");
}

#[test]
fn a_crash_while_it_divides_leaves_nothing_half_given() {
    let halfway = || {
        let mut f = Family::of_one();
        for o in &four() {
            f.ask(o, append("x"));
        }
        f.settle();
        f.members[1].disk_held = true;
        f.split(4);
        f
    };
    let parts = halfway().pending(1);
    assert!(parts >= 7, "three children with their logs, and the parent: {parts}");
    for kept in 0..=parts {
        let (mut f, objects) = (halfway(), four());
        f.kill(1, kept);
        f.mark_down(1);
        f.pass(Duration::from_secs(3));
        for o in &objects {
            f.ask(o, append("y"));
        }
        f.pass(Duration::from_secs(1));
        f.start(1);
        f.pass(Duration::from_secs(5));
        assert!(f.all_active(), "{kept} of {parts} made it");
        assert_all(&mut f, &objects, "xy");
    }
}

#[test]
fn who_has_not_heard_of_the_division_takes_no_part_in_what_comes_after_it() {
    let mut f = Family::of_one();
    let objects = four();
    for o in &objects {
        f.ask(o, append("x"));
    }
    f.settle();
    let deaf = (f.primary(0) + 1) % 3;
    f.members[deaf].deaf = true;
    f.split(4);
    f.pass(Duration::from_secs(3));
    let interval = f.members[deaf].pgs[&pg(0)].status().interval;
    assert_eq!(interval, 1, "it obeys no primary whose PG is another than its own");
    assert!(
        !f.state.row(pg(0)).expect("a row").activated,
        "and nobody goes on without it, as it counts as in sync"
    );
    f.members[deaf].deaf = false;
    f.publish();
    f.pass(Duration::from_secs(3));
    assert!(f.all_active());
    assert_all(&mut f, &objects, "x");
}

#[test]
fn what_was_promised_to_a_primary_of_the_parent_is_waited_for_by_the_child() {
    let mut f = Family::of_one();
    let object = at(0xa3, "o");
    f.ask(&object, append("x"));
    f.settle();
    let old = f.primary(0);
    // It knows nothing of what follows, and may answer reads until its leases end.
    (f.members[old].deaf, f.members[old].cut) = (true, true);
    f.split(4);
    f.mark_down(old);
    f.pass(Duration::from_millis(1000));
    let asked = f.ask(&object, vec![Op::Stat]);
    f.settle();
    assert_eq!(f.answers.get(&asked), None, "the old one's leases have not ended");
    f.pass(Duration::from_millis(1500));
    assert!(f.answers.contains_key(&asked), "now they have");
}

const STRIPES: usize = 20_000;

/// Four objects in shards, with a small write to each that all members have put aside, and that is certain.
fn put_aside() -> Family {
    let mut f = Family::of_shards();
    for o in &four() {
        f.ask(o, vec![Op::WriteFull { data: vec![1; STRIPES].into() }]);
    }
    f.pass(Duration::from_secs(1));
    for o in &four() {
        f.ask(o, vec![Op::Write { offset: 5_000, data: vec![2; 100].into() }]);
    }
    f.settle();
    let lead = f.primary(0);
    for (n, member) in f.members.iter().enumerate().filter(|(n, _)| *n != lead) {
        assert_eq!(
            member.pgs[&pg(0)].status().put_aside,
            4,
            "osd.{n} has not heard yet that they are certain"
        );
    }
    f
}

/// Nothing is put aside any more, and the objects are what was written, also without each of the members.
fn assert_written(f: &mut Family, why: &str) {
    for (n, member) in f.members.iter().enumerate() {
        for (id, machine) in &member.pgs {
            assert_eq!(machine.status().put_aside, 0, "osd.{n} {id}, {why}");
            let meta = &member.durable.objects[&osd_pg::names::meta_object(*id)];
            assert!(meta.omap.keys().all(|key| key[0] != b'w'), "osd.{n} {id} has a record, {why}");
        }
    }
    let mut wanted = vec![1; STRIPES];
    wanted[5_000..5_100].fill(2);
    for o in &four() {
        assert!(read(f, o) == wanted, "{o}, {why}");
    }
    for n in 0..3 {
        f.kill(n, 0);
        f.mark_down(n);
        f.pass(Duration::from_secs(3));
        for o in &four() {
            assert!(read(f, o) == wanted, "{o} without osd.{n}, {why}");
        }
        f.start(n);
        f.pass(Duration::from_secs(5));
        assert!(f.all_active(), "osd.{n} is back, {why}");
    }
}

#[test]
fn small_writes_that_were_put_aside_go_with_their_objects() {
    let mut f = put_aside();
    f.split(4);
    f.pass(Duration::from_secs(2));
    assert!(f.all_active());
    assert_written(&mut f, "divided");
}

#[test]
fn a_crash_while_it_divides_loses_no_small_write_that_was_put_aside() {
    let halfway = || {
        let mut f = put_aside();
        let member = (f.primary(0) + 1) % 3;
        f.members[member].disk_held = true;
        f.split(4);
        (f, member)
    };
    let (f, member) = halfway();
    let parts = f.pending(member);
    assert!(parts >= 10, "three children with their logs and records, and the parent: {parts}");
    for kept in 0..=parts {
        let (mut f, member) = halfway();
        f.kill(member, kept);
        f.mark_down(member);
        f.pass(Duration::from_secs(3));
        f.start(member);
        f.pass(Duration::from_secs(5));
        assert!(f.all_active(), "{kept} of {parts} made it");
        assert_written(&mut f, &format!("{kept} of {parts} made it"));
    }
}
