//! How much memory a store aims to stay within, while it runs.

use super::{Limits, Store};

impl Store {
    /// What caches and buffers may use from now on, bytes (`osd_memory_target`). What is above goes as it is used up.
    pub fn set_memory_target(&mut self, bytes: u64) {
        if bytes != self.limits.memory_target_bytes {
            tracing::info!(bytes, "memory target");
            self.limits = Limits::new(bytes, self.limits.volatile_cache);
            self.index.set_memory_target(bytes);
        }
    }
}
