//! A state explained to people: health, status, trees and tables. Pure functions of the state and of what OSDs
//! reported lately.

mod answer;
mod checks;
mod explain;
mod health;
mod pg_state;
mod progress;
mod query;
mod tables;
mod tree;
mod volatile;

#[cfg(test)]
mod status_test;

pub use answer::answer;
pub use health::{Check, Health, Severity};
pub use pg_state::pg_state;
pub use query::{Answer, Query};
pub use tables::{
    Capacity, ConfigRow, DaemonVersion, EcProfileRow, MonRow, OsdCounts, OsdRow, PgCount, PgDetail,
    PgRowView, Placement, PoolRow, Progress, Status,
};
pub use tree::TreeNode;
pub use volatile::{Program, Quorum, Volatile};
