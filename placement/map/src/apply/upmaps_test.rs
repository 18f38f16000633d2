//! A balancer's plan, carried out by the monitors.

use super::apply_test::{cluster, ok, pool, refused, step};
use crate::balance::{Limits, evenness, plan};
use crate::command::{Command, PoolCreate};
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::refusal::RefusalKind;

#[test]
fn a_plan_is_one_epoch_and_only_for_the_map_it_was_made_for() {
    let mut state = cluster(12);
    ok(&mut state, &Command::PoolCreate(PoolCreate { pg_num: Some(128), ..pool("data") }));
    let plan = plan(state.map(), Limits::default());
    assert!(plan.before.pool_max > 1.0 && !plan.is_empty());
    let command = plan.command(state.map());
    let epoch = state.map().epoch;
    ok(&mut state, &command);
    assert_eq!(state.map().epoch, Epoch(epoch.0 + 1));
    assert_eq!(evenness(state.map()), plan.after);
    assert!(plan.after.pool_max <= 1.001, "{:?}", plan.after);
    // The epoch it was made for has passed.
    let (kind, text) = refused(&mut state, &command);
    assert_eq!(kind, RefusalKind::Unsafe);
    assert!(text.contains("plan again"), "{text}");
}

#[test]
fn pairs_are_judged_one_by_one_and_refused_as_a_whole() {
    let mut state = cluster(6);
    ok(&mut state, &Command::PoolCreate(pool("data")));
    let pg = |seed| PgId { pool: PoolId(1), seed };
    let upmaps =
        |state: &crate::ClusterState, items| Command::Upmaps { planned_for: state.map().epoch, items };
    let bad = upmaps(&state, vec![(pg(0), vec![(OsdId(0), OsdId(1))]), (pg(1), vec![(OsdId(0), OsdId(99))])]);
    assert_eq!(refused(&mut state, &bad).0, RefusalKind::NotFound);
    let strange = upmaps(&state, vec![(pg(9999), vec![(OsdId(0), OsdId(1))])]);
    assert_eq!(refused(&mut state, &strange).0, RefusalKind::NotFound);
    // Nothing to remove is no fault, of a pool that is gone neither, and mints no epoch.
    let nothing = upmaps(&state, vec![(pg(1), vec![]), (PgId { pool: PoolId(7), seed: 0 }, vec![])]);
    assert_eq!(step(&mut state, &nothing).incremental, None);
}
