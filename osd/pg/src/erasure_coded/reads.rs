//! What an operation on an erasure-coded PG has to read before it is done: data that it answers with, and old bytes
//! that it writes into.

use super::gather::{Gather, GatherFor};
use super::pieces::Piece;
use super::tag::{Logical, is_internal};
use super::write_plan::WritePlan;
use crate::machine::Pg;
use osd_class::Executed;
use osd_object::{Mutation, ObjectId, ObjectRead, Op};
use std::collections::BTreeMap;
use stdx::Errno;

impl Pg {
    /// Whether an operation is one that shards can carry out.
    pub(crate) fn fits_shards(&self, ops: &[Op]) -> Result<(), Errno> {
        if self.shape.is_none() {
            return Ok(());
        }
        for op in ops {
            match op {
                Op::CmpOmap { .. }
                | Op::OmapGet { .. }
                | Op::OmapGetRange { .. }
                | Op::OmapSet { .. }
                | Op::OmapRm { .. }
                | Op::OmapRmRange { .. } => return Err(Errno::EOPNOTSUPP),
                Op::CmpXattr { name, .. }
                | Op::GetXattr { name }
                | Op::SetXattr { name, .. }
                | Op::RmXattr { name }
                    if is_internal(name) =>
                {
                    return Err(Errno::EINVAL);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a write that was executed does to the shards; one that they cannot take is refused.
    pub(crate) fn plan_shards(
        &self,
        object: &ObjectId,
        executed: &mut Executed,
        view: &dyn ObjectRead,
    ) -> Option<WritePlan> {
        self.shape.as_ref().filter(|_| executed.changed)?;
        let before = executed.before.map(|meta| meta.size);
        match self.plan_effects(object, before, &executed.transaction.mutations, view) {
            Ok(plan) => Some(plan),
            Err(code) => {
                *executed = Executed::refused(code, executed.before);
                None
            }
        }
    }

    /// What effects on an object and its clones do to the shards. `before`: the object's size, if clients see one.
    pub(crate) fn plan_effects(
        &self,
        object: &ObjectId,
        before: Option<u64>,
        effects: &[Mutation],
        view: &dyn ObjectRead,
    ) -> Result<WritePlan, Errno> {
        let shape = self.shape.as_ref().ok_or(Errno::EOPNOTSUPP)?;
        let size_of = |object: &ObjectId| -> Result<Option<u64>, Errno> {
            Ok(Logical(view).meta(object)?.map(|meta| meta.size))
        };
        let before = match before {
            // What is left of a deleted object for its clones is there, though nobody sees it.
            None if self.pool.snaps.seq > 0 => size_of(object)?,
            other => other,
        };
        let available = self.shard_holders().into_keys().collect();
        WritePlan::of(shape, before, effects, available, &size_of)
    }

    /// Gathers what the operation of this number waits for.
    pub(crate) fn gather_for_op(&mut self, number: u64, view: &dyn ObjectRead) {
        let Some(reading) = self.ops.reading.get(&number) else { return };
        let (object, version) = (reading.object.clone(), reading.version);
        let Some(shape) = &self.shape else { return };
        let mut gathers = Vec::new();
        let mut add = |ticket, range, wanted, purpose| {
            gathers.push((ticket, Gather::new(ObjectId::clone(&object), version, range, wanted, purpose)));
        };
        for (ticket, read) in &reading.waiting {
            let (low, high, wanted) = shape.span(read.offset, read.len);
            let purpose = GatherFor::Op { number, offset: read.offset, len: read.len };
            add(*ticket, (low, high), wanted, purpose);
        }
        let pieces: BTreeMap<usize, &Piece> = reading.plan.iter().flat_map(WritePlan::reads).collect();
        for (ticket, index) in &reading.old_wanted {
            let piece = pieces[index];
            add(*ticket, (piece.low, piece.high), piece.old, GatherFor::Old { number });
        }
        for (ticket, gather) in gathers {
            self.gather(ticket, gather, view);
        }
    }
}
