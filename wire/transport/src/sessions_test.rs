//! Sessions: refused, connected, lost, and connected again, without anybody asking for it.

use crate::testing::{Cluster, name, ping};
use crate::{Frame, Listener, Mode, SendError, SessionEvent, SessionId, Sessions};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

async fn next(events: &mut mpsc::Receiver<SessionEvent>) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("an event").expect("open")
}

async fn connected(events: &mut mpsc::Receiver<SessionEvent>) -> SessionId {
    loop {
        match next(events).await {
            SessionEvent::Connected { session, .. } => return session,
            SessionEvent::Unreachable { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_session_follows_its_peer_through_death_and_return() {
    let c = Cluster::new("f00d");
    let osd = name("osd.0");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut l = Listener::bind(any, c.security("osd.0", Mode::Crc)).await.unwrap();
    let addr = l.local_addr();
    let (tx, mut events) = mpsc::channel(16);
    let mut sessions = Sessions::new(c.security("client.admin", Mode::Crc), tx);
    let frame = || Frame::of(&ping(1)).unwrap();
    assert!(matches!(sessions.try_send(&osd, frame()), Err(SendError::Closed(_))));

    sessions.aim(&osd, addr);
    let (_, link) = l.accept().await;
    let first = connected(&mut events).await;
    sessions.try_send(&osd, frame()).unwrap();
    let (back, mut forth) = link.split();
    assert_eq!(forth.recv().await.unwrap(), ping(1));
    back.send(Frame::of(&ping(2)).unwrap()).await.unwrap();
    match next(&mut events).await {
        SessionEvent::Message { session, message, .. } => assert_eq!((session, message), (first, ping(2))),
        other => panic!("{other:?}"),
    }

    // The daemon dies: the link is lost, and the reconnect refused.
    drop((back, forth, l));
    match next(&mut events).await {
        SessionEvent::Lost { session, .. } => assert_eq!(session, first),
        other => panic!("{other:?}"),
    }
    assert!(!sessions.is_connected(&osd));
    loop {
        match next(&mut events).await {
            SessionEvent::Unreachable { refused: true, .. } => break,
            SessionEvent::Unreachable { .. } | SessionEvent::Connected { .. } | SessionEvent::Lost { .. } => {
            }
            other => panic!("{other:?}"),
        }
    }

    // It comes back.
    let mut l = Listener::bind(addr, c.security("osd.0", Mode::Crc)).await.unwrap();
    let (_, _link) = l.accept().await;
    let second = connected(&mut events).await;
    assert!(second > first);
    sessions.try_send(&osd, frame()).unwrap();
    sessions.forget(&osd);
    assert!(matches!(sessions.try_send(&osd, frame()), Err(SendError::Closed(_))));
}

#[tokio::test]
async fn a_peer_that_hangs_up_at_once_is_not_called_in_a_tight_loop() {
    let c = Cluster::new("f00d");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut l = Listener::bind(any, c.security("osd.0", Mode::Crc)).await.unwrap();
    let (tx, mut events) = mpsc::channel(16);
    let mut sessions = Sessions::new(c.security("client.admin", Mode::Crc), tx);
    sessions.aim(&name("osd.0"), l.local_addr());
    let hang_up = async {
        loop {
            drop(l.accept().await);
        }
    };
    let mut connects = 0;
    let count = async {
        while let Some(e) = events.recv().await {
            connects += u32::from(matches!(e, SessionEvent::Connected { .. }));
        }
    };
    let second = Duration::from_millis(1000);
    let both = async { tokio::join!(hang_up, count) };
    assert!(tokio::time::timeout(second, both).await.is_err());
    // 50 + 100 + 200 + 400 ms: five attempts begin within the second.
    assert!((2..=5).contains(&connects), "{connects}");
}
