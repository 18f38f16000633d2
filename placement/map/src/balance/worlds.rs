//! Random clusters for the tests, and a slow checker of what their rules ask that shares nothing with the planner.

use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId, PoolId};
use crate::osd::{OsdInfo, Uuid, WEIGHT_ONE};
use crate::pool::{Pool, PoolKind};
use crate::shared_crush::SharedCrush;
use crate::{Epoch, Placer};
use crush::{CrushMap, Error, Mode, Op, RULE_REPLICATED, Rule, Step};
use std::collections::{BTreeMap, BTreeSet};
use stdx::Rng;

/// What a pool's rule asks, in the words of whoever made it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) class: Option<&'static str>,
    /// No two members share one of these.
    pub(super) domain: &'static str,
    /// Members in groups: (how many, the type of a group, members of each).
    pub(super) groups: Option<(usize, &'static str, usize)>,
}

/// A cluster with what its pools ask.
pub(super) struct World {
    pub(super) map: ClusterMap,
    pub(super) asked: BTreeMap<PoolId, Asked>,
}

/// How a tree looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) datacenters: u32,
    pub(super) racks: u32,
    pub(super) hosts: u32,
    pub(super) osds: u32,
    /// Weights from 1 to this.
    pub(super) weight_max: u32,
    pub(super) classes: bool,
}

impl World {
    /// A cluster without pools: `racks` in each datacenter, `hosts` in each rack, `osds` on each host.
    pub(super) fn new(tree: Tree, rng: &mut Rng) -> World {
        let mut crush = CrushMap::new_jewel();
        let mut map = ClusterMap { epoch: Epoch(3), ..ClusterMap::default() };
        crush
            .edit(|edit| {
                let hosts = tree.datacenters * tree.racks * tree.hosts;
                for id in 0..hosts * tree.osds {
                    let host = id / tree.osds;
                    let (rack, center) = (host / tree.hosts, host / tree.hosts / tree.racks);
                    let names = (format!("h{host}"), format!("r{rack}"), format!("d{center}"));
                    let place = [
                        ("root", "default"),
                        ("datacenter", &*names.2),
                        ("rack", &*names.1),
                        ("host", &*names.0),
                    ];
                    let weight = WEIGHT_ONE * (1 + rng.below(u64::from(tree.weight_max)) as u32);
                    edit.insert_osd(id as i32, weight, &place)?;
                    if tree.classes {
                        edit.set_device_class(id as i32, Some(if id % 3 == 0 { "ssd" } else { "hdd" }))?;
                    }
                    let osd = OsdInfo { up: true, weight: WEIGHT_ONE, ..OsdInfo::new(Uuid::default()) };
                    map.osds.insert(OsdId(id), osd);
                }
                Ok::<_, Error>(())
            })
            .expect("a sound tree");
        map.crush = SharedCrush::new(crush);
        World { map, asked: BTreeMap::new() }
    }

    /// Adds a pool with a rule of its own.
    pub(super) fn pool(&mut self, kind: PoolKind, size: u32, pg_num: u32, asked: Asked) -> PoolId {
        let id = self.map.next_pool;
        self.map.next_pool = PoolId(id.0 + 1);
        let mode = if kind == PoolKind::Replicated { Mode::Firstn } else { Mode::Indep };
        let crush = self.map.crush.make_mut();
        let name = format!("rule{id}");
        let rule = match asked.groups {
            None => crush.add_simple_rule(&name, "default", asked.domain, asked.class, mode),
            Some((groups, of, each)) => {
                let types = [of, asked.domain].map(|name| crush.type_id(name).expect("a type"));
                let steps = vec![
                    Step::new(Op::Take, crush.item_id("default").expect("the root"), 0),
                    Step::new(Op::ChooseFirstn, groups as i32, types[0]),
                    Step::new(Op::ChooseleafFirstn, each as i32, types[1]),
                    Step::new(Op::Emit, 0, 0),
                ];
                let rule = Rule { ruleset: 0, kind: RULE_REPLICATED, min_size: 1, max_size: 10, steps };
                crush.edit(|edit| edit.add_rule(&name, rule))
            }
        };
        let pool = Pool {
            name: format!("pool{id}"),
            kind,
            size,
            min_size: 1,
            pg_num,
            pgp_num: pg_num,
            crush_rule: rule.expect("a sound rule"),
            hashpspool: true,
            application: String::new(),
            options: BTreeMap::new(),
            created: Epoch(1),
            snaps: Default::default(),
        };
        self.map.pools.insert(id, pool);
        self.asked.insert(id, asked);
        id
    }

    /// The sets of all PGs: CRUSH with upmaps.
    pub(super) fn sets(&self) -> BTreeMap<PgId, Vec<OsdId>> {
        let mut placer = Placer::new(&self.map);
        self.map.pgs().map(|pg| (pg, placer.up(pg).0)).collect()
    }

    /// Looks at every PG by the words of its rule. `bare`: the sets without upmaps, whose length must be kept.
    pub(super) fn check(&self, bare: &BTreeMap<PgId, Vec<OsdId>>) {
        let crush = &self.map.crush;
        let above: BTreeMap<(i32, &str), i32> = self.ancestors();
        for (pg, set) in self.sets() {
            let asked = &self.asked[&pg.pool];
            let members: Vec<i32> =
                set.iter().filter(|osd| **osd != OsdId::NONE).map(|osd| osd.0 as i32).collect();
            assert_eq!(set.len(), bare[&pg].len(), "{pg}: {set:?} instead of {:?}", bare[&pg]);
            let distinct: BTreeSet<i32> = members.iter().copied().collect();
            assert_eq!(distinct.len(), members.len(), "{pg}: an OSD twice in {set:?}");
            let domains: BTreeSet<i32> = members.iter().map(|osd| above[&(*osd, asked.domain)]).collect();
            assert_eq!(domains.len(), members.len(), "{pg}: two members in one {} in {set:?}", asked.domain);
            for osd in &members {
                assert!(self.map.osds[&OsdId(*osd as u32)].is_in(), "{pg}: {osd} is out");
                assert!(
                    asked.class.is_none_or(|class| crush.device_class(*osd) == Some(class)),
                    "{pg}: class"
                );
            }
            if let Some((groups, of, each)) = asked.groups {
                let mut held: BTreeMap<i32, usize> = BTreeMap::new();
                members.iter().for_each(|osd| *held.entry(above[&(*osd, of)]).or_default() += 1);
                assert!(held.len() <= groups && held.values().all(|n| *n <= each), "{pg}: {held:?}");
            }
        }
    }

    fn ancestors(&self) -> BTreeMap<(i32, &'static str), i32> {
        let crush = &self.map.crush;
        let mut above = BTreeMap::new();
        for osd in self.map.osds.keys().map(|osd| osd.0 as i32) {
            for name in ["osd", "host", "rack", "datacenter"] {
                let kind = crush.type_id(name).expect("a type");
                above.insert((osd, name), crush.ancestor_of_type(osd, kind).expect("an ancestor"));
            }
        }
        above
    }

    /// The farthest from ideal in one pool, and over all pools, counted from scratch in floating point.
    pub(super) fn distance(&self) -> (f64, f64) {
        let sets = self.sets();
        let mut total: BTreeMap<OsdId, f64> = BTreeMap::new();
        let mut pool_max = 0f64;
        for (id, asked) in &self.asked {
            let crush = &self.map.crush;
            let takes =
                |osd: &OsdId| asked.class.is_none_or(|class| crush.device_class(osd.0 as i32) == Some(class));
            let weight = |osd: &OsdId| {
                let reweight = self.map.osds[osd].weight;
                f64::from(crush.item_weight(osd.0 as i32).unwrap_or(0)) * f64::from(reweight)
            };
            let osds: Vec<OsdId> = self.map.osds.keys().copied().filter(takes).collect();
            let all: f64 = osds.iter().map(weight).sum();
            let mut held: BTreeMap<OsdId, f64> = BTreeMap::new();
            let mut seats = 0.0;
            for (_, set) in sets.iter().filter(|(pg, _)| pg.pool == *id) {
                for osd in set.iter().filter(|osd| **osd != OsdId::NONE) {
                    *held.entry(*osd).or_default() += 1.0;
                    seats += 1.0;
                }
            }
            for osd in osds {
                let far = held.get(&osd).copied().unwrap_or(0.0) - seats * weight(&osd) / all;
                pool_max = pool_max.max(far.abs());
                *total.entry(osd).or_default() += far;
            }
        }
        (pool_max, total.values().fold(0.0, |max, far| far.abs().max(max)))
    }
}
