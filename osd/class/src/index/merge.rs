//! The steps of a merge: of the shard that goes, and of its left neighbour, which takes it in
//! (docs/formats/bucket-index.md, "Merge").

use super::api::{Absorb, Refusal, ShardStat, SplitStep};
use super::key;
use super::lifecycle::read_split;
use super::merge_api::{Joining, MergeActivate, MergeEnd, MergeOpen, MergeTake};
use super::rows::{Absorbing, Counters, Split, State};
use super::shard::{Shard, refuse, stored};
use super::split::{absorb_rows, driven, few_outstanding, put_split};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use stdx::Errno;
use stdx::codec::to_bytes;

fn absorbing(shard: &Shard<'_, '_, '_>) -> Result<Option<Absorbing>, ClassError> {
    shard.draft().omap_get(key::ABSORBING)?.map(stored).transpose()
}

fn put_absorbing(shard: &mut Shard<'_, '_, '_>, row: &Absorbing) {
    shard.set(Bytes::from_static(key::ABSORBING), to_bytes(row));
}

fn is_joined(shard: &Shard<'_, '_, '_>, nonce: u64) -> Result<bool, ClassError> {
    Ok(shard.draft().omap_get(&key::joined_row(nonce))?.is_some())
}

/// A shard that takes another in stops doing so, and drops what it has of it. For whoever changes its range or state.
pub(super) fn give_up(shard: &mut Shard<'_, '_, '_>) -> Result<(), ClassError> {
    if absorbing(shard)?.is_some() {
        shard.remove(Bytes::from_static(key::ABSORBING));
        drop_beyond(shard);
    }
    Ok(())
}

/// Drops all rows behind the range. None of them counts. Only for a shard that does not split.
fn drop_beyond(shard: &mut Shard<'_, '_, '_>) {
    let Some(to) = shard.header.to.clone() else { return };
    for section in key::MOVING {
        if section != key::REVOKED {
            shard.drop_range(key::position(section, &to).into(), key::section_end(section));
        }
    }
}

// The shard that goes.

pub(super) fn take(ctx: &mut MethodContext<'_, '_>, input: MergeTake) -> Result<ShardStat, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    let split = match read_split(&shard)? {
        Some(split) if split.merge.is_some() => Split { driver: input.driver, ..split },
        Some(_) => return Err(Errno::EBUSY.into()),
        None => {
            match shard.header.state {
                State::Active => {}
                State::Filling { parent, .. } => return Err(refuse(Refusal::NotYet { parent })),
                State::Retired { .. } => return Err(refuse(Refusal::Retired)),
            }
            let joins =
                absorbing(&shard)?.is_some() || shard.scan_prefix(vec![key::JOINED]).few().next()?.is_some();
            if joins || shard.header.shard == 0 {
                return Err(Errno::EBUSY.into());
            }
            shard.header.splitting = Some(shard.header.from.clone());
            Split {
                child: input.left,
                at: shard.header.from.clone(),
                driver: input.driver,
                cursor: Bytes::new(),
                copied: false,
                handed: false,
                merge: Some(input.nonce),
            }
        }
    };
    put_split(&mut shard, &split);
    let stat = ShardStat { header: shard.header.clone(), counters: shard.counters, split: Some(split) };
    shard.close();
    Ok(stat)
}

fn merging(shard: &Shard<'_, '_, '_>, driver: u64) -> Result<Split, ClassError> {
    let split = driven(shard, driver)?;
    if split.merge.is_some() { Ok(split) } else { Err(Errno::EINVAL.into()) }
}

/// It serves no more; nobody does until the left neighbour is activated. EAGAIN while too many changes are outstanding.
pub(super) fn commit(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    let mut split = merging(&shard, input.driver)?;
    if split.handed {
        return Ok(());
    }
    if !split.copied {
        return Err(Errno::EINVAL.into());
    }
    few_outstanding(&shard)?;
    split.handed = true;
    put_split(&mut shard, &split);
    shard.header.state = State::Filling { parent: shard.header.shard, driver: input.driver };
    shard.header.generation += 1;
    shard.close();
    Ok(())
}

/// It serves again. The left neighbour has been told to take nothing in before.
pub(super) fn abort(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if merging(&shard, input.driver)?.handed {
        shard.header.state = State::Active;
        shard.header.generation += 1;
    }
    shard.header.splitting = None;
    shard.drop_range(Bytes::from(vec![key::CHANGED]), key::section_end(key::CHANGED));
    shard.remove(Bytes::from_static(key::SPLIT));
    shard.close();
    Ok(())
}

/// It goes, after its left neighbour was activated.
pub(super) fn finish(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<(), ClassError> {
    let shard = Shard::open_any(ctx)?;
    if !merging(&shard, input.driver)?.handed {
        return Err(Errno::EINVAL.into());
    }
    shard.remove_object();
    Ok(())
}

// Its left neighbour.

pub(super) fn open(ctx: &mut MethodContext<'_, '_>, input: MergeOpen) -> Result<Joining, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if is_joined(&shard, input.nonce)? {
        return Ok(Joining::Done);
    }
    let header = &shard.header;
    let borders = header.right == Some(input.right) && header.to.as_ref() == Some(&input.at);
    if header.state != State::Active || header.splitting.is_some() || !borders {
        return Ok(Joining::Apart);
    }
    let row = match absorbing(&shard)? {
        Some(row) if row.nonce == input.nonce => Absorbing { driver: input.driver, ..row },
        _ if input.fresh => {
            drop_beyond(&mut shard);
            let counters = Counters::default();
            Absorbing { right: input.right, nonce: input.nonce, driver: input.driver, counters }
        }
        // What was taken in before was dropped meanwhile.
        _ => return Ok(Joining::Apart),
    };
    put_absorbing(&mut shard, &row);
    shard.close();
    Ok(Joining::Open)
}

/// It takes rows in as they are. They count once it serves them.
pub(super) fn absorb(ctx: &mut MethodContext<'_, '_>, input: Absorb) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    let row = absorbing(&shard)?.filter(|row| row.driver == input.driver);
    let (Some(mut row), Some(to)) = (row, shard.header.to.clone()) else {
        return Err(refuse(Refusal::NotDriver));
    };
    let mut counters = row.counters;
    absorb_rows(&mut shard, &to, &mut counters, input.rows)?;
    row.counters = counters;
    put_absorbing(&mut shard, &row);
    shard.close();
    Ok(())
}

/// The end of it: one transaction on the left neighbour. Harmless when it serves already.
pub(super) fn activate(ctx: &mut MethodContext<'_, '_>, input: MergeActivate) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if is_joined(&shard, input.nonce)? {
        return Ok(());
    }
    let row = absorbing(&shard)?.filter(|row| row.driver == input.driver && row.nonce == input.nonce);
    let Some(row) = row.filter(|_| shard.header.state == State::Active) else {
        return Err(refuse(Refusal::NotDriver));
    };
    let (taken, c) = (row.counters, &mut shard.counters);
    c.keys += taken.keys;
    c.versions += taken.versions;
    c.uploads += taken.uploads;
    c.garbage += taken.garbage;
    c.row_bytes += taken.row_bytes;
    c.object_bytes = c.object_bytes.saturating_add(taken.object_bytes);
    shard.header.to = input.to;
    shard.header.right = input.right;
    shard.header.generation = shard.header.generation.max(input.generation) + 1;
    shard.remove(Bytes::from_static(key::ABSORBING));
    shard.set(key::joined_row(input.nonce), to_bytes(&row.right));
    shard.close();
    Ok(())
}

/// It takes nothing more in, unless it serves already.
pub(super) fn drop_out(ctx: &mut MethodContext<'_, '_>, input: MergeEnd) -> Result<Joining, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if is_joined(&shard, input.nonce)? {
        return Ok(Joining::Done);
    }
    if absorbing(&shard)?.is_some_and(|row| row.nonce == input.nonce) {
        give_up(&mut shard)?;
        shard.close();
    }
    Ok(Joining::Apart)
}

/// The other is gone: nobody asks any more how this merge ended.
pub(super) fn forget(ctx: &mut MethodContext<'_, '_>, input: MergeEnd) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if is_joined(&shard, input.nonce)? {
        shard.remove(key::joined_row(input.nonce));
        shard.close();
    }
    Ok(())
}
