//! What a check can find wrong, and in which words it is told.

use crate::index::Family;
use crate::layout::UNIT;
use osd_object::ObjectId;
use std::fmt;

/// An object as the extent map knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The number that its extents and rows hang on.
    pub number: u64,
    /// Its identity, if a row gives it.
    pub id: Option<ObjectId>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "object {id}"),
            None => write!(f, "object number {}", self.number),
        }
    }
}

/// One thing that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A superblock copy cannot be read; the others still agree.
    SuperblockCopy {
        /// Which, 0 to 3.
        copy: u64,
        /// What is there.
        found: String,
    },
    /// The log lacks writes that had been acknowledged.
    Log {
        /// Where and how.
        detail: String,
    },
    /// The superblock notes that acknowledged writes are missing, and the cluster has not been told yet.
    LostWrites,
    /// A family of the index cannot be read to its end.
    Index {
        /// Which.
        family: Family,
        /// Why.
        detail: String,
    },
    /// An object row that no writer makes.
    ObjectRow {
        /// Its key.
        key: Vec<u8>,
        /// Whose it is, if the key can be read.
        id: Option<ObjectId>,
    },
    /// Two objects hang on one number.
    SharedNumber {
        /// The second one found.
        owner: Owner,
    },
    /// An extent row that no writer makes.
    ExtentRow {
        /// Its key.
        key: Vec<u8>,
        /// Whose it is, if the key can be read and the object exists.
        owner: Option<Owner>,
    },
    /// An extent row of an object that does not exist.
    OrphanExtents {
        /// Its key.
        key: Vec<u8>,
        /// Units that nobody else can use because of it.
        units: u64,
    },
    /// An extent row of an object points at data behind the object's end.
    BehindEnd {
        /// The object.
        owner: Owner,
        /// The row's key.
        key: Vec<u8>,
        /// The object's size, bytes.
        size: u64,
    },
    /// An attribute or omap row of an object that does not exist or has none.
    OrphanRow {
        /// Its key.
        key: Vec<u8>,
    },
    /// A unit cannot be read, or does not match its checksum.
    BadUnit {
        /// The object.
        owner: Owner,
        /// Offset of the unit within the object, bytes.
        offset: u64,
        /// Where it lies: a unit of the data area.
        place: u64,
        /// What was found.
        detail: String,
    },
    /// The last unit of an object holds something behind the object's end, which would show if the object grew.
    DirtyTail {
        /// The object.
        owner: Owner,
        /// Its size, bytes.
        size: u64,
    },
    /// The running store counts space in another way than its rows do.
    Accounting {
        /// What differs.
        detail: String,
    },
}

impl Problem {
    /// A word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Problem::SuperblockCopy { .. } => "superblock-copy",
            Problem::Log { .. } => "log",
            Problem::LostWrites => "lost-writes",
            Problem::Index { .. } => "index",
            Problem::ObjectRow { .. } => "object-row",
            Problem::SharedNumber { .. } => "shared-number",
            Problem::ExtentRow { .. } => "extent-row",
            Problem::OrphanExtents { .. } => "orphan-extents",
            Problem::BehindEnd { .. } => "behind-end",
            Problem::OrphanRow { .. } => "orphan-row",
            Problem::BadUnit { .. } => "bad-unit",
            Problem::DirtyTail { .. } => "dirty-tail",
            Problem::Accounting { .. } => "accounting",
        }
    }

    /// The object that cannot be read whole because of this.
    pub fn damaged_object(&self) -> Option<&ObjectId> {
        match self {
            Problem::BadUnit { owner, .. } | Problem::ExtentRow { owner: Some(owner), .. } => {
                owner.id.as_ref()
            }
            Problem::ObjectRow { id, .. } => id.as_ref(),
            _ => None,
        }
    }

    pub(super) fn owner_mut(&mut self) -> Option<&mut Owner> {
        match self {
            Problem::SharedNumber { owner }
            | Problem::BehindEnd { owner, .. }
            | Problem::BadUnit { owner, .. }
            | Problem::DirtyTail { owner, .. }
            | Problem::ExtentRow { owner: Some(owner), .. } => Some(owner),
            _ => None,
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::SuperblockCopy { copy, found } => write!(f, "superblock copy {copy} is {found}"),
            Problem::Log { detail } => write!(f, "acknowledged writes are missing from the log: {detail}"),
            Problem::LostWrites => write!(
                f,
                "acknowledged writes were lost; at its next start the OSD says so, leaves every in-sync set and is \
                 refilled by its peers"
            ),
            Problem::Index { family, detail } => {
                write!(f, "the family {} of the index cannot be read: {detail}", family.name())
            }
            Problem::ObjectRow { id: Some(id), .. } => write!(f, "the row of object {id} cannot be read"),
            Problem::ObjectRow { key, id: None } => write!(f, "object row {} cannot be read", Hex(key)),
            Problem::SharedNumber { owner } => {
                write!(f, "{owner}: its number {} has another object too", owner.number)
            }
            Problem::ExtentRow { owner: Some(owner), .. } => {
                write!(f, "{owner}: an extent row cannot be read")
            }
            Problem::ExtentRow { key, owner: None } => write!(f, "extent row {} cannot be read", Hex(key)),
            Problem::OrphanExtents { key, units } => {
                write!(f, "extent row {} belongs to no object and holds {} bytes", Hex(key), units * UNIT)
            }
            Problem::BehindEnd { owner, size, .. } => write!(f, "{owner} has data behind its end {size}"),
            Problem::OrphanRow { key } => write!(f, "row {} belongs to no object", Hex(key)),
            Problem::BadUnit { owner, offset, place, detail } => {
                write!(f, "{owner}: the 4096 bytes at {offset} (unit {place}): {detail}")
            }
            Problem::DirtyTail { owner, size } => {
                write!(f, "{owner}: what lies behind its end {size} in its last 4096 bytes is not zeros")
            }
            Problem::Accounting { detail } => f.write_str(detail),
        }
    }
}
