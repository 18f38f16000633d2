//! Objects that a PG keeps for itself, and the range of the object order that it is.

use osd_object::{ObjectId, ObjectName, SnapId};
use placement_map::PgId;
use placement_map::ids::{pg_num_mask, stable_mod};

/// Namespaces that begin so are not for clients.
const INTERNAL: char = '\0';
const META: &str = "\0pgmeta";
const TEMP: &str = "\0pgtemp";

/// The object whose omap holds the PG's log. Its hash is the PG's seed, which has the least position of the
/// PG's hashes, so it lies at the front of the PG's range.
pub fn meta_object(pg: PgId) -> ObjectId {
    internal(pg, META, "")
}

/// An object that collects the pieces of a push.
pub(crate) fn temp_object(pg: PgId, interval: u64, attempt: u64, push: u64) -> ObjectId {
    internal(pg, TEMP, &format!("{interval}.{attempt}.{push}"))
}

pub(crate) fn internal(pg: PgId, namespace: &str, name: &str) -> ObjectId {
    let name = ObjectName { namespace: namespace.into(), locator: String::new(), name: name.into() };
    ObjectId::head(pg.pool, pg.seed, name)
}

/// Whether the object belongs to the PG's own bookkeeping.
pub fn is_internal(object: &ObjectId) -> bool {
    object.name.namespace.starts_with(INTERNAL)
}

/// Whether it is a piece collector that an ended attempt left behind.
pub(crate) fn is_temp(object: &ObjectId) -> bool {
    object.name.namespace == TEMP
}

/// Whether a write that is not yet certain was put aside there.
pub(crate) fn is_sidecar(object: &ObjectId) -> bool {
    object.name.namespace == crate::erasure_coded::sidecar::NAMESPACE
}

/// Before every object of the PG, in the order of listings.
pub(crate) fn start_of(pg: PgId) -> ObjectId {
    ObjectId { pool: pg.pool, hash: pg.seed, name: ObjectName::default(), snap: SnapId(0) }
}

/// Whether an object of the PG's pool belongs to the PG, while the pool has `pg_num` of them.
pub(crate) fn belongs(pg: PgId, pg_num: u32, object: &ObjectId) -> bool {
    object.pool == pg.pool && stable_mod(object.hash, pg_num, pg_num_mask(pg_num)) == pg.seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    #[test]
    fn bookkeeping_lies_at_the_front_of_its_pg() {
        for pg_num in [1u32, 5, 8, 12] {
            for seed in 0..pg_num {
                let pg = PgId { pool: PoolId(3), seed };
                let (start, meta) = (start_of(pg), meta_object(pg));
                assert!(start < meta && belongs(pg, pg_num, &meta) && is_internal(&meta));
                assert!(is_temp(&temp_object(pg, 1, 2, 3)) && temp_object(pg, 1, 2, 3) > meta);
                for i in 0..2000u32 {
                    let hash = i.wrapping_mul(0x9e37_79b9);
                    let object = ObjectId::head(pg.pool, hash, ObjectName::new("x"));
                    assert!(!belongs(pg, pg_num, &object) || object > start);
                }
            }
        }
    }
}
