//! What the map says of one pool.

use crate::ec_profile::EcProfile;
use crate::ids::{Epoch, PgId, PoolId, pg_num_mask, stable_mod};
use crate::snaps::PoolSnaps;
use crate::source::PoolShape;
use std::collections::BTreeMap;
use stdx::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// The most PGs a pool may have.
pub const PG_NUM_MAX: u32 = 1 << 16;
/// The most copies of an object.
pub const SIZE_MAX: u32 = 10;
/// The most shards of an object.
const SHARDS_MAX: u32 = 64;
/// The option that holds an erasure-coded pool's profile, as [`EcProfile`] writes it.
pub(crate) const PROFILE_OPTION: &str = "erasure_code_profile";
/// The option that holds the number of PGs that a pool was made with, once it has another one.
pub(crate) const PG_NUM_MADE_OPTION: &str = "pg_num_made";
/// The option that holds the number of placement seeds that somebody wants, if it is not to follow `pg_num`.
pub(crate) const PGP_NUM_TARGET_OPTION: &str = "pgp_num_target";
/// The option that names an erasure-coded pool's companion. Pools keep their names.
pub(crate) const COMPANION_OPTION: &str = "companion";

/// The option that has reads of an erasure-coded pool ask all shards: `true` or `false`.
pub const FAST_READ_OPTION: &str = "fast_read";

/// How a pool keeps its objects safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Whole copies.
    Replicated,
    /// Reed-Solomon shards: `size` = data + parity, and with local groups one more for each group.
    Erasure {
        /// Data shards.
        data: u32,
        /// Parity shards: so many may be lost, whichever they are.
        parity: u32,
    },
}
stdx::codec_enum!(PoolKind { 0 => Replicated, 1 => Erasure { data, parity } });

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Replicated or erasure-coded.
    pub kind: PoolKind,
    /// Copies (or shards) of each object.
    pub size: u32,
    /// Fewest in-sync copies with which writes are still accepted.
    pub min_size: u32,
    /// Placement groups.
    pub pg_num: u32,
    /// Placement seeds; follows `pg_num` when the pool grows.
    pub pgp_num: u32,
    /// The CRUSH rule's id.
    pub crush_rule: u32,
    /// Mix the pool's number into the placement seed, so that pools do not pile up on the same OSDs. Always set
    /// for pools made here; maps of old Ceph clusters may lack it.
    pub hashpspool: bool,
    /// What it is used for (`rgw`, `rbd`, ...); empty when nobody said.
    pub application: String,
    /// Other settings, by Ceph's names.
    pub options: BTreeMap<String, String>,
    /// The epoch in which it was made.
    pub created: Epoch,
    /// Its self-managed snapshots.
    pub snaps: PoolSnaps,
}

impl Encode for Pool {
    fn encode(&self, w: &mut Writer) {
        w.versioned(2, 1, |w| {
            w.put(&self.name);
            w.put(&self.kind);
            w.put(&(self.size, self.min_size, self.pg_num));
            w.put(&(self.pgp_num, self.crush_rule, self.hashpspool));
            w.put(&self.application);
            w.put(&self.options);
            w.put(&self.created);
            w.put(&self.snaps);
        });
    }
}

impl Decode for Pool {
    /// Refuses numbers that would make a reader loop over billions of PGs.
    fn decode(r: &mut Reader) -> Result<Pool, DecodeError> {
        r.versioned(2, |r, version| {
            let (name, kind) = r.get()?;
            let (size, min_size, pg_num) = r.get()?;
            let (pgp_num, crush_rule, hashpspool) = r.get()?;
            let (application, options, created) = r.get()?;
            let snaps = if version >= 2 { r.get()? } else { PoolSnaps::default() };
            if !(1..=PG_NUM_MAX).contains(&pg_num) || !(1..=pg_num).contains(&pgp_num) || size > SHARDS_MAX {
                return Err(DecodeError::Invalid("pool"));
            }
            Ok(Pool {
                name,
                kind,
                size,
                min_size,
                pg_num,
                pgp_num,
                crush_rule,
                hashpspool,
                application,
                options,
                created,
                snaps,
            })
        })
    }
}

impl Pool {
    /// Whether members may close up over a missing one: copies are all alike, shards are not.
    pub fn can_shift(&self) -> bool {
        self.kind == PoolKind::Replicated
    }

    /// Of an erasure-coded pool: the fewest shards with which every object can be had, whichever they are.
    pub fn fewest_shards(&self) -> Option<usize> {
        match self.kind {
            PoolKind::Replicated => None,
            PoolKind::Erasure { parity, .. } => Some(self.size.saturating_sub(parity) as usize),
        }
    }

    /// Of an erasure-coded pool: its profile. None also for a pool that was not made here.
    pub fn ec_profile(&self) -> Option<EcProfile> {
        EcProfile::parse(self.options.get(PROFILE_OPTION)?).ok()
    }

    /// The number of PGs that it was made with. Copies that do not say for how many they were last divided are as
    /// they were then.
    pub fn pg_num_made(&self) -> u32 {
        let said = self.options.get(PG_NUM_MADE_OPTION).and_then(|text| text.parse().ok());
        said.filter(|made| (1..=self.pg_num).contains(made)).unwrap_or(self.pg_num)
    }

    /// The number of placement seeds that it is to have: all, unless somebody wants fewer.
    pub fn pgp_num_target(&self) -> u32 {
        let said = self.options.get(PGP_NUM_TARGET_OPTION).and_then(|text| text.parse().ok());
        said.filter(|target| (1..=self.pg_num).contains(target)).unwrap_or(self.pg_num)
    }

    /// Of an erasure-coded pool: the replicated pool that keeps the metadata of what lies in it (names and properties of
    /// images, say), since shards keep no rows. It is there as long as this pool is.
    pub fn companion(&self) -> Option<&str> {
        self.options.get(COMPANION_OPTION).map(String::as_str)
    }

    /// Whether reads ask all shards and take those that come first, rather than those that they need: less waiting for
    /// the slowest, for more work. Ceph's `fast_read`.
    pub fn fast_read(&self) -> bool {
        self.kind != PoolKind::Replicated && self.options.get(FAST_READ_OPTION).is_some_and(|v| v == "true")
    }

    /// The PG seed of an object's placement hash.
    pub fn seed_of(&self, hash: u32) -> u32 {
        stable_mod(hash, self.pg_num, pg_num_mask(self.pg_num))
    }

    /// The number CRUSH maps for a PG seed (Ceph's `raw_pg_to_pps`).
    pub fn placement_seed(&self, id: PoolId, seed: u32) -> u32 {
        self.shape().placement_seed(id, seed)
    }

    /// The part of it that decides where its PGs lie.
    pub fn shape(&self) -> PoolShape {
        PoolShape {
            size: self.size as usize,
            pg_num: self.pg_num,
            pgp_num: self.pgp_num,
            hashpspool: self.hashpspool,
            can_shift: self.can_shift(),
            rule: Some(self.crush_rule),
        }
    }

    /// Its PGs.
    pub fn pgs(&self, id: PoolId) -> impl Iterator<Item = PgId> + use<> {
        (0..self.pg_num).map(move |seed| PgId { pool: id, seed })
    }
}

/// Ceph's default: the smallest number that is more than half of the copies lost away (3 -> 2, 2 -> 1, 1 -> 1).
pub fn default_min_size(size: u32) -> u32 {
    size - size / 2
}
