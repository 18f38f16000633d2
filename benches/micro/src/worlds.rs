//! The clusters that are measured.

use crush::{CrushMap, Error, Mode, WEIGHT_ONE};
use placement_map::{ClusterMap, Epoch, OsdId, OsdInfo, Pool, PoolId, PoolKind, SharedCrush, Uuid};

/// Hosts of ten devices, twenty hosts a rack, all straw2; rule 0 puts copies on different hosts.
pub(crate) fn crush(hosts: u32) -> Result<CrushMap, Error> {
    let mut map = CrushMap::new_jewel();
    map.edit(|edit| {
        for device in 0..hosts * 10 {
            let (host, rack) = (format!("host{}", device / 10), format!("rack{}", device / 200));
            let place = [("host", &*host), ("rack", &*rack), ("root", "default")];
            edit.insert_osd(device as i32, WEIGHT_ONE, &place)?;
        }
        edit.add_simple_rule("by_host", "default", "host", None, Mode::Firstn).map(drop)
    })?;
    Ok(map)
}

/// A cluster of such hosts, everything up and in, with two pools of three copies that share `pgs`.
pub(crate) fn cluster(hosts: u32, pgs: u32) -> Result<ClusterMap, Error> {
    let mut map =
        ClusterMap { epoch: Epoch(1), crush: SharedCrush::new(crush(hosts)?), ..Default::default() };
    for id in 0..hosts * 10 {
        map.osds.insert(OsdId(id), OsdInfo { up: true, weight: WEIGHT_ONE, ..OsdInfo::new(Uuid::default()) });
    }
    for id in 1..=2 {
        let pool = Pool {
            name: format!("pool{id}"),
            kind: PoolKind::Replicated,
            size: 3,
            min_size: 2,
            pg_num: pgs / 2,
            pgp_num: pgs / 2,
            crush_rule: 0,
            hashpspool: true,
            application: String::new(),
            options: Default::default(),
            created: Epoch(1),
            snaps: Default::default(),
        };
        map.pools.insert(PoolId(id), pool);
    }
    Ok(map)
}
