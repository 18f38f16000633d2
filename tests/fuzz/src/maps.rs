//! Sound input to begin with: CRUSH maps of all kinds, and cluster maps around them.

#[path = "../../../crush/tests/support/mod.rs"]
mod crush_texts;

use crush::CrushMap;
use placement_map::osdmap::{self, OsdMap};
use placement_map::{
    ClusterMap, Epoch, Incremental, OsdId, OsdInfo, PgId, Pool, PoolId, PoolKind, SharedCrush, Uuid,
    WEIGHT_ONE,
};
use stdx::Rng;

/// The generator of the live comparison with crushtool: every bucket kind, classes, weight sets, rules.
pub(crate) fn crush_text(rng: &mut Rng) -> String {
    crush_texts::random_map(&mut crush_texts::Random(rng.next_u64())).text
}

/// A map that compiles.
pub(crate) fn crush_map(rng: &mut Rng) -> CrushMap {
    loop {
        // Some texts are refused, as Ceph refuses them.
        if let Ok(map) = CrushMap::compile(&crush_text(rng)) {
            return map;
        }
    }
}

/// A cluster on such a map, with overrides of every kind.
pub(crate) fn cluster_map(rng: &mut Rng) -> ClusterMap {
    let crush = crush_map(rng);
    let osds = u32::try_from(crush.max_devices()).unwrap_or(0);
    let rules: Vec<u32> = crush.rules().map(|(id, _)| id).collect();
    let mut map = ClusterMap { epoch: Epoch(7), crush: SharedCrush::new(crush), ..ClusterMap::default() };
    for id in 0..osds {
        let weight = if rng.chance(1, 8) { 0 } else { WEIGHT_ONE };
        let up = !rng.chance(1, 10);
        map.osds.insert(OsdId(id), OsdInfo { up, weight, ..OsdInfo::new(Uuid([7; 16])) });
    }
    let some = |rng: &mut Rng| OsdId(rng.below(u64::from(osds) + 1) as u32);
    for id in 1..=rng.below(3) {
        let kind =
            if rng.chance(1, 2) { PoolKind::Replicated } else { PoolKind::Erasure { data: 2, parity: 1 } };
        let pg_num = 1 + rng.below(40) as u32;
        let pool = Pool {
            name: format!("pool{id}"),
            kind,
            size: 3,
            min_size: 2,
            pg_num,
            pgp_num: pg_num,
            crush_rule: rules[rng.below(rules.len() as u64) as usize],
            hashpspool: rng.chance(3, 4),
            application: "rbd".to_owned(),
            options: Default::default(),
            created: Epoch(2),
            snaps: Default::default(),
        };
        map.pools.insert(PoolId(id), pool);
        for _ in 0..rng.below(4) {
            let pg = PgId { pool: PoolId(id), seed: rng.below(u64::from(pg_num)) as u32 };
            let (a, b, c) = (some(rng), some(rng), some(rng));
            match rng.below(4) {
                0 => drop(map.pg_temp.insert(pg, vec![a, b, c])),
                1 => drop(map.primary_temp.insert(pg, a)),
                2 => drop(map.pg_upmap.insert(pg, vec![a, b, c])),
                _ => drop(map.pg_upmap_items.insert(pg, vec![(a, b), (b, c)])),
            }
        }
    }
    map.next_pool = PoolId(4);
    map.config.insert(("global".into(), "osd_max_backfills".into()), "3".into());
    map.monitors.insert("mon.0".into(), std::net::SocketAddr::from(([10, 0, 0, 1], 3300)));
    map
}

/// What leads from one such map to another.
pub(crate) fn incremental(rng: &mut Rng) -> Incremental {
    let old = cluster_map(rng);
    let mut new = if rng.chance(1, 2) { cluster_map(rng) } else { old.clone() };
    new.epoch = Epoch(old.epoch.0 + 1);
    if let Some((_, osd)) = new.osds.iter_mut().next() {
        osd.up = !osd.up;
    }
    Incremental::between(&old, &new)
}

/// The same cluster as Ceph would write it.
pub(crate) fn osdmap(rng: &mut Rng) -> Vec<u8> {
    loop {
        let mut map = cluster_map(rng);
        if let Ok(map) = OsdMap::from_cluster(&map) {
            return osdmap::encode(&map);
        }
        // Ceph wants a rule of the pool's kind; without pools there is always a form.
        map.pools.clear();
        if let Ok(map) = OsdMap::from_cluster(&map) {
            return osdmap::encode(&map);
        }
    }
}
