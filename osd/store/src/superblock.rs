//! The superblock: who the store is, where things lie, and where replay begins. Four copies in two pairs;
//! each update rewrites one pair, so the other pair always holds the state before it.
//!
//! Any whole copy of the newest state counts: an update begins only when all that it vouches for is durable, so one
//! copy is enough to go by, and the other may have been lost by the device.

use crate::config::{Identity, Uuid16};
use crate::layout::{Geometry, SUPERBLOCK_COPIES, SUPERBLOCK_SPACING, UNIT, UNIT_BYTES};
use crate::sabotage::{self, Sabotage};
use crate::wal::Position;
use bytes::Bytes;
use stdx::checksum::crc32c;
use stdx::codec::{DecodeError, Reader, Writer};

const MAGIC: &[u8; 8] = b"NACRESB1";
/// The format this build writes.
const VERSION: u16 = 1;
/// Feature: writes that had been acknowledged are missing. Set when an open finds damage below what the log promised;
/// taken back when the cluster has noted it. Incompatible, so that no build that would overlook it opens the store.
pub(crate) const LOST_WRITES: u64 = 1;
/// Feature: extent rows may have packed extents, object rows hints. Set by mkfs, and in an older store before the first of them.
pub(crate) const PACKED_EXTENTS: u64 = 2;
/// Incompatible features this build knows.
const FEATURES_KNOWN: u64 = LOST_WRITES | PACKED_EXTENTS;

/// What a device writes as a whole at least.
const SECTOR_BYTES: usize = 512;

/// What the superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Grows with each update.
    pub(crate) sequence: u64,
    pub(crate) identity: Identity,
    pub(crate) geometry: Geometry,
    /// Features a reader must know.
    pub(crate) features: u64,
    /// Grows with each open; log batches carry it, so that what an earlier life left behind is not replayed.
    pub(crate) incarnation: u64,
    /// Where replay begins: the position after the last record that index and data area hold for certain.
    pub(crate) trim: Position,
    /// The last LSN before `trim`; the index is at least as new.
    pub(crate) trim_lsn: u64,
    /// Whether the store was stopped with nothing left to replay.
    pub(crate) clean: bool,
}

/// How a set of copies reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The newest state that a copy shows.
    Valid(Box<Superblock>),
    /// Every copy is zeros: no store was ever here.
    Blank,
    /// Bytes, but fewer than two readable copies: the one may be old.
    Damaged(String),
    /// A valid copy of a format this build does not know.
    TooNew(String),
}

impl Superblock {
    /// One copy's bytes: magic, version, features, body, zeros, CRC32C of all before it.
    pub(crate) fn encode(&self) -> [u8; UNIT_BYTES] {
        let mut w = Writer::with_capacity(256);
        w.raw(MAGIC);
        w.put(&VERSION);
        w.put(&self.features);
        w.put(&self.sequence);
        w.raw(&self.identity.uuid);
        w.raw(&self.identity.fsid);
        w.put(&self.identity.osd_id);
        w.put(&self.geometry.wal_bytes);
        w.put(&self.geometry.data_units);
        w.put(&self.incarnation);
        w.put(&self.trim.at);
        w.put(&self.trim.sequence);
        w.put(&self.trim.previous_crc);
        w.put(&self.trim_lsn);
        w.put(&self.clean);
        let body = w.finish();
        let mut out = [0; UNIT_BYTES];
        out[..body.len()].copy_from_slice(&body);
        let crc = crc32c(&out[..UNIT_BYTES - 4]);
        out[UNIT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(copy: &[u8]) -> Result<Superblock, CopyFault> {
        if copy.len() != UNIT_BYTES || &copy[..MAGIC.len()] != MAGIC {
            return Err(CopyFault::Damaged);
        }
        let (body, crc) = copy.split_at(UNIT_BYTES - 4);
        if crc32c(body).to_le_bytes() != crc {
            return Err(CopyFault::Damaged);
        }
        let mut r = Reader::new(Bytes::copy_from_slice(&body[MAGIC.len()..]));
        let version: u16 = r.get()?;
        if version != VERSION {
            return Err(CopyFault::TooNew(format!("format {version}, this build knows {VERSION}")));
        }
        let features: u64 = r.get()?;
        if features & !FEATURES_KNOWN != 0 {
            return Err(CopyFault::TooNew(format!("features {:#x}", features & !FEATURES_KNOWN)));
        }
        let sequence = r.get()?;
        let uuid: Uuid16 = r.array()?;
        let fsid: Uuid16 = r.array()?;
        let identity = Identity { uuid, fsid, osd_id: r.get()? };
        let geometry = Geometry { wal_bytes: r.get()?, data_units: r.get()? };
        let incarnation = r.get()?;
        let trim = Position { at: r.get()?, sequence: r.get()?, previous_crc: r.get()? };
        let (trim_lsn, clean) = (r.get()?, r.get()?);
        let whole = geometry.wal_bytes >= UNIT && geometry.wal_bytes.is_multiple_of(UNIT);
        if !whole || geometry.data_units > 1 << 44 || !trim.at.is_multiple_of(UNIT) {
            return Err(CopyFault::Damaged);
        }
        Ok(Superblock { sequence, identity, geometry, features, incarnation, trim, trim_lsn, clean })
    }

    /// Byte offsets of the two copies that the update to `sequence` rewrites.
    pub(crate) fn pair_offsets(sequence: u64) -> [u64; 2] {
        let first = (sequence % 2) * 2;
        [first * SUPERBLOCK_SPACING, (first + 1) * SUPERBLOCK_SPACING]
    }

    /// Byte offset of a copy.
    pub(crate) fn offset(copy: u64) -> u64 {
        assert!(copy < SUPERBLOCK_COPIES);
        copy * SUPERBLOCK_SPACING
    }

    /// What each copy says, for people: the state, or what is wrong with it.
    pub(crate) fn read_copy(copy: &[u8]) -> Result<Superblock, String> {
        Superblock::decode(copy).map_err(|fault| match fault {
            CopyFault::TooNew(what) => format!("written by a newer version ({what})"),
            CopyFault::Damaged if copy.iter().all(|b| *b == 0) => "blank".to_string(),
            CopyFault::Damaged => "damaged".to_string(),
        })
    }

    /// Chooses among the copies: the newest state, if there are two copies at all.
    pub(crate) fn choose<'a>(copies: impl IntoIterator<Item = &'a [u8]>) -> Found {
        let (mut valid, mut blank, mut unfinished, mut too_new, mut total) = (Vec::new(), 0, 0, None, 0);
        for copy in copies {
            total += 1;
            match Superblock::decode(copy) {
                Ok(s) => valid.push(s),
                Err(CopyFault::TooNew(what)) => too_new = Some(what),
                Err(CopyFault::Damaged) if copy.iter().all(|b| *b == 0) => blank += 1,
                Err(CopyFault::Damaged) => unfinished += usize::from(is_unfinished(copy)),
            }
        }
        let readable = valid.len();
        if sabotage::is(Sabotage::IgnoreLoneSuperblock) {
            let all = valid.clone();
            valid.retain(|s| all.iter().filter(|o| *o == s).count() >= 2);
        }
        let newest = valid.into_iter().max_by_key(|s| s.sequence);
        let highest = newest.as_ref().map_or(0, |s| s.sequence);
        match (newest.filter(|_| readable >= 2), too_new) {
            // The copies of this build's format may be older than that one.
            (_, Some(what)) => Found::TooNew(what),
            (Some(s), None) => Found::Valid(Box::new(s)),
            (None, None) if blank == total => Found::Blank,
            // mkfs was cut short while it wrote the copies: there is no store yet.
            (None, None) if blank + unfinished + readable == total && highest == 0 => Found::Blank,
            (None, None) => Found::Damaged(format!("{readable} of {total} copies readable")),
        }
    }
}

/// Whether a copy is what a mkfs leaves that was cut short in the middle of writing it over zeros, so nothing else's: its
/// fields, of which sequence 0 is the first, without the checksum in its last sector, or that alone.
fn is_unfinished(copy: &[u8]) -> bool {
    let (body, crc) = copy.split_at(UNIT_BYTES - 4);
    let (head, rest) = body.split_at(SECTOR_BYTES);
    let no_fields = head.iter().chain(rest).all(|b| *b == 0);
    let first_fields = || {
        let mut whole = body.to_vec();
        whole.extend_from_slice(&crc32c(body).to_le_bytes());
        Superblock::decode(&whole).is_ok_and(|s| s.sequence == 0)
    };
    no_fields || (crc == [0; 4] && rest.iter().all(|b| *b == 0) && first_fields())
}

enum CopyFault {
    Damaged,
    TooNew(String),
}
impl From<DecodeError> for CopyFault {
    fn from(_: DecodeError) -> CopyFault {
        CopyFault::Damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: u64) -> Superblock {
        Superblock {
            sequence,
            identity: Identity { uuid: [1; 16], fsid: [2; 16], osd_id: 3 },
            geometry: Geometry { wal_bytes: 1 << 20, data_units: 1000 },
            features: 0,
            incarnation: 4,
            trim: Position { at: 8192, sequence: 6, previous_crc: 7 },
            trim_lsn: 8,
            clean: false,
        }
    }

    fn choose(copies: &[[u8; UNIT_BYTES]]) -> Found {
        Superblock::choose(copies.iter().map(|c| &c[..]))
    }

    #[test]
    fn the_newest_state_wins_and_damage_is_survived() {
        let (old, new) = (sample(4).encode(), sample(5).encode());
        let is = |f: Found, n: u64| assert_eq!(f, Found::Valid(Box::new(sample(n))));
        is(choose(&[old, old, new, new]), 5);
        is(choose(&[old, old, new, [9; UNIT_BYTES]]), 5);
        is(choose(&[old, old, [7; UNIT_BYTES], [9; UNIT_BYTES]]), 4);
        is(choose(&[old, [0; UNIT_BYTES], new, [9; UNIT_BYTES]]), 5);
        let one = choose(&[[3; UNIT_BYTES], [0; UNIT_BYTES], new, [9; UNIT_BYTES]]);
        assert!(matches!(one, Found::Damaged(_)));
        assert_eq!(choose(&[[0; UNIT_BYTES]; 4]), Found::Blank);
        let zeros = [0; UNIT_BYTES];
        assert_eq!(choose(&[sample(0).encode(), zeros, zeros, zeros]), Found::Blank, "mkfs was cut short");
        assert!(matches!(choose(&[sample(2).encode(), zeros, zeros, zeros]), Found::Damaged(_)));
        assert_eq!(Superblock::pair_offsets(4), [0, SUPERBLOCK_SPACING]);
        assert_eq!(Superblock::pair_offsets(5), [2 * SUPERBLOCK_SPACING, 3 * SUPERBLOCK_SPACING]);
    }

    /// Its copies may be torn between any two sectors, in any order. Whatever else begins like a superblock stays.
    #[test]
    fn a_mkfs_that_was_cut_short_is_begun_again_and_nothing_else_is_written_over() {
        let (whole, zeros) = (sample(0).encode(), [0; UNIT_BYTES]);
        let mut fields = whole;
        fields[UNIT_BYTES - 4..].fill(0);
        let mut sum = zeros;
        sum[UNIT_BYTES - 4..].copy_from_slice(&whole[UNIT_BYTES - 4..]);
        for copies in [[fields, zeros, zeros, zeros], [fields, sum, zeros, whole], [sum, fields, fields, sum]]
        {
            assert_eq!(choose(&copies), Found::Blank);
        }
        assert!(matches!(choose(&[fields, sum, whole, whole]), Found::Valid(_)));
        let mut later = sample(1).encode();
        later[UNIT_BYTES - 4..].fill(0);
        let mut other = fields;
        other[600] = 1;
        let mut foreign = zeros;
        foreign[510..512].copy_from_slice(&[0x55, 0xaa]);
        for bad in [later, other, foreign] {
            assert!(matches!(choose(&[bad, zeros, zeros, zeros]), Found::Damaged(_)));
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let good = sample(1).encode();
        for i in (0..200).chain(UNIT_BYTES - 8..UNIT_BYTES) {
            let mut bad = good;
            bad[i] ^= 0x10;
            assert!(Superblock::decode(&bad).is_err(), "byte {i}");
        }
    }

    #[test]
    fn unknown_features_and_formats_are_too_new() {
        let mut s = sample(1);
        s.features = 1 << 9;
        assert!(matches!(choose(&[s.encode(); 4]), Found::TooNew(_)));
        let (old, new) = (sample(0).encode(), s.encode());
        assert!(matches!(choose(&[old, old, new, new]), Found::TooNew(_)), "an older state is no way out");
    }
}
