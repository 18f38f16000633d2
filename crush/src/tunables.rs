//! The numbers that tune the search, and Ceph's named profiles of them.

use crate::Alg;

/// Ceph's tunables. A change of any of them moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// Retries inside one bucket after a collision. 0 since bobtail.
    pub choose_local_tries: u32,
    /// Picks by permutation in one bucket before a new descent. 0 since bobtail.
    pub choose_local_fallback_tries: u32,
    /// Descents from the top after the first one.
    pub choose_total_tries: u32,
    /// Non-zero: a chooseleaf that finds no leaf gives up at once and lets its parent choose again.
    pub chooseleaf_descend_once: u32,
    /// Non-zero: the attempt number at the parent varies the leaf, shifted right by one less.
    pub chooseleaf_vary_r: u8,
    /// Non-zero: the leaf does not depend on the position, so less moves when a device goes.
    pub chooseleaf_stable: u8,
    /// Which calculation of straw lengths new or changed straw buckets get.
    pub straw_calc_version: u8,
    /// A bit (`1 << number`) for each bucket algorithm an operator may use.
    pub allowed_bucket_algs: u32,
    /// Newer Ceph (squid) only: descents of MSR rules. `None` where the map does not carry it.
    pub msr_descents: Option<u32>,
    /// Newer Ceph (squid) only: collision tries of MSR rules. `None` where the map does not carry it.
    pub msr_collision_tries: Option<u32>,
}

/// Uniform, list and straw.
const ALGS_LEGACY: u32 = 1 << Alg::Uniform as u32 | 1 << Alg::List as u32 | 1 << Alg::Straw as u32;
/// The same with straw2.
const ALGS_HAMMER: u32 = ALGS_LEGACY | 1 << Alg::Straw2 as u32;

impl Tunables {
    /// Ceph's first values ("legacy" and "argonaut"), what a map without tunables means.
    pub const LEGACY: Self = Self {
        choose_local_tries: 2,
        choose_local_fallback_tries: 5,
        choose_total_tries: 19,
        chooseleaf_descend_once: 0,
        chooseleaf_vary_r: 0,
        chooseleaf_stable: 0,
        straw_calc_version: 0,
        allowed_bucket_algs: ALGS_LEGACY,
        msr_descents: None,
        msr_collision_tries: None,
    };
    /// Bobtail (0.56).
    pub const BOBTAIL: Self = Self {
        choose_local_tries: 0,
        choose_local_fallback_tries: 0,
        choose_total_tries: 50,
        chooseleaf_descend_once: 1,
        ..Self::LEGACY
    };
    /// Firefly (0.80).
    pub const FIREFLY: Self = Self { chooseleaf_vary_r: 1, ..Self::BOBTAIL };
    /// Hammer (0.94).
    pub const HAMMER: Self = Self { allowed_bucket_algs: ALGS_HAMMER, ..Self::FIREFLY };
    /// Jewel (10.2) and "optimal"; also sets the corrected straw calculation, as a new Ceph map does.
    pub const JEWEL: Self = Self { chooseleaf_stable: 1, straw_calc_version: 1, ..Self::HAMMER };

    /// The algorithm a new bucket gets: the best that `allowed_bucket_algs` allows, straw2 where it allows none.
    #[must_use]
    pub fn default_alg(&self) -> Alg {
        [Alg::Straw2, Alg::Straw, Alg::Tree, Alg::List, Alg::Uniform]
            .into_iter()
            .find(|alg| self.allowed_bucket_algs & (1 << *alg as u32) != 0)
            .unwrap_or(Alg::Straw2)
    }

    /// The profile of one of Ceph's names.
    #[must_use]
    pub fn profile(name: &str) -> Option<Self> {
        Some(match name {
            "legacy" | "argonaut" => Self::LEGACY,
            "bobtail" => Self::BOBTAIL,
            "firefly" => Self::FIREFLY,
            "hammer" => Self::HAMMER,
            "jewel" | "optimal" | "default" => Self::JEWEL,
            _ => return None,
        })
    }
}
