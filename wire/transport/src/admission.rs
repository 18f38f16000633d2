//! Which keys are admitted, beyond being signed by the cluster's authority: how one that leaked, was replaced, or belongs
//! to a daemon that left is kept out. The rules are the map's; whoever follows the map hands them over.

use crate::name::PeerName;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Names one key: SHA-256 of its certificate, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a certificate, DER.
    pub(crate) fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).iter().map(|b| format!("{b:02x}")).collect())
    }
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The rules of one daemon, shared by all its links. Without a rule for a name, any key that the authority signed for it
/// is admitted.
#[derive(Default)]
pub struct Admission(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    rules: BTreeMap<String, Vec<String>>,
    links: Vec<Weak<Cut>>,
}

/// What ends a link whose key is admitted no more.
pub(crate) struct Cut {
    peer: PeerName,
    key: Fingerprint,
    writer: AbortHandle,
    refused: AtomicBool,
    /// Wakes the reader; one that comes later finds it too.
    wake: Notify,
}

impl Cut {
    /// Whether the link is to end.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }
    /// Waits until it is.
    pub(crate) async fn wait(&self) {
        while !self.refused() {
            self.wake.notified().await;
        }
    }
}

impl Inner {
    fn admits(&self, peer: &PeerName, key: &Fingerprint) -> bool {
        self.rules.get(peer.as_str()).is_none_or(|keys| keys.iter().any(|k| k == key.as_str()))
    }
}

impl Admission {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the peer may be linked to with this key.
    pub(crate) fn admits(&self, peer: &PeerName, key: &Fingerprint) -> bool {
        self.inner().admits(peer, key)
    }

    /// Watches over a link; none if its key was refused since it was checked.
    pub(crate) fn watch(&self, peer: PeerName, key: Fingerprint, writer: AbortHandle) -> Option<Arc<Cut>> {
        let mut inner = self.inner();
        if !inner.admits(&peer, &key) {
            return None;
        }
        let cut = Arc::new(Cut { peer, key, writer, refused: AtomicBool::new(false), wake: Notify::new() });
        inner.links.retain(|link| link.strong_count() > 0);
        inner.links.push(Arc::downgrade(&cut));
        Some(cut)
    }

    /// The rules in force from now on: for each name that has one, the fingerprints that are admitted. Links with other
    /// keys end.
    pub fn replace(&self, rules: &BTreeMap<String, Vec<String>>) {
        let mut inner = self.inner();
        if inner.rules == *rules {
            return;
        }
        inner.rules.clone_from(rules);
        let links = std::mem::take(&mut inner.links);
        for cut in links.iter().filter_map(Weak::upgrade) {
            if !inner.admits(&cut.peer, &cut.key) {
                tracing::warn!(peer = %cut.peer, key = %cut.key, "its key is admitted no more; the link ends");
                cut.refused.store(true, Ordering::Release);
                cut.wake.notify_one();
                cut.writer.abort();
            }
        }
        inner.links = links;
    }
}
