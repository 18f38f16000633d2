//! A cluster of one model store, for tests of front ends: compound operations with their full semantics,
//! without daemons, networks or disks.

use crate::execute::execute;
use crate::registry::Registry;
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, Op, Version};
use stdx::time::WallTime;

/// Runs one compound operation on `model`, data reads included. `seq` counts the writes, as a PG's log
/// does. Gives the object's version after it (zero if it is absent and nothing was written).
pub fn apply_op(
    model: &mut Model,
    object: &ObjectId,
    ops: &[Op],
    mtime: WallTime,
    registry: &Registry,
    seq: &mut u64,
) -> (Version, OpOutcome) {
    let mut executed = execute(model, object, ops, mtime, registry);
    for read in std::mem::take(&mut executed.data_reads) {
        let data =
            model.read(object, read.offset, read.len).expect("a step that reads data found the object");
        executed.fill(read, data);
    }
    let mut version = executed.before.map_or(Version::ZERO, |m| m.version);
    if executed.changed {
        *seq += 1;
        version = Version { interval: 1, seq: *seq };
        let transaction = executed.stamped(object, version, mtime);
        model.apply(&transaction);
    }
    (version, executed.outcome)
}
