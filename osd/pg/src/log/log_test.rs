//! Logs: where two of them part, trimming, and reading them back.

use super::rows::{Info, MetaRows, distrust, load};
use super::*;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectName, Transaction};
use placement_map::{PgId, PoolId};
use stdx::Rng;
use wire_codec::pg::Condition;

fn v(interval: u64, seq: u64) -> Version {
    Version { interval, seq }
}

fn entry(version: Version) -> LogEntry {
    let object = ObjectId::head(PoolId(1), 4, ObjectName::new(version.seq.to_string()));
    let request = RequestId { client: version.interval, seq: version.seq };
    LogEntry { version, object, request, changed: true, told: version, outcome: Ok(vec![]), clones: vec![] }
}

fn log(tail: Version, intervals: &[u64]) -> Log {
    let mut log = Log::new(tail);
    for interval in intervals {
        log.push(entry(v(*interval, log.head().seq + 1)));
    }
    log
}

#[test]
fn logs_part_where_their_versions_differ() {
    let a = log(Version::ZERO, &[1, 1, 2, 2, 5]);
    assert_eq!(a.common(&a.outline()), Some(v(5, 5)));
    assert_eq!(a.common(&log(Version::ZERO, &[1, 1, 2]).outline()), Some(v(2, 3)), "behind");
    assert_eq!(a.common(&log(Version::ZERO, &[1, 1, 2, 3, 3, 3]).outline()), Some(v(2, 3)), "divergent");
    assert_eq!(
        a.common(&log(Version::ZERO, &[2]).outline()),
        Some(Version::ZERO),
        "nothing but the beginning"
    );
    assert_eq!(a.common(&log(v(2, 4), &[]).outline()), Some(v(2, 4)), "trimmed to nothing");
    assert_eq!(a.common(&log(v(5, 5), &[6]).outline()), Some(v(5, 5)));
    assert_eq!(log(v(2, 4), &[5]).common(&log(Version::ZERO, &[1, 1]).outline()), None, "no overlap");
    assert_eq!(log(v(2, 4), &[5]).common(&log(v(2, 3), &[3, 3]).outline()), None, "nor by numbers alone");
}

/// Random histories: a shared prefix, then two continuations by different intervals, trimmed anywhere.
#[test]
fn the_common_point_is_the_shared_prefix() {
    let mut rng = Rng::new(5);
    for _ in 0..3000 {
        let mut shared = vec![];
        let mut interval = 1;
        for _ in 0..rng.below(12) {
            interval += rng.below(2);
            shared.push(interval);
        }
        let (mut a, mut b) = (log(Version::ZERO, &shared), log(Version::ZERO, &shared));
        for (log, interval) in [(&mut a, interval + 1), (&mut b, interval + 2)] {
            for _ in 0..rng.below(4) {
                log.push(entry(v(interval, log.head().seq + 1)));
            }
            let to = log.version_at(rng.below(log.head().seq + 1)).unwrap();
            log.trim(to);
        }
        let at = a.version_at(shared.len() as u64).or(b.version_at(shared.len() as u64));
        let shared_end = at.unwrap_or_default();
        let expected = (a.tail().seq <= shared_end.seq && b.tail().seq <= shared_end.seq && at.is_some())
            .then_some(shared_end);
        assert_eq!(a.common(&b.outline()), expected, "{a:?} {b:?}");
    }
}

#[test]
fn trimming_keeps_what_is_not_committed_and_forgets_requests() {
    let mut l = log(Version::ZERO, &[1; 100]);
    assert_eq!(l.trim_point(100, usize::MAX >> 1, 100), None);
    assert_eq!(l.trim_point(10, usize::MAX >> 1, 100), Some(v(1, 90)));
    assert_eq!(l.trim_point(10, usize::MAX >> 1, 40), Some(v(1, 40)));
    l.trim(v(1, 40));
    assert_eq!((l.len(), l.tail(), l.head()), (60, v(1, 40), v(1, 100)));
    assert!(l.find(entry(v(1, 40)).request).is_none() && l.find(entry(v(1, 41)).request).is_some());
    assert_eq!(l.after(98).map(|e| e.version.seq).collect::<Vec<_>>(), [99, 100]);
    l.cut(v(1, 50));
    assert_eq!(l.head(), v(1, 50));
    assert!(l.find(entry(v(1, 51)).request).is_none());
}

#[test]
fn rows_come_back() {
    let pg = PgId { pool: PoolId(1), seed: 0 };
    let (rows, mut model, mut t) = (MetaRows::new(pg), Model::new(), Transaction::new());
    assert!(!load(&model, pg).unwrap().existed);
    let mut l = log(Version::ZERO, &[1; 1500]);
    rows.entries(&mut t, l.after(0));
    let info =
        Info { interval: 7, tail: v(1, 20), condition: Condition::Recovering, shard: Some(2), pg_num: 8 };
    rows.trim(&mut t, info.tail);
    rows.info(&mut t, &info);
    rows.dirty(&mut t, &entry(v(1, 9)).object);
    model.apply(&t);
    l.trim(info.tail);
    let loaded = load(&model, pg).unwrap();
    assert_eq!((loaded.info, loaded.log.head(), loaded.log.len()), (info, v(1, 1500), 1480));
    assert_eq!(loaded.dirty, [entry(v(1, 9)).object].into());
    let mut t = Transaction::new();
    rows.cut(&mut t, v(1, 30));
    rows.clear_dirty(&mut t);
    model.apply(&t);
    let loaded = load(&model, pg).unwrap();
    assert_eq!((loaded.log.head(), loaded.dirty.len()), (v(1, 30), 0));
}

#[test]
fn a_gap_is_damage() {
    let pg = PgId { pool: PoolId(1), seed: 0 };
    let (rows, mut model, mut t) = (MetaRows::new(pg), Model::new(), Transaction::new());
    rows.entries(&mut t, [&entry(v(1, 1)), &entry(v(1, 3))]);
    rows.info(&mut t, &Info::default());
    model.apply(&t);
    assert!(matches!(load(&model, pg), Err(rows::LoadError::Damaged { .. })));
}

#[test]
fn a_distrusted_copy_keeps_its_log_and_its_interval_and_calls_nothing_certain() {
    let pg = PgId { pool: PoolId(1), seed: 0 };
    let (rows, mut model, mut t) = (MetaRows::new(pg), Model::new(), Transaction::new());
    assert_eq!(distrust(&model, pg), Ok(None), "a PG that was never here");
    rows.entries(&mut t, [&entry(v(1, 1)), &entry(v(1, 2))]);
    let info = Info { interval: 7, ..Info::default() };
    rows.info(&mut t, &info);
    model.apply(&t);
    model.apply(&distrust(&model, pg).unwrap().expect("it is here"));
    let loaded = load(&model, pg).unwrap();
    assert_eq!(loaded.info, Info { condition: Condition::Backfilling, ..info });
    assert_eq!(loaded.log.head(), v(1, 2));
}
