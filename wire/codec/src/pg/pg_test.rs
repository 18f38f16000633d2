//! Every message comes back from its bytes, and no cut of them is taken for one.

use super::*;
use bytes::Bytes;
use osd_object::{Mutation, ObjectMeta, ObjectName, OpResult, RequestId};
use placement_map::PoolId;
use stdx::codec::{from_bytes, to_bytes};

fn samples() -> Vec<PgMessage> {
    let object = ObjectId::head(PoolId(3), 0xfeed, ObjectName::new("o"));
    let v = |interval, seq| Version { interval, seq };
    let entry = LogEntry {
        version: v(2, 9),
        object: object.clone(),
        request: RequestId { client: 7, seq: 1 },
        changed: true,
        told: v(2, 9),
        outcome: Ok(vec![OpResult::Done]),
        clones: vec![osd_object::SnapId(4)],
    };
    let body = PushBody::Present {
        head: Some(PushHead {
            meta: ObjectMeta::default(),
            xattrs: vec![("a".into(), Bytes::from_static(b"1"))],
        }),
        data: vec![(4096, Bytes::from_static(b"data"))],
        rows: vec![(Bytes::from_static(b"k"), Bytes::new())],
        last: true,
    };
    let push =
        Push { interval: 2, attempt: 1, push: 5, chunk: 0, object: object.clone(), staged: true, body };
    let entry_of = ScrubEntry {
        object: object.clone(),
        version: v(2, 9),
        size: 5000,
        data_digest: 1,
        attr_digest: 2,
        omap_digest: 3,
        bad: vec![4096],
    };
    let stamps = ScrubStamps { shallow: stdx::time::WallTime(7), deep: stdx::time::WallTime(5), errors: 1 };
    vec![
        PgMessage::ScrubAsk {
            interval: 4,
            scrub: 3,
            after: None,
            end: Some(object.clone()),
            only: vec![object.clone()],
            deep: true,
            committed_to: 9,
        },
        PgMessage::ScrubMap { interval: 4, scrub: 3, entries: Some(vec![entry_of]), reach: None },
        PgMessage::ScrubEnd { interval: 4, stamps: Some(stamps) },
        PgMessage::Stale { interval: 4 },
        PgMessage::Query { interval: 4, attempt: 1, shard: Some(3) },
        PgMessage::QueryDivided { interval: 4, attempt: 1, shard: None, pg_num: 32 },
        PgMessage::Head {
            interval: 4,
            attempt: 1,
            tail: v(1, 1),
            head: v(2, 9),
            runs: vec![v(1, 2), v(2, 5)],
            condition: Condition::Recovering,
            shard: None,
        },
        PgMessage::LogRequest { interval: 4, attempt: 1, after: v(1, 3) },
        PgMessage::Log { interval: 4, attempt: 1, after: v(1, 3), objects: vec![object.clone()] },
        PgMessage::Join {
            interval: 4,
            attempt: 1,
            after: 9,
            backfill: true,
            shard: Some(2),
            keep: Some(v(1, 3)),
        },
        PgMessage::ShardRead {
            interval: 4,
            read: 8,
            object: object.clone(),
            version: v(2, 9),
            offset: 4096,
            len: 512,
            committed_to: 9,
        },
        PgMessage::ShardData { interval: 4, read: 8, data: Some(Bytes::from_static(b"shard")) },
        PgMessage::ShardData { interval: 4, read: 9, data: None },
        PgMessage::Committed { interval: 4, committed_to: 9 },
        PgMessage::Applied { interval: 4, applied_to: 9 },
        PgMessage::ShardRepair {
            interval: 4,
            object: object.clone(),
            version: v(2, 9),
            offset: 4096,
            data: Bytes::from_static(b"chunk"),
        },
        PgMessage::ShardRepaired { interval: 4, object: object.clone() },
        PgMessage::Replicate {
            interval: 4,
            entry: entry.clone(),
            prev: v(2, 8),
            trim_to: v(1, 1),
            committed_to: 7,
            stamp: 99,
            lease: Duration::from_millis(1600),
            transaction: Transaction { mutations: vec![Mutation::Touch { object: object.clone() }] },
        },
        PgMessage::Replicated { interval: 4, durable_to: 9, stamp: 99 },
        PgMessage::LeaseRequest { interval: 4, stamp: 3, lease: Duration::from_secs(1) },
        PgMessage::LeaseGrant { interval: 4, stamp: 3 },
        PgMessage::Push(push.clone()),
        PgMessage::Push(Push { body: PushBody::Absent, ..push }),
        PgMessage::Pushed { interval: 4, attempt: 1, push: 5, chunk: 0 },
        PgMessage::Adopt {
            interval: 4,
            attempt: 1,
            after: v(1, 3),
            entries: vec![entry],
            first: true,
            last: true,
            staged: Some(1),
        },
        PgMessage::Adopted { interval: 4, attempt: 1, head: 9 },
        PgMessage::Rejoin { interval: 4, attempt: 1 },
        PgMessage::Stray { interval: 4 },
        PgMessage::Resigned { interval: 4 },
        PgMessage::LastWords { interval: 4, head: Version { interval: 3, seq: 17 } },
        PgMessage::Remove { interval: 4, attempt: 3 },
        PgMessage::Scan { interval: 4, attempt: 1, after: None, max: 100 },
        PgMessage::Scanned {
            interval: 4,
            attempt: 1,
            after: None,
            objects: vec![(object, v(2, 9))],
            more: false,
        },
    ]
}

#[test]
fn messages_come_back_and_every_cut_is_an_error() {
    for message in samples() {
        let whole = to_bytes(&message);
        assert_eq!(from_bytes::<PgMessage>(whole.clone()), Ok(message.clone()));
        for n in 0..whole.len() {
            assert!(from_bytes::<PgMessage>(whole.slice(..n)).is_err(), "{message:?} cut at {n}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let mut rng = stdx::Rng::new(1);
    for message in samples() {
        let whole = to_bytes(&message);
        for _ in 0..200 {
            let mut bytes = whole.to_vec();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
            let _ = from_bytes::<PgMessage>(bytes.into());
        }
    }
}
