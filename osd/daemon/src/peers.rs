//! The other OSDs: links to them, and what comes in on theirs.

use crate::inbound::Inbound;
use crate::outbox::Outbox;
use placement_map::{ClusterMap, Epoch, OsdId};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use wire_codec::Message;
use wire_transport::{Link, PeerName, Sessions};

/// The peers of one OSD.
#[derive(Default)]
pub(crate) struct Peers {
    /// Which incarnation is aimed at.
    aimed: BTreeMap<OsdId, Epoch>,
    /// Outgoing, while there is a link.
    out: BTreeMap<OsdId, Outbox>,
    /// Whose store takes no more, as their pongs say.
    full: BTreeMap<OsdId, bool>,
}

impl Peers {
    /// Aims at all OSDs that are up, and forgets the others. Returns those that are new or came back as a new
    /// incarnation.
    pub(crate) fn follow(&mut self, me: OsdId, map: &ClusterMap, sessions: &mut Sessions) -> Vec<OsdId> {
        let up: BTreeMap<OsdId, Epoch> = map
            .up_osds()
            .filter(|osd| *osd != me)
            .filter_map(|osd| Some((osd, map.incarnation(osd)?)))
            .collect();
        let gone: Vec<OsdId> = self.aimed.keys().filter(|osd| !up.contains_key(osd)).copied().collect();
        for osd in gone {
            self.drop_peer(osd, sessions);
        }
        let mut fresh = Vec::new();
        for (osd, incarnation) in up {
            let Some(addr) = map.addr_of(osd) else { continue };
            if self.aimed.get(&osd) != Some(&incarnation) {
                // A link to the former incarnation must not be taken for one to this.
                self.drop_peer(osd, sessions);
                sessions.aim(&PeerName::osd(osd.0), addr);
                self.aimed.insert(osd, incarnation);
                fresh.push(osd);
            }
        }
        fresh
    }

    fn drop_peer(&mut self, osd: OsdId, sessions: &mut Sessions) {
        if self.aimed.remove(&osd).is_some() {
            sessions.forget(&PeerName::osd(osd.0));
        }
        self.out.remove(&osd);
        self.full.remove(&osd);
    }

    /// A link to a peer exists.
    pub(crate) fn connected(&mut self, osd: OsdId, sessions: &Sessions) {
        if let Some(sender) = sessions.sender(&PeerName::osd(osd.0)) {
            self.out.insert(osd, Outbox::new(sender));
        }
    }

    /// The link to a peer is gone.
    pub(crate) fn lost(&mut self, osd: OsdId) {
        self.out.remove(&osd);
    }

    /// Sends to a peer; dropped if there is no link, since whoever needs an answer asks again.
    pub(crate) fn send(&self, osd: OsdId, message: &Message) {
        if let Some(out) = self.out.get(&osd) {
            out.send(message);
        }
    }

    /// Which incarnation of a peer is up.
    pub(crate) fn incarnation(&self, osd: OsdId) -> Option<Epoch> {
        self.aimed.get(&osd).copied()
    }

    /// All that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = OsdId> {
        self.aimed.keys().copied()
    }

    /// A peer said whether its store takes more. True: that is news.
    pub(crate) fn fullness(&mut self, osd: OsdId, full: bool) -> bool {
        self.aimed.contains_key(&osd) && self.full.insert(osd, full).unwrap_or(false) != full
    }

    /// Whether a peer's store takes no more.
    pub(crate) fn is_full(&self, osd: OsdId) -> bool {
        self.full.get(&osd).copied().unwrap_or(false)
    }
}

/// Hands on what a peer sends on its own link to us, until the link ends.
pub(crate) fn read_from(osd: OsdId, link: Link, inbound: mpsc::Sender<Inbound>) {
    // The sending half is not used: answers go by our own link to the peer. Dropping it would close the link.
    let (sender, mut receiver) = link.split();
    tokio::task::spawn_local(async move {
        let _held = sender;
        loop {
            match receiver.recv().await {
                Ok(message) => {
                    if inbound.send(Inbound::Peer { from: osd, message }).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %osd, %error, "a peer's link ended");
                    return;
                }
            }
        }
    });
}
