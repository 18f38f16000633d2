//! Requests whose ends a proxy in front of the gateway might see elsewhere: none of them makes two of one.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request that shows whether it was taken for one: it makes an object, anonymously, in a bucket that lets it.
fn hidden(key: &str) -> String {
    format!("PUT /open/{key} HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx")
}

async fn world() -> World {
    let w = World::start().await;
    assert_eq!(w.call(call("PUT", "/open").header("x-amz-acl", "public-read-write")).await.status, 200);
    let probe = hidden("probe");
    let probe = client::send_raw(w.address, probe.as_bytes());
    assert_eq!(probe.await.status, 200, "a hidden request would be carried out");
    w
}

/// All that is answered to these bytes, over one connection.
async fn answers(w: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(w.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    // Every last request says that it is the last. A reset after a refusal is a refusal, too.
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "the gateway waits for more of {:?}", String::from_utf8_lossy(bytes));
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn what_ends_in_two_ways_is_refused_and_the_connection_ended() {
    let w = world().await;
    let head = |headers: &str| format!("PUT /open/outer HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n");
    let shapes = [
        ("two lengths", head("content-length: 0\r\ncontent-length: 40")),
        ("a list of lengths", head("content-length: 0, 40")),
        ("a signed length", head("content-length: +0")),
        ("an octal length", head("content-length: 0x0")),
        ("a space before the colon", head("content-length : 0")),
        ("a folded length", head("content-length:\r\n 0")),
        ("a folded header", head("x-a: b\r\n transfer-encoding: chunked\r\ncontent-length: 0")),
        ("identity", head("transfer-encoding: identity\r\ncontent-length: 0")),
        ("chunked is not last", head("transfer-encoding: chunked, gzip") + "0\r\n\r\n"),
        ("chunked is misspelt", head("transfer-encoding: xchunked") + "0\r\n\r\n"),
        ("chunked is twice", head("transfer-encoding: chunked\r\ntransfer-encoding: cow") + "0\r\n\r\n"),
        ("a vertical tab", head("transfer-encoding:\u{b}chunked\r\ncontent-length: 0")),
        ("a bare CR in a header", head("x-a: b\rtransfer-encoding: chunked\r\ncontent-length: 0")),
        ("a NUL in a header", head("x-a: b\0\r\ncontent-length: 0")),
        (
            "HTTP/1.0 with chunks",
            head("transfer-encoding: chunked").replace("HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n",
        ),
        ("a chunk of nonsense", head("transfer-encoding: chunked") + "zz\r\n"),
        ("a chunk of negative size", head("transfer-encoding: chunked") + "-1\r\n"),
        ("a chunk beyond all numbers", head("transfer-encoding: chunked") + "fffffffffffffffff\r\n"),
        ("a chunk that ends elsewhere", head("transfer-encoding: chunked") + "1\r\nab\r\n0\r\n\r\n"),
        ("no host", "GET /open HTTP/1.1\r\n\u{1}: x\r\n\r\n".into()),
    ];
    for (i, (what, outer)) in shapes.iter().enumerate() {
        let key = format!("hidden-{i}");
        let text = answers(&w, (outer.clone() + &hidden(&key)).as_bytes()).await;
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{what}: {text}");
        assert!(text.is_empty() || text.contains("HTTP/1.1 4"), "{what}: {text}");
        assert_eq!(w.send("GET", &format!("/open/{key}")).await.status, 404, "{what}");
        assert_eq!(w.send("GET", "/open/outer").await.status, 404, "{what}");
    }
    w.stop().await;
}

#[tokio::test]
async fn of_two_lengths_the_chunks_count_and_nothing_follows() {
    // RFC 9112, 6.3: such a request may be taken by its chunks, if its connection is closed after it.
    let w = world().await;
    for (i, headers) in
        ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
            .into_iter()
            .enumerate()
    {
        let outer = format!("PUT /open/outer HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        let key = format!("behind-{i}");
        let text = answers(&w, (outer + &hidden(&key)).as_bytes()).await;
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        assert!(text.contains("connection: close"), "{text}");
        assert_eq!(w.get("/open/outer").await, b"ok", "{headers}");
        assert_eq!(w.send("GET", &format!("/open/{key}")).await.status, 404, "{headers}");
    }
    w.stop().await;
}

#[tokio::test]
async fn what_ends_in_one_way_is_taken_and_the_next_request_is_another() {
    let w = world().await;
    let shapes = [
        ("twice the same length", "content-length: 2\r\ncontent-length: 2\r\n\r\nok"),
        ("chunks with an extension", "transfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n"),
        ("chunks and capitals", "Transfer-Encoding: Chunked\r\n\r\n02\r\nok\r\n0\r\nx: y\r\n\r\n"),
    ];
    for (i, (what, rest)) in shapes.iter().enumerate() {
        let key = format!("next-{i}");
        let outer = format!("PUT /open/taken HTTP/1.1\r\nhost: h\r\n{rest}");
        let text = answers(&w, (outer + &hidden(&key)).as_bytes()).await;
        assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{what}: {text}");
        assert_eq!(w.get("/open/taken").await, b"ok", "{what}");
        assert_eq!(w.get(&format!("/open/{key}")).await, b"x", "{what}");
    }
    w.stop().await;
}

#[tokio::test]
async fn what_an_upgrade_or_another_protocol_wants_is_not_given() {
    let w = world().await;
    for (i, (what, bytes)) in [
        ("HTTP/2 without a warning", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a whole proxy's target", "GET http://[::bad/ HTTP/1.1\r\nhost: h\r\n\r\n"),
        ("a space in a header's name", "GET /open/#/../x HTTP/1.1\r\nhost: h\r\nx y: z\r\n\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("tunnelled-{i}");
        let text = answers(&w, (bytes.to_string() + &hidden(&key)).as_bytes()).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{what}: {text}");
        assert_eq!(w.send("GET", &format!("/open/{key}")).await.status, 404, "{what}");
    }
    // A tunnel is refused, and what comes next is a request like any other.
    let tunnel = "CONNECT open:80 HTTP/1.1\r\nhost: open:80\r\n\r\n";
    let text = answers(&w, (tunnel.to_string() + &hidden("after")).as_bytes()).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    // An upgrade is not answered as one: the request is what it is without it, and nobody may read that object.
    let upgrade = "GET /open/probe HTTP/1.1\r\nhost: h\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n";
    let text = answers(&w, upgrade.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 403"), "{text}");
    w.stop().await;
}
