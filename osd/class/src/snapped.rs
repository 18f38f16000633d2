//! Operations on objects that have snapshots: what a write must preserve first, what a snapshot sees, and what goes
//! when snapshots go.
//!
//! The clones of an object are told by an attribute of the object itself (`SNAPSET`), so one object answers for all of
//! its states and one transaction changes them together. An object that is deleted while clones are left stays as a
//! whiteout: empty, absent to everybody, holding that attribute.

use crate::execute::{Executed, run};
use crate::registry::Registry;
use bytes::Bytes;
use osd_object::watch::WATCHERS_XATTR;
use osd_object::{Mutation, ObjectId, ObjectRead, Op, Seen, SnapContext, SnapId, SnapSet, Transaction};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use stdx::time::WallTime;

/// The attribute that holds an object's `SnapSet`.
pub const SNAPSET: &str = "\0snapset";
/// The attribute of what is left of a deleted object for the sake of its clones.
pub const WHITEOUT: &str = "\0whiteout";

/// What an object's snapshots come to, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapped {
    /// Its clones.
    pub set: SnapSet,
    /// Whether it counts as absent.
    pub whiteout: bool,
}

impl Snapped {
    /// Reads it. EIO if it is stored and makes no sense.
    pub fn of(view: &dyn ObjectRead, head: &ObjectId) -> Result<Snapped, Errno> {
        let set = match view.xattr(head, SNAPSET)? {
            None => return Ok(Snapped::default()),
            Some(bytes) => from_bytes(bytes).map_err(|_| Errno::EIO)?,
        };
        Ok(Snapped { set, whiteout: view.xattr(head, WHITEOUT)?.is_some() })
    }
}

/// Which stored object shows what `object` (with its snapshot) was then. ENOENT: it was not there.
pub fn resolve(view: &dyn ObjectRead, object: &ObjectId) -> Result<ObjectId, Errno> {
    let head = ObjectId { snap: SnapId::HEAD, ..object.clone() };
    let snapped = Snapped::of(view, &head)?;
    match snapped.set.at(object.snap) {
        Seen::Head if !snapped.whiteout => Ok(head),
        Seen::Clone(id) => Ok(ObjectId { snap: id, ..head }),
        Seen::Head | Seen::Nothing => Err(Errno::ENOENT),
    }
}

/// As `execute`, for the live object `head`, written under a snapshot context (`context.seq` 0: none). What the
/// context's snapshots have to keep is cloned first; the clone that was made is named in `Executed::clones`.
///
/// `context.snaps` should name live snapshots only, newest first: a clone is kept for each of them.
pub fn execute_snapped(
    view: &dyn ObjectRead,
    head: &ObjectId,
    ops: &[Op],
    mtime: WallTime,
    registry: &Registry,
    context: &SnapContext,
) -> Executed {
    let stored = match Snapped::of(view, head) {
        Ok(stored) => stored,
        Err(code) => return Executed::refused(code, None),
    };
    let mut after = stored.clone();
    let head_bytes = match stored.whiteout {
        true => None,
        false => match view.meta(head) {
            Ok(meta) => meta.map(|meta| meta.size),
            Err(code) => return Executed::refused(code, None),
        },
    };
    let clone = after.set.preserve(context, head_bytes);
    let mut executed = run(view, head, ops, mtime, registry, &stored);
    if !executed.changed {
        return executed;
    }
    let mut transaction = Transaction::new();
    if let Some(id) = clone {
        let to = ObjectId { snap: id, ..head.clone() };
        transaction.push(Mutation::Clone { from: head.clone(), to: to.clone() });
        transaction.push(Mutation::RmXattr { object: to.clone(), name: SNAPSET.into() });
        // Nobody watches the past.
        transaction.push(Mutation::RmXattr { object: to, name: WATCHERS_XATTR.into() });
        executed.clones.push(id);
    }
    let effects = std::mem::take(&mut executed.transaction);
    effects.mutations.iter().for_each(|m| note(&mut after.set, m));
    transaction.append(effects);
    after.whiteout = !executed.exists && !after.set.clones.is_empty();
    transaction.mutations.extend(keep(head, &stored, &after, executed.exists, &transaction));
    if executed.exists
        && transaction.mutations.iter().any(|m| matches!(m, Mutation::Clone { to, .. } if to == head))
    {
        // A rollback brings data, attributes and rows back; who watches stays.
        match view.xattr(head, WATCHERS_XATTR) {
            Ok(watchers) => transaction.mutations.extend(watchers.map(|value| Mutation::SetXattr {
                object: head.clone(),
                name: WATCHERS_XATTR.into(),
                value,
            })),
            Err(code) => return Executed::refused(code, executed.before),
        }
    }
    executed.exists |= after.whiteout;
    executed.transaction = transaction;
    executed
}

/// What an effect on the head does to the newest clone's overlap.
fn note(set: &mut SnapSet, effect: &Mutation) {
    match effect {
        Mutation::Write { offset, data, .. } => set.changed(*offset, data.len() as u64),
        Mutation::Zero { offset, len, .. } => set.changed(*offset, *len),
        Mutation::Truncate { size, .. } => set.truncated(*size),
        Mutation::Remove { .. } => set.truncated(0),
        Mutation::Clone { from, .. } => set.rolled_back(from.snap),
        _ => {}
    }
}

/// The effects that leave the attributes as they have to be after `transaction`.
fn keep(
    head: &ObjectId,
    stored: &Snapped,
    after: &Snapped,
    exists: bool,
    transaction: &Transaction,
) -> Vec<Mutation> {
    if !exists && !after.whiteout {
        return Vec::new();
    }
    let replaced = |m: &Mutation| match m {
        Mutation::Remove { object } => object == head,
        Mutation::Clone { to, .. } => to == head,
        _ => false,
    };
    let replaced = transaction.mutations.iter().any(replaced);
    let mut effects = Vec::new();
    if after.whiteout {
        effects.push(Mutation::Touch { object: head.clone() });
    }
    let has_set = *after != Snapped::default();
    if has_set && (replaced || after.set != stored.set || after.whiteout) {
        let value = to_bytes(&after.set);
        effects.push(Mutation::SetXattr { object: head.clone(), name: SNAPSET.into(), value });
    }
    match (stored.whiteout && !replaced, after.whiteout) {
        (false, true) => {
            let (object, name) = (head.clone(), WHITEOUT.into());
            effects.push(Mutation::SetXattr { object, name, value: Bytes::from_static(b"1") });
        }
        (true, false) => effects.push(Mutation::RmXattr { object: head.clone(), name: WHITEOUT.into() }),
        _ => {}
    }
    effects
}

/// What is left to do for an object when snapshots are gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The effects, without a version stamp; empty: nothing of it was kept for those snapshots.
    pub transaction: Transaction,
    /// The clones that go.
    pub clones: Vec<SnapId>,
    /// Whether the object is still stored after it.
    pub exists: bool,
}

/// Lets go of what an object kept for snapshots that are gone.
pub fn trim(
    view: &dyn ObjectRead,
    head: &ObjectId,
    is_gone: impl Fn(SnapId) -> bool,
) -> Result<Trimmed, Errno> {
    let stored = Snapped::of(view, head)?;
    let mut set = stored.set.clone();
    let clones = set.forget(is_gone);
    let mut trimmed = Trimmed { transaction: Transaction::new(), clones, exists: true };
    if set == stored.set {
        return Ok(trimmed);
    }
    for id in &trimmed.clones {
        trimmed.transaction.push(Mutation::Remove { object: ObjectId { snap: *id, ..head.clone() } });
    }
    if stored.whiteout && set.clones.is_empty() {
        trimmed.transaction.push(Mutation::Remove { object: head.clone() });
        trimmed.exists = false;
    } else {
        let value = to_bytes(&set);
        trimmed.transaction.push(Mutation::SetXattr { object: head.clone(), name: SNAPSET.into(), value });
    }
    Ok(trimmed)
}

#[cfg(test)]
#[path = "snapped_test.rs"]
mod tests;
