//! The OSDMap codec against files that Ceph 16.2's osdmaptool wrote (tests/vectors/PROVENANCE), against itself, and
//! against bytes that nobody wrote.

mod support;

use placement_map::osdmap::{OSD_EXISTS, OSD_UP, OsdMap, OsdMapFault, Stamp, decode, encode};
use placement_map::{
    ClusterMap, Epoch, OsdId, OsdInfo, PgId, Placer, Pool, PoolId, PoolKind, SharedCrush, Uuid, WEIGHT_ONE,
};
use std::collections::BTreeMap;
use stdx::Rng;
use stdx::checksum::crc32c;
use support::{line, random_osdmap};

const OM48: &[u8] = include_bytes!("vectors/om48.bin");
const MIXED: &[u8] = include_bytes!("vectors/mixed.bin");

/// Gives changed bytes a checksum that fits, so that the decoder looks at them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc_at = bytes.len() - 4;
    let crc = !crc32c(&bytes[..crc_at]);
    bytes[crc_at..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A map of few PGs with something in every table, to be spoiled byte by byte.
fn small() -> Vec<u8> {
    encode(&random_osdmap(15))
}

#[test]
fn osdmaptool_s_map_is_read_and_written_back() {
    let mut map = decode(OM48).expect("Ceph's own bytes");
    assert_eq!(encode(&map), OM48);
    assert_eq!((map.client.epoch, map.client.max_osd), (Epoch(3), 48));
    assert_eq!(map.client.created, Stamp { seconds: 0x6b03_0f30, nanoseconds: 0x2bd4_6944 });
    assert_eq!(map.client.crush.bytes(), include_bytes!("vectors/dc48.bin"));
    assert_eq!(map.pool_id("rbd"), Some(PoolId(1)));
    assert_eq!(map.client.pools[&PoolId(1)].application_metadata.keys().collect::<Vec<_>>(), ["rbd"]);
    // Nothing is in until it is marked so, which `osdmaptool --mark-up-in` does.
    assert!(map.placements().all(|placed| placed.up_acting.acting.is_empty()));
    map.client.osd_state.fill(OSD_EXISTS | OSD_UP);
    map.client.osd_weight.fill(WEIGHT_ONE);
    let golden = include_str!("vectors/om48.pgs.txt").lines().filter(|line| line.starts_with("1."));
    let ours = map.placements().map(|placed| {
        let primary = placed.up_acting.acting_primary.expect("all are up");
        format!("{}\t{}\t{}", placed.pg, support::printed(&placed.up_acting.acting), primary.0)
    });
    assert_eq!(ours.collect::<Vec<_>>(), golden.map(str::trim_end).collect::<Vec<_>>());
    let mut names = 0;
    for line in include_str!("vectors/om48.objects.txt").lines() {
        let (name, rest) = line.trim().trim_start_matches("object '").split_once("' -> ").expect("a name");
        let pg = map.pg_of(PoolId(1), "", "", name).expect("the pool exists");
        assert_eq!(Some(pg.to_string().as_str()), rest.split(" -> ").next(), "{line}");
        names += 1;
    }
    assert!(names > 100);
}

/// Written by osdmaptool: two kinds of pools, old hashes, holes, upmaps, stand-ins, affinities, every kind of table.
#[test]
fn a_map_of_everything_is_placed_as_osdmaptool_says() {
    let map = decode(MIXED).expect("Ceph's own bytes");
    assert_eq!(encode(&map), MIXED);
    let ours: BTreeMap<PgId, String> = map.placements().map(|placed| (placed.pg, line(&placed))).collect();
    let mut seen = 0;
    for golden in include_str!("vectors/mixed.pgs.txt").lines() {
        let pg: PgId = golden.split(' ').next().and_then(|pg| pg.parse().ok()).expect("a PG");
        assert_eq!(ours[&pg], golden);
        seen += 1;
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn what_is_written_is_read_again() {
    for seed in 0..100 {
        let map = random_osdmap(seed);
        assert!(decode(&encode(&map)).as_ref() == Ok(&map), "seed {seed}");
    }
    assert_eq!(decode(&encode(&OsdMap::default())), Ok(OsdMap::default()));
}

#[test]
fn what_newer_versions_add_is_kept_and_what_they_forbid_is_refused() {
    let mut map = random_osdmap(1);
    map.envelope.version = 9;
    map.envelope.tail = b"behind the checksum".to_vec();
    map.client.envelope.version = 10;
    map.client.envelope.tail = b"primaries".to_vec();
    map.daemon.envelope.version = 12;
    map.daemon.envelope.tail = vec![1];
    let pool = map.client.pools.values_mut().next().expect("made");
    pool.envelope.version = 32;
    pool.envelope.tail = vec![0, 1, 2];
    assert!(decode(&encode(&map)).as_ref() == Ok(&map));
    map.client.envelope.compat = 10;
    let error = decode(&encode(&map)).expect_err("it says so");
    assert_eq!(error.fault, OsdMapFault::TooNew { compat: 10, known: 9 });
    map.client.envelope.compat = 1;
    map.daemon.envelope.version = 4;
    let error = decode(&encode(&map)).expect_err("written for jewel");
    assert_eq!(error.fault, OsdMapFault::TooOld { version: 4, least: 5 });
}

/// A stretch cluster's pools have a version of their own, which later ones took back.
#[test]
fn stretch_pools_are_read_and_written() {
    let mut map = random_osdmap(2);
    map.daemon.envelope.version = 10;
    map.daemon.stretch.stretch_bucket_count = 2;
    let pool = map.client.pools.values_mut().next().expect("made");
    pool.envelope.version = 30;
    pool.stretch = Some(Default::default());
    assert!(decode(&encode(&map)).as_ref() == Ok(&map));
}

#[test]
fn a_map_cut_anywhere_is_refused() {
    let whole = small();
    for end in 0..whole.len() {
        assert!(decode(&whole[..end]).is_err(), "{end}");
    }
    // Again with a length and a checksum that fit, so that the cut goes through what is inside.
    for end in 10..whole.len() {
        let mut cut = whole[..end].to_vec();
        let length = (end - 6) as u32;
        cut[2..6].copy_from_slice(&length.to_le_bytes());
        assert!(decode(&sealed(cut)).is_err(), "{end}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert_eq!(decode(&longer).expect_err("longer").fault, OsdMapFault::Trailing(1));
}

#[test]
fn a_flipped_byte_is_noticed_or_if_the_checksum_fits_read_without_loss() {
    let whole = small();
    let rng = &mut Rng::new(3);
    let mut read = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << rng.below(8);
        assert!(decode(&flipped).is_err(), "{at}");
        let flipped = sealed(flipped);
        if let Ok(map) = decode(&flipped) {
            assert!(encode(&map) == flipped, "{at}");
            // Placing ends whatever the numbers are.
            if rng.chance(1, 40) {
                assert!(map.placements().take(2).count() <= 2);
            }
            read += 1;
        }
    }
    assert!(read > 1000, "{read}: most fields may hold anything");
}

/// Each place in turn claims as many entries as there can be: nobody makes room for them.
#[test]
fn no_count_is_believed() {
    let whole = small();
    for at in 0..whole.len() - 8 {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
        if let Ok(map) = decode(&sealed(bytes.clone())) {
            assert!(encode(&map) == sealed(bytes), "{at}");
        }
    }
}

#[test]
fn tables_out_of_order_are_refused() {
    let mut map = OsdMap::default();
    for id in [1, 2] {
        map.client.pool_name.insert(PoolId(id), "abc".into());
    }
    let mut bytes = encode(&map);
    let second = bytes.windows(15).rposition(|w| w[..8] == [2, 0, 0, 0, 0, 0, 0, 0] && w[12..] == *b"abc");
    bytes[second.expect("written")] = 1;
    let error = decode(&sealed(bytes)).expect_err("pool 1 twice");
    assert_eq!((error.fault, error.part), (OsdMapFault::Order, "pool_name"));
}

#[test]
fn a_cluster_that_ceph_would_place_elsewhere_is_not_converted() {
    let mut crush = crush::CrushMap::new_jewel();
    let made: Result<u32, crush::Error> = crush.edit(|edit| {
        edit.insert_osd(0, WEIGHT_ONE, &[("root", "default"), ("host", "a")])?;
        edit.add_simple_rule("shards", "default", "osd", None, crush::Mode::Indep)
    });
    let rule = made.expect("a tree");
    let mut map =
        ClusterMap { next_pool: PoolId(2), crush: SharedCrush::new(crush), ..ClusterMap::default() };
    map.osds.insert(OsdId(0), OsdInfo { up: true, weight: WEIGHT_ONE, ..OsdInfo::new(Uuid([1; 16])) });
    let pool = Pool {
        name: "p".into(),
        kind: PoolKind::Erasure { data: 4, parity: 2 },
        size: 6,
        min_size: 4,
        pg_num: 8,
        pgp_num: 8,
        crush_rule: rule,
        hashpspool: true,
        application: String::new(),
        options: BTreeMap::new(),
        created: Epoch(1),
        snaps: Default::default(),
    };
    map.pools.insert(PoolId(1), pool);
    let converted = OsdMap::from_cluster(&map).expect("fits");
    let profile = &converted.client.erasure_code_profiles["nacre-4-2"];
    assert_eq!((profile["k"].as_str(), profile["m"].as_str()), ("4", "2"));
    let (mut ours, mut theirs) = (Placer::new(&map), Placer::new(&converted));
    assert!(map.pgs().all(|pg| ours.up_acting(pg) == theirs.up_acting(pg)));

    // The same rule for copies: 16.2 would find no rule and place nothing.
    map.pools.get_mut(&PoolId(1)).expect("made").kind = PoolKind::Replicated;
    let error = OsdMap::from_cluster(&map).expect_err("another kind").to_string();
    assert!(error.starts_with("pool 1 of size 6 does not fit its CRUSH rule 0"), "{error}");
    map.pools.clear();
    map.osds.insert(OsdId(1 << 20), OsdInfo::new(Uuid::default()));
    let error = OsdMap::from_cluster(&map).expect_err("a million tables").to_string();
    assert!(error.starts_with("osd.1048576 has no place"), "{error}");
}
