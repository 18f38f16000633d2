//! What every process that hosts PG machines decides for itself, whatever its sockets and its clock are: the daemon
//! and the simulator share it.

mod cluster_view;
mod scrub_schedule;
mod throttle;

pub use cluster_view::{Changes, ClusterView};
pub use scrub_schedule::{ScrubSchedule, ScrubSettings};
pub use throttle::{Limits, Throttle};
