//! The PG machine: one placement group at one OSD, from peering over replicated writes, leases and reads to
//! recovery and backfill (decision D3). Pure: events in, effects out, time an argument.
//!
//! How a shell drives it: for each event, `handle(now, event, view)`, then `poll()` until it is empty,
//! carrying out each effect in order, *before* the next `handle` of any PG of the same store. The view shows
//! every transaction that was handed to the store, durable or not; the machine itself sees to it that
//! nothing is promised to anybody before `Event::Stored` says it is durable. `next_timeout()` says when to
//! hand in an `Event::Tick` if nothing else happens before; a time that has passed means at once.
//!
//! A process hands nothing to its machines before a map shows its *own* boot (its nonce, up): until then rows
//! speak of a former life of the OSD, whose store this one may not have.

mod backfill;
pub mod config;
mod durability;
pub mod effect;
mod erasure_coded;
pub mod event;
pub mod host;
mod lease;
mod log;
mod machine;
mod map;
pub mod names;
mod ops;
mod peering;
mod recovery;
mod removal;
mod repair;
mod replicated;
pub mod sabotage;
mod scrub;
mod split;
pub mod status;
mod trim;
mod watch;

pub use config::PgConfig;
pub use effect::{Effect, Ticket};
pub use erasure_coded::shape::EcSpec;
pub use erasure_coded::tag::object_meta;
pub use event::{Event, PoolSpec, SessionId};
pub use lease::granted::Promise;
pub use log::rows::{LoadError, check, distrust};
pub use machine::Pg;
pub use recovery::source::Filling;
pub use sabotage::{Bug, Sabotage};
pub use scrub::ScrubOrder;
pub use status::{Copied, PgStatus};
pub use trim::{OWN_CLIENT, TrimPace};
