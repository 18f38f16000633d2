//! How a command fails: whose fault it is decides the exit code.

use std::fmt;
use std::path::Path;

/// Why a command stopped. The text says what happened, where, and what to do next.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A check said no: the tree is not as it must be. Exit code 1.
    Check(String),
    /// The command line was wrong. Exit code 2.
    Usage(String),
    /// The machine lacks something (a program, a permission, a file). Exit code 2.
    Machine(String),
}

impl Failure {
    /// The process's exit code: 1 when the answer is no, 2 when the question could not be asked.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Check(_) => 1,
            Failure::Usage(_) | Failure::Machine(_) => 2,
        }
    }

    /// An I/O error on `path` while doing `what` ("reading", "creating").
    pub(crate) fn io(what: &str, path: &Path, error: std::io::Error) -> Failure {
        Failure::Machine(format!("{what} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Check(text) | Failure::Usage(text) | Failure::Machine(text) => f.write_str(text),
        }
    }
}
