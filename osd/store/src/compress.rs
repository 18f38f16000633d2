//! Compression of data on its way to the device: what a pool asks for, and the two algorithms.
//!
//! Frames are what the bought libraries write: an LZ4 block (lz4_flex) or a Zstandard frame (zstd). What they hold
//! is known from the extent row, so a frame never decides how much memory it takes.

use osd_object::Compressible;
use placement_map::PoolId;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How data is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Algorithm {
    /// LZ4 block format: costs least.
    Lz4 = 1,
    /// Zstandard at level 1: packs more, at about thrice the cost.
    Zstd = 2,
}

/// Level of Zstandard, Ceph's default: the higher ones cost the writer more than the disk is worth.
const ZSTD_LEVEL: i32 = 1;

impl Algorithm {
    pub(crate) fn from_u8(n: u8) -> Option<Algorithm> {
        match n {
            1 => Some(Algorithm::Lz4),
            2 => Some(Algorithm::Zstd),
            _ => None,
        }
    }

    /// The packed bytes, or `None` if they would take more than `bytes_max`.
    pub(crate) fn pack(self, data: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let packed = match self {
            Algorithm::Lz4 => lz4_flex::block::compress(data),
            Algorithm::Zstd => {
                thread_local! {
                    // Its tables are a megabyte: made once per thread, not once per write.
                    static ZSTD: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
                }
                ZSTD.with_borrow_mut(|zstd| {
                    if zstd.is_none() {
                        *zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
                    }
                    // Without memory for it data is stored as it is.
                    zstd.as_mut()?.compress(data).ok()
                })?
            }
        };
        (packed.len() <= bytes_max).then_some(packed)
    }

    /// The bytes again, exactly `len` of them; `None` for what `pack` never makes.
    pub(crate) fn unpack(self, packed: &[u8], len: usize) -> Option<Vec<u8>> {
        let data = match self {
            Algorithm::Lz4 => lz4_flex::block::decompress(packed, len).ok()?,
            Algorithm::Zstd => zstd::bulk::decompress(packed, len).ok()?,
        };
        (data.len() == len).then_some(data)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Algorithm::Lz4 => "lz4",
            Algorithm::Zstd => "zstd",
        })
    }
}

/// Which objects of a pool are packed (Ceph's `compression_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackWhich {
    /// Those that their writer called compressible.
    Hinted,
    /// All but those that their writer called incompressible.
    NotRefused,
    /// All.
    All,
}

/// What a pool wants (Ceph's `compression_*` pool options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Which of its objects.
    pub which: PackWhich,
    /// How.
    pub algorithm: Algorithm,
    /// Packed data is kept if it takes at most so many thousandths of what it was; above, it is stored as it is.
    pub required_ratio_permille: u32,
}

impl Compression {
    /// Whether an object is packed of whose data its writer said this.
    pub(crate) fn wants(&self, said: Compressible) -> bool {
        match self.which {
            PackWhich::Hinted => said == Compressible::Yes,
            PackWhich::NotRefused => said != Compressible::No,
            PackWhich::All => true,
        }
    }
}

/// The pools that want any.
pub(crate) type Compressions = BTreeMap<PoolId, Compression>;

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn what_was_packed_comes_back_and_damage_is_an_answer() {
        let mut rng = Rng::new(9);
        for algorithm in [Algorithm::Lz4, Algorithm::Zstd] {
            assert_eq!(Algorithm::from_u8(algorithm as u8), Some(algorithm));
            for _ in 0..200 {
                let len = 1 + rng.below(70_000) as usize;
                let mut data = vec![0; len];
                let noise = rng.below(len as u64 + 1) as usize;
                rng.fill(&mut data[..noise]);
                let packed = algorithm.pack(&data, usize::MAX).expect("no limit");
                assert_eq!(algorithm.pack(&data, packed.len() - 1), None);
                assert_eq!(algorithm.unpack(&packed, len).as_ref(), Some(&data));
                assert_eq!(algorithm.unpack(&packed, len + 1), None);
                assert_eq!(algorithm.unpack(&packed, len - 1), None);
                let mut bad = packed.clone();
                bad[rng.below(packed.len() as u64) as usize] ^= 1 << rng.below(8);
                if let Some(other) = algorithm.unpack(&bad, len) {
                    assert_eq!(other.len(), len, "any bytes, but as many");
                }
            }
        }
        assert_eq!(Algorithm::from_u8(0), None);
    }
}
