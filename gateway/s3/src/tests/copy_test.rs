//! CopyObject.

use super::*;

fn copy(target: &str, source: &str) -> Call {
    call("PUT", target).header("x-amz-copy-source", source)
}

#[tokio::test]
async fn bytes_and_attributes_are_copied() {
    let w = World::start().await;
    assert_eq!(w.send("PUT", "/other").await.status, 200);
    let data = vec![7; 5 << 20];
    let put =
        call("PUT", "/bucket/a%20b+c").body(&data).header("content-type", "x/y").header("x-amz-meta-m", "1");
    assert_eq!(w.call(put).await.status, 200);
    let answer = w.call(copy("/other/copy", "/bucket/a%20b%2Bc")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let got = w.send("GET", "/other/copy").await;
    assert!(got.body == data);
    assert_eq!(answer.one("ETag"), got.header("etag"));
    assert_eq!((got.header("content-type"), got.header("x-amz-meta-m")), ("x/y", "1"));
    let replaced = copy("/other/copy", "bucket/a%20b%2Bc")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-n", "2");
    assert_eq!(w.call(replaced).await.status, 200);
    let got = w.send("HEAD", "/other/copy").await;
    assert_eq!((got.find("x-amz-meta-m"), got.header("x-amz-meta-n")), (None, "2"));
    assert_eq!(got.header("content-type"), "binary/octet-stream");
    w.put("/bucket/empty", b"").await;
    assert_eq!(w.call(copy("/bucket/empty2", "/bucket/empty")).await.status, 200);
    assert_eq!(w.get("/bucket/empty2").await, b"");
    w.stop().await;
}

#[tokio::test]
async fn onto_itself_only_with_something_new() {
    let w = World::start().await;
    w.put("/bucket/k", b"hello").await;
    assert_eq!(w.call(copy("/bucket/k", "/bucket/k")).await.refusal(), (400, "InvalidRequest".into()));
    let replace = copy("/bucket/k", "/bucket/k")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-a", "b");
    assert_eq!(w.call(replace).await.status, 200);
    let got = w.send("GET", "/bucket/k").await;
    assert_eq!((got.body.as_slice(), got.header("x-amz-meta-a")), (&b"hello"[..], "b"));
    w.stop().await;
}

#[tokio::test]
async fn conditions_and_bad_sources() {
    let w = World::start().await;
    let etag = w.put("/bucket/k", b"hello").await;
    let other = "00000000000000000000000000000000";
    for (name, value, status) in [
        ("x-amz-copy-source-if-match", etag.as_str(), 200),
        ("x-amz-copy-source-if-match", other, 412),
        ("x-amz-copy-source-if-none-match", &etag, 412),
        ("x-amz-copy-source-if-none-match", other, 200),
        ("x-amz-copy-source-if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT", 412),
        ("x-amz-copy-source-if-unmodified-since", "Thu, 01 Jan 1998 00:00:00 GMT", 412),
    ] {
        let answer = w.call(copy("/bucket/copy", "/bucket/k").header(name, value)).await;
        assert_eq!(answer.status, status, "{name} {value}");
    }
    for (source, code) in [
        ("/bucket/none", "NoSuchKey"),
        ("/none/k", "NoSuchBucket"),
        ("bucket", "InvalidArgument"),
        ("", "InvalidArgument"),
        ("/bucket/k?versionId=7", "NoSuchVersion"),
    ] {
        assert_eq!(w.call(copy("/bucket/copy", source)).await.one("Code"), code, "{source}");
    }
    let directive = copy("/bucket/copy", "/bucket/k").header("x-amz-metadata-directive", "KEEP");
    assert_eq!(w.call(directive).await.refusal(), (400, "InvalidArgument".into()));
    w.stop().await;
}
