//! Errno-style result codes of object operations: Linux numbers, as RADOS clients expect them.

use std::fmt;

/// Why an object operation was refused. The number is what travels on the wire (positive).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $n:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno($n);)*

            /// The symbolic name, or `E?` for a number this build does not know.
            pub fn name(self) -> &'static str {
                match self.0 { $($n => stringify!($name),)* _ => "E?" }
            }
            /// One sentence for a person.
            pub fn text(self) -> &'static str {
                match self.0 { $($n => $text,)* _ => "unknown error" }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such object";
    EIO = 5, "input/output error";
    E2BIG = 7, "argument too large";
    EAGAIN = 11, "try again";
    EACCES = 13, "permission denied";
    EBUSY = 16, "busy";
    EEXIST = 17, "already exists";
    EINVAL = 22, "invalid argument";
    EFBIG = 27, "object too large";
    ENOSPC = 28, "no space left in the pool";
    EROFS = 30, "read-only";
    ERANGE = 34, "version or generation out of range";
    ENOTEMPTY = 39, "not empty";
    ENODATA = 61, "no such attribute";
    EOVERFLOW = 75, "value too large";
    EOLDSNAPC = 85, "there are snapshots that the writer does not know of";
    EOPNOTSUPP = 95, "operation not supported";
    ENOTCONN = 107, "the watch is not there (any more)";
    ETIMEDOUT = 110, "timed out";
    ESTALE = 116, "stale generation";
    EDQUOT = 122, "quota exceeded";
    ECANCELED = 125, "a guard of the operation did not hold";
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.name())
    }
}

impl std::error::Error for Errno {}
