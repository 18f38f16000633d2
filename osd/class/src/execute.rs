//! Runs a compound operation against a read view: results for the client, effects for the replicas.

use crate::registry::{Access, MethodContext, Registry};
use crate::snapped::Snapped;
use crate::watch;
use bytes::Bytes;
use osd_object::draft::{Draft, is_internal_xattr};
use osd_object::hint::HINT_XATTR;
use osd_object::op::{OpFailure, OpOutcome, Snaps};
use osd_object::view::ObjectMeta;
use osd_object::{
    CloneInfo, Mutation, ObjectId, ObjectRead, Op, OpResult, Seen, SnapId, Transaction, Version,
};
use stdx::Errno;
use stdx::time::WallTime;

/// What the results of one operation may take together, bytes: an answer has to fit a message, which holds 16 MiB of
/// data and a MiB beside it. More is EOVERFLOW, and the caller asks for ranges.
pub const RESULTS_BYTES_MAX: u64 = (16 << 20) + (256 << 10);
/// Rows in one page of an omap, whatever the caller would take.
const PAGE_ROWS_MAX: u32 = 1 << 16;
/// Bytes in one such page, about.
const PAGE_BYTES_MAX: u32 = 4 << 20;
/// Key and value of one omap row, bytes: recovery sends a row whole, beside other things.
const ROW_BYTES_MAX: usize = 8 << 20;
/// Name and value of one attribute, bytes.
const XATTR_BYTES_MAX: usize = 64 << 10;
/// All attributes of an object, bytes: recovery sends them in one piece.
const XATTRS_BYTES_MAX: usize = 1 << 20;

/// A range of data that a step wants, as the object was before the operation. Lies within the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRead {
    /// Index of the step; its result is an empty `OpResult::Data` until the bytes are put there.
    pub step: usize,
    /// First byte.
    pub offset: u64,
    /// Bytes, not zero.
    pub len: u64,
}

/// What a compound operation comes to.
#[derive(Debug)]
pub struct Executed {
    /// Results; data reads are placeholders until `fill`.
    pub outcome: OpOutcome,
    /// Data still to be read for the results. Empty if the operation failed.
    pub data_reads: Vec<DataRead>,
    /// The effects, without the version stamp (`stamped` adds it). Empty if it failed or only read.
    pub transaction: Transaction,
    /// Whether this is a write that took place: it gets a version, even if every effect was a repetition.
    pub changed: bool,
    /// Whether the object exists after it.
    pub exists: bool,
    /// The object's meta before it.
    pub before: Option<ObjectMeta>,
    /// Clones of the object that the transaction makes, besides what it does to the object itself.
    pub clones: Vec<SnapId>,
}

impl Executed {
    /// An operation that is refused before its first step.
    pub fn refused(code: Errno, before: Option<ObjectMeta>) -> Executed {
        Executed {
            outcome: Err(OpFailure { code, step: 0, detail: Bytes::new() }),
            data_reads: Vec::new(),
            transaction: Transaction::new(),
            changed: false,
            exists: before.is_some(),
            before,
            clones: Vec::new(),
        }
    }

    /// The effects with the stamp of the version that this write became.
    pub fn stamped(&mut self, object: &ObjectId, version: Version, mtime: WallTime) -> Transaction {
        assert!(self.changed, "only a write is stamped");
        let mut transaction = std::mem::take(&mut self.transaction);
        if self.exists {
            transaction.push(Mutation::Stamp { object: object.clone(), version, mtime });
        }
        transaction
    }

    /// Puts the bytes of a data read where the client looks for them.
    pub fn fill(&mut self, read: DataRead, data: Bytes) {
        fill(&mut self.outcome, read, data);
    }
}

/// Puts the bytes of a data read into the results of an operation that succeeded.
pub fn fill(outcome: &mut OpOutcome, read: DataRead, data: Bytes) {
    let results = outcome.as_mut().expect("data is read only for an operation that succeeded");
    results[read.step] = OpResult::Data(data);
}

/// Runs `ops` on `object` as `view` has it. Stops at the first failing step, and then nothing happened.
///
/// Steps see what earlier ones did, except that data is read as it was before the operation; a data read
/// behind a change of data in the same operation is refused with EINVAL. Writes create the object; reads
/// of an absent one, and removals of what only an object can hold, fail with ENOENT.
pub fn execute(
    view: &dyn ObjectRead,
    object: &ObjectId,
    ops: &[Op],
    mtime: WallTime,
    registry: &Registry,
) -> Executed {
    run(view, object, ops, mtime, registry, &Snapped::default())
}

/// The same for an object that may have clones, and that counts as absent if it is kept for them only.
pub(crate) fn run(
    view: &dyn ObjectRead,
    object: &ObjectId,
    ops: &[Op],
    mtime: WallTime,
    registry: &Registry,
    snapped: &Snapped,
) -> Executed {
    let failed = |before, step: usize, code, detail| Executed {
        outcome: Err(OpFailure { code, step: step as u32, detail }),
        ..Executed::refused(code, before)
    };
    let opened = match snapped.whiteout {
        true => Ok((None, Draft::open_absent(view, object.clone()))),
        false => view.meta(object).and_then(|before| Ok((before, Draft::open(view, object.clone())?))),
    };
    let (before, mut draft) = match opened {
        Ok(x) => x,
        Err(code) => return failed(None, 0, code, Bytes::new()),
    };
    let mut results = Vec::with_capacity(ops.len());
    let mut data_reads = Vec::new();
    let mut wrote = false;
    let mut rolled_back = false;
    let mut bytes = 0;
    for (step, op) in ops.iter().enumerate() {
        if rolled_back && !matches!(op, Op::SetXattr { .. } | Op::AssertSnapsKnown) {
            // What the object is after it is known only when it is carried out.
            return failed(before, step, Errno::EINVAL, Bytes::new());
        }
        rolled_back |= matches!(op, Op::Rollback { .. });
        let mut run =
            Step { draft: &mut draft, before, mtime, registry, snapped, step, data_reads: &mut data_reads };
        match run.run(op) {
            Ok(result) => results.push(result),
            Err((code, detail)) => return failed(before, step, code, detail),
        }
        bytes += results.last().map_or(0, result_bytes);
        bytes += data_reads.last().filter(|read| read.step == step).map_or(0, |read| read.len);
        if bytes > RESULTS_BYTES_MAX {
            return failed(before, step, Errno::EOVERFLOW, Bytes::new());
        }
        wrote |= !matches!(op, Op::Call { .. })
            && registry.access(std::slice::from_ref(op)) == Access::Write
            && draft.exists();
    }
    let exists = draft.exists();
    let changed = draft.changed() || wrote;
    Executed {
        outcome: Ok(results),
        data_reads,
        transaction: draft.into_transaction(),
        changed,
        exists,
        before,
        clones: Vec::new(),
    }
}

/// About what a result takes in an answer, bytes; never less.
fn result_bytes(result: &OpResult) -> u64 {
    let bytes = match result {
        OpResult::Done | OpResult::Meta(_) => 0,
        OpResult::Data(data) => data.len(),
        OpResult::Xattrs(all) => all.iter().map(|(name, value)| 16 + name.len() + value.len()).sum(),
        OpResult::Snaps(snaps) => {
            let of = |c: &CloneInfo| 48 + 8 * c.snaps.len() + 16 * c.overlap.ranges().len();
            snaps.set.clones.iter().map(of).sum()
        }
        OpResult::Rows(page) => page.rows.iter().map(|(key, value)| 16 + key.len() + value.len()).sum(),
        OpResult::Watchers(all) => all.iter().map(|w| 40 + w.name.len()).sum(),
        OpResult::Notified(told) => {
            told.acks.iter().map(|(_, reply)| 24 + reply.len()).sum::<usize>() + 16 * told.missed.len()
        }
    };
    64 + bytes as u64
}

struct Step<'a, 'v> {
    draft: &'a mut Draft<'v>,
    before: Option<ObjectMeta>,
    mtime: WallTime,
    registry: &'a Registry,
    snapped: &'a Snapped,
    step: usize,
    data_reads: &'a mut Vec<DataRead>,
}

type StepResult = Result<OpResult, (Errno, Bytes)>;

impl Step<'_, '_> {
    fn run(&mut self, op: &Op) -> StepResult {
        if let Op::Call { class, method, input } = op {
            return self.call(class, method, input.clone());
        }
        self.plain(op).map_err(|code| (code, Bytes::new()))
    }

    fn call(&mut self, class: &str, method: &str, input: Bytes) -> StepResult {
        let (class, method) = self.registry.method(class, method).map_err(|code| (code, Bytes::new()))?;
        let mut ctx = MethodContext::new(self.draft, self.mtime, method.access);
        let output = class.call(method.name, &mut ctx, input).map_err(|e| (e.code, e.detail))?;
        Ok(OpResult::Data(output))
    }

    fn must_exist(&self) -> Result<(), Errno> {
        if self.draft.exists() { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn plain(&mut self, op: &Op) -> Result<OpResult, Errno> {
        let draft = &mut *self.draft;
        match op {
            // Whoever runs operations knows what the pool has, and refuses it before.
            Op::AssertSnapsKnown => {}
            Op::AssertExists => {
                self.must_exist()?;
            }
            Op::AssertVersion { seq } => {
                // An absent object has version 0: "not there yet" can be asserted too.
                if self.before.map_or(0, |m| m.version.seq) != *seq {
                    return Err(Errno::ERANGE);
                }
            }
            Op::CmpXattr { name, .. }
            | Op::GetXattr { name }
            | Op::SetXattr { name, .. }
            | Op::RmXattr { name }
                if is_internal_xattr(name) =>
            {
                return Err(Errno::EINVAL);
            }
            Op::CmpXattr { name, compare, value } => {
                if !compare.holds(&draft.xattr(name)?.unwrap_or_default(), value) {
                    return Err(Errno::ECANCELED);
                }
            }
            Op::CmpOmap { key, compare, value } => {
                if !compare.holds(&draft.omap_get(key)?.unwrap_or_default(), value) {
                    return Err(Errno::ECANCELED);
                }
            }
            Op::Stat => {
                self.must_exist()?;
                let mut meta = self.before.unwrap_or_default();
                meta.size = self.draft.size();
                return Ok(OpResult::Meta(meta));
            }
            Op::Read { offset, len } => return self.read(*offset, *len),
            Op::GetXattr { name } => {
                self.must_exist()?;
                return Ok(OpResult::Data(self.draft.xattr(name)?.ok_or(Errno::ENODATA)?));
            }
            Op::GetXattrs => {
                self.must_exist()?;
                return Ok(OpResult::Xattrs(self.draft.xattrs()?.into_iter().collect()));
            }
            Op::OmapGet { keys } => {
                self.must_exist()?;
                let mut page = osd_object::OmapPage::default();
                let mut bytes = 0;
                for key in keys {
                    if let Some(value) = self.draft.omap_get(key)? {
                        bytes += (key.len() + value.len()) as u64;
                        if bytes > RESULTS_BYTES_MAX {
                            return Err(Errno::EOVERFLOW);
                        }
                        page.rows.push((key.clone(), value));
                    }
                }
                return Ok(OpResult::Rows(page));
            }
            Op::OmapGetRange { range } => {
                self.must_exist()?;
                let mut range = range.clone();
                range.rows_max = range.rows_max.min(PAGE_ROWS_MAX);
                range.bytes_max = range.bytes_max.min(PAGE_BYTES_MAX);
                return Ok(OpResult::Rows(self.draft.omap_range(&range)?));
            }
            Op::Create { exclusive } => {
                if *exclusive && draft.exists() {
                    return Err(Errno::EEXIST);
                }
                draft.touch();
            }
            Op::SetAllocHint { hint } => {
                if !draft.exists() {
                    draft.set_xattr(HINT_XATTR, hint.to_value());
                }
            }
            Op::Write { offset, data } => draft.write(*offset, data.clone())?,
            Op::WriteFull { data } => {
                // Truncate first only when the tail would outlive the new bytes: one effect less to carry.
                if draft.size() > data.len() as u64 {
                    draft.truncate(data.len() as u64)?;
                }
                draft.write(0, data.clone())?;
            }
            Op::WriteSame { offset, len, data } => {
                let repeats = len.checked_div(data.len() as u64).filter(|n| n * data.len() as u64 == *len);
                let repeats = repeats.ok_or(Errno::EINVAL)?;
                // One message's worth at most: the effects carry all of it.
                let repeats = usize::try_from(repeats).map_err(|_| Errno::E2BIG)?;
                if *len > RESULTS_BYTES_MAX {
                    return Err(Errno::E2BIG);
                }
                draft.write(*offset, data.repeat(repeats).into())?;
            }
            Op::Append { data } => draft.write(draft.size(), data.clone())?,
            Op::Zero { offset, len } => draft.zero(*offset, *len),
            Op::Truncate { size } => draft.truncate(*size)?,
            Op::Delete => {
                self.must_exist()?;
                self.draft.remove();
            }
            Op::SetXattr { name, value } => {
                let bytes = name.len() + value.len();
                let others = draft.xattrs()?.into_iter().filter(|(other, _)| other != name);
                let others: usize = others.map(|(name, value)| 16 + name.len() + value.len()).sum();
                if bytes > XATTR_BYTES_MAX || others + bytes > XATTRS_BYTES_MAX {
                    return Err(Errno::E2BIG);
                }
                draft.set_xattr(name, value.clone());
            }
            Op::RmXattr { name } => {
                self.must_exist()?;
                self.draft.rm_xattr(name);
            }
            Op::OmapSet { rows } => {
                if rows.iter().any(|(key, value)| key.len() + value.len() > ROW_BYTES_MAX) {
                    return Err(Errno::E2BIG);
                }
                draft.omap_set(rows.clone());
            }
            Op::OmapRm { keys } => {
                self.must_exist()?;
                self.draft.omap_rm(keys.clone());
            }
            Op::OmapRmRange { start, end } => {
                self.must_exist()?;
                self.draft.omap_rm_range(start.clone(), end.clone());
            }
            Op::Rollback { snap } => match self.snapped.set.at(*snap) {
                Seen::Head => {}
                Seen::Nothing => draft.remove(),
                Seen::Clone(id) => {
                    let size = self.snapped.set.clones.iter().find(|c| c.id == id).map_or(0, |c| c.size);
                    let from = ObjectId { snap: id, ..draft.object().clone() };
                    draft.become_copy_of(from, size);
                }
            },
            Op::ListSnaps => {
                let head_bytes = draft.exists().then(|| draft.size());
                if head_bytes.is_none() && self.snapped.set.clones.is_empty() {
                    return Err(Errno::ENOENT);
                }
                let set = self.snapped.set.clone();
                return Ok(OpResult::Snaps(Box::new(Snaps { set, head_bytes })));
            }
            Op::Watch { .. }
            | Op::Unwatch { .. }
            | Op::WatchPing { .. }
            | Op::Notify { .. }
            | Op::NotifyAck { .. }
            | Op::ListWatchers => return watch::step(draft, op),
            Op::Call { .. } => unreachable!("calls are dispatched before"),
        }
        Ok(OpResult::Done)
    }

    fn read(&mut self, offset: u64, len: u64) -> Result<OpResult, Errno> {
        self.must_exist()?;
        if self.draft.data_changed() {
            return Err(Errno::EINVAL);
        }
        let left = self.draft.size().saturating_sub(offset);
        let len = if len == 0 { left } else { len.min(left) };
        if len > 0 {
            self.data_reads.push(DataRead { step: self.step, offset, len });
        }
        Ok(OpResult::Data(Bytes::new()))
    }
}

#[cfg(test)]
#[path = "execute_test.rs"]
mod tests;
