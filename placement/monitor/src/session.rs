//! One peer's link: its requests are answered, and it is kept up to date.

use crate::access;
use crate::raft::network;
use crate::router::Router;
use crate::view::{Position, View};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire_codec::mon::{Forwarded, MonError, Subscribe};
use wire_codec::{Message, MonMessage};
use wire_transport::{Frame, Link, PeerName, Role, Sender};

/// Requests of one peer under way; more wait in its link.
const REQUESTS_MAX: usize = 64;
/// The same for another monitor, which passes on those of many.
const MONITOR_REQUESTS_MAX: usize = 4096;

/// Serves a link until it ends, or until this monitor is cut off from the quorum (`adrift` turns true).
pub(crate) async fn serve(router: Arc<Router>, link: Link, mut adrift: watch::Receiver<bool>) {
    let (peer, program) = (link.peer().clone(), link.program());
    let (sender, mut receiver) = link.split();
    let (wish, wishes) = watch::channel(None);
    let mut tasks = JoinSet::new();
    tasks.spawn(push(router.view.clone(), sender.clone(), wishes));
    let mut news = router.view.subscribe();
    let most = if peer.role() == Role::Mon { MONITOR_REQUESTS_MAX } else { REQUESTS_MAX };
    loop {
        while tasks.try_join_next().is_some() {}
        if tasks.len() > most {
            tasks.join_next().await;
            continue;
        }
        let received = tokio::select! {
            received = receiver.recv() => received,
            // A monitor that could not read what is in the log must not be given it.
            changed = outgrown(&router.view, &mut news, program.level), if peer.role() == Role::Mon => {
                if let Some(needs) = changed {
                    tracing::warn!(
                        %peer, can = program.level, needs,
                        "a monitor's program is too old for the cluster's feature level: it takes part no more until a newer one is started"
                    );
                }
                return;
            },
            // Only the moment counts: who links with a monitor that is adrift found no better one.
            changed = adrift.changed(), if peer.role() != Role::Mon => match changed {
                Ok(()) if *adrift.borrow_and_update() => {
                    tracing::info!(%peer, "closing a session: this monitor is cut off from the quorum");
                    return;
                }
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let message = match received {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%peer, %error, "a session ended");
                return;
            }
        };
        match message {
            Message::Mon(MonMessage::Beacon(beacon)) => router.tell(&peer, Forwarded::Beacon(beacon)),
            Message::Mon(MonMessage::FailureReport(report)) => {
                router.tell(&peer, Forwarded::FailureReport(report));
            }
            Message::Mon(MonMessage::Subscribe(subscribe)) => {
                let _ = wish.send(Some(position(&peer, subscribe)));
            }
            other => {
                let (router, peer, sender) = (router.clone(), peer.clone(), sender.clone());
                tasks.spawn(async move {
                    if let Some(reply) = answer(&router, &peer, other).await {
                        send(&sender, reply).await;
                    }
                });
            }
        }
    }
}

/// Waits until the map's feature level is above `can`, and gives it; none if there will be no more news.
async fn outgrown(view: &View, news: &mut watch::Receiver<u64>, can: u32) -> Option<u32> {
    loop {
        news.mark_unchanged();
        let needs = view.with(|state| state.map().feature_level);
        if needs > can {
            return Some(needs);
        }
        news.changed().await.ok()?;
    }
}

fn position(peer: &PeerName, wanted: Subscribe) -> Position {
    let rows = (wanted.rows && access::rows(peer)).then_some(wanted.have_rows);
    Position { epoch: wanted.have_epoch, rows }
}

/// The answer to a request; none where none is due.
async fn answer(router: &Router, peer: &PeerName, message: Message) -> Option<Message> {
    let message = match message {
        Message::Ping { stamp } => return Some(Message::Pong { stamp, full: false }),
        Message::Mon(message) => message,
        other => {
            tracing::debug!(%peer, ?other, "not for a monitor; ignored");
            return None;
        }
    };
    let reply = match message {
        MonMessage::Command { id, command } => {
            MonMessage::CommandReply { id, result: router.command(peer, *command).await }
        }
        MonMessage::Query { id, query } => {
            MonMessage::QueryReply { id, result: router.query(peer, query).await }
        }
        MonMessage::ClockAsk { id } if peer.role() == Role::Mon => {
            MonMessage::ClockTold { id, at: (router.wall)() }
        }
        MonMessage::Raft { id, body } if peer.role() == Role::Mon => {
            MonMessage::Raft { id, body: network::serve(&router.raft, &body).await? }
        }
        MonMessage::Forward { from, message } if peer.role() == Role::Mon => {
            forwarded(router, &from.parse().ok()?, message).await?
        }
        other => {
            tracing::debug!(%peer, ?other, "not for this peer to say; ignored");
            return None;
        }
    };
    Some(Message::Mon(reply))
}

/// What another monitor passed on. Never passed on again: the sender looks for the leader anew.
async fn forwarded(router: &Router, from: &PeerName, message: Forwarded) -> Option<MonMessage> {
    match message {
        Forwarded::Command { id, command } => {
            let result = match access::command(from, &command) {
                Ok(()) => router.command_here(from, *command).await,
                Err(text) => Err(MonError::Denied { text }),
            };
            Some(MonMessage::CommandReply { id, result })
        }
        Forwarded::Query { id, query } => {
            Some(MonMessage::QueryReply { id, result: router.query_here(&query).await })
        }
        report => {
            router.told(from, &report);
            None
        }
    }
}

async fn send(sender: &Sender, message: Message) {
    match Frame::of(&message) {
        // A link that ended meanwhile has nobody to tell.
        Ok(frame) => drop(sender.send(frame).await),
        Err(error) => {
            tracing::error!(peer = %sender.peer(), %error, "a reply does not fit a frame; it was dropped")
        }
    }
}

/// Sends what is new whenever there is something, as fast as the peer takes it: while one update is on its way the
/// next one gathers, so a slow peer costs no memory and gets a whole map when it is far behind.
async fn push(view: Arc<View>, sender: Sender, mut wishes: watch::Receiver<Option<Position>>) {
    let mut news = view.subscribe();
    let mut at: Option<Position> = None;
    loop {
        if let Some((update, next)) = at.and_then(|at| view.news_for(at)) {
            send(&sender, Message::Mon(MonMessage::Update(Box::new(update)))).await;
            if sender.is_closed() {
                return;
            }
            at = Some(next);
        }
        tokio::select! {
            changed = wishes.changed() => match changed {
                Ok(()) => at = *wishes.borrow_and_update(),
                Err(_) => return,
            },
            changed = news.changed(), if at.is_some() => if changed.is_err() { return },
        }
    }
}
