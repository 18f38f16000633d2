//! Signed requests and presigned URLs in wrong hands: good for what was signed, for as long as was said, and no more.

use super::*;

fn altered(call: &Call, from: &str, to: &str) -> Vec<u8> {
    let text: String = call.bytes().into_iter().map(char::from).collect();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).chars().map(|c| c as u8).collect()
}

#[tokio::test]
async fn a_signed_request_ends_with_its_time() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    for (what, call, status) in [
        ("within its quarter of an hour", Call { skew: -890, ..call("GET", "/bucket/k") }, 200),
        ("after it", Call { skew: -905, ..call("GET", "/bucket/k") }, 403),
        ("before its time", Call { skew: 905, ..call("GET", "/bucket/k") }, 403),
        ("a URL within its time", Call { presign: Some(600), skew: -590, ..call("GET", "/bucket/k") }, 200),
        ("a URL after it", Call { presign: Some(600), skew: -601, ..call("GET", "/bucket/k") }, 403),
        ("a URL from far ahead", Call { presign: Some(600), skew: 3600, ..call("GET", "/bucket/k") }, 403),
        (
            "a URL for a second that is over",
            Call { presign: Some(1), skew: -3, ..call("GET", "/bucket/k") },
            403,
        ),
    ] {
        assert_eq!(w.call(call).await.status, status, "{what}");
    }
    w.stop().await;
}

#[tokio::test]
async fn nothing_that_was_signed_can_be_changed() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    let put = call("PUT", "/bucket/new").header("x-amz-meta-a", "b").body("hello");
    let chunks = call("PUT", "/bucket/new").chunked(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        b"hello, world of chunks",
        &[],
    );
    let listing = call("GET", "/bucket?list-type=2&prefix=a");
    for (call, from, to) in [
        (&put, "PUT ", "DELETE "),
        (&put, "x-amz-meta-a: b", "x-amz-meta-a: c"),
        (&put, "x-amz-date: 2", "x-amz-date: 1"),
        (&put, "\r\n\r\nhello", "\r\n\r\njello"),
        (&put, "x-amz-content-sha256: ", "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-old: "),
        (&put, "SignedHeaders=", "SignedHeaders=accept;"),
        (&put, "us-east-1/s3", "us-east-1/sts"),
        (&put, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        (&chunks, "chunk-signature=", "chunk-signature=0"),
        (&chunks, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        (&listing, "prefix=a", "prefix=b"),
        (&listing, "&prefix=a", "&prefix=a&prefix=b"),
        (&listing, "&prefix=a", ""),
    ] {
        let answer = client::send_raw(w.address, &altered(call, from, to)).await;
        assert!((400..500).contains(&answer.status), "{from} -> {to}: {answer:?}");
        assert!(!answer.one("Code").is_empty(), "{from} -> {to}: {answer:?}");
    }
    assert_eq!(w.send("GET", "/bucket/new").await.status, 404);
    w.stop().await;
}

#[tokio::test]
async fn headers_that_would_mean_something_must_have_been_signed() {
    let w = World::start().await;
    for added in [
        "x-amz-acl: public-read-write",
        "x-amz-copy-source: /bucket/k",
        "x-amz-meta-evil: 1",
        "x-amz-tagging: a=b",
        "x-amz-grant-read: id=bob",
    ] {
        let bytes = altered(
            &call("PUT", "/bucket/new").body("hello"),
            "connection: close",
            &format!("{added}\r\nconnection: close"),
        );
        let answer = client::send_raw(w.address, &bytes).await;
        assert_eq!(
            (answer.status, w.send("GET", "/bucket/new").await.status),
            (403, 404),
            "{added}: {answer:?}"
        );
    }
    w.stop().await;
}

#[tokio::test]
async fn a_presigned_url_is_good_for_one_thing() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    let url = Call { presign: Some(600), ..call("GET", "/bucket/k") };
    for (what, from, to) in [
        ("another verb", "GET ", "DELETE "),
        ("another key", "/bucket/k?", "/bucket/l?"),
        ("a subresource", "/bucket/k?", "/bucket/k?acl&"),
        ("a version", "/bucket/k?", "/bucket/k?versionId=null&"),
        ("a type of its own", "/bucket/k?", "/bucket/k?response-content-type=text%2Fhtml&"),
        ("a longer life", "X-Amz-Expires=600", "X-Amz-Expires=60000"),
        ("a second life", "X-Amz-Expires=600", "X-Amz-Expires=600&X-Amz-Expires=60000"),
        ("no end", "X-Amz-Expires=600", "X-Amz-Expires=-1"),
        ("another host", "host: 127.0.0.1", "host: bucket.s3.test"),
        ("another key's name", "alice-key", "bob-key"),
        ("no signature", "X-Amz-Signature=", "X-Amz-Sig="),
        ("an empty signature", "X-Amz-Signature=", "X-Amz-Signature=&x="),
    ] {
        let answer = client::send_raw(w.address, &altered(&url, from, to)).await;
        assert!([400, 403].contains(&answer.status), "{what}: {answer:?}");
    }
    assert_eq!(w.call(url).await.status, 200);
    // Of two signatures none counts.
    let mut both = call("GET", "/bucket/k").bytes();
    let query = Call { presign: Some(600), ..call("GET", "/bucket/k") }.bytes();
    let line = query.split(|b| *b == b'\r').next().unwrap().to_vec();
    let at = both.iter().position(|b| *b == b'\r').unwrap();
    both.splice(..at, line);
    assert_eq!(client::send_raw(w.address, &both).await.status, 400);
    assert_eq!(w.get("/bucket/k").await, b"x");
    w.stop().await;
}
