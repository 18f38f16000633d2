//! Watches: clients that want to hear of an object, kept with the object (RADOS' watch/notify).
//!
//! A watch is an entry of an attribute of the object itself (`WATCHERS_XATTR`), so it is as durable as the object and a
//! new primary finds it. Who is really there is known only to the primary, by the clock: see osd-pg's `watch`.

use bytes::Bytes;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{self, DecodeError};

/// The attribute that keeps an object's watches, one of those that an OSD keeps for itself.
pub const WATCHERS_XATTR: &str = "\0watchers";
/// Watches of one object: each takes part in every notify of it, and all of them are written with each change.
pub const WATCHERS_MAX: usize = 256;
/// Bytes that a notify may carry to each watcher.
pub const NOTIFY_BYTES_MAX: usize = 64 << 10;
/// Bytes that a watcher may answer to a notify. With `WATCHERS_MAX` of them the whole answer fits one message.
pub const ACK_BYTES_MAX: usize = 4 << 10;
/// What a watcher may ask for as its timeout, and a notifier as his.
pub const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 1_000..=3_600_000;
/// Bytes of a watcher's name.
pub const WATCHER_NAME_BYTES_MAX: usize = 64;

/// Names one watch of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId {
    /// The client instance, as in its request ids.
    pub client: u64,
    /// Chosen by the client, unique within it.
    pub cookie: u64,
}
stdx::codec_plain!(WatchId { client, cookie });

/// A client that watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// Which watch.
    pub id: WatchId,
    /// Silent for longer than this, it is dropped; milliseconds.
    pub timeout_ms: u32,
    /// Who it says it is, for a person.
    pub name: String,
}
stdx::codec_versioned!(Watcher, 1 { id, timeout_ms, name });

impl Watcher {
    /// Its timeout.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }
}

/// An object's watches, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watchers {
    all: Vec<Watcher>,
}
stdx::codec_versioned!(Watchers, 1 { all });

impl Watchers {
    /// Out of the attribute's value, none being nobody. EIO for bytes that make no sense.
    pub fn of(value: Option<Bytes>) -> Result<Watchers, Errno> {
        let Some(value) = value else { return Ok(Watchers::default()) };
        codec::from_bytes(value).map_err(|_: DecodeError| Errno::EIO)
    }
    /// As the attribute's value; none: nobody watches, and the attribute goes.
    pub fn to_value(&self) -> Option<Bytes> {
        (!self.all.is_empty()).then(|| codec::to_bytes(self))
    }
    /// All of them, by id.
    pub fn all(&self) -> &[Watcher] {
        &self.all
    }
    /// One of them.
    pub fn get(&self, id: WatchId) -> Option<&Watcher> {
        self.all.iter().find(|w| w.id == id)
    }
    /// Adds one, or replaces the one of its id. EINVAL: its timeout or name is out of bounds. EBUSY: the object has all
    /// the watchers that it may have.
    pub fn insert(&mut self, watcher: Watcher) -> Result<(), Errno> {
        if !TIMEOUT_MS.contains(&watcher.timeout_ms) || watcher.name.len() > WATCHER_NAME_BYTES_MAX {
            return Err(Errno::EINVAL);
        }
        match self.all.binary_search_by_key(&watcher.id, |w| w.id) {
            Ok(at) => self.all[at] = watcher,
            Err(_) if self.all.len() >= WATCHERS_MAX => return Err(Errno::EBUSY),
            Err(at) => self.all.insert(at, watcher),
        }
        Ok(())
    }
    /// Takes one away; whether it was there.
    pub fn remove(&mut self, id: WatchId) -> bool {
        let before = self.all.len();
        self.all.retain(|w| w.id != id);
        self.all.len() < before
    }
}

/// What became of a notify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// Who acknowledged it, and what each said.
    pub acks: Vec<(WatchId, Bytes)>,
    /// Who did not in time, or was dropped meanwhile.
    pub missed: Vec<WatchId>,
}
stdx::codec_versioned!(Notified, 1 { acks, missed });

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher(client: u64, cookie: u64) -> Watcher {
        Watcher { id: WatchId { client, cookie }, timeout_ms: 30_000, name: "client.admin".into() }
    }

    #[test]
    fn watches_are_kept_by_id_and_within_bounds() {
        let mut w = Watchers::default();
        assert_eq!(w.to_value(), None);
        for n in (0..WATCHERS_MAX as u64).rev() {
            w.insert(watcher(n % 7, n)).unwrap();
        }
        assert!(w.all().is_sorted_by_key(|w| w.id));
        assert_eq!(w.insert(watcher(9, 9)), Err(Errno::EBUSY));
        let again = Watcher { timeout_ms: 5_000, ..watcher(1, 1) };
        w.insert(again.clone()).unwrap();
        assert_eq!(w.get(again.id), Some(&again));
        let bytes = w.to_value().unwrap();
        assert!(bytes.len() < 64 << 10, "it fits an attribute: {}", bytes.len());
        assert_eq!(Watchers::of(Some(bytes)).unwrap(), w);
        assert!(w.remove(again.id) && !w.remove(again.id));
        assert_eq!(Watchers::of(Some(Bytes::from_static(b"?"))), Err(Errno::EIO));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let mut w = Watchers::default();
        for timeout_ms in [0, 999, 3_600_001] {
            assert_eq!(w.insert(Watcher { timeout_ms, ..watcher(1, 1) }), Err(Errno::EINVAL));
        }
        let name = "n".repeat(WATCHER_NAME_BYTES_MAX + 1);
        assert_eq!(w.insert(Watcher { name, ..watcher(1, 1) }), Err(Errno::EINVAL));
        assert!(w.all().is_empty());
    }
}
