//! Clients that go away at every byte, ask before they send, or are refused while they send.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends the first `n` bytes of a call and hangs up; done when the server has hung up as well.
async fn cut(w: &World, bytes: &[u8], n: usize) {
    let mut stream = TcpStream::connect(w.address).await.unwrap();
    stream.write_all(&bytes[..n]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn at_every_byte_nothing_becomes_visible() {
    let w = World::start().await;
    let trailer = [("x-amz-checksum-crc32", "8yiNlw==")];
    let chunked = call("PUT", "/bucket/k").chunked(
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        b"hello, chunked world",
        &trailer,
    );
    for c in [call("PUT", "/bucket/k").body("hello, world"), chunked] {
        let bytes = c.bytes();
        for n in 0..bytes.len() {
            cut(&w, &bytes, n).await;
        }
        assert_eq!(w.send("GET", "/bucket/k").await.refusal(), (404, "NoSuchKey".into()));
    }
    assert_eq!(w.send("DELETE", "/bucket").await.status, 204, "nothing is left in it");
    w.stop().await;
}

#[tokio::test]
async fn in_the_middle_of_data_objects_nothing_leaks() {
    // The garbage of an upload that broke off may be freed at once or queued; queued is due at once here.
    let w = World::start_with(|c| {
        c.gc_delay = std::time::Duration::ZERO;
        c.gc_every = std::time::Duration::from_millis(20);
    })
    .await;
    let bytes = call("PUT", "/bucket/k").body(vec![9; 9 << 20]).bytes();
    for n in [bytes.len() - 1, bytes.len() / 2, bytes.len() - (5 << 20)] {
        cut(&w, &bytes, n).await;
    }
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while data_objects(&w) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} data objects leaked", data_objects(&w));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    w.stop().await;
}

/// Objects in the data pool, which is the third.
fn data_objects(w: &World) -> usize {
    w.rados.snapshot().objects.keys().filter(|o| o.pool.0 == 3).count()
}

#[tokio::test]
async fn a_client_that_asks_first_sends_nothing_in_vain() {
    let w = World::start().await;
    let c = call("PUT", "/bucket/k").body("hello").header("expect", "100-continue");
    let refused = c.clone().by("alice-key", "wrong");
    for (c, good) in [(c, true), (refused, false)] {
        let bytes = c.bytes();
        let head = bytes.len() - 5;
        let mut stream = TcpStream::connect(w.address).await.unwrap();
        stream.write_all(&bytes[..head]).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        if good {
            assert_eq!(&start, b"HTTP/1.1 100");
            stream.write_all(&bytes[head..]).await.unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            assert!(rest.contains("HTTP/1.1 200"), "{rest}");
        } else {
            assert_eq!(&start, b"HTTP/1.1 403");
        }
    }
    assert_eq!(w.get("/bucket/k").await, b"hello");
    w.stop().await;
}

#[tokio::test]
async fn a_refusal_arrives_though_the_client_is_still_sending() {
    let w = World::start().await;
    // More than socket buffers hold, so that the client is still sending when it is refused.
    let c = call("PUT", "/none/k").body(vec![1; 6 << 20]);
    for _ in 0..10 {
        assert_eq!(w.call(c.clone()).await.refusal(), (404, "NoSuchBucket".into()));
    }
    w.stop().await;
}
