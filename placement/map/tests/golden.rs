//! Placement against what Ceph 16.2's osdmaptool computed (tests/vectors/PROVENANCE).

use crush::CrushMap;
use placement_map::{
    ClusterMap, Epoch, Mapping, OsdId, OsdInfo, PgId, Pool, PoolId, PoolKind, SharedCrush, Uuid, WEIGHT_ONE,
};

const POOL: PoolId = PoolId(1);

/// The map that the vectors were made with, all OSDs up and in.
fn om48() -> ClusterMap {
    let crush = CrushMap::decode(include_bytes!("vectors/dc48.bin")).expect("Ceph's own bytes");
    let mut map = ClusterMap { epoch: Epoch(3), crush: SharedCrush::new(crush), ..ClusterMap::default() };
    for id in 0..48 {
        map.osds.insert(OsdId(id), OsdInfo { up: true, weight: WEIGHT_ONE, ..OsdInfo::new(Uuid::default()) });
    }
    map.pools.insert(
        POOL,
        Pool {
            name: "rbd".to_owned(),
            kind: PoolKind::Replicated,
            size: 3,
            min_size: 2,
            pg_num: 384,
            pgp_num: 384,
            crush_rule: 0,
            hashpspool: true,
            application: "rbd".to_owned(),
            options: Default::default(),
            created: Epoch(1),
            snaps: Default::default(),
        },
    );
    map
}

fn osd_list(text: &str) -> Vec<OsdId> {
    text.trim_matches(['[', ']']).split(',').map(|id| OsdId(id.parse().expect("an OSD"))).collect()
}

fn compare(map: &ClusterMap, golden: &str) {
    let mapping = Mapping::of(map);
    let mut seen = 0;
    for line in golden.lines().filter(|line| line.starts_with("1.")) {
        let mut columns = line.split('\t');
        let pg: PgId = columns.next().and_then(|pg| pg.parse().ok()).expect("a PG");
        let up = osd_list(columns.next().expect("a set"));
        let primary = columns.next().and_then(|id| id.trim().parse().ok()).map(OsdId);
        let ours = map.up_acting(pg);
        assert_eq!((&ours.up, ours.up_primary), (&up, primary), "{line}");
        assert_eq!((&ours.acting, ours.acting_primary), (&up, primary), "{line}");
        assert_eq!(mapping.up_acting(map, pg), ours, "the table agrees with the single computation");
        assert_eq!(mapping.acting_primary(map, pg), primary);
        seen += 1;
    }
    assert_eq!(seen, 384);
}

#[test]
fn all_pgs_lie_where_ceph_puts_them() {
    compare(&om48(), include_str!("vectors/om48.pgs.txt"));
}

#[test]
fn an_osd_marked_out_moves_what_ceph_moves() {
    let mut map = om48();
    map.osds.get_mut(&OsdId(7)).expect("exists").weight = 0;
    compare(&map, include_str!("vectors/om48.out7.pgs.txt"));
}

#[test]
fn objects_go_to_the_pgs_and_osds_that_ceph_says() {
    let map = om48();
    let mut seen = 0;
    for line in include_str!("vectors/om48.objects.txt").lines() {
        let mut parts = line.trim().trim_start_matches("object '").split("' -> ");
        let name = parts.next().expect("a name");
        let mut rest = parts.next().expect("a place").split(" -> ");
        let pg: PgId = rest.next().and_then(|pg| pg.parse().ok()).expect("a PG");
        let acting = osd_list(rest.next().expect("a set"));
        let ours = map.pg_of(POOL, map.object_hash("", "", name)).expect("the pool exists");
        assert_eq!(ours, pg, "{line}");
        assert_eq!(map.up_acting(ours).acting, acting, "{line}");
        seen += 1;
    }
    assert!(seen > 100);
}

#[test]
fn stand_ins_upmaps_and_affinity_override_crush_in_ceph_s_order() {
    let mut map = om48();
    let pg = PgId { pool: POOL, seed: 0 }; // [30,47,43]
    let osd = |ids: &[u32]| ids.iter().copied().map(OsdId).collect::<Vec<_>>();
    // upmap: exchanged; a target that is out or already there is ignored.
    map.pg_upmap_items.insert(pg, vec![(OsdId(47), OsdId(2)), (OsdId(43), OsdId(30)), (OsdId(43), OsdId(9))]);
    map.osds.get_mut(&OsdId(9)).expect("exists").weight = 0;
    assert_eq!(map.up_acting(pg).up, osd(&[30, 2, 43]));
    map.pg_upmap.insert(pg, osd(&[5, 47, 6]));
    assert_eq!(map.up_acting(pg).up, osd(&[5, 2, 6]));
    // Down: the set closes up.
    map.osds.get_mut(&OsdId(5)).expect("exists").up = false;
    let placed = map.up_acting(pg);
    assert_eq!((placed.up, placed.up_primary), (osd(&[2, 6]), Some(OsdId(2))));
    // No affinity at all: the next one is primary and moves to the front.
    map.osds.get_mut(&OsdId(2)).expect("exists").primary_affinity = 0;
    let placed = map.up_acting(pg);
    assert_eq!((placed.up, placed.up_primary), (osd(&[6, 2]), Some(OsdId(6))));
    // A stand-in: members that are up; its first is primary unless somebody else is named.
    map.pg_temp.insert(pg, osd(&[5, 8, 2]));
    let placed = map.up_acting(pg);
    assert_eq!((placed.acting, placed.acting_primary), (osd(&[8, 2]), Some(OsdId(8))));
    assert_eq!(Mapping::of(&map).acting_primary(&map, pg), Some(OsdId(8)));
    map.primary_temp.insert(pg, OsdId(2));
    assert_eq!(map.up_acting(pg).acting_primary, Some(OsdId(2)));
}
