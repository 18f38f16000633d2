//! Makes objects of a clone safe to be looked at while late writes of an earlier holder are possible.
//!
//! The absence of an object may be believed only once it carries our mark (see `fence`), so whoever looks makes an empty
//! one. In a clone that would hide the parent's bytes for good. So there it gets them, before anybody looks.

use crate::error::BlockError;
use crate::image::Image;
use gateway_client::Rados;

/// Objects of one image that get their parent's bytes at a time: so many are in memory.
pub(crate) const SETTLED_AT_ONCE: usize = 4;

impl<R: Rados> Image<R> {
    /// To be called before an object is looked at.
    pub(crate) async fn settle(&self, object: u64) -> Result<(), BlockError> {
        let objects = self.objects();
        if !objects.haunted() || objects.marked.holds(object) {
            return Ok(());
        }
        let Some((below, offset, len)) = self.below_object(object) else { return Ok(()) };
        // The semaphore is never closed.
        let _room = self.settling.acquire().await;
        if objects.is_there(object).await? {
            return Ok(());
        }
        let data = below.bytes(offset, len).await?.unwrap_or_default();
        // Under the guard against who is newer; and if somebody was quicker, it is there now.
        objects.make(object, data).await
    }
}
