//! What changed between two ordered tables.

use std::collections::{BTreeMap, BTreeSet};
use stdx::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Rows set and rows gone. Empty when nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<K: Ord, V> {
    /// New or changed rows.
    pub set: BTreeMap<K, V>,
    /// Keys that are gone.
    pub gone: BTreeSet<K>,
}

impl<K: Ord, V> Default for Delta<K, V> {
    fn default() -> Self {
        Delta { set: BTreeMap::new(), gone: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Delta<K, V> {
    /// What turns `old` into `new`.
    pub fn between(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Delta<K, V> {
        let changed = |(key, value): &(&K, &V)| old.get(key) != Some(value);
        Delta {
            set: new.iter().filter(changed).map(|(k, v)| (k.clone(), v.clone())).collect(),
            gone: old.keys().filter(|key| !new.contains_key(key)).cloned().collect(),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty()
    }

    /// Carries the change out on `table`.
    pub fn apply(&self, table: &mut BTreeMap<K, V>) {
        for key in &self.gone {
            table.remove(key);
        }
        for (key, value) in &self.set {
            table.insert(key.clone(), value.clone());
        }
    }
}

impl<K: Ord + Encode, V: Encode> Encode for Delta<K, V> {
    fn encode(&self, w: &mut Writer) {
        self.set.encode(w);
        self.gone.encode(w);
    }
}

impl<K: Ord + Decode, V: Decode> Decode for Delta<K, V> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Delta { set: r.get()?, gone: r.get()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_turns_old_into_new() {
        let old: BTreeMap<u32, u32> = [(1, 1), (2, 2), (3, 3)].into();
        let new: BTreeMap<u32, u32> = [(2, 2), (3, 4), (5, 5)].into();
        let delta = Delta::between(&old, &new);
        assert_eq!(delta.set, [(3, 4), (5, 5)].into());
        assert_eq!(delta.gone, [1].into());
        let mut table = old.clone();
        delta.apply(&mut table);
        assert_eq!(table, new);
        assert!(Delta::between(&new, &table).is_empty());
    }
}
