//! Where two members' logs hold the same version, they hold the same entry, and agree on everything before it that
//! both remember. Reason: peering finds where logs part by versions alone; were this not so, it would keep as level
//! what differs.

use super::log_of;
use crate::world::World;
use placement_map::{OsdId, PgId};
use std::collections::BTreeMap;
use wire_codec::pg::LogEntry;

impl World {
    /// Compares what all disks hold, of processes that run or not.
    pub(crate) fn check_logs_agree(&self) {
        for pg in self.pgs() {
            let logs: Vec<(OsdId, BTreeMap<u64, LogEntry>)> =
                self.osds.values().map(|osd| (osd.id, log_of(&osd.disk.durable, pg))).collect();
            for (at, (a, one)) in logs.iter().enumerate() {
                for (b, other) in &logs[at + 1..] {
                    agree(pg, (*a, one), (*b, other));
                }
            }
        }
    }
}

fn agree(pg: PgId, one: (OsdId, &BTreeMap<u64, LogEntry>), other: (OsdId, &BTreeMap<u64, LogEntry>)) {
    let mut joined = false;
    for (seq, a) in one.1.iter().rev() {
        let Some(b) = other.1.get(seq) else { continue };
        if a.version == b.version {
            joined = true;
            assert_eq!(a, b, "{pg}: {} and {} hold different entries of one version", one.0, other.0);
        } else {
            assert!(
                !joined,
                "{pg}: the logs of {} and {} agree at a later version and not at {} / {}",
                one.0, other.0, a.version, b.version
            );
        }
    }
}
