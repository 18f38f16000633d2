//! What is wrong with a text map, and where.

use std::fmt;

/// A fault at a place, both counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields are the words the variant's sentence quotes")]
pub enum Fault {
    /// Another word had to stand here.
    Expected { wanted: &'static str, found: String },
    /// A character that no word of a map has.
    BadCharacter(char),
    /// A number out of the bounds of what it stands for.
    OutOfRange { number: String, what: &'static str },
    /// A name that nothing before it defines.
    Undefined { what: &'static str, name: String },
    /// A name or number defined twice.
    Duplicate { what: &'static str, name: String },
    /// An unknown tunable, bucket algorithm or the like.
    Unknown { what: &'static str, name: String },
    /// Items of a uniform bucket with different weights.
    UnequalWeight { item: String },
    /// Two buckets that hold each other.
    Mutual { one: String, other: String },
    /// A weight set or id list of another length than its bucket.
    WrongCount { wanted: usize, found: usize },
    /// The place of an item is beyond the bucket's size or taken.
    BadPosition { item: String, position: usize },
    /// The block is well formed, and the map it makes is not.
    Map(crate::Error),
    /// The text is larger than [`crate::TEXT_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { wanted, found } if found.is_empty() => {
                write!(f, "{wanted} expected, the text ends here")
            }
            Self::Expected { wanted, found } => write!(f, "{wanted} expected, found '{found}'"),
            Self::BadCharacter(c) => write!(f, "{c:?} cannot stand in a map"),
            Self::OutOfRange { number, what } => write!(f, "{number} is out of range for {what}"),
            Self::Undefined { what, name } => write!(f, "{what} '{name}' is not defined"),
            Self::Duplicate { what, name } => write!(f, "{what} '{name}' is defined already"),
            Self::Unknown { what, name } => write!(f, "unknown {what} '{name}'"),
            Self::UnequalWeight { item } => {
                write!(f, "item '{item}' must weigh what the other items of its uniform bucket weigh")
            }
            Self::Mutual { one, other } => write!(f, "buckets '{one}' and '{other}' hold each other"),
            Self::WrongCount { wanted, found } => {
                write!(f, "{wanted} numbers needed, one for each item of the bucket; found {found}")
            }
            Self::BadPosition { item, position } => {
                write!(f, "position {position} of item '{item}' is taken or beyond the bucket's size")
            }
            Self::Map(error) => write!(f, "{error}"),
            Self::TooLong => write!(f, "the text is too long for a map"),
        }
    }
}

impl std::error::Error for TextError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Map(error) => Some(error),
            _ => None,
        }
    }
}
