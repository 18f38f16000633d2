//! The cluster map and the placement that follows from it. Pure.

pub mod ids;
pub mod pg_row;

pub use ids::{Epoch, OsdId, PgId, PoolId};
pub use pg_row::{PgRow, RowChange, RowChangeKind};
