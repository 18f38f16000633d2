//! `nacre osd map`: where an object lies, computed from the map as any client does.

use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::session;
use placement_map::{ClusterMap, OsdId};

/// Carries out the command.
pub(super) async fn run(global: &Global, pool: &str, namespace: &str, object: &str) -> Result<(), Failure> {
    let map = session::open(global).await?.map();
    println!("{}", line(&map, pool, namespace, object, global.format)?);
    Ok(())
}

/// The line that `ceph osd map` of 16.2 prints, or its JSON.
fn line(map: &ClusterMap, pool: &str, ns: &str, object: &str, format: Format) -> Result<String, Failure> {
    let hash = map.object_hash(ns, "", object);
    let found = map.pool_id(pool).and_then(|id| Some((id, map.pg_of(id, hash)?)));
    let (id, pg) = found.ok_or_else(|| {
        Failure::no(format!("there is no pool {pool}; `nacre pool ls` shows those there are"))
    })?;
    let raw = format!("{}.{hash:x}", id.0);
    let name = if ns.is_empty() { object.to_owned() } else { format!("{ns}/{object}") };
    let at = map.up_acting(pg);
    let number = |osd: &OsdId| if *osd == OsdId::NONE { i64::from(i32::MAX) } else { i64::from(osd.0) };
    let primary = |osd: Option<OsdId>| osd.map_or(-1, |osd| number(&osd));
    let (up_primary, acting_primary) = (primary(at.up_primary), primary(at.acting_primary));
    if format == Format::Json {
        let list = |set: &[OsdId]| set.iter().map(number).collect::<Vec<i64>>();
        let json = serde_json::json!({
            "epoch": map.epoch.0, "pool": pool, "pool_id": id.0, "objname": name, "raw_pgid": raw,
            "pgid": pg.to_string(), "up": list(&at.up), "up_primary": up_primary, "acting": list(&at.acting),
            "acting_primary": acting_primary,
        });
        return Ok(json.to_string());
    }
    let show = |osd: &OsdId| if *osd == OsdId::NONE { "NONE".to_owned() } else { osd.0.to_string() };
    let list = |set: &[OsdId]| format!("[{}]", set.iter().map(show).collect::<Vec<_>>().join(","));
    Ok(format!(
        "osdmap e{} pool '{pool}' ({}) object '{name}' -> pg {raw} ({pg}) -> up ({}, p{up_primary}) acting ({}, \
         p{acting_primary})",
        map.epoch.0,
        id.0,
        list(&at.up),
        list(&at.acting)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::{Epoch, Pool, PoolId, PoolKind};

    #[test]
    fn a_line_as_ceph_prints_it() {
        let mut map = ClusterMap { epoch: Epoch(13), ..ClusterMap::default() };
        let pool = Pool {
            name: "rbd".into(),
            kind: PoolKind::Replicated,
            size: 3,
            min_size: 2,
            pg_num: 8,
            pgp_num: 8,
            crush_rule: 0,
            hashpspool: true,
            application: String::new(),
            options: Default::default(),
            created: Epoch(1),
            snaps: Default::default(),
        };
        map.pools.insert(PoolId(2), pool);
        // Ceph's documented example: 'foo' hashes to 7fc1f406.
        assert_eq!(
            line(&map, "rbd", "", "foo", Format::Plain).expect("a pool"),
            "osdmap e13 pool 'rbd' (2) object 'foo' -> pg 2.7fc1f406 (2.6) -> up ([], p-1) acting ([], p-1)"
        );
        let json = line(&map, "rbd", "n", "foo", Format::Json).expect("a pool");
        assert!(json.contains("\"objname\":\"n/foo\"") && json.contains("\"up_primary\":-1"), "{json}");
        assert_eq!(line(&map, "gone", "", "foo", Format::Plain).expect_err("no pool").code, 1);
    }
}
