//! Records: what a small write will change in place, put aside as a row beside its log entry. Certain, the changes are
//! made and the row goes; undone, only the row goes. Nothing of the object is copied or read for it.

use crate::names::meta_object;
use bytes::Bytes;
use osd_object::{Mutation, Transaction, Version};
use placement_map::PgId;
use stdx::codec::{DecodeError, from_bytes, to_bytes};

/// The first byte of the keys of these rows (docs/formats/pg-meta.md).
pub(crate) const RECORD: u8 = b'w';

/// `w`, the sequence number, the interval, both big-endian.
pub(crate) fn key(version: Version) -> Bytes {
    let mut key = vec![RECORD];
    key.extend(version.seq.to_be_bytes());
    key.extend(version.interval.to_be_bytes());
    key.into()
}

/// The version whose record lies under this key.
pub(crate) fn version_of(key: &[u8]) -> Option<Version> {
    let (seq, interval) = key.strip_prefix(&[RECORD])?.split_first_chunk::<8>()?;
    let interval = interval.try_into().ok()?;
    Some(Version { interval: u64::from_be_bytes(interval), seq: u64::from_be_bytes(*seq) })
}

/// Puts the effects of a write aside.
pub(crate) fn put_aside(pg: PgId, version: Version, effects: &Transaction) -> Transaction {
    let rows = vec![(key(version), to_bytes(effects))];
    Transaction { mutations: vec![Mutation::OmapSet { object: meta_object(pg), rows }] }
}

/// The effects that a transaction puts aside for the write of this version, if it does.
pub(crate) fn found_in(
    pg: PgId,
    version: Version,
    transaction: &Transaction,
) -> Result<Option<Transaction>, DecodeError> {
    let (meta, key) = (meta_object(pg), key(version));
    for mutation in &transaction.mutations {
        if let Mutation::OmapSet { object, rows } = mutation
            && *object == meta
            && let Some((_, effects)) = rows.iter().find(|(k, _)| *k == key)
        {
            return from_bytes(effects.clone()).map(Some);
        }
    }
    Ok(None)
}

/// Forgets a record.
pub(crate) fn forget(pg: PgId, version: Version) -> Mutation {
    Mutation::OmapRm { object: meta_object(pg), keys: vec![key(version)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    #[test]
    fn keys_sort_as_versions_do_and_come_back() {
        let pg = PgId { pool: PoolId(1), seed: 3 };
        let versions = [(9, 1), (2, 2), (3, 300), (3, 70_000)];
        let versions = versions.map(|(interval, seq)| Version { interval, seq });
        let keys = versions.map(key);
        assert!(keys.is_sorted());
        assert_eq!(keys.each_ref().map(|key| version_of(key)), versions.map(Some));
        assert_eq!(version_of(&keys[0][..16]), None);
        let effects = Transaction { mutations: vec![Mutation::Remove { object: meta_object(pg) }] };
        let aside = put_aside(pg, versions[0], &effects);
        assert_eq!(found_in(pg, versions[0], &aside), Ok(Some(effects)));
        assert_eq!(found_in(pg, versions[1], &aside), Ok(None));
    }
}
