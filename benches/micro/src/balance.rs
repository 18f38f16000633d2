//! A whole plan of the balancer for 10,000 OSDs and 100,000 PGs that were never balanced.

use crate::clock;
use crate::worlds;
use benches_row::{Better, Row};
use placement_map::balance::{Limits, plan};

/// Minutes, not hours.
const LIMIT_SECONDS: f64 = 120.0;

pub(crate) fn run(quick: bool) -> Result<Vec<Row>, String> {
    let (hosts, pgs) = if quick { (100, 10_000) } else { (1_000, 100_000) };
    let map = worlds::cluster(hosts, pgs).map_err(|error| error.to_string())?;
    let started = clock::own()?;
    let plan = plan(&map, Limits::default());
    let ours = clock::own()? - started;
    let (before, after) = (plan.before, plan.after);
    if after.pool_max > 1.001 || after.total_max > 1.001 {
        return Err(format!("not even: {after:?}"));
    }
    println!(
        "balance: {} of {} members move; farthest from ideal {:.1} -> {:.1} in a pool, {:.1} -> {:.1} in all",
        plan.moves,
        pgs * 3,
        before.pool_max,
        after.pool_max,
        before.total_max,
        after.total_max
    );
    let case = format!("balance: a plan for {pgs} PGs on {} OSDs", hosts * 10);
    Ok(vec![Row::new(case, "s", Better::Less, ours).within(LIMIT_SECONDS)])
}
