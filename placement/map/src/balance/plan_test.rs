//! Plans for random clusters, judged by a checker that shares nothing with the planner.

use super::worlds::{Asked, Tree, World};
use super::{Limits, evenness, plan};
use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId, PoolId};
use crate::osd::WEIGHT_ONE;
use crate::pool::PoolKind;
use std::collections::BTreeMap;
use stdx::Rng;

const EC42: PoolKind = PoolKind::Erasure { data: 4, parity: 2 };
const COPIES: PoolKind = PoolKind::Replicated;
/// One PG, and room for the fixed point.
const ONE: f64 = 1.0 + 1e-4;

fn asked(class: Option<&'static str>, domain: &'static str) -> Asked {
    Asked { class, domain, groups: None }
}

/// Plans, checks that the plan is what it says it is, and carries it out.
fn carry_out(world: &mut World, limits: Limits) -> super::Plan {
    let before = world.sets();
    let mut bare = ClusterMap { pg_upmap_items: BTreeMap::new(), ..world.map.clone() };
    std::mem::swap(&mut world.map, &mut bare);
    let without = world.sets();
    std::mem::swap(&mut world.map, &mut bare);
    let plan = plan(&world.map, limits);
    plan.changes.apply(&mut world.map.pg_upmap_items);
    let after = world.sets();
    let moved: usize =
        after.iter().map(|(pg, set)| set.iter().filter(|osd| !before[pg].contains(osd)).count()).sum();
    assert_eq!(plan.moves, moved, "a plan says what it moves");
    world.check(&without);
    let (pool, total) = world.distance();
    assert!((plan.after.pool_max - pool).abs() < 1e-3, "{:?}, really {pool}", plan.after);
    assert!((plan.after.total_max - total).abs() < 1e-3, "{:?}, really {total}", plan.after);
    assert_eq!(evenness(&world.map), plan.after);
    let again = super::plan(&world.map, Limits::default());
    assert!(limits != Limits::default() || again.is_empty(), "a second plan wants {:?}", again.changes);
    plan
}

#[test]
fn random_trees_come_within_one_pg_and_keep_their_rules() {
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let tree = Tree {
            datacenters: 1 + rng.below(3) as u32,
            racks: 2 + rng.below(3) as u32,
            hosts: 3 + rng.below(4) as u32,
            osds: 1 + rng.below(5) as u32,
            weight_max: 1 + rng.below(4) as u32,
            classes: rng.chance(1, 2),
        };
        let mut world = World::new(tree, rng);
        let class = |rng: &mut Rng| match rng.below(3) {
            0 if tree.classes => Some("hdd"),
            _ => None,
        };
        for _ in 0..1 + rng.below(4) {
            let class = class(rng);
            let kind = if rng.chance(1, 3) { EC42 } else { COPIES };
            let size = if kind == EC42 { 6 } else { 2 + rng.below(2) as u32 };
            // Few enough that no host has to take more than its share of any PG.
            let hosts = tree.datacenters * tree.racks * tree.hosts;
            let domain = if hosts >= size * 3 && tree.osds > 1 { "host" } else { "osd" };
            let osds = hosts * tree.osds;
            if class.is_some() && tree.osds == 1 || osds < 3 * size {
                continue;
            }
            let pg_num = [32, 48, 128, 100][rng.below(4) as usize];
            world.pool(kind, size, pg_num, asked(class, domain));
        }
        let plan = carry_out(&mut world, Limits::default());
        assert!(plan.after.pool_max <= ONE, "seed {seed}, {tree:?}: {plan:?}");
        assert!(plan.after.total_max <= ONE, "seed {seed}, {tree:?}: {:?} {:?}", plan.before, plan.after);
        assert_eq!(plan.skipped, []);
    }
}

fn flat(racks: u32, hosts: u32, osds: u32, weight_max: u32, seed: u64) -> World {
    let tree = Tree { datacenters: 1, racks, hosts, osds, weight_max, classes: false };
    World::new(tree, &mut Rng::new(seed))
}

#[test]
fn little_moves() {
    let mut world = flat(4, 5, 4, 1, 1);
    world.pool(COPIES, 3, 1024, asked(None, "host"));
    let (sets, osds) = (world.sets(), world.map.osds.len());
    let mut held = vec![0f64; osds];
    sets.values().flatten().for_each(|osd| held[osd.0 as usize] += 1.0);
    let ideal = 3.0 * 1024.0 / osds as f64;
    let over: f64 = held.iter().map(|held| (held - (ideal + 1.0).floor()).max(0.0)).sum();
    let under: f64 = held.iter().map(|held| ((ideal - 1.0).ceil() - held).max(0.0)).sum();
    let least = over.max(under) as usize;
    let plan = carry_out(&mut world, Limits::default());
    assert!(plan.after.pool_max <= ONE);
    assert!(plan.moves >= least && plan.moves <= least * 11 / 10 + 2, "{} moved, {least} needed", plan.moves);
}

#[test]
fn a_limit_is_kept_and_plans_go_on_from_each_other() {
    let mut world = flat(2, 6, 4, 2, 2);
    world.pool(COPIES, 3, 512, asked(None, "host"));
    world.pool(COPIES, 2, 512, asked(None, "host"));
    let mut rounds = 0;
    loop {
        let before = evenness(&world.map);
        let plan = carry_out(&mut world, Limits { moves_max: 10 });
        assert!(plan.moves <= 10);
        if plan.is_empty() {
            break;
        }
        assert!(plan.after.pool_max <= before.pool_max);
        rounds += 1;
    }
    assert!(rounds > 5);
    let end = evenness(&world.map);
    assert!(end.pool_max <= ONE && end.total_max <= ONE, "{end:?}");
}

#[test]
fn reweights_and_osds_that_are_down_or_out() {
    let mut world = flat(3, 4, 3, 1, 3);
    let pool = world.pool(COPIES, 3, 256, asked(None, "host"));
    world.map.osds.get_mut(&OsdId(4)).expect("exists").weight = WEIGHT_ONE / 2;
    world.map.osds.get_mut(&OsdId(9)).expect("exists").weight = 0;
    let plan = carry_out(&mut world, Limits::default());
    assert!(plan.after.pool_max <= ONE, "{:?}", plan.after);
    let count = |world: &World, osd| world.sets().values().filter(|set| set.contains(&OsdId(osd))).count();
    assert_eq!(count(&world, 9), 0);
    assert!(count(&world, 4) * 2 <= count(&world, 5) + 2);
    // One that is down neither gives nor takes.
    world.map.pg_upmap_items.clear();
    world.map.osds.get_mut(&OsdId(20)).expect("exists").up = false;
    let plan = super::plan(&world.map, Limits::default());
    let touched = plan.changes.set.values().flatten().any(|(from, to)| from.0 == 20 || to.0 == 20);
    assert!(!touched && !plan.is_empty());
    assert!(plan.changes.set.keys().all(|pg| pg.pool == pool));
}

#[test]
fn groups_move_whole() {
    // Two racks of five, two hosts in each: no member may leave its rack alone.
    let mut world = flat(5, 4, 4, 1, 4);
    let groups = Some((2, "rack", 2));
    world.pool(COPIES, 4, 512, Asked { class: None, domain: "host", groups });
    let before = evenness(&world.map);
    let plan = carry_out(&mut world, Limits::default());
    assert!(before.pool_max > 3.0 && plan.after.pool_max <= ONE, "{before:?} {:?}", plan.after);
}

#[test]
fn three_datacenters_keep_one_copy_each() {
    let tree = Tree { datacenters: 3, racks: 2, hosts: 3, osds: 3, weight_max: 1, classes: false };
    let mut world = World::new(tree, &mut Rng::new(5));
    world.pool(COPIES, 3, 256, asked(None, "datacenter"));
    let plan = carry_out(&mut world, Limits::default());
    assert!(plan.after.pool_max <= ONE, "{:?}", plan.after);
}

#[test]
fn what_a_rule_does_not_allow_is_not_done() {
    // Three hosts for three copies: each has one of every PG, however little it weighs.
    let mut world = flat(1, 3, 4, 1, 6);
    for osd in 0..4 {
        world.map.crush.make_mut().reweight_item(osd, WEIGHT_ONE / 4).expect("a device");
    }
    world.pool(COPIES, 3, 128, asked(None, "host"));
    let plan = carry_out(&mut world, Limits::default());
    // On each host everything is as even as it can be.
    let mut held = [0i32; 12];
    world.sets().values().flatten().for_each(|osd| held[osd.0 as usize] += 1);
    for host in held.chunks(4) {
        assert_eq!(host.iter().sum::<i32>(), 128);
        let spread = host.iter().max().expect("four") - host.iter().min().expect("four");
        assert!(spread <= 2, "{held:?}");
    }
    assert!(plan.after.pool_max > 10.0);
}

#[test]
fn useless_and_wrong_pairs_go() {
    let mut world = flat(2, 4, 3, 1, 7);
    let pool = world.pool(COPIES, 3, 64, asked(None, "host"));
    carry_out(&mut world, Limits::default());
    let bare: Vec<PgId> =
        world.map.pgs().filter(|pg| !world.map.pg_upmap_items.contains_key(pg)).take(5).collect();
    let sets = world.sets();
    let set = |at: usize| sets[&bare[at]].clone();
    let host = |osd: OsdId| osd.0 / 3;
    let same_host = |osd: OsdId| OsdId(host(osd) * 3 + (osd.0 + 1) % 3);
    let stranger = |at: usize| (0..24).map(OsdId).find(|osd| set(at).iter().all(|m| host(*m) != host(*osd)));
    let wrong = [
        // From an OSD that CRUSH does not have there: without effect.
        (bare[0], vec![(stranger(0).expect("one"), same_host(stranger(0).expect("one")))]),
        // Two members on one host.
        (bare[1], vec![(set(1)[0], same_host(set(1)[1]))]),
        // To nobody.
        (bare[2], vec![(set(2)[0], OsdId(999))]),
        // To an OSD that is in the set already.
        (bare[3], vec![(set(3)[0], set(3)[1])]),
    ];
    for (pg, items) in wrong.clone() {
        world.map.pg_upmap_items.insert(pg, items);
    }
    // Of a pool that is gone.
    world.map.pg_upmap_items.insert(PgId { pool: PoolId(77), seed: 1 }, vec![(OsdId(1), OsdId(2))]);
    let plan = carry_out(&mut world, Limits::default());
    assert!(plan.after.pool_max <= ONE);
    for (pg, items) in &wrong {
        assert_ne!(world.map.pg_upmap_items.get(pg), Some(items), "{pg}");
    }
    assert!(world.map.pg_upmap_items.keys().all(|pg| pg.pool == pool));
    // An OSD that goes out takes the pairs that lead to it along.
    let target = world.map.pg_upmap_items.values().flatten().next().expect("a pair").1;
    world.map.osds.get_mut(&target).expect("exists").weight = 0;
    let plan = carry_out(&mut world, Limits::default());
    assert!(!plan.is_empty());
    assert!(world.map.pg_upmap_items.values().flatten().all(|(from, to)| *to != target && *from != target));
}

#[test]
fn rules_beyond_understanding_are_left_alone() {
    let mut world = flat(2, 3, 2, 1, 8);
    let pool = world.pool(COPIES, 3, 64, asked(None, "host"));
    world.map.pools.get_mut(&pool).expect("exists").crush_rule = 200;
    let plan = plan(&world.map, Limits::default());
    assert_eq!((plan.skipped.as_slice(), plan.is_empty()), (&[pool][..], true));
    assert!(super::plan(&ClusterMap::default(), Limits::default()).is_empty());
}
