//! OSDs of one rule in order of need, so that the neediest one in a free failure domain is found without a scan.

use super::shape::Shape;
use std::collections::BTreeSet;

/// How full an OSD is: by the first number, then by the second. The lowest is the neediest.
pub(super) type Key = (i64, i64);

/// Ordered OSDs, by failure domain and by arena.
#[derive(Debug)]
pub(super) struct Index {
    /// By OSD number; none for those that are not in it.
    keys: Vec<Option<Key>>,
    domains: Vec<BTreeSet<(Key, u32)>>,
    /// The neediest OSD of each domain, with the domain.
    arenas: Vec<BTreeSet<(Key, u32, usize)>>,
    all: BTreeSet<(Key, u32)>,
}

impl Index {
    /// All OSDs of a shape for which `key` gives one.
    pub(super) fn new(shape: &Shape, key: impl Fn(u32) -> Option<Key>) -> Index {
        let mut index = Index {
            keys: Vec::new(),
            domains: vec![BTreeSet::new(); shape.arena_of.len()],
            arenas: vec![BTreeSet::new(); shape.arenas],
            all: BTreeSet::new(),
        };
        for (osd, spot) in shape.osds() {
            let Some(key) = key(osd) else { continue };
            index.keys.resize(osd as usize, None);
            index.keys.push(Some(key));
            index.domains[spot.domain].insert((key, osd));
            index.all.insert((key, osd));
        }
        for (domain, osds) in index.domains.iter().enumerate() {
            if let Some((key, osd)) = osds.first() {
                index.arenas[shape.arena_of[domain]].insert((*key, *osd, domain));
            }
        }
        index
    }

    /// An OSD's key.
    pub(super) fn key(&self, osd: u32) -> Option<Key> {
        *self.keys.get(osd as usize)?
    }

    /// Gives an OSD that is in here a new key.
    pub(super) fn set(&mut self, shape: &Shape, osd: u32, key: Key) {
        let (Some(old), Some(spot)) = (self.key(osd), shape.spot(osd)) else { return };
        let domain = &mut self.domains[spot.domain];
        if let Some((key, first)) = domain.first() {
            self.arenas[spot.arena].remove(&(*key, *first, spot.domain));
        }
        domain.remove(&(old, osd));
        domain.insert((key, osd));
        if let Some((key, first)) = domain.first() {
            self.arenas[spot.arena].insert((*key, *first, spot.domain));
        }
        self.all.remove(&(old, osd));
        self.all.insert((key, osd));
        self.keys[osd as usize] = Some(key);
    }

    /// OSDs from the fullest down.
    pub(super) fn fullest(&self) -> impl Iterator<Item = (Key, u32)> {
        self.all.iter().rev().copied()
    }

    /// OSDs from the neediest up.
    pub(super) fn neediest(&self) -> impl Iterator<Item = (Key, u32)> {
        self.all.iter().copied()
    }

    /// OSDs of an arena with keys below `limit`, passing over whole domains that `taken` names: domains by the
    /// neediest OSD of each, the OSDs within a domain in order.
    pub(super) fn candidates(
        &self,
        arena: usize,
        limit: Key,
        taken: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = (Key, u32)> {
        let domains = self.arenas[arena].iter().take_while(move |(key, _, _)| *key < limit);
        let free = domains.filter(move |(_, _, domain)| !taken(*domain));
        free.flat_map(move |(_, _, domain)| {
            self.domains[*domain].iter().copied().take_while(move |(key, _)| *key < limit)
        })
    }
}
