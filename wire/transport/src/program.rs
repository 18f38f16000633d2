//! What the other end of a link runs, as its hello says.

use std::fmt;
use wire_codec::{FEATURE_LEVEL, FEATURE_LEVEL_BASE};

/// A peer's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it can do (docs/formats/feature-levels.md).
    pub level: u32,
    /// Its version: major, minor, patch. Zeros: it did not say.
    pub version: [u8; 3],
}

impl Program {
    /// This build.
    pub fn ours() -> Program {
        let part = |text: &str| text.parse().unwrap_or(u8::MAX);
        let version = [
            part(env!("CARGO_PKG_VERSION_MAJOR")),
            part(env!("CARGO_PKG_VERSION_MINOR")),
            part(env!("CARGO_PKG_VERSION_PATCH")),
        ];
        Program { level: FEATURE_LEVEL, version }
    }

    /// The version for people; none if the peer is too old to say.
    pub fn version_text(&self) -> Option<String> {
        (self.version != [0; 3]).then(|| self.to_string())
    }

    pub(crate) fn to_bytes(self) -> [u8; 7] {
        let mut bytes = [0; 7];
        bytes[..4].copy_from_slice(&self.level.to_le_bytes());
        bytes[4..].copy_from_slice(&self.version);
        bytes
    }

    /// Zeros are a program of the first level, which says nothing.
    pub(crate) fn from_bytes(bytes: [u8; 7]) -> Program {
        let [a, b, c, d, major, minor, patch] = bytes;
        let level = u32::from_le_bytes([a, b, c, d]).max(FEATURE_LEVEL_BASE);
        Program { level, version: [major, minor, patch] }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.version;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_of_the_first_level() {
        let old = Program::from_bytes([0; 7]);
        assert_eq!((old.level, old.version_text()), (FEATURE_LEVEL_BASE, None));
        let ours = Program::ours();
        assert_eq!(Program::from_bytes(ours.to_bytes()), ours);
        assert_eq!(ours.version_text().as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
}
