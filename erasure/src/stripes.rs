//! How an object is cut into stripes, and which bytes of which shards a range of it touches.
//!
//! A shard is one chunk of each stripe, one after the other.

use crate::{Profile, ProfileError};

/// The geometry of a pool: k data chunks of `unit` bytes a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripes {
    k: u64,
    unit: u64,
}

/// Bytes of one data shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which data shard, in the order of the object's bytes (`Code::data_positions` says where it stands).
    pub data: usize,
    /// Where in the shard.
    pub offset: u64,
    /// How many bytes; never 0.
    pub len: u64,
}

impl Stripes {
    /// Stripes of a code with chunks of `unit` bytes, a multiple of 32.
    pub fn new(profile: Profile, unit: u64) -> Result<Stripes, ProfileError> {
        profile.check_stripe_unit(unit)?;
        let k = profile.k() as u64;
        // Twice a stripe must fit in 64 bits; nobody has chunks of exabytes.
        if unit > u64::MAX / 2 / k {
            return Err(ProfileError::StripeUnit(unit));
        }
        Ok(Stripes { k, unit })
    }

    /// Bytes of an object in one stripe.
    pub fn width(self) -> u64 {
        self.k * self.unit
    }

    /// Bytes of every shard of an object of `object_bytes`: whole stripes, the last one padded with zeros. `None` if
    /// the stripes would not fit in 64 bits.
    pub fn shard_bytes(self, object_bytes: u64) -> Option<u64> {
        Some(object_bytes.checked_next_multiple_of(self.width())? / self.k)
    }

    /// Where byte `offset` of the object is: which data shard, and where in it.
    pub fn locate(self, offset: u64) -> (usize, u64) {
        let (stripe, within) = (offset / self.width(), offset % self.width());
        ((within / self.unit) as usize, stripe * self.unit + within % self.unit)
    }

    /// The bytes of the data shards that the object's bytes `offset .. offset + len` are: one extent for each shard
    /// that is touched, none for an empty range. The range must end within 63 bits.
    pub fn extents(self, offset: u64, len: u64) -> impl Iterator<Item = Extent> {
        let end = offset.checked_add(len).filter(|end| *end <= u64::MAX / 2).expect("a range of an object");
        let (first, last) = (offset / self.width(), end.saturating_sub(1) / self.width());
        let unit = self.unit;
        (0..self.k).filter_map(move |data| {
            // What of this shard's chunk lies before the range in its first stripe, and not after it in its last.
            let chunk = |stripe: u64| stripe * self.width() + data * unit;
            let from = first * unit + offset.saturating_sub(chunk(first)).min(unit);
            let to = last * unit + end.saturating_sub(chunk(last)).min(unit);
            (len > 0 && from < to).then(|| Extent { data: data as usize, offset: from, len: to - from })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_the_located_bytes() {
        let stripes = Stripes::new(Profile::isa(3, 2).unwrap(), 32).unwrap();
        for offset in 0..200 {
            for len in 0..230 {
                let mut bytes: Vec<(usize, u64)> =
                    (offset..offset + len).map(|at| stripes.locate(at)).collect();
                bytes.sort();
                let extents: Vec<Extent> = stripes.extents(offset, len).collect();
                let covered: Vec<(usize, u64)> = extents
                    .iter()
                    .flat_map(|e| (e.offset..e.offset + e.len).map(|at| (e.data, at)))
                    .collect();
                assert_eq!(covered, bytes, "{offset}+{len}");
            }
        }
    }

    #[test]
    fn shards_are_whole_stripes() {
        let stripes = Stripes::new(Profile::isa(4, 2).unwrap(), 16384).unwrap();
        assert_eq!(stripes.shard_bytes(0), Some(0));
        assert_eq!(stripes.shard_bytes(1), Some(16384));
        assert_eq!(stripes.shard_bytes(65536), Some(16384));
        assert_eq!(stripes.shard_bytes(65537), Some(32768));
        assert_eq!(stripes.shard_bytes(u64::MAX), None);
        assert!(Stripes::new(Profile::isa(4, 2).unwrap(), u64::MAX - 31).is_err());
    }
}
