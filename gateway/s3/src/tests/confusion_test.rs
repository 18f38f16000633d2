//! Hosts and paths that might be read in two ways: what is checked is what is done, whatever they look like.

use super::*;

/// Two buckets of alice's, one of them open to all, and a secret in the other.
async fn world() -> World {
    let w = World::start().await;
    w.put("/bucket/secret", b"mine").await;
    assert_eq!(w.call(call("PUT", "/open").header("x-amz-acl", "public-read-write")).await.status, 200);
    w
}

fn anybody(method: &str, host: &str, target: &str) -> Call {
    let mut call = call(method, target).anonymous();
    call.host = host.into();
    call
}

#[tokio::test]
async fn no_path_leads_out_of_its_bucket() {
    let w = world().await;
    for target in [
        "/open/../bucket/secret",
        "/open/..%2fbucket%2fsecret",
        "/open/%2e%2e/bucket/secret",
        "/open/%252e%252e/bucket/secret",
        "/open//bucket/secret",
        "/open/.//..//bucket/secret",
        "/open/..\\bucket\\secret",
        "/open/%5c..%5cbucket%5csecret",
        "/open/;/../bucket/secret",
        "/open/\u{e9}/../../bucket/secret",
    ] {
        let target = target.replace('\u{e9}', "%c3%a9");
        let answer = w.call(anybody("GET", "h", &target)).await;
        // Some are two spellings of one key, and an object of alice's by then.
        assert!([403, 404].contains(&answer.status), "{target}: {answer:?}");
        assert_eq!(w.call(anybody("PUT", "h", &target).body("theirs")).await.status, 200, "{target}");
        assert_eq!(w.get(&target).await, b"theirs", "{target}");
    }
    // A slash that is encoded is a part of the bucket's name, and no bucket has one.
    for target in [
        "/open%2f..%2fbucket/secret",
        "/bucket%2fsecret",
        "/%2fbucket/secret",
        "/..%2fbucket/secret",
        "/%2e%2e/bucket/secret",
        "/bucket%00/secret",
        "/bucket%20/secret",
        "/./bucket/secret",
    ] {
        let answer = w.call(anybody("GET", "h", target)).await;
        assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
    }
    assert_eq!(w.get("/bucket/secret").await, b"mine");
    w.stop().await;
}

#[tokio::test]
async fn the_host_names_the_bucket_or_the_path_does_but_never_both() {
    let w = world().await;
    // On a virtual host the path is all key: a name of a bucket in it means nothing.
    for target in ["/bucket/secret", "/../bucket/secret", "/%2e%2e%2fbucket/secret"] {
        assert_eq!(
            w.call(anybody("GET", "open.s3.test", target)).await.refusal(),
            (404, "NoSuchKey".into()),
            "{target}"
        );
    }
    for host in ["bucket.s3.test", "BUCKET.S3.TEST", "bucket.s3.test:80", "bucket.s3.test."] {
        let answer = w.call(anybody("GET", host, "/secret")).await;
        assert_ne!(answer.status, 200, "{host}: {answer:?}");
    }
    // Hosts that are nobody's bucket: the path counts, and gets what it gets without a bucket's host.
    for host in
        ["bucket.s3.test.evil.org", "s3.test.open", "open.s3.testx", "open@s3.test", "open.s3.test/bucket"]
    {
        let answer = w.call(anybody("GET", host, "/bucket/secret")).await;
        assert!([400, 403].contains(&answer.status), "{host}: {answer:?}");
    }
    // Names that no bucket can have, in a host.
    for host in
        ["..s3.test", "a..b.s3.test", "open.bucket.s3.test", "%6fpen.s3.test", "open%2fbucket.s3.test"]
    {
        let answer = w.call(anybody("GET", host, "/secret")).await;
        assert!((400..500).contains(&answer.status), "{host}: {answer:?}");
    }
    // An absolute target does not overrule the host that was signed and checked.
    let text = "GET http://bucket.s3.test/secret HTTP/1.1\r\nhost: open.s3.test\r\nconnection: close\r\n\r\n";
    assert_ne!(client::send_raw(w.address, text.as_bytes()).await.status, 200);
    let two =
        "GET /secret HTTP/1.1\r\nhost: open.s3.test\r\nhost: bucket.s3.test\r\nconnection: close\r\n\r\n";
    assert_ne!(client::send_raw(w.address, two.as_bytes()).await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn a_signature_for_one_host_or_path_is_none_for_another() {
    let w = world().await;
    let change = |call: &Call, from: &str, to: &str| {
        let text: String = call.bytes().into_iter().map(char::from).collect();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let mut virtual_host = call("PUT", "/k").body("x");
    virtual_host.host = "open.s3.test".into();
    for (call, from, to) in [
        (&virtual_host, "open.s3.test", "bucket.s3.test"),
        (&virtual_host, "host: open.s3.test", "host: bucket.s3.test\r\nhost: open.s3.test"),
        (&virtual_host, "PUT /k", "PUT http://bucket.s3.test/k"),
        (&call("PUT", "/open/k").body("x"), "/open/k", "/bucket/k"),
        (&call("PUT", "/open/k").body("x"), "/open/k", "/open/%6b"),
        (&call("PUT", "/open/a%2Fk").body("x"), "/open/a%2Fk", "/open/a/k"),
        (&call("PUT", "/open/k").body("x"), "/open/k", "/open/./k"),
        (&call("PUT", "/open/k").body("x"), "/open/k", "//open/k"),
    ] {
        let answer = client::send_raw(w.address, &change(call, from, to)).await;
        let fine = [
            (403, "SignatureDoesNotMatch".to_string()),
            (400, "InvalidBucketName".into()),
            (400, "BadRequest".into()),
        ];
        // What means the same, byte for byte of the key, may be signed either way.
        if from.contains("%2F") || to.contains("%6b") {
            assert!(answer.status == 200 || fine.contains(&answer.refusal()), "{to}: {answer:?}");
        } else {
            assert!(fine.contains(&answer.refusal()), "{from} -> {to}: {answer:?}");
        }
    }
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    w.stop().await;
}
