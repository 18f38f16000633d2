//! Stories of a primary that hears it was replaced before it sees the map that says so.

use crate::bench::Bench;
use bytes::Bytes;
use osd_object::{Op, Version};
use std::time::Duration;
use wire_codec::pg::LogEntry;
use wire_codec::{OsdOutcome, PgMessage};

fn write(data: &'static [u8]) -> Vec<Op> {
    vec![Op::WriteFull { data: Bytes::from_static(data) }]
}

#[test]
fn reads_that_wait_for_the_disk_are_not_answered_by_leases_of_another_interval() {
    let mut b = Bench::active();
    b.op(0, "o", write(b"old"));
    b.settle();
    b.hold_reads(0);
    let read = b.op(0, "o", vec![Op::Read { offset: 0, len: 0 }]);
    b.cut(1);
    b.cut(2);
    b.pass(Duration::from_secs(20));
    b.say(1, 0, PgMessage::Stale { interval: 2 });
    b.release_reads(0);
    let asks = |m: &PgMessage| matches!(m, PgMessage::LeaseRequest { interval: 2, .. });
    assert!(!(1..3).any(|n| b.mail_to(n).iter().any(asks)), "that interval is another's");
    b.settle();
    assert!(matches!(b.answer(read), Some(OsdOutcome::NotPrimary)), "{:?}", b.answer(read));
}

#[test]
fn a_write_that_waits_for_the_disk_gets_no_version_of_another_interval() {
    let mut b = Bench::active_shards();
    b.op(0, "o", write(&[7; 200]));
    b.settle();
    let head = b.node(0).pg.status().log_head;
    b.hold_reads(0);
    // Into the second chunk, so that the parity needs what the primary has of the first.
    let part = b.op(0, "o", vec![Op::Write { offset: 35, data: Bytes::from_static(b"x") }]);
    b.settle();
    assert_eq!(b.node(0).pg.status().log_head, head, "it waits");
    b.say(1, 0, PgMessage::Stale { interval: 2 });
    b.release_reads(0);
    b.settle();
    assert_eq!(b.node(0).pg.status().log_head, head);
    assert!(!matches!(b.answer(part), Some(OsdOutcome::Done { .. })));
}

#[test]
fn writes_and_leases_are_taken_from_the_primary_that_asked_and_nobody_else() {
    let mut b = Bench::active();
    b.op(0, "o", write(b"one"));
    b.settle();
    let (interval, head) = (1, b.node(1).pg.status().log_head);
    let lease = Duration::from_secs(5);
    b.say(2, 1, PgMessage::LeaseRequest { interval, stamp: 1, lease });
    assert_eq!(b.mail_to(2), [], "no promise");
    let entry = LogEntry {
        version: Version { interval, seq: head.seq + 1 },
        object: crate::bench::object("o"),
        request: osd_object::RequestId { client: 9, seq: 9 },
        changed: true,
        told: head,
        outcome: Ok(Vec::new()),
        clones: Vec::new(),
    };
    let replicate = |prev| PgMessage::Replicate {
        interval,
        entry: entry.clone(),
        prev,
        trim_to: Version::ZERO,
        committed_to: head.seq,
        stamp: 1,
        lease,
        transaction: osd_object::Transaction::new(),
    };
    b.say(2, 1, replicate(head));
    b.settle();
    assert_eq!(b.node(1).pg.status().log_head, head, "not its write to make");
    b.say(0, 1, replicate(head));
    assert_eq!(b.node(1).pg.status().log_head, head, "an entry alone is for who joins");
    assert!(matches!(b.mail_to(0)[..], [PgMessage::Rejoin { .. }]), "{:?}", b.mail_to(0));
}
