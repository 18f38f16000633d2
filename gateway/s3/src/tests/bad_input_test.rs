//! Requests of every malformed kind; after each the gateway goes on.

use super::*;
use gateway_client::Fault;
use stdx::Errno;

#[tokio::test]
async fn documents_that_are_none() {
    let w = World::start().await;
    let deep = format!("<Delete>{}", "<Object>".repeat(1_000_000));
    let wide = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1001));
    let entity = "<!DOCTYPE x [<!ENTITY a 'k'>]><Delete><Object><Key>&a;</Key></Object></Delete>";
    for body in ["", "<", "<Delete/>", "not xml", "<Other/>", deep.as_str(), &wide, entity] {
        let answer = w.call(call("POST", "/bucket?delete").body(body)).await;
        assert_eq!(answer.refusal(), (400, "MalformedXML".into()), "{:.40}", body);
    }
    let huge = call("POST", "/bucket?delete").body(vec![b' '; 9 << 20]);
    assert_eq!(w.call(huge).await.refusal(), (400, "MaxMessageLengthExceeded".into()));
    assert_eq!(w.send("GET", "/bucket").await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_large() {
    let w = World::start().await;
    let large = call("GET", "/bucket").header("x-padding", &"x".repeat(100 * 1024));
    assert_eq!(w.call(large).await.refusal(), (400, "RequestHeaderSectionTooLarge".into()));
    let large = call("PUT", "/bucket/k").body("x").header("x-amz-meta-a", &"x".repeat(100 * 1024));
    assert_eq!(w.call(large).await.refusal(), (400, "RequestHeaderSectionTooLarge".into()));
    assert_eq!(w.send("GET", "/bucket").await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn lengths_that_lie() {
    let w = World::start().await;
    let huge =
        call("PUT", "/bucket/k").header("content-length", "5368709121").header("expect", "100-continue");
    assert_eq!(w.call(huge).await.refusal(), (400, "EntityTooLarge".into()));
    let chunked = |body: &[u8]| Call {
        payload: Some("UNSIGNED-PAYLOAD"),
        ..call("PUT", "/bucket/k").header("transfer-encoding", "chunked").body(body)
    };
    assert_eq!(w.call(chunked(b"zz\r\nhello\r\n")).await.refusal(), (400, "IncompleteBody".into()));
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    assert_eq!(w.call(chunked(b"5\r\nhello\r\n0\r\n\r\n")).await.status, 200);
    assert_eq!(w.get("/bucket/k").await, b"hello");
    assert_eq!(w.send("DELETE", "/bucket/k").await.status, 204);
    let bytes = call("PUT", "/bucket/k").bytes();
    let without = String::from_utf8(bytes).unwrap().replace("content-length: 0\r\n", "");
    let answer = client::send_raw(w.address, without.as_bytes()).await;
    assert_eq!(answer.refusal(), (411, "MissingContentLength".into()));
    let decoded = call("PUT", "/bucket/k").header("x-amz-decoded-content-length", "5");
    let chunked = decoded.chunked("STREAMING-UNSIGNED-PAYLOAD-TRAILER", b"hello!", &[]);
    // The header that the client helper adds comes second; the first one counts, and is signed.
    assert_eq!(w.call(chunked).await.one("Code"), "IncompleteBody");
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    w.stop().await;
}

#[tokio::test]
async fn a_full_cluster_refuses_writes_and_goes_on_reading() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    w.rados.inject(0, u64::MAX, Fault::Refuse(Errno::ENOSPC));
    let large = vec![1; 100_000];
    let small = w.call(call("PUT", "/bucket/new").body("x")).await;
    let large = w.call(call("PUT", "/bucket/new").body(large)).await;
    w.rados.heal();
    assert_eq!(small.refusal(), (507, "InsufficientStorage".into()));
    assert_eq!(large.refusal(), (507, "InsufficientStorage".into()));
    assert_eq!(w.get("/bucket/k").await, b"x");
    assert_eq!(w.send("GET", "/bucket/new").await.status, 404);
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_http() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let w = World::start().await;
    for junk in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let mut stream = tokio::net::TcpStream::connect(w.address).await.unwrap();
        stream.write_all(junk).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
    assert_eq!(w.send("GET", "/bucket").await.status, 200);
    w.stop().await;
}
