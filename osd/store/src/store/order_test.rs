//! What must come before what, and what must not come after an error.

use super::StoreError;
use super::harness::{Machine, STORIES, object};
use crate::device::faulty::{Fault, Step};
use crate::layout::WAL_OFFSET;
use osd_object::{Mutation, Transaction};

#[test]
fn the_stories_hold_and_notice_when_their_rule_is_broken() {
    for story in STORIES {
        assert_eq!((story.tell)(), Ok(()), "{}", story.name);
        let noticed = std::panic::catch_unwind(|| story.notices.during(story.tell));
        assert!(noticed.is_err() || noticed.is_ok_and(|outcome| outcome.is_err()), "{}", story.name);
    }
}

/// Between the write of a log batch and the acknowledgement of what it holds lies a flush that began
/// after the write was done; fresh data is covered by the same flush.
#[test]
fn each_acknowledgement_follows_a_flush_that_follows_its_writes() {
    let mut world = Machine::roomy(1);
    let mut store = world.open().unwrap();
    let log_end = WAL_OFFSET + store.geometry().wal_bytes;
    let (mut log_writes, mut data_writes) = (0, 0);
    for ticket in 1..=40u64 {
        let from = world.disk.steps().len();
        let len = if ticket % 2 == 0 { 64 << 10 } else { 4096 };
        let m = Mutation::Write { object: object(ticket), offset: 0, data: vec![1; len].into() };
        store.submit(ticket, Transaction { mutations: vec![m] }).unwrap();
        while world.acknowledged < ticket {
            store.poll().unwrap();
            world.note(&mut store).unwrap();
        }
        let steps = world.disk.steps()[from..].to_vec();
        let acknowledged = steps.iter().position(|s| *s == Step::Acknowledged(ticket)).unwrap();
        let flush_done =
            steps[..acknowledged].iter().rposition(|s| matches!(s, Step::FlushDone { .. })).unwrap();
        let Step::FlushDone { operation } = steps[flush_done] else { unreachable!() };
        let flush_begun = steps.iter().position(|s| *s == Step::FlushBegun { operation }).unwrap();
        for step in &steps[..flush_done] {
            if let Step::WriteBegun { operation, offset, .. } = step {
                let done =
                    steps.iter().position(|s| *s == Step::WriteDone { operation: *operation }).unwrap();
                assert!(done < flush_begun, "ticket {ticket}: {steps:?}");
                if *offset < log_end { log_writes += 1 } else { data_writes += 1 }
            }
        }
    }
    assert!(log_writes >= 40 && data_writes >= 20, "{log_writes} {data_writes}");
}

#[test]
fn a_failed_write_or_flush_stops_the_store_for_good() {
    for kind in [Fault::FailWrite, Fault::FailFlush] {
        let mut world = Machine::roomy(2);
        let mut store = world.open().unwrap();
        let touch = || Transaction { mutations: vec![Mutation::Touch { object: object(1) }] };
        store.submit(1, touch()).unwrap();
        world.disk.fail_next(kind);
        let failure = loop {
            match store.poll() {
                Ok(()) => assert_eq!(store.next_completion(), None, "nothing is acknowledged"),
                Err(e) => break e,
            }
        };
        assert!(matches!(failure, StoreError::Device(_)) && failure.to_string().contains("check the disk"));
        assert!(matches!(store.poll(), Err(StoreError::Stopped)));
        assert!(matches!(store.submit(2, touch()), Err(StoreError::Stopped)));
        assert!(matches!(store.shutdown(), Err(StoreError::Stopped)));
        assert_eq!(store.next_completion(), None);
        world.note(&mut store).unwrap();
    }
}
