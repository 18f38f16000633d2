//! A seeded generator of OSDMaps that use every field, shared by the test binaries.

#![allow(dead_code, reason = "each test binary uses its part")]

use crush::{ChooseArg, CrushMap};
use placement_map::osdmap::{
    Addr, AddrKind, Addrs, ClientPart, DaemonPart, EmbeddedCrush, Envelope, OSD_EXISTS, OSD_UP, Opaque,
    OsdExtra, OsdHistory, OsdMap, POOL_ERASURE, POOL_FLAG_HASHPSPOOL, POOL_REPLICATED, Placed, PoolInfo,
    SnapInfo, Stamp,
};
use placement_map::{Epoch, OsdId, PgId, Placer, PoolId, SharedCrush, UpActing, Uuid, WEIGHT_ONE};
use std::fmt::Write;
use stdx::Rng;

/// The rules of every generated CRUSH map; `class` is there with classes only.
const RULES: &str = "
rule hosts { id 0 type replicated min_size 1 max_size 10
  step take default step chooseleaf firstn 0 type host step emit }
rule shards { id 1 type erasure min_size 3 max_size 20
  step set_chooseleaf_tries 5 step set_choose_tries 100
  step take default step chooseleaf indep 0 type host step emit }
rule osds { id 2 type replicated min_size 1 max_size 4
  step take default step choose firstn 0 type osd step emit }
rule shards_osd { id 3 type erasure min_size 1 max_size 20
  step take default step choose indep 0 type osd step emit }
";

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.below(of.len() as u64) as usize]
}

fn random_crush(rng: &mut Rng) -> CrushMap {
    let mut text = String::from("type 0 osd\ntype 1 host\ntype 2 rack\ntype 10 root\n");
    let (mut devices, mut hosts, mut racks) = (String::new(), String::new(), String::new());
    let (mut osd, mut host) = (0, 0);
    let rack_count = 2 + rng.below(3);
    let mut root = String::from("root default {\n alg straw2\n hash 0\n");
    for rack in 0..rack_count {
        let mut rack_text =
            format!("rack r{rack} {{\n alg {}\n hash 0\n", pick(rng, &["straw2", "straw", "list"]));
        for _ in 0..1 + rng.below(4) {
            let alg = *pick(rng, &["straw2", "straw2", "straw", "list", "uniform"]);
            let same = 1 + rng.below(4);
            writeln!(hosts, "host h{host} {{\n alg {alg}\n hash 0").expect("text");
            for _ in 0..1 + rng.below(4) {
                writeln!(devices, "device {osd} osd.{osd}").expect("text");
                let weight = if alg == "uniform" { same } else { 1 + rng.below(4) };
                writeln!(hosts, " item osd.{osd} weight {weight}.000").expect("text");
                // A gap in the numbers now and then.
                osd += 1 + u32::from(rng.chance(1, 8));
            }
            hosts.push_str("}\n");
            writeln!(rack_text, " item h{host}").expect("text");
            host += 1;
        }
        rack_text.push_str("}\n");
        racks += &rack_text;
        writeln!(root, " item r{rack}").expect("text");
    }
    root.push_str("}\n");
    text += &(devices + &hosts + &racks + &root + RULES);
    let mut map = CrushMap::compile(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    if rng.chance(1, 2) {
        let root = map.item_id("default").expect("made");
        let weights = (0..rack_count).map(|_| 0x1_0000 + rng.below(0x4_0000) as u32).collect();
        let arg = ChooseArg { weight_set: vec![weights], ids: Vec::new() };
        map.edit(|edit| edit.set_choose_arg(1, root, arg)).expect("fits");
    }
    map
}

fn random_pool(rng: &mut Rng) -> PoolInfo {
    let erasure = rng.chance(1, 2);
    let pg_num = *pick(rng, &[1, 3, 12, 100, 129, 333, 512, 777, 1500]);
    let pgp_num = if rng.chance(2, 3) { pg_num } else { 1 + rng.below(u64::from(pg_num)) as u32 };
    let (rules, sizes): (&[u8], &[u8]) =
        if erasure { (&[1, 3, 1, 3, 0], &[3, 4, 6]) } else { (&[0, 2, 0, 2, 1, 9], &[1, 2, 3, 5]) };
    let mut pool = PoolInfo {
        kind: if erasure { POOL_ERASURE } else { POOL_REPLICATED },
        size: *pick(rng, sizes),
        crush_rule: *pick(rng, rules),
        object_hash: *pick(rng, &[1, 2, 2]),
        pg_num,
        pgp_num,
        pg_num_target: pg_num,
        pgp_num_target: pgp_num,
        pg_num_pending: pg_num,
        last_change: Epoch(rng.below(9) as u32),
        flags: if rng.chance(3, 4) { POOL_FLAG_HASHPSPOOL } else { 0 },
        min_size: 1,
        quota_max_bytes: rng.next_u64() >> 8,
        quota_max_objects: rng.below(1000),
        stripe_width: if erasure { 8192 } else { 0 },
        expected_num_objects: rng.below(7),
        fast_read: rng.below(2) as u8,
        create_time: Stamp { seconds: 1_700_000_000, nanoseconds: 5 },
        pg_autoscale_mode: rng.below(3) as u8,
        ..PoolInfo::default()
    };
    pool.application_metadata.insert("rbd".into(), [("a".into(), "b".into())].into());
    if erasure {
        pool.erasure_code_profile = "default".into();
    }
    if rng.chance(1, 2) {
        // Recovery priority (an integer) and compression mode (text).
        let mut opts = 2u32.to_le_bytes().to_vec();
        opts.extend([3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        opts.extend([8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        opts.extend(b"none");
        pool.opts = Opaque(Envelope { version: 2, compat: 1, tail: opts });
        pool.hit_set_params = Opaque(Envelope { version: 1, compat: 1, tail: vec![1] });
        pool.snap_seq = 4;
        pool.flags |= 1 << 13 | 1 << 14; // snapshots of the pool's own and of clients: no guess is made
        pool.removed_snaps = vec![(1, 2), (7, 1)];
        let stamp = Stamp { seconds: 9, nanoseconds: 8 };
        pool.snaps.insert(3, SnapInfo { snapid: 3, stamp, name: "before".into(), ..SnapInfo::default() });
        pool.tiers = [2, 5].into();
        pool.properties.insert("p".into(), "q".into());
    }
    pool
}

fn random_set(rng: &mut Rng, count: u32, size: u8, calm: bool) -> Vec<OsdId> {
    let strange = [OsdId::NONE, OsdId(u32::MAX), OsdId(count + 5)];
    let one = |rng: &mut Rng| {
        if !calm && rng.chance(1, 30) { *pick(rng, &strange) } else { OsdId(rng.below(count.into()) as u32) }
    };
    (0..1 + rng.below(size.into())).map(|_| one(rng)).collect()
}

/// Upmaps and stand-ins over a finished map; calm ones name OSDs of the map only.
fn random_overrides(rng: &mut Rng, map: &mut OsdMap, calm: bool) {
    let count = map.client.max_osd as u32;
    let mut raws = Vec::new();
    let mut placer = Placer::new(&*map);
    for (id, pool) in &map.client.pools {
        for seed in 0..pool.pg_num {
            let pg = PgId { pool: *id, seed };
            raws.push((pg, pool.size, placer.raw(pg)));
        }
    }
    for (pg, size, raw) in raws {
        if rng.chance(1, 12) {
            map.client.pg_upmap.insert(pg, random_set(rng, count, size, calm));
        }
        if rng.chance(1, 4) && !raw.is_empty() {
            let pairs = (0..1 + rng.below(3)).map(|_| (*pick(rng, &raw), random_set(rng, count, 1, calm)[0]));
            let pairs = pairs.collect();
            map.client.pg_upmap_items.insert(pg, pairs);
        }
        if rng.chance(1, 6) {
            map.client.pg_temp.insert(pg, random_set(rng, count, size, calm));
        }
        if rng.chance(1, 8) {
            // Rarely a strange one: osdmaptool can't count a pool with such.
            let strange = !calm && rng.chance(1, 60);
            let primary = if strange {
                random_set(rng, count, 1, calm)[0]
            } else {
                OsdId(rng.below(count.into()) as u32)
            };
            map.client.primary_temp.insert(pg, primary);
        }
    }
}

/// A map of a seed: its OSDs in all states, pools of both kinds, overrides of every sort.
pub(crate) fn random_osdmap(seed: u64) -> OsdMap {
    let rng = &mut Rng::new(seed);
    let crush = random_crush(rng);
    let count = crush.max_devices() as u32 + rng.below(3) as u32;
    let each = |rng: &mut Rng, one: &dyn Fn(&mut Rng, u32) -> u32| {
        (0..count).map(|id| one(rng, id)).collect::<Vec<u32>>()
    };
    // Half of the maps have no holes, or few: osdmaptool can't count a pool with holes.
    let calm = rng.chance(1, 2);
    let states = [OSD_EXISTS | OSD_UP, OSD_EXISTS, OSD_UP, 0];
    let state = |rng: &mut Rng, _| if calm || rng.chance(4, 5) { states[0] } else { *pick(rng, &states) };
    let weight =
        |rng: &mut Rng, _| if rng.chance(3, 4) { WEIGHT_ONE } else { *pick(rng, &[0, 0x4000, 0xc000]) };
    let affinity =
        |rng: &mut Rng, _| if rng.chance(2, 3) { WEIGHT_ONE } else { *pick(rng, &[0, 0x8000, 0x2000]) };
    let addr = |id: u32, port: u16| {
        let at = format!("192.0.2.{}:{port}", id % 250).parse().expect("an address");
        let six = format!("[2001:db8::{id:x}]:{port}").parse().expect("an address");
        let list = vec![Addr::new(AddrKind::Msgr2, at, id), Addr::new(AddrKind::Legacy, six, id)];
        let mut addrs = Addrs::of(None);
        addrs.list = if id % 5 == 0 { Vec::new() } else { list };
        addrs
    };
    let addrs = |port: u16| (0..count).map(|id| addr(id, port)).collect::<Vec<_>>();
    let stamp = |seconds| Stamp { seconds, nanoseconds: 123_000_000 };
    let extra = |id: u32| OsdExtra {
        down_stamp: stamp(id),
        old_weight: id,
        features: 1 << 40,
        ..OsdExtra::default()
    };
    let history =
        |id: u32| OsdHistory { up_from: Epoch(id), up_thru: Epoch(id + 1), ..OsdHistory::default() };
    let mut map = OsdMap {
        client: ClientPart {
            fsid: Uuid(*b"a cluster's name"),
            epoch: Epoch(7),
            created: stamp(1_700_000_000),
            modified: stamp(1_700_000_100),
            pool_max: 9,
            flags: 1 << 7 | 1 << 15 | 1 << 19 | 1 << 20 | 1 << 22,
            max_osd: count as i32,
            osd_state: each(rng, &state),
            osd_weight: each(rng, &weight),
            client_addrs: addrs(6800),
            osd_primary_affinity: if rng.chance(2, 3) { each(rng, &affinity) } else { Vec::new() },
            crush: EmbeddedCrush::new(SharedCrush::new(crush)),
            crush_version: 3,
            last_up_change: stamp(5),
            last_in_change: stamp(6),
            ..ClientPart::default()
        },
        daemon: DaemonPart {
            hb_back_addrs: addrs(6801),
            osd_info: (0..count).map(history).collect(),
            blocklist: vec![(
                Addr::new(AddrKind::Legacy, "192.0.2.9:0".parse().expect("an address"), 77),
                stamp(2_000_000_000),
            )],
            cluster_addrs: addrs(6802),
            osd_uuid: (0..count).map(|id| Uuid([id as u8; 16])).collect(),
            osd_xinfo: (0..count).map(extra).collect(),
            hb_front_addrs: addrs(6803),
            nearfull_ratio: 0.85,
            full_ratio: 0.95,
            backfillfull_ratio: 0.9,
            require_min_compat_client: 12,
            require_osd_release: 16,
            ..DaemonPart::default()
        },
        ..OsdMap::default()
    };
    let profile = [("k", "2"), ("m", "1"), ("plugin", "jerasure")].map(|(k, v)| (k.into(), v.into()));
    map.client.erasure_code_profiles.insert("default".into(), profile.into());
    map.daemon.removed_snaps_queue.insert(PoolId(1), vec![(4, 2)]);
    map.daemon.crush_node_flags.insert(-1, 1 << 11);
    for id in 1..3 + rng.below(4) {
        map.client.pools.insert(PoolId(id), random_pool(rng));
        map.client.pool_name.insert(PoolId(id), format!("pool{id}"));
    }
    random_overrides(rng, &mut map, calm);
    map
}

/// A set as Ceph prints it.
pub(crate) fn printed(set: &[OsdId]) -> String {
    let ids: Vec<String> = set.iter().map(|osd| osd.0.to_string()).collect();
    format!("[{}]", ids.join(","))
}

fn printed_primary(osd: Option<OsdId>) -> String {
    osd.map_or("-1".to_owned(), |osd| osd.0.to_string())
}

/// A PG as `osdmaptool --test-map-pgs-dump-all` prints it.
pub(crate) fn line(placed: &Placed) -> String {
    let raw_primary = placed.raw.iter().copied().find(|osd| *osd != OsdId::NONE);
    let UpActing { up, up_primary, acting, acting_primary } = &placed.up_acting;
    format!(
        "{} raw ({}, p{}) up ({}, p{}) acting ({}, p{})",
        placed.pg,
        printed(&placed.raw),
        printed_primary(raw_primary),
        printed(up),
        printed_primary(*up_primary),
        printed(acting),
        printed_primary(*acting_primary)
    )
}
