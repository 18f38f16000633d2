//! A cluster of one model store, for tests of front ends: compound operations with their full semantics,
//! without daemons, networks or disks.

use crate::execute::execute;
use crate::registry::{Access, Registry};
use crate::snapped::{execute_snapped, resolve, trim};
use osd_object::model::Model;
use osd_object::op::{OpFailure, OpOutcome};
use osd_object::{Mutation, ObjectId, Op, SnapContext, SnapId, Version};
use stdx::Errno;
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
    apply_op_in(model, object, ops, mtime, registry, (seq, &SnapContext::default()))
}

/// The same under a snapshot context; or, where `object` names a snapshot, reading that.
pub fn apply_op_in(
    model: &mut Model,
    object: &ObjectId,
    ops: &[Op],
    mtime: WallTime,
    registry: &Registry,
    (seq, snaps): (&mut u64, &SnapContext),
) -> (Version, OpOutcome) {
    let refused = |code| {
        let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
        (Version::ZERO, Err(failure))
    };
    if object.snap != SnapId::HEAD && registry.access(ops) == Access::Write {
        return refused(Errno::EINVAL);
    }
    let stored = if object.snap == SnapId::HEAD { Ok(object.clone()) } else { resolve(model, object) };
    let object = match stored {
        Ok(stored) => stored,
        Err(code) => return refused(code),
    };
    let object = &object;
    let mut executed = match object.snap {
        SnapId::HEAD => execute_snapped(model, object, ops, mtime, registry, snaps),
        _ => execute(model, object, ops, mtime, registry),
    };
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

/// Lets every object go of what it keeps for snapshots that are gone, at once.
pub fn trim_all(model: &mut Model, is_gone: impl Fn(SnapId) -> bool, seq: &mut u64) {
    let heads: Vec<ObjectId> = model.objects.keys().filter(|o| o.snap == SnapId::HEAD).cloned().collect();
    for head in heads {
        let trimmed = trim(model, &head, &is_gone).expect("a model reads what was written");
        if trimmed.transaction.mutations.is_empty() {
            continue;
        }
        let mut transaction = trimmed.transaction;
        if trimmed.exists {
            *seq += 1;
            let (version, mtime) = (Version { interval: 1, seq: *seq }, model.objects[&head].meta.mtime);
            transaction.push(Mutation::Stamp { object: head, version, mtime });
        }
        model.apply(&transaction);
    }
}
