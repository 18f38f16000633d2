//! The usage log on its way: figures add up in memory and go to storage every half a minute, so that a request costs no
//! operation of its own.

use crate::storage::{Figures, Storage, UsageHour};
use gateway_client::Rados;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often figures are stored.
const EVERY: Duration = Duration::from_secs(30);
/// At so many rows they are stored at once.
const ROWS_STORED: usize = 1024;
/// More rows than these are not held in memory, should storage not take them.
const ROWS_MAX: usize = 20_000;

/// Owner, bucket and hour.
type Key = (String, String, u64);

/// Figures that are not stored yet.
#[derive(Default)]
pub(super) struct Log {
    rows: Mutex<HashMap<Key, BTreeMap<String, Figures>>>,
    full: Notify,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BTreeMap<String, Figures>>> {
        // Adding numbers leaves nothing half done.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    pub(super) fn note(&self, owner: &str, bucket: &str, hour: u64, category: &str, figures: Figures) {
        let mut rows = self.lock();
        let mut key = (owner.to_string(), bucket.to_string(), hour);
        if rows.len() >= ROWS_MAX && !rows.contains_key(&key) {
            // In the sum, at least.
            key = ("anonymous".to_string(), "-".to_string(), hour);
        }
        let row = rows.entry(key).or_default();
        match row.get_mut(category) {
            Some(have) => *have = have.plus(figures),
            None => _ = row.insert(category.to_string(), figures),
        }
        if rows.len() >= ROWS_STORED {
            self.full.notify_one();
        }
    }

    fn take(&self) -> Vec<UsageHour> {
        let rows = std::mem::take(&mut *self.lock());
        let row = |((owner, bucket, hour), categories)| UsageHour { owner, bucket, hour, categories };
        rows.into_iter().map(row).collect()
    }

    /// Stores what there is; what cannot be stored waits for the next time.
    pub(super) async fn store<R: Rados>(&self, storage: &Storage<R>) {
        let rows = self.take();
        if rows.is_empty() {
            return;
        }
        if let Err((back, e)) = storage.usage_add(rows).await {
            tracing::warn!("{} rows of the usage log are not stored yet: {e}", back.len());
            for row in back {
                for (category, figures) in row.categories {
                    self.note(&row.owner, &row.bucket, row.hour, &category, figures);
                }
            }
        }
    }

    async fn wait(&self) {
        // Not oftener than once a second, whatever comes: storage may be refusing.
        tokio::time::sleep(Duration::from_secs(1)).await;
        // That the time is up is as good as that there is much.
        _ = tokio::time::timeout(EVERY, self.full.notified()).await;
    }

    /// Stores figures until `stop` is done. What is being stored then is stored to its end.
    pub(super) async fn keep<R: Rados>(&self, storage: &Storage<R>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = self.wait() => self.store(storage).await,
                () = &mut stop => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageConfig;
    use gateway_client::MemoryRados;
    use gateway_client::memory::Fault;
    use stdx::Errno;

    const ONE: Figures = Figures { bytes_sent: 1, bytes_received: 2, ops: 1, successful_ops: 1 };

    #[tokio::test]
    async fn figures_add_up_and_survive_a_failure() {
        let rados = MemoryRados::new(&["s3.meta", "s3.index", "s3.data"]);
        let storage = Storage::new(rados.clone(), StorageConfig::default());
        let log = Log::default();
        for _ in 0..3 {
            log.note("ann", "b", 7, "get_obj", ONE);
        }
        rados.inject(0, 9, Fault::Refuse(Errno::ETIMEDOUT));
        log.store(&storage).await;
        rados.heal();
        log.note("ann", "b", 7, "put_obj", ONE);
        log.store(&storage).await;
        log.store(&storage).await;
        let rows = storage.usage_read(Some("ann"), 0..9).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].categories["get_obj"].ops, rows[0].categories["put_obj"].ops), (3, 1));
    }

    #[test]
    fn memory_is_bounded_and_sums_stay_true() {
        let log = Log::default();
        for n in 0..2 * ROWS_MAX {
            log.note("ann", &format!("b{n}"), 7, "get_obj", ONE);
        }
        let rows = log.take();
        assert_eq!(rows.len(), ROWS_MAX + 1);
        assert_eq!(rows.iter().map(|r| r.categories["get_obj"].ops).sum::<u64>(), 2 * ROWS_MAX as u64);
    }
}
