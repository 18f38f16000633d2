//! Object classes and the executor of compound operations: what an operation does to one object, as plain
//! effects. Pure: a read view in, a transaction and results out.
//!
//! A *class* is a set of methods that run inside a compound operation, next to the object's data, so that
//! read-modify-write needs no round trip and no lock (Ceph's cls). Classes are compiled in; a method says
//! whether it only reads or may write, works on the operation's draft, and never reaches another object.

pub mod execute;
pub mod index;
pub mod lock;
pub mod memory;
pub mod registry;
pub mod snapped;
pub mod watch;

pub use execute::{DataRead, Executed, execute};
pub use registry::{Access, ClassError, Method, MethodContext, ObjectClass, Registry};
