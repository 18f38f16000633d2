//! The class `lock`: one exclusive lease on an object, numbered by generations that fence those who lost it.
//!
//! Its state is one omap row of the object it protects (docs/formats/image.md draws it). The class has no
//! clock: a holder raises `renewals` while it lives, and whoever wants the lock from a silent holder watches that
//! number stand still for a whole lease, on its own clock, before it takes over with the pair it saw. Each new holder
//! has a greater generation, which it leaves on what it writes, so that a holder that was only slow is refused there.

mod api;

#[cfg(test)]
mod tests;

pub use api::{Break, CLASS, Held, Holder, LockRow, OWNER_BYTES_MAX, ROW, Stamp, Take, assert_held};

use crate::index::Done;
use crate::registry::{ClassError, Method, MethodContext, ObjectClass};
use bytes::Bytes;
use stdx::Errno;
use stdx::codec::{Decode, from_bytes, to_bytes};

/// The class.
pub struct Lock;

fn input<T: Decode>(bytes: Bytes) -> Result<T, ClassError> {
    from_bytes(bytes).map_err(|_| Errno::EINVAL.into())
}

impl ObjectClass for Lock {
    fn name(&self) -> &'static str {
        CLASS
    }

    fn methods(&self) -> &'static [Method] {
        // One small row, replaced in place; and what is full must be lockable to be emptied.
        const METHODS: &[Method] = &[
            Method::read("stat"),
            Method::read("assert"),
            Method::write("take").even_when_full(),
            Method::write("renew").even_when_full(),
            Method::write("release").even_when_full(),
            Method::write("break").even_when_full(),
        ];
        METHODS
    }

    fn call(&self, method: &str, ctx: &mut MethodContext<'_, '_>, bytes: Bytes) -> Result<Bytes, ClassError> {
        // A lock on nothing would make the object, and outlive it by that.
        if !ctx.object().exists() {
            return Err(Errno::ENOENT.into());
        }
        let row = load(ctx)?;
        Ok(match method {
            "stat" => to_bytes(&row),
            "assert" => to_bytes(&held(&row, input(bytes)?).map(|()| Done)?),
            "take" => to_bytes(&take(ctx, row, input(bytes)?)?),
            "renew" => to_bytes(&renew(ctx, row, input(bytes)?)?),
            "release" => to_bytes(&release(ctx, row, input(bytes)?).map(|()| Done)?),
            "break" => to_bytes(&break_lock(ctx, row, input(bytes)?)?),
            _ => return Err(Errno::EOPNOTSUPP.into()),
        })
    }
}

fn load(ctx: &MethodContext<'_, '_>) -> Result<LockRow, ClassError> {
    match ctx.object().omap_get(ROW)? {
        Some(value) => from_bytes(value).map_err(|_| Errno::EIO.into()),
        None => Ok(LockRow::default()),
    }
}

fn store(ctx: &mut MethodContext<'_, '_>, row: &LockRow) {
    ctx.object_mut().omap_set(vec![(Bytes::from_static(ROW), to_bytes(row))]);
}

fn busy(row: &LockRow) -> ClassError {
    ClassError::with_detail(Errno::EBUSY, to_bytes(row))
}

/// ESTALE unless this holder still has it.
fn held(row: &LockRow, who: Held) -> Result<(), ClassError> {
    let same = row.holder.as_ref().is_some_and(|h| h.cookie == who.cookie);
    if same && row.generation == who.generation { Ok(()) } else { Err(Errno::ESTALE.into()) }
}

fn take(ctx: &mut MethodContext<'_, '_>, mut row: LockRow, take: Take) -> Result<LockRow, ClassError> {
    if take.holder.owner.is_empty() || take.holder.owner.len() > OWNER_BYTES_MAX {
        return Err(Errno::EINVAL.into());
    }
    if let Some(holder) = &row.holder {
        // Asked twice by one that did not hear the first answer.
        if holder.cookie == take.holder.cookie {
            return Ok(row);
        }
        if take.over != Some(row.stamp()) {
            return Err(busy(&row));
        }
        row.unclean = row.generation;
    }
    row.generation = row.generation.checked_add(1).ok_or(Errno::EOVERFLOW)?;
    row.renewals = 0;
    row.holder = Some(take.holder);
    store(ctx, &row);
    Ok(row)
}

fn renew(ctx: &mut MethodContext<'_, '_>, mut row: LockRow, who: Held) -> Result<LockRow, ClassError> {
    held(&row, who)?;
    row.renewals = row.renewals.wrapping_add(1);
    store(ctx, &row);
    Ok(row)
}

fn release(ctx: &mut MethodContext<'_, '_>, mut row: LockRow, who: Held) -> Result<(), ClassError> {
    held(&row, who)?;
    row.holder = None;
    store(ctx, &row);
    Ok(())
}

fn break_lock(ctx: &mut MethodContext<'_, '_>, mut row: LockRow, b: Break) -> Result<LockRow, ClassError> {
    if row.holder.is_none() {
        return Ok(row);
    }
    if row.generation != b.generation {
        return Err(busy(&row));
    }
    row.holder = None;
    row.unclean = row.generation;
    store(ctx, &row);
    Ok(row)
}
