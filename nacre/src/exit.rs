//! How a command ends: 0; 1, the answer is no; 2, usage or the cluster cannot be reached.

use std::fmt;

/// A command's failure: one clear sentence and the exit code that scripts rely on.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 1: the answer is no. 2: usage, or nothing could be asked.
    pub code: u8,
    /// What happened, where, and what to do next.
    pub sentence: String,
}

impl Failure {
    /// The answer is no.
    pub(crate) fn no(sentence: impl fmt::Display) -> Failure {
        Failure { code: 1, sentence: sentence.to_string() }
    }
    /// Usage, or the cluster cannot be reached.
    pub(crate) fn unusable(sentence: impl fmt::Display) -> Failure {
        Failure { code: 2, sentence: sentence.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Adds what was being done to an error of the world.
pub(crate) trait Context<T> {
    /// Exit code 2 with `doing: error`.
    fn or_unusable(self, doing: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn or_unusable(self, doing: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|e| Failure::unusable(format!("{doing}: {e}")))
    }
}
