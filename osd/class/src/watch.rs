//! The watchers of an object while an operation on it runs, and how a PG takes some away by itself.

use osd_object::draft::Draft;
use osd_object::watch::{ACK_BYTES_MAX, NOTIFY_BYTES_MAX, TIMEOUT_MS, WATCHERS_XATTR};
use osd_object::{Mutation, Notified, ObjectId, ObjectRead, Op, OpResult, WatchId, Watchers};
use stdx::Errno;

/// Runs one step that is about watching.
pub(crate) fn step(draft: &mut Draft<'_>, op: &Op) -> Result<OpResult, Errno> {
    if let Op::NotifyAck { reply, .. } = op {
        // Also where the object is gone: the notify that it belongs to may have been of its last moment.
        return if reply.len() > ACK_BYTES_MAX { Err(Errno::E2BIG) } else { Ok(OpResult::Done) };
    }
    if !draft.exists() {
        return Err(Errno::ENOENT);
    }
    let mut watchers = read(draft)?;
    match op {
        Op::Watch { watcher } => {
            watchers.insert(watcher.clone())?;
            write(draft, &watchers);
        }
        Op::Unwatch { id } => {
            if watchers.remove(*id) {
                write(draft, &watchers);
            }
        }
        Op::WatchPing { id } => {
            watchers.get(*id).ok_or(Errno::ENOTCONN)?;
        }
        Op::ListWatchers => return Ok(OpResult::Watchers(watchers.all().to_vec())),
        Op::Notify { timeout_ms, payload } => {
            if payload.len() > NOTIFY_BYTES_MAX {
                return Err(Errno::E2BIG);
            }
            if !TIMEOUT_MS.contains(timeout_ms) {
                return Err(Errno::EINVAL);
            }
            // Nobody was told yet: that is for whoever runs operations, and knows who is there.
            let missed = watchers.all().iter().map(|w| w.id).collect();
            return Ok(OpResult::Notified(Box::new(Notified { acks: Vec::new(), missed })));
        }
        _ => unreachable!("the executor hands over steps about watching only"),
    }
    Ok(OpResult::Done)
}

/// Who watches the draft's object. EIO if what is stored makes no sense.
fn read(draft: &Draft<'_>) -> Result<Watchers, Errno> {
    Watchers::of(draft.xattr(WATCHERS_XATTR)?)
}

/// From here on these watch it. The object exists.
fn write(draft: &mut Draft<'_>, watchers: &Watchers) {
    match watchers.to_value() {
        Some(value) => draft.set_xattr(WATCHERS_XATTR, value),
        None => draft.rm_xattr(WATCHERS_XATTR),
    }
}

/// Who watches a stored object.
pub fn stored(view: &dyn ObjectRead, head: &ObjectId) -> Result<Watchers, Errno> {
    Watchers::of(view.xattr(head, WATCHERS_XATTR)?)
}

/// The effect that takes watches away; none if none of them is there.
pub fn without(view: &dyn ObjectRead, head: &ObjectId, gone: &[WatchId]) -> Result<Option<Mutation>, Errno> {
    let mut watchers = stored(view, head)?;
    let removed = gone.iter().filter(|id| watchers.remove(**id)).count();
    let (object, name) = (head.clone(), WATCHERS_XATTR.to_string());
    Ok((removed > 0).then(|| match watchers.to_value() {
        Some(value) => Mutation::SetXattr { object, name, value },
        None => Mutation::RmXattr { object, name },
    }))
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod tests;
