//! What is wrong with a binary map, and at which byte.

use std::fmt;

/// A fault at a byte offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where the part that is wrong begins.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: DecodeFault,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields are the numbers the variant's sentence quotes")]
pub enum DecodeFault {
    /// The bytes end inside this part.
    Cut(&'static str),
    /// The first word is not that of a CRUSH map.
    Magic(u32),
    /// A count that the bytes left cannot hold, or beyond a bound.
    Count { what: &'static str, count: u64 },
    /// A bucket in the place of another, or with two different algorithms.
    Bucket { place: i32, why: &'static str },
    /// A name that is not UTF-8.
    Name(&'static str),
    /// An entry of `choose_args` for a bucket that does not exist or has another size.
    ChooseArgs { set: i64, bucket: i32 },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: ", self.offset)?;
        match &self.fault {
            DecodeFault::Cut(what) => write!(f, "the map ends inside {what}"),
            DecodeFault::Magic(word) => write!(f, "{word:#x} is not the start of a CRUSH map"),
            DecodeFault::Count { what, count } => write!(f, "{count} is no possible number of {what}"),
            DecodeFault::Bucket { place, why } => write!(f, "bucket {place}: {why}"),
            DecodeFault::Name(what) => write!(f, "{what} is not UTF-8"),
            DecodeFault::ChooseArgs { set, bucket } => {
                write!(f, "choose_args {set} does not fit bucket {bucket}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}
