//! Health of pools whose number of PGs is changing, or is one that divides data badly.

use super::check;
use crate::ids::PoolId;
use crate::pool::Pool;
use crate::state::ClusterState;
use crate::status::Check;

/// The checks.
pub(super) fn checks(state: &ClusterState) -> Vec<Check> {
    placement_behind(state).into_iter().chain(uneven(state)).collect()
}

/// PGs were split, and are still placed where their parents were. Ceph's word.
fn placement_behind(state: &ClusterState) -> Option<Check> {
    let serving = |id: PoolId, pool: &Pool| {
        pool.pgs(id).filter(|pg| state.row(*pg).is_some_and(|row| row.activated)).count()
    };
    let behind = state.map().pools.iter().filter(|(_, pool)| pool.pgp_num < pool.pg_num);
    let lines: Vec<String> = behind
        .map(|(id, pool)| {
            let (name, pg_num, pgp_num) = (&pool.name, pool.pg_num, pool.pgp_num);
            let wish = if pool.pgp_num < pool.pgp_num_target() { "" } else { ", as somebody wants it" };
            let serving = serving(*id, pool);
            format!("pool {name}: {serving} of {pg_num} PGs serve, placed by {pgp_num} seeds{wish}")
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    check(
        "SMALLER_PGP_NUM",
        crate::status::Severity::Warn,
        format!(
            "{} pools have more PGs than places for them: those that were split lie together",
            lines.len()
        ),
        "once all PGs of a pool serve with all their copies, they are spread by themselves, unless norebalance, nobackfill or \
         pause is set or pgp_num was set lower",
        "nothing; or spread them now: nacre pool set POOL pgp_num N",
        lines.into_iter(),
    )
}

/// Not a power of two: some PGs hold twice as much as others. Ceph's word.
fn uneven(state: &ClusterState) -> Option<Check> {
    let uneven = state.map().pools.values().filter(|pool| !pool.pg_num.is_power_of_two());
    let lines: Vec<String> = uneven
        .map(|pool| {
            let next = pool.pg_num.next_power_of_two();
            format!("pool {} has {} PGs: nacre pool set {} pg_num {next}", pool.name, pool.pg_num, pool.name)
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    check(
        "POOL_PG_NUM_NOT_POWER_OF_TWO",
        crate::status::Severity::Warn,
        format!(
            "{} pools have a number of PGs that is no power of two; some of their PGs hold twice as much",
            lines.len()
        ),
        "nothing changes by itself, and nothing is at risk",
        "let the number grow to the next power of two with the commands below",
        lines.into_iter(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;
    use stdx::time::WallTime;

    #[test]
    fn what_is_behind_or_uneven_is_told_with_what_to_do() {
        let mut state = ClusterState::default();
        let monitors = vec![("mon.0".to_owned(), "127.0.0.1:1".parse().expect("an address"))];
        let bootstrap = crate::Bootstrap {
            fsid: crate::Uuid([1; 16]),
            monitors,
            config: vec![],
            feature_level: crate::FEATURE_LEVEL,
        };
        state.apply(WallTime(1), &Command::Bootstrap(bootstrap)).reply.expect("made");
        for id in 0..3u32 {
            let boot = crate::OsdBoot {
                id: crate::OsdId(id),
                uuid: crate::Uuid([id as u8 + 1; 16]),
                addr: "127.0.0.1:2".parse().expect("an address"),
                nonce: 1,
                location: vec![("host".to_owned(), format!("host{id}"))],
                weight: crate::WEIGHT_ONE,
                device_class: None,
                damaged: false,
                feature_level: crate::FEATURE_LEVEL,
            };
            state.apply(WallTime(1), &Command::OsdBoot(boot)).reply.expect("up");
        }
        let names = |state: &ClusterState| -> Vec<String> {
            checks(state)
                .into_iter()
                .map(|check| format!("{} {}", check.code, check.detail.join("; ")))
                .collect()
        };
        for (name, pg_num) in [("a", 8), ("b", 12)] {
            let create =
                crate::PoolCreate { name: name.to_owned(), pg_num: Some(pg_num), ..Default::default() };
            state.apply(WallTime(2), &Command::PoolCreate(create)).reply.expect("made");
        }
        let uneven = "POOL_PG_NUM_NOT_POWER_OF_TWO pool b has 12 PGs: nacre pool set b pg_num 16";
        assert_eq!(names(&state), [uneven]);
        let set = Command::PoolSet { name: "a".to_owned(), key: "pg_num".to_owned(), value: "16".to_owned() };
        state.apply(WallTime(3), &set).reply.expect("split");
        assert_eq!(names(&state), ["SMALLER_PGP_NUM pool a: 0 of 16 PGs serve, placed by 8 seeds", uneven]);
    }
}
