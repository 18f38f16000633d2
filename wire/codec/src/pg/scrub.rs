//! What members of a PG tell each other, and operators, when their copies are compared.

use osd_object::{ObjectId, Version};
use stdx::time::WallTime;
use stdx::{codec_enum, codec_plain, codec_versioned};

/// What one member holds of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubEntry {
    /// The object.
    pub object: ObjectId,
    /// Its version there.
    pub version: Version,
    /// Bytes of the copy (of the shard, in an erasure-coded PG).
    pub size: u64,
    /// Of the data, by the store's checksums. Says nothing of how the copy came by it.
    pub data_digest: u32,
    /// Of the attributes.
    pub attr_digest: u32,
    /// Of the omap.
    pub omap_digest: u32,
    /// Offsets of units that cannot be read or do not match their checksum, the first of them.
    pub bad: Vec<u64>,
}
codec_versioned!(ScrubEntry, 1 { object, version, size, data_digest, attr_digest, omap_digest, bad });

/// When a PG was compared last, and what was left wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubStamps {
    /// When all of it was last compared, deep or not; zero: nobody knows.
    pub shallow: WallTime,
    /// When all of it was last read; zero: nobody knows.
    pub deep: WallTime,
    /// Objects that were left inconsistent by the last deep comparison, or a shallow one since.
    pub errors: u64,
}
codec_versioned!(ScrubStamps, 1 { shallow, deep, errors });

/// A thing that is wrong with an object, or with one copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScrubError {
    /// This member has no copy, and should.
    Missing,
    /// Data of this copy cannot be read, or does not match its checksum.
    ReadError,
    /// The copy is of another version than the log says, or (of an object) versions differ.
    VersionMismatch,
    /// Sizes differ.
    SizeMismatch,
    /// Data differs, though each copy matches its own checksums.
    DataDigestMismatch,
    /// Attributes differ.
    AttrMismatch,
    /// Omaps differ.
    OmapDigestMismatch,
    /// Parity does not belong to the data, though each shard matches its checksums.
    ParityMismatch,
}
codec_enum!(ScrubError {
    0 => Missing,
    1 => ReadError,
    2 => VersionMismatch,
    3 => SizeMismatch,
    4 => DataDigestMismatch,
    5 => AttrMismatch,
    6 => OmapDigestMismatch,
    7 => ParityMismatch,
});

impl ScrubError {
    /// The word of `rados list-inconsistent-obj` for it.
    pub fn word(self) -> &'static str {
        match self {
            ScrubError::Missing => "missing",
            ScrubError::ReadError => "read_error",
            ScrubError::VersionMismatch => "object_info_inconsistency",
            ScrubError::SizeMismatch => "size_mismatch",
            ScrubError::DataDigestMismatch => "data_digest_mismatch",
            ScrubError::AttrMismatch => "attr_value_mismatch",
            ScrubError::OmapDigestMismatch => "omap_digest_mismatch",
            ScrubError::ParityMismatch => "ec_hash_error",
        }
    }
}

/// One copy of an inconsistent object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InconsistentCopy {
    /// The OSD's number.
    pub osd: u32,
    /// Whether it is the primary.
    pub primary: bool,
    /// What is wrong with this one.
    pub errors: Vec<ScrubError>,
    /// What it holds; none if it has none.
    pub entry: Option<ScrubEntry>,
}
codec_plain!(InconsistentCopy { osd, primary, errors, entry });

/// An object whose copies differ, or of which a copy is bad, and which could not be repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inconsistent {
    /// The object.
    pub object: ObjectId,
    /// What is wrong between the copies.
    pub errors: Vec<ScrubError>,
    /// The copies, by OSD.
    pub copies: Vec<InconsistentCopy>,
}
codec_versioned!(Inconsistent, 1 { object, errors, copies });

/// What `PgOp::ListInconsistent` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InconsistentList {
    /// When the PG was compared last.
    pub stamps: ScrubStamps,
    /// Whether a comparison is under way.
    pub scrubbing: bool,
    /// Inconsistent objects that are known by name, in order, the first of them.
    pub objects: Vec<Inconsistent>,
}
codec_versioned!(InconsistentList, 1 { stamps, scrubbing, objects });
