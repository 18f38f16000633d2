//! What can be wrong with the bytes of an OSDMap, and at which of them.

/// A fault at a byte offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OSDMap, byte {offset}, in {part}: {fault}")]
pub struct OsdMapError {
    /// Where the part that is wrong begins.
    pub offset: usize,
    /// The field it belongs to, by Ceph's name.
    pub part: &'static str,
    /// What is wrong with it.
    pub fault: OsdMapFault,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields are the numbers the variant's sentence quotes")]
pub enum OsdMapFault {
    /// The bytes end inside the part.
    #[error("{wanted} bytes are wanted and {left} are left; the file is cut, fetch it again")]
    Cut { wanted: usize, left: usize },
    /// A count or length that the bytes left cannot hold.
    #[error("{count} is no possible number of entries: {left} bytes are left")]
    Count { count: u32, left: usize },
    /// Written by a Ceph that says we must not guess.
    #[error("it needs a reader of version {compat}, this one knows {known}; export it from an older Ceph")]
    TooNew { compat: u8, known: u8 },
    /// Written by, or for, a Ceph older than luminous.
    #[error("version {version} is older than luminous wrote ({least}); let a newer Ceph write the map anew")]
    TooOld { version: u8, least: u8 },
    /// The keys of a table do not ascend; no Ceph writes that, and it could not be written back.
    #[error("its keys are not in order")]
    Order,
    /// A value that no Ceph writes.
    #[error("{0} is no possible value")]
    Value(i64),
    /// Text that is not UTF-8.
    #[error("it is not UTF-8")]
    Text,
    /// The CRUSH map inside; its offset counts from the start of that map.
    #[error("the CRUSH map is wrong {0}")]
    Crush(crush::DecodeError),
    /// The checksum does not fit the bytes.
    #[error(
        "the checksum is {stored:#010x}, the bytes have {actual:#010x}; the file is damaged, fetch it again"
    )]
    Checksum { stored: u32, actual: u32 },
    /// Bytes behind the end of the map.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}
