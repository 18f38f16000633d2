//! Clients' operations: waiting their turn, running, and being answered only once what they saw or did is
//! certain.

mod data;
pub(crate) mod list;
mod queue;
pub(crate) mod replies;
mod start;

pub(crate) use queue::{Ops, Queued, whole};

use osd_object::OpResult;

/// About how many bytes a result carries.
pub(crate) fn result_bytes(result: &OpResult) -> usize {
    match result {
        OpResult::Done => 0,
        OpResult::Meta(_) => 32,
        OpResult::Data(d) => d.len(),
        OpResult::Xattrs(all) => all.iter().map(|(k, v)| k.len() + v.len()).sum(),
        OpResult::Snaps(snaps) => stdx::codec::to_bytes(snaps).len(),
        OpResult::Rows(page) => page.rows.iter().map(|(k, v)| k.len() + v.len()).sum(),
        OpResult::Watchers(_) | OpResult::Notified(_) => stdx::codec::to_bytes(result).len(),
    }
}
