//! What an OSD tells a client that watches an object, unasked.

use bytes::Bytes;
use osd_object::WatchId;
use stdx::{codec_enum, codec_versioned};

/// News for one watch. Sent only to clients that watch, and so know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// Which watch.
    pub id: WatchId,
    /// What.
    pub news: WatchNews,
}
codec_versioned!(WatchEvent, 1 { id, news });

/// Kinds of news.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchNews {
    /// Somebody notified the object's watchers: to be answered with `Op::NotifyAck`. May come more than once.
    Notify {
        /// Names it in the answer.
        notify: u64,
        /// The client instance that did.
        notifier: u64,
        /// What it says.
        payload: Bytes,
    },
    /// The watch is gone: its object was deleted, or it was silent for too long.
    Gone,
}
codec_enum!(WatchNews { 0 => Notify { notify, notifier, payload }, 1 => Gone });

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::codec::{from_bytes, to_bytes};

    #[test]
    fn news_come_back() {
        let id = WatchId { client: 3, cookie: 4 };
        let notify = WatchNews::Notify { notify: 9, notifier: 5, payload: Bytes::from_static(b"hello") };
        for news in [notify, WatchNews::Gone] {
            let event = WatchEvent { id, news };
            assert_eq!(from_bytes::<WatchEvent>(to_bytes(&event)).unwrap(), event);
        }
    }
}
