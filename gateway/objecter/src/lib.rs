//! Aims each operation at the primary of its PG and keeps at it until it is answered (decision D6). Pure:
//! events in (`submit`, `handle_map`, `handle_reply`, `session_up`, `session_lost`, `tick`), effects out (`poll`).
//!
//! * An operation is sent again, under the same request id, whenever its PG's primary or that primary's
//!   incarnation changes, when the session it went out on was lost, and when an OSD answered that it is not the
//!   primary. A PG recognises a request id that it has seen, so sending again never does anything twice.
//! * Operations of one PG go out in the order they were submitted, and again in that order when they are sent
//!   again. An OSD refuses operations aimed with a map older than its own primacy, so a refused one is not
//!   overtaken by its successors.
//! * An operation whose PG has no primary waits for a map that gives it one.
//! * A watch is kept up: its primary hears a ping several times in each timeout, and a new primary, or the same one over a
//!   new session, hears one at once.

mod group;
mod linger;
mod objecter;
mod target;

#[cfg(test)]
mod fake_cluster;
#[cfg(test)]
mod seeded_test;

pub use linger::{PINGS_PER_TIMEOUT, Watch};
pub use objecter::{Effect, Objecter, Outcome, Ticket};
pub use target::{Request, Target};
