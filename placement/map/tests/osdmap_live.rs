//! Against the real thing: random OSDMaps through the `osdmaptool` on PATH (Debian: ceph-base) and through us.
//!
//! Without the tool these tests say so and pass; `osdmap.rs` still compares golden files.
//! `OSDMAP_LIVE_SEED=N` replays one map, `OSDMAP_LIVE_MAPS=N` tries more of them, `OSDMAP_LIVE_RECORD=DIR` keeps a
//! map that the tool wrote, and what it said of it, as golden files.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test that runs a program and reads files"
)]

mod support;

use placement_map::osdmap::{OsdMap, Placed, decode, encode};
use placement_map::{
    ClusterMap, Epoch, Flag, OsdId, OsdInfo, Placer, Pool, PoolId, PoolKind, SharedCrush, Uuid, WEIGHT_ONE,
};
use std::path::PathBuf;
use std::process::Command;
use support::{line, printed, random_osdmap};

const TOOL: &str = "osdmaptool";
/// PGs of a pool that are asked for one by one, a run of the tool each.
const STRANGE_MAX: usize = 1;

fn tool_exists() -> bool {
    let found = Command::new(TOOL).arg("--help").output().is_ok();
    if !found {
        println!(
            "{TOOL} is not on PATH (Debian: apt-get install ceph-base); only the golden files are compared"
        );
    }
    found
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(TOOL).args(arguments).output().expect("the tool runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{TOOL} {arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nacre-osdmap-live-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }
    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let file = self.file(name);
        std::fs::write(&file, bytes).expect("scratch");
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The tool's mappings of a pool, one line a PG.
fn their_mappings(file: &str, pool: PoolId) -> Vec<String> {
    let said = run(&[file, "--test-map-pgs-dump-all", "--pool", &pool.0.to_string()]);
    said.lines().filter(|line| line.contains(" raw (")).map(str::to_owned).collect()
}

/// Whether the tool dies of a PG when it counts a whole pool: it uses OSDs, holes included, as places in its tables.
fn kills_the_tool(map: &OsdMap, placed: &Placed) -> bool {
    let acting = &placed.up_acting;
    acting.acting.iter().chain(&acting.acting_primary).any(|osd| osd.0 >= map.client.max_osd as u32)
}

/// Compares all mappings of the pools that the tool can count, and a few of each that it can't. Returns what the tool
/// said.
fn compare_mappings(map: &OsdMap, file: &str, replay: &str) -> Vec<String> {
    let mut said_of_all = Vec::new();
    for pool in map.client.pools.keys() {
        let ours: Vec<Placed> = map.placements().filter(|placed| placed.pg.pool == *pool).collect();
        let strange: Vec<&Placed> = ours.iter().filter(|placed| kills_the_tool(map, placed)).collect();
        if strange.is_empty() {
            let ours: Vec<String> = ours.iter().map(line).collect();
            let theirs = their_mappings(file, *pool);
            assert_eq!(ours.len(), theirs.len(), "{replay}");
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_eq!(ours, theirs, "{replay}");
            }
            said_of_all.extend(theirs);
        }
        for placed in strange.into_iter().take(STRANGE_MAX) {
            let said = run(&[file, "--test-map-pg", &placed.pg.to_string()]);
            let (_, sets) = said.split_once("raw (").unwrap_or_else(|| panic!("{said}"));
            let theirs = format!("{} raw ({}", placed.pg, sets.trim_end());
            assert_eq!(line(placed), theirs, "{replay}");
            said_of_all.push(theirs);
        }
    }
    said_of_all
}

/// Where two maps differ, in one line: whole maps fill the screen.
fn first_difference(theirs: &OsdMap, ours: &OsdMap) -> String {
    let (theirs, ours) = (format!("{theirs:#?}"), format!("{ours:#?}"));
    let mut lines = theirs.lines().zip(ours.lines()).enumerate();
    let found = lines.find(|(_, (theirs, ours))| theirs != ours);
    found.map_or("one ends early".into(), |(at, (theirs, ours))| {
        format!("line {at}: theirs {theirs}, ours {ours}")
    })
}

/// One map: read by the tool with the same mappings, written by the tool with the same bytes. Returns the mappings.
fn compare(seed: u64) -> usize {
    let replay =
        format!("replay: OSDMAP_LIVE_SEED={seed} cargo test --release -p placement-map --test osdmap_live");
    let map = random_osdmap(seed);
    let scratch = Scratch::new(&seed.to_string());
    let file = scratch.write("map.bin", &encode(&map));

    let compared = compare_mappings(&map, &file, &replay);

    let crush = scratch.file("crush.bin");
    run(&[&file, "--export-crush", &crush]);
    assert!(std::fs::read(&crush).expect("exported") == map.client.crush.bytes(), "the CRUSH map; {replay}");

    // Importing its own CRUSH map lets the tool write the whole map, two epochs on.
    run(&[&file, "--import-crush", &crush]);
    let written = std::fs::read(&file).expect("written");
    let read = decode(&written).unwrap_or_else(|error| panic!("{error}; {replay}"));
    let mut wanted = map.clone();
    wanted.client.epoch = Epoch(map.client.epoch.0 + 2);
    wanted.client.modified = read.client.modified;
    wanted.client.crush_version += 1;
    assert!(read == wanted, "{}; {replay}", first_difference(&read, &wanted));
    assert!(encode(&wanted) == written, "bytes differ; {replay}");
    if let Some(folder) = std::env::var_os("OSDMAP_LIVE_RECORD") {
        let at = |name: &str| PathBuf::from(&folder).join(name);
        std::fs::write(at("mixed.bin"), &written).expect("recorded");
        std::fs::write(at("mixed.pgs.txt"), compared.join("\n") + "\n").expect("recorded");
    }
    compared.len()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_maps_are_read_placed_and_written_as_osdmaptool_does() {
    if !tool_exists() {
        return;
    }
    if let Some(seed) = number("OSDMAP_LIVE_SEED") {
        compare(seed);
        return;
    }
    let mut compared = 0;
    // A new first seed each run would find more and repeat nothing; the clock is the only thing that differs.
    let first =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
            << 16;
    let least = number("OSDMAP_LIVE_MAPS").unwrap_or(8);
    let mut maps = 0;
    while compared < 10_000 || maps < least {
        compared += compare(first + maps);
        maps += 1;
    }
    println!("{compared} mappings of {maps} maps agree with {TOOL}");
}

#[test]
fn object_names_go_to_the_pgs_that_osdmaptool_says() {
    if !tool_exists() {
        return;
    }
    let scratch = Scratch::new("objects");
    let mut map = random_osdmap(5);
    let pool = PoolId(1);
    for hash in [1, 2] {
        let info = map.client.pools.get_mut(&pool).expect("made");
        (info.object_hash, info.pg_num) = (hash, 0xfff1);
        let file = scratch.write("map.bin", &encode(&map));
        for name in [
            "a",
            "rbd_data.1f.0000000000000003",
            "with space",
            "\u{fc}\u{df}",
            "a/long/name/of/more/than/twelve/bytes",
        ] {
            let said = run(&[&file, "--test-map-object", name, "--pool", "1"]);
            let pg = map.pg_of(pool, "", "", name).expect("the pool exists");
            let acting = Placer::new(&map).up_acting(pg).acting;
            let wanted = format!("-> {pg} -> {}", printed(&acting));
            assert!(said.contains(&wanted), "hash {hash}: {wanted:?} is not in {said:?}");
        }
    }
}

/// Our own map: three hosts, a pool of copies and one of shards, overrides.
fn cluster() -> ClusterMap {
    let mut map =
        ClusterMap { epoch: Epoch(12), fsid: Uuid([7; 16]), next_pool: PoolId(6), ..ClusterMap::default() };
    let mut crush = crush::CrushMap::new_jewel();
    let made: Result<(), crush::Error> = crush.edit(|edit| {
        edit.add_bucket("root", crush::Alg::Straw2, "default")?;
        for osd in 0..12 {
            let host = format!("h{}", osd % 6);
            edit.insert_osd(osd, 0x2_0000, &[("root", "default"), ("host", &host)])?;
        }
        edit.add_simple_rule("copies", "default", "host", None, crush::Mode::Firstn)?;
        edit.add_simple_rule("shards", "default", "host", None, crush::Mode::Indep)?;
        Ok(())
    });
    made.expect("a tree");
    map.crush = SharedCrush::new(crush);
    for id in 0..12 {
        let info = OsdInfo {
            up: id != 3,
            weight: WEIGHT_ONE - id * 3000,
            up_from: Epoch(4),
            addr: "192.0.2.1:6800".parse().ok(),
            ..OsdInfo::new(Uuid([id as u8 + 1; 16]))
        };
        map.osds.insert(OsdId(id), info);
    }
    map.osds.get_mut(&OsdId(2)).expect("made").primary_affinity = 0x3000;
    let pool = |name: &str, kind, size, rule| Pool {
        name: name.into(),
        kind,
        size,
        min_size: 2,
        pg_num: 50,
        pgp_num: 50,
        crush_rule: rule,
        hashpspool: true,
        application: "rbd".into(),
        options: Default::default(),
        created: Epoch(3),
        snaps: Default::default(),
    };
    map.pools.insert(PoolId(2), pool("copies", PoolKind::Replicated, 3, 0));
    map.pools.insert(PoolId(5), pool("shards", PoolKind::Erasure { data: 3, parity: 2 }, 5, 1));
    map.flags.set(Flag::NoOut, true);
    map.flags.set(Flag::Pause, true);
    for pool in [2, 5] {
        let pg = |seed| placement_map::PgId { pool: PoolId(pool), seed };
        map.pg_temp.insert(pg(1), vec![OsdId(1), OsdId(3), OsdId(5)]);
        map.primary_temp.insert(pg(2), OsdId(9));
        map.pg_upmap.insert(pg(3), vec![OsdId(4), OsdId(5), OsdId(6)]);
        let from = Placer::new(&map).raw(pg(4))[0];
        map.pg_upmap_items.insert(pg(4), vec![(from, OsdId(11))]);
    }
    map
}

#[test]
fn our_own_map_is_placed_by_osdmaptool_as_by_us() {
    if !tool_exists() {
        return;
    }
    let ours = cluster();
    let map = OsdMap::from_cluster(&ours).expect("fits");
    let scratch = Scratch::new("cluster");
    let file = scratch.write("map.bin", &encode(&map));
    let theirs = [PoolId(2), PoolId(5)].map(|pool| their_mappings(&file, pool)).concat();
    assert_eq!(map.placements().map(|placed| line(&placed)).collect::<Vec<_>>(), theirs);
    let mut placer = Placer::new(&ours);
    for (pg, line) in ours.pgs().zip(&theirs) {
        let placed = placer.up_acting(pg);
        let wanted = format!("{pg} raw ({}", printed(&placer.raw(pg)));
        assert!(line.starts_with(&wanted), "{wanted:?} does not begin {line:?}");
        let wanted = format!(
            "up ({}, p{}) acting ({}, p{})",
            printed(&placed.up),
            placed.up_primary.map_or(-1, |o| i64::from(o.0)),
            printed(&placed.acting),
            placed.acting_primary.map_or(-1, |o| i64::from(o.0))
        );
        assert!(line.ends_with(&wanted), "{wanted:?} does not end {line:?}");
    }
    let said = run(&["--print", &file]);
    for line in [
        "epoch 12",
        "fsid 07070707-0707-0707-0707-070707070707",
        "flags pauserd,pausewr,noout,sortbitwise,recovery_deletes,purged_snapdirs,pglog_hardlimit",
        "full_ratio 0.95",
        "require_osd_release pacific",
        "pool 2 'copies' replicated size 3 min_size 2 crush_rule 0 object_hash rjenkins pg_num 50 pgp_num 50 \
         autoscale_mode off last_change 3 flags hashpspool stripe_width 0 application rbd",
        "pool 5 'shards' erasure profile nacre-3-2 size 5 min_size 2 crush_rule 1 object_hash rjenkins pg_num 50 \
         pgp_num 50 autoscale_mode off last_change 3 flags hashpspool stripe_width 12288 application rbd",
        "max_osd 12",
    ] {
        assert!(said.lines().any(|l| l == line), "{line:?} is not in\n{said}");
    }
    assert!(said.contains("osd.3 down in  weight"), "{said}");
}

#[test]
fn what_osdmaptool_makes_by_itself_comes_back_byte_for_byte() {
    if !tool_exists() {
        return;
    }
    let scratch = Scratch::new("simple");
    for (osds, more) in
        [("1", vec![]), ("7", vec!["--with-default-pool", "--pg-bits", "4", "--pgp-bits", "3"])]
    {
        let file = scratch.file("map.bin");
        run(&[&["--createsimple", osds, &file, "--clobber"], more.as_slice()].concat());
        let check = || {
            let bytes = std::fs::read(&file).expect("made");
            let map = decode(&bytes).unwrap_or_else(|error| panic!("{osds} {more:?}: {error}"));
            assert!(encode(&map) == bytes, "{osds} {more:?}");
            assert_eq!(map.client.max_osd.to_string(), osds);
            map.client.crush.map().item_weight(0)
        };
        assert_eq!(check(), Some(WEIGHT_ONE));
        run(&[&file, "--adjust-crush-weight", "0:2.5", "--save"]);
        assert_eq!(check(), Some(WEIGHT_ONE / 2 * 5));
    }
}

#[test]
fn upmaps_that_osdmaptool_chooses_for_our_map_are_read_and_placed() {
    if !tool_exists() {
        return;
    }
    let scratch = Scratch::new("upmap");
    let mut ours = cluster();
    // Its balancer wants every OSD up, in and of one weight, and no mappings but its own.
    ours.osds.values_mut().for_each(|osd| (osd.up, osd.weight) = (true, WEIGHT_ONE));
    (ours.pg_upmap, ours.pg_upmap_items) = Default::default();
    let file = scratch.write("map.bin", &encode(&OsdMap::from_cluster(&ours).expect("fits")));
    let commands = scratch.file("commands.txt");
    let pool = ["--upmap-pool", "copies", "--upmap-deviation", "1", "--upmap-max", "30", "--save"];
    run(&[&[&file, "--upmap", &commands], pool.as_slice()].concat());
    let bytes = std::fs::read(&file).expect("saved");
    let map = decode(&bytes).expect("Ceph's own bytes");
    assert!(encode(&map) == bytes);
    let chosen = std::fs::read_to_string(&commands).expect("written").lines().count();
    assert!(
        chosen > 0 && map.client.pg_upmap_items.len() == chosen,
        "{chosen}: {:?}",
        map.client.pg_upmap_items
    );
    let lines: Vec<String> = map.placements().filter(|p| p.pg.pool == PoolId(2)).map(|p| line(&p)).collect();
    assert_eq!(lines, their_mappings(&file, PoolId(2)));
}
