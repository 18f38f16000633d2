//! Objects as RADOS has them (decision D1): names and their order, operations, transactions, the read
//! view a store offers, and `model`: the store as a `BTreeMap`, the oracle of every test. Pure.

pub mod draft;
pub mod extents;
pub mod hint;
pub mod model;
pub mod name;
pub mod op;
pub mod snap;
pub mod snapset;
pub mod transaction;
pub mod view;
pub mod watch;

pub use extents::Extents;
pub use hint::{AllocHint, Compressible};
pub use name::{ObjectId, ObjectName};
pub use op::{Op, OpResult, RequestId};
pub use snap::{SnapContext, SnapId};
pub use snapset::{CloneInfo, Seen, SnapSet};
pub use transaction::{Mutation, Transaction};
pub use view::{ObjectMeta, ObjectRead, OmapPage, OmapRange, Version};
pub use watch::{Notified, WatchId, Watcher, Watchers};
