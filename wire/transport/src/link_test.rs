//! Links over real sockets: both modes, and everyone who must not get one.

use crate::frame::HEADER_BYTES;
use crate::testing::{Cluster, name, ping, write_of};
use crate::{Frame, FrameError, Link, Listener, Mode, PAYLOAD_BYTES_MAX, PeerName, Security};
use crate::{SendError, TransportError, connect};
use bytes::Bytes;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANY: &str = "127.0.0.1:0";

fn any() -> SocketAddr {
    ANY.parse().unwrap()
}

async fn listener(c: &Cluster, mode: Mode) -> Listener {
    Listener::bind(any(), c.security("osd.0", mode)).await.unwrap()
}

/// Both ends of a link, made at the same time.
async fn pair(l: &mut Listener, client: &Security) -> (Result<Link, TransportError>, (PeerName, Link)) {
    let (addr, osd) = (l.local_addr(), name("osd.0"));
    tokio::join!(connect(addr, client, &osd), l.accept())
}

fn frame(message: &wire_codec::Message) -> Frame {
    Frame::of(message).unwrap()
}

#[tokio::test]
async fn both_modes_authenticate_both_ends_and_carry_messages_both_ways() {
    let c = Cluster::new("f00d");
    for mode in [Mode::Secure, Mode::Crc] {
        let mut l = listener(&c, mode).await;
        let client = c.security("client.admin", mode);
        let (ours, theirs) = pair(&mut l, &client).await;
        let (ours, (peer, theirs)) = (ours.unwrap(), theirs);
        assert_eq!((peer, ours.peer()), (name("client.admin"), &name("osd.0")));
        let ((tx, mut rx), (back, mut forth)) = (ours.split(), theirs.split());
        // Queued before anybody reads: the other end's first read sees handshake and frames together.
        let big: Vec<u8> = (0..16usize << 20).map(|i| (i * 7 + i / 251) as u8).collect();
        let big = write_of(big.into());
        let sent = [ping(1), ping(2), big, ping(3)];
        let echo = async {
            for _ in 0..4 {
                let m = forth.recv().await.unwrap();
                back.send(frame(&m)).await.unwrap();
            }
        };
        let talk = async {
            for m in &sent {
                tx.send(frame(m)).await.unwrap();
            }
            for m in &sent {
                assert!(rx.recv().await.unwrap() == *m, "{mode}: an echo differs");
            }
        };
        tokio::join!(echo, talk);
        drop(tx);
        assert!(matches!(forth.recv().await, Err(TransportError::Closed { .. })));
    }
}

#[tokio::test]
async fn a_foreign_authority_is_refused_on_either_side() {
    let (c, foreign) = (Cluster::new("f00d"), Cluster::new("beef"));
    let mut l = listener(&c, Mode::Secure).await;
    // It does not trust us.
    let stranger = foreign.security("client.admin", Mode::Secure);
    let e = connect(l.local_addr(), &stranger, &name("osd.0")).await.unwrap_err();
    assert!(matches!(e, TransportError::ForeignCluster { .. }), "{e}");
    // It would trust us, but we do not trust it; also when it names itself as one of ours.
    for fsid in ["beef", "f00d"] {
        let mut forged = Cluster::new(fsid).credential("client.admin");
        forged.authority_pem = c.credential("client.admin").authority_pem;
        forged.fsid = "f00d".into();
        let forged = crate::Security::new(&forged, Mode::Secure).unwrap();
        let e = connect(l.local_addr(), &forged, &name("osd.0")).await.unwrap_err();
        assert!(matches!(e, TransportError::ForeignCluster { .. }), "{e}");
    }
    // None of them was let in: the first to be accepted is the honest one.
    let honest = c.security("osd.1", Mode::Secure);
    let (ours, (peer, _theirs)) = pair(&mut l, &honest).await;
    assert!(ours.is_ok());
    assert_eq!(peer, name("osd.1"));
}

#[tokio::test]
async fn another_daemon_than_was_wanted_is_refused() {
    let c = Cluster::new("f00d");
    let l = listener(&c, Mode::Secure).await;
    let client = c.security("client.admin", Mode::Secure);
    let e = connect(l.local_addr(), &client, &name("osd.7")).await.unwrap_err();
    assert!(matches!(e, TransportError::WrongPeer { .. }), "{e}");
}

#[tokio::test]
async fn modes_that_differ_are_told_to_the_one_who_connects() {
    let c = Cluster::new("f00d");
    for (listening, connecting) in [(Mode::Secure, Mode::Crc), (Mode::Crc, Mode::Secure)] {
        let l = listener(&c, listening).await;
        let client = c.security("client.admin", connecting);
        let e = connect(l.local_addr(), &client, &name("osd.0")).await.unwrap_err();
        assert!(
            matches!(e, TransportError::ModeMismatch { ours, theirs, .. } if (ours, theirs) == (connecting, listening)),
            "{e}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_refused_and_a_taken_port_is_told() {
    let c = Cluster::new("f00d");
    let l = listener(&c, Mode::Secure).await;
    let e = Listener::bind(l.local_addr(), c.security("osd.1", Mode::Secure)).await.unwrap_err();
    assert!(matches!(e, TransportError::Bind { .. }), "{e}");
    let addr = l.local_addr();
    drop(l);
    // The port closes when the serving task is next scheduled out; until then links are still made.
    loop {
        match connect(addr, &c.security("client.admin", Mode::Secure), &name("osd.0")).await {
            Err(e) if e.is_refused() => break,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn strangers_get_nothing_and_do_not_block_others() {
    let c = Cluster::new("f00d");
    let mut l = listener(&c, Mode::Crc).await;
    // Says nothing at all; dropped when its time is up.
    let mut silent = TcpStream::connect(l.local_addr()).await.unwrap();
    // Says something else.
    let mut rude = TcpStream::connect(l.local_addr()).await.unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    let _ = rude.read_to_end(&mut heard).await;
    assert!(heard.len() < 64, "an alert at most, not {} bytes", heard.len());
    let client = c.security("client.admin", Mode::Crc);
    let (ours, (peer, _theirs)) = pair(&mut l, &client).await;
    assert!(ours.is_ok());
    assert_eq!(peer, name("client.admin"));
    heard.clear();
    let _ = silent.read_to_end(&mut heard).await;
    assert_eq!(heard, b"", "a silent peer is dropped without a word");
}

#[tokio::test]
async fn one_address_with_many_silent_connections_does_not_keep_others_out() {
    let c = Cluster::new("f00d");
    let mut l = listener(&c, Mode::Crc).await;
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(TcpStream::connect(l.local_addr()).await.unwrap());
    }
    let client = c.security("client.admin", Mode::Crc);
    let (ours, (peer, _theirs)) = pair(&mut l, &client).await;
    assert!(ours.is_ok() && peer == name("client.admin"));
    // Not because they all ran out of time: one had to go.
    let open =
        |tcp: &&TcpStream| tcp.try_read(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
    let open = silent.iter().filter(open).count();
    assert!((200..256).contains(&open), "{open} of 256 are still open");
}

/// A link whose other end is bytes in hand.
fn scripted(bytes: Vec<u8>) -> Link {
    let (here, _) = tokio::io::duplex(64);
    Link::start(
        (name("osd.9"), crate::Program::ours()),
        any(),
        Box::new(std::io::Cursor::new(bytes)),
        Box::new(here),
    )
}

#[tokio::test]
async fn a_frame_cut_at_any_byte_is_an_error_and_the_frames_before_it_count() {
    let frames = [frame(&ping(1)), frame(&write_of(Bytes::from_static(b"some data")))];
    let whole: Vec<u8> = frames.iter().flat_map(Frame::slices).flatten().copied().collect();
    let first = frames[0].bytes();
    for cut in 0..=whole.len() {
        let (_tx, mut rx) = scripted(whole[..cut].to_vec()).split();
        let mut got = 0;
        let end = loop {
            match rx.recv().await {
                Ok(_) => got += 1,
                Err(e) => break e,
            }
        };
        assert_eq!(got, usize::from(cut >= first) + usize::from(cut == whole.len()));
        let clean = [0, first, whole.len()].contains(&cut);
        match end {
            TransportError::Closed { .. } => assert!(clean, "cut at {cut}"),
            TransportError::BadFrame { source: FrameError::Cut(_), .. } => assert!(!clean, "cut at {cut}"),
            other => panic!("cut at {cut}: {other}"),
        }
        assert!(matches!(rx.recv().await, Err(TransportError::Closed { .. })), "an ended link stays ended");
    }
}

#[tokio::test]
async fn an_announced_length_beyond_the_bound_ends_the_link() {
    let mut bytes = vec![0u8; HEADER_BYTES];
    bytes[..3].copy_from_slice(b"NF\x01");
    bytes[4..8].copy_from_slice(&(PAYLOAD_BYTES_MAX as u32 + 1).to_le_bytes());
    let crc = stdx::checksum::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let (_tx, mut rx) = scripted(bytes).split();
    let e = rx.recv().await.unwrap_err();
    assert!(matches!(e, TransportError::BadFrame { source: FrameError::TooLong(_), .. }), "{e}");
    assert!(Frame::of(&write_of(vec![0; PAYLOAD_BYTES_MAX].into())).is_err(), "nor is one ever made");
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_a_bounded_queue_and_loses_nothing() {
    let c = Cluster::new("f00d");
    let mut l = listener(&c, Mode::Crc).await;
    let client = c.security("client.admin", Mode::Crc);
    let (ours, (_, theirs)) = pair(&mut l, &client).await;
    let (tx, _rx) = ours.unwrap().split();
    let (_back, mut forth) = theirs.split();
    let f = frame(&write_of(vec![5; 1 << 20].into()));
    let mut queued = 0;
    // The writer gets its turns, until the sockets' buffers are full too.
    let mut full = 0;
    while full < 100 {
        match tx.try_send(f.clone()) {
            Ok(()) => (queued, full) = (queued + 1, 0),
            Err(SendError::Full(_)) => full += 1,
            Err(e) => panic!("{e}"),
        }
        tokio::task::yield_now().await;
    }
    assert!((60..120).contains(&queued), "{queued} MiB were taken");
    drop(tx);
    for _ in 0..queued {
        forth.recv().await.unwrap();
    }
    assert!(matches!(forth.recv().await, Err(TransportError::Closed { .. })), "all of it, and then the end");
}

#[tokio::test]
async fn a_key_that_was_revoked_or_replaced_is_refused_and_its_links_end() {
    let c = Cluster::new("f00d");
    let server = c.security("osd.0", Mode::Secure);
    let mut l = Listener::bind(any(), server.clone()).await.unwrap();
    let (old, new) = (c.credential("osd.1"), c.credential("osd.1"));
    let (old_key, new_key) = (old.fingerprint().unwrap(), new.fingerprint().unwrap());
    assert_ne!(old_key, new_key);
    let (old, new) = (
        crate::Security::new(&old, Mode::Secure).unwrap(),
        crate::Security::new(&new, Mode::Secure).unwrap(),
    );
    let rule = |keys: &[&crate::Fingerprint]| {
        let keys = keys.iter().map(|k| k.to_string()).collect::<Vec<String>>();
        std::collections::BTreeMap::from([("osd.1".to_string(), keys)])
    };
    // Without a rule, and with one for both, both are let in.
    let (ours, (_, theirs)) = pair(&mut l, &old).await;
    server.admission().replace(&rule(&[&old_key, &new_key]));
    let (_tx, mut rx) = theirs.split();
    ours.unwrap().split().0.send(frame(&ping(1))).await.unwrap();
    assert!(rx.recv().await.is_ok());
    let (fresh, (_, theirs)) = pair(&mut l, &new).await;
    let (their_tx, mut their_rx) = theirs.split();
    // Only the new one: the old link ends, the new one stays, and nobody gets in with the old key again.
    server.admission().replace(&rule(&[&new_key]));
    assert!(rx.recv().await.is_err());
    let (our_tx, mut our_rx) = fresh.unwrap().split();
    our_tx.send(frame(&ping(2))).await.unwrap();
    assert!(their_rx.recv().await.is_ok());
    let refused = connect(l.local_addr(), &old, &name("osd.0")).await;
    let told = match refused {
        Err(_) => true,
        Ok(link) => link.split().1.recv().await.is_err(),
    };
    assert!(told, "the old key gets nothing");
    // Whoever connects judges the listener by the same rules.
    new.admission().replace(&std::collections::BTreeMap::from([("osd.0".to_string(), Vec::new())]));
    assert!(connect(l.local_addr(), &new, &name("osd.0")).await.is_err());
    // Nobody at all: also who waits for a message hears of it.
    let (waiting, ()) = tokio::join!(their_rx.recv(), async { server.admission().replace(&rule(&[])) });
    assert!(waiting.is_err());
    drop((their_rx, their_tx));
    assert!(our_rx.recv().await.is_err());
}
