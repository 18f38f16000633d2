//! Why the cluster did not answer as hoped.

use placement_map::Refusal;
use std::fmt;
use std::time::Duration;

/// A failure of something other than an operation on an object.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No monitor could be reached or none would talk to us.
    #[error("cannot reach the cluster: {0}")]
    Unreachable(Tried),
    /// The monitors answered that they have no majority, for as long as we waited.
    #[error(
        "no majority of the monitors can be reached; data goes on being served, changes wait until enough \
         monitors are started"
    )]
    NoQuorum,
    /// It makes no sense or is not possible.
    #[error("{0}")]
    Refused(Refusal),
    /// This client's role does not permit it.
    #[error("{0}")]
    Denied(String),
    /// No answer in time. A command may have been carried out all the same.
    #[error("no answer within {} s ({tried}); whether it was carried out is not known", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// What the monitors last did.
        tried: Tried,
    },
    /// The answer is of another kind than the question: monitors and client are of different versions.
    #[error("the monitor's answer makes no sense; are its version and ours the same?")]
    Nonsense,
    /// Every handle of this client was dropped, or its runtime stopped.
    #[error("the client was stopped")]
    Stopped,
}

/// The last thing that each monitor did, for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried(pub Vec<(String, String)>);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no monitor answered");
        }
        for (i, (name, what)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{name}: {what}")?;
        }
        Ok(())
    }
}
