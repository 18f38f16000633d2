//! No acknowledged write is lost, and none happens twice: what was acknowledged stands in the final log where its
//! client was told, and nothing stands there that nobody asked for. Reason: this is what storage is for. The log also
//! tells what came of operations whose clients never heard.

use crate::history::Record;
use osd_object::RequestId;
use placement_map::PgId;
use std::collections::{BTreeMap, BTreeSet};
use wire_codec::pg::LogEntry;

/// Compares the final log with what was answered.
pub(crate) fn check(
    pg: PgId,
    log: &BTreeMap<u64, LogEntry>,
    answered: &[&Record],
    asked: &BTreeSet<RequestId>,
) {
    let mut by_request: BTreeMap<RequestId, u64> = BTreeMap::new();
    for (seq, entry) in log {
        if let Some(other) = by_request.insert(entry.request, *seq) {
            panic!("{pg}: {:?} is in the log twice, at {other} and {seq}", entry.request);
        }
    }
    let first = log.first_key_value().map_or(u64::MAX, |(seq, _)| *seq);
    let last = log.last_key_value().map_or(0, |(seq, _)| *seq);
    for r in answered.iter().filter(|r| r.wrote()) {
        assert!(r.version.seq <= last, "{pg} ends at {last}; an acknowledged write is lost: {r:?}");
        if r.version.seq < first {
            continue;
        }
        let entry = &log[&r.version.seq];
        assert!(
            entry.request == r.request && entry.version == r.version && entry.changed,
            "an acknowledged write's place in {pg} was given away: {r:?}\nthere is {entry:?}"
        );
    }
    for entry in log.values() {
        let own = entry.request.client == osd_pg::OWN_CLIENT;
        assert!(own || asked.contains(&entry.request), "{pg}: nobody asked for {entry:?}");
    }
}

/// What came of operations that nobody was told of: those that took place, with their versions.
pub(crate) fn resolve(log: &BTreeMap<u64, LogEntry>, unknown: &[&Record]) -> Vec<Record> {
    let by_request: BTreeMap<RequestId, &LogEntry> = log.values().map(|e| (e.request, e)).collect();
    let happened = |r: &&&Record| by_request.get(&r.request).is_some_and(|e| e.changed);
    let told = |r: &&Record| {
        let entry = by_request[&r.request];
        Record {
            version: entry.version,
            outcome: entry.outcome.clone(),
            ended: stdx::Time(u64::MAX),
            ..(*r).clone()
        }
    };
    unknown.iter().filter(happened).map(told).collect()
}
