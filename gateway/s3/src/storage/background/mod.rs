//! What a gateway does besides answering: it renews its intent, splits shards, frees garbage, and clears up
//! after gateways that died.

pub(crate) mod gc;
pub(crate) mod intent;
mod pace;
mod sweeper;

pub(crate) use intent::{Intent, IntentRow};
pub(crate) use pace::Pace;
pub(crate) use sweeper::Watch;

use super::Storage;
use gateway_client::Rados;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at};

/// How often a gateway looks whether keys are still sealed by a former root key.
const SETTLE_KEYS_EVERY: Duration = Duration::from_secs(600);

impl<R: Rados> Storage<R> {
    /// The background work of a gateway (renewing its intent, splitting shards, freeing garbage, clearing up
    /// after dead gateways) until `shutdown` is done. Any number of gateways may run it at once.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let work = async {
            tokio::join!(
                self.keep_intent(),
                self.keep_splitting(),
                self.keep_collecting(),
                self.keep_burying(),
                self.keep_sweeping(),
                self.keep_settling_keys()
            )
        };
        tokio::select! {
            _ = work => {}
            () = shutdown => {}
        }
        self.give_up_intent().await;
    }

    async fn keep_splitting(&self) {
        loop {
            let job = self.inner.splits.next().await;
            self.split_job(job).await;
        }
    }

    async fn keep_collecting(&self) {
        let pace = &self.inner.pace;
        loop {
            pace.next_round(Instant::now()).await;
            if let Err(e) = self.collect_buckets().await {
                tracing::warn!("garbage collection stopped, goes on in {:?}: {e}", pace.every());
            }
        }
    }

    /// Apart from the rest, for a bucket of millions of objects takes many rounds' time.
    async fn keep_burying(&self) {
        let pace = &self.inner.pace;
        loop {
            pace.next_round(Instant::now()).await;
            if let Err(e) = self.collect_dead_buckets().await {
                tracing::warn!("clearing up deleted buckets stopped, goes on in {:?}: {e}", pace.every());
            }
        }
    }

    async fn keep_sweeping(&self) {
        let mut ticks = ticker(self.inner.config.lease_expire / 2);
        loop {
            ticks.tick().await;
            if let Err(e) = self.sweep().await {
                tracing::warn!("looking after dead gateways failed, goes on later: {e}");
            }
        }
    }

    /// Carries on the rotation of a root key that stopped half way.
    async fn keep_settling_keys(&self) {
        let mut ticks = ticker(SETTLE_KEYS_EVERY);
        loop {
            ticks.tick().await;
            if let Err(e) = self.settle_keys().await {
                tracing::warn!(
                    "sealing keys by the new root key stopped, goes on in {SETTLE_KEYS_EVERY:?}: {e}"
                );
            }
        }
    }

    async fn keep_intent(&self) {
        let mut ticks = ticker(self.inner.config.lease_renew);
        loop {
            ticks.tick().await;
            self.renew_intent().await;
        }
    }
}

/// Ticks that never bunch up, the first after one period.
fn ticker(period: Duration) -> tokio::time::Interval {
    let period = period.max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
