//! What an OSD did lately, for its beacons.

use osd_class::Registry;
use osd_class::registry::Access;
use osd_object::{Op, OpResult};
use placement_map::stats::OsdStats;
use wire_codec::{OpTarget, OsdOp, OsdOpReply, OsdOutcome};

/// Counts since the last beacon.
#[derive(Default)]
pub(crate) struct Tally {
    reads: u64,
    writes: u64,
    read_bytes: u64,
    write_bytes: u64,
}

impl Tally {
    /// An operation came in.
    pub(crate) fn asked(&mut self, op: &OsdOp, registry: &Registry) {
        let OpTarget::Object { ops, .. } = &op.target else {
            self.reads += 1;
            return;
        };
        match registry.access(ops) {
            Access::Read => self.reads += 1,
            Access::Write => {
                self.writes += 1;
                self.write_bytes += ops.iter().map(written).sum::<u64>();
            }
        }
    }

    /// An answer went out.
    pub(crate) fn answered(&mut self, reply: &OsdOpReply) {
        if let OsdOutcome::Done { outcome: Ok(results), .. } = &reply.outcome {
            self.read_bytes += results
                .iter()
                .map(|r| if let OpResult::Data(d) = r { d.len() as u64 } else { 0 })
                .sum::<u64>();
        }
    }

    /// The rates over `seconds`, and a new count from zero.
    pub(crate) fn take(&mut self, seconds: f64) -> OsdStats {
        let rate = |n: u64| (n as f64 / seconds.max(0.1)) as u64;
        let t = std::mem::take(self);
        OsdStats {
            reads_per_second: u32::try_from(rate(t.reads)).unwrap_or(u32::MAX),
            writes_per_second: u32::try_from(rate(t.writes)).unwrap_or(u32::MAX),
            read_bytes_per_second: rate(t.read_bytes),
            write_bytes_per_second: rate(t.write_bytes),
            ..OsdStats::default()
        }
    }
}

fn written(op: &Op) -> u64 {
    match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => data.len() as u64,
        Op::Call { input, .. } => input.len() as u64,
        _ => 0,
    }
}
