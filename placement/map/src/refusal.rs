//! Why a command was not carried out: a kind for programs, a sentence for people.

use std::fmt;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// What it is about does not exist.
    NotFound,
    /// It exists already.
    Exists,
    /// The values make no sense.
    Invalid,
    /// Possible in general, not as things stand.
    Unsafe,
    /// The cluster as it is cannot do that.
    Impossible,
    /// Not allowed to whoever asked.
    Denied,
}
stdx::codec_enum!(RefusalKind {
    0 => NotFound, 1 => Exists, 2 => Invalid, 3 => Unsafe, 4 => Impossible, 5 => Denied,
});

/// A command that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// What, why, and what to do.
    pub text: String,
}
stdx::codec_plain!(Refusal { kind, text });

impl Refusal {
    /// A refusal.
    pub fn new(kind: RefusalKind, text: impl Into<String>) -> Refusal {
        Refusal { kind, text: text.into() }
    }
    pub(crate) fn not_found(text: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::NotFound, text)
    }
    pub(crate) fn invalid(text: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Invalid, text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl std::error::Error for Refusal {}

impl From<crush::Error> for Refusal {
    fn from(error: crush::Error) -> Refusal {
        Refusal::new(RefusalKind::Invalid, error.to_string())
    }
}
