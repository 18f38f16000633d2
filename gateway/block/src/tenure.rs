//! Holding an image's lock: taking it, giving signs of life, and knowing when it is lost.
//!
//! Reads are answered only while the lease is known to hold at the time of the answer, on our own clock; writes
//! need no clock, for the marks on the data refuse those that come too late (see `fence`).

use crate::error::BlockError;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::lock::{Break, CLASS, Held, Holder, LockRow, Stamp, Take};
use osd_object::ObjectName;
use std::sync::Arc;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{Encode, from_bytes, to_bytes};
use tokio::sync::watch;
use tokio::time::Instant;

/// A holder silent for longer than this at a time was not watched: its PG may have been away, and its signs with it.
const UNWATCHED: Duration = Duration::from_secs(2);

/// The header object of an image, as what holds the lock.
#[derive(Clone)]
pub(crate) struct LockObject<R> {
    pub(crate) rados: R,
    pub(crate) pool: String,
    pub(crate) object: String,
    /// POOL/NAME, for a person.
    pub(crate) image: String,
}

#[derive(Clone, Copy, Debug)]
enum Lease {
    Until(Instant),
    Lost,
}

/// The lock, held. Dropped without `release`, it is silent from then on and somebody else's after a lease.
pub(crate) struct Tenure {
    pub(crate) held: Held,
    /// The newest generation that may still have writes under way; 0: none.
    pub(crate) unclean: u64,
    lease: Arc<watch::Sender<Lease>>,
    renewing: tokio::task::JoinHandle<()>,
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl<R: Rados> LockObject<R> {
    async fn call<I: Encode>(&self, method: &str, input: &I) -> Result<Bytes, OpError> {
        let object = ObjectName::new(&self.object);
        self.rados.call(&self.pool, object, CLASS, method, to_bytes(input)).await
    }
    fn row(&self, bytes: Bytes) -> Result<LockRow, BlockError> {
        let damaged = || BlockError::Damaged { object: self.object.clone(), row: "nacre_lock".into() };
        from_bytes(bytes).map_err(|_| damaged())
    }

    /// Who has the lock.
    pub(crate) async fn stat(&self) -> Result<LockRow, BlockError> {
        let bytes = self.call("stat", &Nothing).await?;
        self.row(bytes)
    }

    /// Takes the lock: at once if it is free or `owner` had it in an earlier life; from a silent holder after its
    /// lease. `InUse` as soon as its holder shows that it lives.
    pub(crate) async fn take(&self, owner: &str, lease: Duration) -> Result<Tenure, BlockError> {
        let lease_ms = u32::try_from(lease.as_millis()).unwrap_or(u32::MAX);
        let cookie = getrandom::u64().map_err(|e| BlockError::Invalid(format!("no entropy: {e}")))?;
        let mut over = None;
        let mut watched: Option<Watched> = None;
        loop {
            let holder = Holder { owner: owner.to_string(), cookie, lease_ms };
            let sent = Instant::now();
            let row = match self.call("take", &Take { holder, over }).await {
                Ok(bytes) => return Ok(self.begin(self.row(bytes)?, cookie, sent + lease, lease)),
                Err(e) if e.code == Errno::EBUSY => self.row(e.detail)?,
                Err(e) => return Err(e.into()),
            };
            let Some(other) = &row.holder else { continue };
            if other.owner == owner {
                over = Some(row.stamp());
                continue;
            }
            let theirs = Duration::from_millis(u64::from(other.lease_ms));
            let quiet = match &mut watched {
                Some(w) if w.stamp == row.stamp() => w.still(),
                Some(_) => {
                    return Err(BlockError::InUse { image: self.image.clone(), owner: other.owner.clone() });
                }
                None => {
                    watched =
                        Some(Watched { stamp: row.stamp(), quiet: Duration::ZERO, seen: Instant::now() });
                    Duration::ZERO
                }
            };
            if quiet >= theirs {
                tracing::warn!(image = %self.image, from = %other.owner, "taking over the lock of a silent holder");
                over = Some(row.stamp());
                watched = None;
                continue;
            }
            tokio::time::sleep((theirs / 8).min(UNWATCHED / 4)).await;
        }
    }

    fn begin(&self, row: LockRow, cookie: u64, until: Instant, lease: Duration) -> Tenure {
        let held = Held { generation: row.generation, cookie };
        let sender = Arc::new(watch::Sender::new(Lease::Until(until)));
        let renewing = tokio::spawn(renew(self.clone(), held, lease, sender.clone()));
        Tenure { held, unclean: row.unclean, lease: sender, renewing }
    }

    /// Gives the lock back. `clean`: nothing that was sent can still take effect.
    pub(crate) async fn release(&self, tenure: Tenure, clean: bool) -> Result<(), BlockError> {
        let given_back = match clean {
            true => self.call("release", &tenure.held).await,
            false => self.call("break", &Break { generation: tenure.held.generation }).await,
        };
        match given_back {
            Ok(_) => Ok(()),
            // Taken over, or gone with its image: not ours to give back.
            Err(e) if matches!(e.code, Errno::ESTALE | Errno::EBUSY | Errno::ENOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// A holder under observation.
struct Watched {
    stamp: Stamp,
    quiet: Duration,
    seen: Instant,
}

impl Watched {
    fn still(&mut self) -> Duration {
        self.quiet += self.seen.elapsed().min(UNWATCHED);
        self.seen = Instant::now();
        self.quiet
    }
}

/// The empty input.
struct Nothing;
stdx::codec_plain!(Nothing {});

async fn renew<R: Rados>(lock: LockObject<R>, held: Held, lease: Duration, state: Arc<watch::Sender<Lease>>) {
    loop {
        tokio::time::sleep(lease / 3).await;
        let sent = Instant::now();
        match lock.call("renew", &held).await {
            Ok(_) => {
                state.send_modify(|s| {
                    if let Lease::Until(until) = s {
                        *until = sent + lease;
                    }
                });
            }
            Err(e) if matches!(e.code, Errno::ESTALE | Errno::ENOENT) => {
                tracing::error!(image = %lock.image, "the image's lock was taken over; its clients get errors");
                state.send_replace(Lease::Lost);
                return;
            }
            // The lease runs on or out; the next attempt decides.
            Err(error) => {
                tracing::warn!(image = %lock.image, %error, "the image's lock could not be renewed")
            }
        }
    }
}

impl Tenure {
    /// Our generation.
    pub(crate) fn generation(&self) -> u64 {
        self.held.generation
    }
    /// Whether it is known to be over.
    pub(crate) fn lost(&self) -> bool {
        matches!(*self.lease.borrow(), Lease::Lost)
    }
    /// A guard found that somebody newer is at work.
    pub(crate) fn lose(&self) {
        self.lease.send_replace(Lease::Lost);
    }
    /// Waits until it is certain that the lock was ours when this was called. False: it is not.
    pub(crate) async fn certain(&self) -> bool {
        let mut lease = self.lease.subscribe();
        let known = lease
            .wait_for(|l| match l {
                Lease::Until(until) => Instant::now() < *until,
                Lease::Lost => true,
            })
            .await;
        known.is_ok_and(|l| matches!(*l, Lease::Until(_)))
    }
}
