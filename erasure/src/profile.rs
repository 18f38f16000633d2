//! Which codes there are, and the limits within which every loss of m chunks can be rebuilt.

use crate::ProfileError;

/// The most data chunks.
pub(crate) const K_MAX: usize = 32;
/// The most (global) parity chunks.
pub(crate) const M_MAX: usize = 16;

/// Chunks are multiples of this many bytes: ISA's alignment in Ceph, and what jerasure's k * w * sizeof(int) with w = 8
/// comes to per chunk.
pub const CHUNK_ALIGNMENT: u64 = 32;

/// How parity is made: Ceph's plugin and technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Technique {
    /// `plugin=isa technique=reed_sol_van`: m up to 4, and k up to 21 with m = 4. Also m = 0, stripes without any parity,
    /// which Ceph does not have: the first lost chunk is lost for good.
    IsaVandermonde,
    /// `plugin=isa technique=cauchy`.
    IsaCauchy,
    /// `plugin=jerasure technique=reed_sol_van`, w = 8.
    JerasureVandermonde,
    /// `plugin=lrc` in its simple form: jerasure's `reed_sol_van` over everything, and in each group of `l` chunks one
    /// more that is their sum, so that one lost chunk is rebuilt from its own group.
    Local {
        /// Chunks of a group, without its local parity.
        l: usize,
    },
}

/// An erasure code within our limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Profile {
    technique: Technique,
    k: usize,
    m: usize,
}

impl Profile {
    /// Refuses what cannot be done, and what Ceph's plugin refuses.
    pub fn new(technique: Technique, k: usize, m: usize) -> Result<Profile, ProfileError> {
        if !(2..=K_MAX).contains(&k) {
            return Err(ProfileError::DataChunks(k));
        }
        // Without parity there is nothing that techniques differ in; the usual one stands for it.
        let fewest = usize::from(technique != Technique::IsaVandermonde);
        if !(fewest..=M_MAX).contains(&m) {
            return Err(ProfileError::ParityChunks(m));
        }
        match technique {
            Technique::IsaVandermonde if m > 4 || (m == 4 && k > 21) => {
                return Err(ProfileError::NotMds { k, m });
            }
            Technique::Local { l } if l < 2 || !(k + m).is_multiple_of(l) => {
                return Err(ProfileError::Groups { k, m, l });
            }
            Technique::Local { l } => {
                let groups = (k + m) / l;
                // With a single group Ceph's plugin takes the group's layer for the whole code and leaves the global parity
                // out (seen in 16.2.15): nothing to be compatible with, and a group of everything is not local.
                if groups < 2 || !k.is_multiple_of(groups) || !m.is_multiple_of(groups) {
                    return Err(ProfileError::Groups { k, m, l });
                }
                if k + m + groups > crate::ChunkSet::POSITIONS_MAX {
                    return Err(ProfileError::TooManyChunks(k + m + groups));
                }
            }
            _ => {}
        }
        Ok(Profile { technique, k, m })
    }

    /// ISA-L's code for this k and m: the Vandermonde matrix where it is safe (Ceph's default), else Cauchy.
    pub fn isa(k: usize, m: usize) -> Result<Profile, ProfileError> {
        match Profile::new(Technique::IsaVandermonde, k, m) {
            Err(ProfileError::NotMds { .. }) => Profile::new(Technique::IsaCauchy, k, m),
            other => other,
        }
    }

    /// How parity is made.
    pub fn technique(self) -> Technique {
        self.technique
    }

    /// Data chunks of a stripe.
    pub fn k(self) -> usize {
        self.k
    }

    /// (Global) parity chunks of a stripe: so many chunks may be lost, whichever they are.
    pub fn m(self) -> usize {
        self.m
    }

    /// Local groups; 0 without locality.
    pub fn groups(self) -> usize {
        match self.technique {
            Technique::Local { l } => (self.k + self.m) / l,
            _ => 0,
        }
    }

    /// All chunks of a stripe: k + m, and one for each local group.
    pub fn chunks(self) -> usize {
        self.k + self.m + self.groups()
    }

    /// The length of each chunk of an object of `object_bytes`, as Ceph's plugin computes it: an even share, rounded up to
    /// [`CHUNK_ALIGNMENT`]. `None` if it does not fit in 64 bits.
    pub fn chunk_bytes(self, object_bytes: u64) -> Option<u64> {
        object_bytes.div_ceil(self.k as u64).checked_next_multiple_of(CHUNK_ALIGNMENT)
    }

    /// Whether stripes may have chunks of `unit` bytes: those that are not padded.
    pub fn check_stripe_unit(self, unit: u64) -> Result<(), ProfileError> {
        if unit == 0 || !unit.is_multiple_of(CHUNK_ALIGNMENT) {
            return Err(ProfileError::StripeUnit(unit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let new = Profile::new;
        assert_eq!(new(Technique::IsaCauchy, 1, 2), Err(ProfileError::DataChunks(1)));
        assert_eq!(new(Technique::IsaCauchy, 33, 2), Err(ProfileError::DataChunks(33)));
        assert_eq!(new(Technique::IsaCauchy, 4, 0), Err(ProfileError::ParityChunks(0)));
        assert_eq!(new(Technique::IsaCauchy, 4, 17), Err(ProfileError::ParityChunks(17)));
        assert_eq!(new(Technique::IsaVandermonde, 22, 4), Err(ProfileError::NotMds { k: 22, m: 4 }));
        assert_eq!(
            new(Technique::Local { l: 2 }, 32, 16),
            Err(ProfileError::Groups { k: 32, m: 16, l: 2 }),
            "24 groups do not share 32 chunks"
        );
        assert_eq!(new(Technique::Local { l: 3 }, 32, 16).map(Profile::chunks), Ok(64));
        assert_eq!(Profile::isa(22, 4).map(Profile::technique), Ok(Technique::IsaCauchy));
        assert_eq!(Profile::isa(4, 2).map(Profile::technique), Ok(Technique::IsaVandermonde));
        assert_eq!(Profile::isa(4, 0).map(Profile::chunks), Ok(4));
        assert_eq!(new(Technique::JerasureVandermonde, 4, 0), Err(ProfileError::ParityChunks(0)));
        assert_eq!(Profile::isa(1, 4), Err(ProfileError::DataChunks(1)));
    }

    #[test]
    fn stripe_units_and_huge_objects() {
        let profile = Profile::isa(4, 2).unwrap();
        assert_eq!(profile.check_stripe_unit(16384), Ok(()));
        for unit in [0, 1, 100, 16383] {
            assert_eq!(profile.check_stripe_unit(unit), Err(ProfileError::StripeUnit(unit)));
        }
        assert_eq!(profile.chunk_bytes(0), Some(0));
        assert_eq!(profile.chunk_bytes(u64::MAX), Some(1 << 62));
    }
}
