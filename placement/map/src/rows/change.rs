//! Changes that a primary proposes: compare-and-set on the row's revision.

use super::{Surroundings, resting, tenure};
use crate::ids::OsdId;
use crate::pg_row::{PgRow, RowChange, RowChangeKind};
use std::collections::BTreeSet;

/// Why a proposal was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The row changed since.
    Outdated,
    /// The proposer is not the row's primary.
    NotPrimary,
    /// The change does not fit the row.
    Unfit,
}

/// Carries a proposal out on `row`, or leaves it as it is.
pub(crate) fn change(
    row: &mut PgRow,
    proposal: &RowChange,
    around: &Surroundings<'_>,
) -> Result<(), Rejection> {
    if proposal.revision != row.revision {
        return Err(Rejection::Outdated);
    }
    if row.primary != Some(proposal.from) {
        return Err(Rejection::NotPrimary);
    }
    match &proposal.kind {
        RowChangeKind::Activate { in_sync } => activate(row, proposal.from, in_sync, around),
        RowChangeKind::Shrink { drop } => shrink(row, proposal.from, drop, around),
        RowChangeKind::Grow { add } => grow(row, add, around),
        RowChangeKind::Yield { to } => yield_to(row, proposal.from, *to, around),
    }
}

fn fit(ok: bool) -> Result<(), Rejection> {
    if ok { Ok(()) } else { Err(Rejection::Unfit) }
}

fn distinct(osds: &[OsdId]) -> bool {
    osds.iter().collect::<BTreeSet<_>>().len() == osds.len()
}

/// All of `in_sync` have the primary's head. Members that stopped since it was proposed are left out: that is an
/// activation and a stop in one.
fn activate(
    row: &mut PgRow,
    from: OsdId,
    in_sync: &[OsdId],
    around: &Surroundings<'_>,
) -> Result<(), Rejection> {
    let subset = in_sync.iter().all(|osd| row.in_sync.contains(osd));
    fit(!row.activated && subset && in_sync.contains(&from) && distinct(in_sync))?;
    let others = in_sync.iter().copied().filter(|osd| *osd != from && around.map.is_up(*osd));
    let members: Vec<OsdId> = std::iter::once(from).chain(others).collect();
    fit(around.enough(row, &members))?;
    row.in_sync = members;
    row.activated = true;
    // Who rested before may lack what the new primary's log holds and nobody had acknowledged.
    row.resting.clear();
    resting::rest(row, in_sync.iter().copied().filter(|osd| !around.map.is_up(*osd)), around);
    Ok(())
}

fn shrink(row: &mut PgRow, from: OsdId, drop: &[OsdId], around: &Surroundings<'_>) -> Result<(), Rejection> {
    let members = drop.iter().all(|osd| row.in_sync.contains(osd) || row.resting.contains(osd));
    fit(row.activated && !drop.is_empty() && members && !drop.contains(&from))?;
    let left: Vec<OsdId> = row.in_sync.iter().copied().filter(|osd| !drop.contains(osd)).collect();
    fit(around.enough(row, &left))?;
    row.in_sync = left;
    row.resting.retain(|osd| !drop.contains(osd));
    Ok(())
}

/// Joiners must belong to the PG as the map has it: others would be trimmed away or kept for no reason.
fn grow(row: &mut PgRow, add: &[OsdId], around: &Surroundings<'_>) -> Result<(), Rejection> {
    let joiners = add.iter().all(|osd| around.up.set.contains(osd) && !row.in_sync.contains(osd));
    fit(row.activated && !add.is_empty() && joiners && distinct(add))?;
    if around.fewest_shards.is_some() {
        let seats = row.seats(&around.up.set);
        fit(add.iter().all(|osd| seats.contains_key(osd)))?;
        row.shards.extend(seats.into_iter().filter(|(osd, _)| add.contains(osd)));
    }
    row.in_sync.extend_from_slice(add);
    Ok(())
}

/// Every in-sync member has all that was acknowledged, so any of them may lead while nobody serves. Shards end their logs
/// together and copy nothing before they serve, so there nobody has a reason to.
fn yield_to(row: &mut PgRow, from: OsdId, to: OsdId, around: &Surroundings<'_>) -> Result<(), Rejection> {
    let can_lead = to != from && row.in_sync.contains(&to) && around.map.is_up(to);
    let known = around.map.feature_level >= crate::FEATURE_YIELD;
    fit(known && !row.activated && can_lead && around.fewest_shards.is_none())?;
    tenure::begin(row, Some(to));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{PgId, PoolId};
    use crate::rows::testing::{World, osds, row};

    fn propose(r: &PgRow, from: u32, revision: u64, kind: RowChangeKind) -> (Result<(), Rejection>, PgRow) {
        let world = World::new(&[0, 1, 3]).up(&[0, 1, 3]);
        let pg = PgId { pool: PoolId(1), seed: 0 };
        let mut after = r.clone();
        let result = world
            .with(|around| change(&mut after, &RowChange { pg, from: OsdId(from), revision, kind }, around));
        (result, after)
    }
    fn activate(set: &[u32]) -> RowChangeKind {
        RowChangeKind::Activate { in_sync: osds(set) }
    }

    #[test]
    fn proposals_count_only_from_the_primary_and_the_current_revision() {
        let r = row(3, &[0, 1], Some(0), false);
        assert_eq!(propose(&r, 0, r.revision + 1, activate(&[0, 1])), (Err(Rejection::Outdated), r.clone()));
        assert_eq!(propose(&r, 1, r.revision, activate(&[0, 1])), (Err(Rejection::NotPrimary), r.clone()));
        let (result, after) = propose(&r, 0, r.revision, activate(&[0, 1]));
        assert_eq!((result, after.activated, after.in_sync), (Ok(()), true, osds(&[0, 1])));
    }

    #[test]
    fn activation_takes_a_subset_with_the_primary_and_leaves_out_who_stopped() {
        let r = row(3, &[0, 1, 2], Some(0), false);
        for wrong in [&[1][..], &[], &[0, 3], &[0, 0]] {
            assert_eq!(propose(&r, 0, r.revision, activate(wrong)).0, Err(Rejection::Unfit), "{wrong:?}");
        }
        // osd.2 is down by now.
        assert_eq!(propose(&r, 0, r.revision, activate(&[0, 1, 2])).1.in_sync, osds(&[0, 1]));
        let active = row(3, &[0, 1], Some(0), true);
        assert_eq!(
            propose(&active, 0, active.revision, activate(&[0])).0,
            Err(Rejection::Unfit),
            "only once"
        );
    }

    #[test]
    fn shrinking_never_drops_the_proposer_and_needs_activation() {
        let shrink = |set: &[u32]| RowChangeKind::Shrink { drop: osds(set) };
        let r = row(3, &[0, 1, 3], Some(0), true);
        assert_eq!(propose(&r, 0, r.revision, shrink(&[1, 3])).1.in_sync, osds(&[0]));
        for wrong in [&[0][..], &[], &[2], &[0, 1, 3]] {
            assert_eq!(propose(&r, 0, r.revision, shrink(wrong)).0, Err(Rejection::Unfit), "{wrong:?}");
        }
        let idle = row(3, &[0, 1], Some(0), false);
        assert_eq!(propose(&idle, 0, idle.revision, shrink(&[1])).0, Err(Rejection::Unfit));
    }

    #[test]
    fn growing_takes_only_members_of_the_up_set() {
        let grow = |set: &[u32]| RowChangeKind::Grow { add: osds(set) };
        let r = row(3, &[0, 1], Some(0), true);
        assert_eq!(propose(&r, 0, r.revision, grow(&[3])).1.in_sync, osds(&[0, 1, 3]));
        for wrong in [&[1][..], &[], &[2], &[3, 3]] {
            assert_eq!(propose(&r, 0, r.revision, grow(wrong)).0, Err(Rejection::Unfit), "{wrong:?}");
        }
    }

    #[test]
    fn before_the_activation_another_member_that_is_up_may_be_given_the_lead() {
        let yield_to = |to: u32| RowChangeKind::Yield { to: OsdId(to) };
        let r = row(3, &[0, 1, 2, 3], Some(0), false);
        let (result, after) = propose(&r, 0, r.revision, yield_to(3));
        assert_eq!((result, after.primary, after.interval), (Ok(()), Some(OsdId(3)), 4));
        assert_eq!((after.in_sync, after.activated), (osds(&[3, 0, 1, 2]), false));
        // Itself, one that is down, one that is not in sync.
        for wrong in [0, 2, 7] {
            assert_eq!(propose(&r, 0, r.revision, yield_to(wrong)).0, Err(Rejection::Unfit), "{wrong}");
        }
        let active = row(3, &[0, 1], Some(0), true);
        assert_eq!(propose(&active, 0, active.revision, yield_to(1)).0, Err(Rejection::Unfit));
    }
}
