//! Buckets: making, naming, owning, listing, removing, and the settings they do not have.

use super::*;

#[tokio::test]
async fn a_bucket_lives_and_dies() {
    let w = World::start().await;
    assert_eq!(w.send("HEAD", "/b-1").await.status, 404);
    let made = w.send("PUT", "/b-1").await;
    assert_eq!((made.status, made.header("location")), (200, "/b-1"));
    assert_eq!(w.send("PUT", "/b-1").await.status, 200, "one's own again, in us-east-1");
    let head = w.send("HEAD", "/b-1").await;
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (200, "us-east-1"));
    assert_eq!(w.send("GET", "/b-1?location").await.one("LocationConstraint"), "");
    let list = w.send("GET", "/").await;
    assert_eq!(list.all("Name"), ["b-1", "bucket"]);
    assert_eq!(list.one("ID"), "alice");
    w.put("/b-1/k", b"x").await;
    assert_eq!(w.send("DELETE", "/b-1").await.refusal(), (409, "BucketNotEmpty".into()));
    assert_eq!(w.send("DELETE", "/b-1/k").await.status, 204);
    assert_eq!(w.send("DELETE", "/b-1").await.status, 204);
    assert_eq!(w.send("DELETE", "/b-1").await.refusal(), (404, "NoSuchBucket".into()));
    w.stop().await;
}

#[tokio::test]
async fn others_cannot_touch_it() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    let by_bob = |method, target| call(method, target).by("bob-key", "bob-secret");
    assert_eq!(w.call(by_bob("PUT", "/bucket")).await.refusal(), (409, "BucketAlreadyExists".into()));
    for (method, target) in [
        ("GET", "/bucket"),
        ("DELETE", "/bucket"),
        ("GET", "/bucket/k"),
        ("PUT", "/bucket/k"),
        ("DELETE", "/bucket/k"),
        ("POST", "/bucket/k?uploads"),
        ("GET", "/bucket?acl"),
        ("PUT", "/bucket?acl"),
    ] {
        assert_eq!(
            w.call(by_bob(method, target)).await.refusal(),
            (403, "AccessDenied".into()),
            "{method} {target}"
        );
    }
    assert_eq!(w.call(by_bob("HEAD", "/bucket")).await.status, 403);
    assert_eq!(w.call(by_bob("GET", "/")).await.all("Name"), [""; 0]);
    assert_eq!(w.call(by_bob("PUT", "/bobs-own")).await.status, 200);
    let copy = by_bob("PUT", "/bobs-own/k").header("x-amz-copy-source", "/bucket/k");
    assert_eq!(w.call(copy).await.refusal(), (403, "AccessDenied".into()));
    let elsewhere = call("GET", "/bucket").header("x-amz-expected-bucket-owner", "bob");
    assert_eq!(w.call(elsewhere).await.refusal(), (403, "AccessDenied".into()));
    w.stop().await;
}

#[tokio::test]
async fn illegal_names() {
    let w = World::start().await;
    let long = format!("/{}", "a".repeat(64));
    for target in
        ["/ab", "/UPPER", "/a_b_c", "/-abc", "/a..b", "/192.168.1.1", "/%C3%BCber", "/a%20b", long.as_str()]
    {
        assert_eq!(w.send("PUT", target).await.refusal(), (400, "InvalidBucketName".into()), "{target}");
        assert_eq!(w.send("GET", target).await.refusal(), (404, "NoSuchBucket".into()), "{target}");
    }
    w.stop().await;
}

#[tokio::test]
async fn a_location_must_be_this_one() {
    let w = World::start().await;
    let put = |text: &str| {
        let inner = format!("<LocationConstraint>{text}</LocationConstraint>");
        call("PUT", "/located")
            .body(format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>"))
    };
    assert_eq!(w.call(put("mars-1")).await.one("Code"), "IllegalLocationConstraintException");
    assert_eq!(w.call(put("us-east-1")).await.status, 200);
    let junk = w.call(call("PUT", "/located").body("<CreateBucket")).await;
    assert_eq!(junk.refusal(), (400, "MalformedXML".into()));
    w.stop().await;
}

#[tokio::test]
async fn settings_that_nobody_made() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    for (target, code) in [
        ("?policy", "NoSuchBucketPolicy"),
        ("?lifecycle", "NoSuchLifecycleConfiguration"),
        ("?tagging", "NoSuchTagSet"),
        ("?cors", "NoSuchCORSConfiguration"),
        ("?encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("?object-lock", "ObjectLockConfigurationNotFoundError"),
        ("?website", "NoSuchWebsiteConfiguration"),
        ("?replication", "ReplicationConfigurationNotFoundError"),
        ("?publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("?ownershipControls", "OwnershipControlsNotFoundError"),
    ] {
        assert_eq!(w.send("GET", &format!("/bucket{target}")).await.refusal(), (404, code.to_string()));
    }
    assert_eq!(w.send("GET", "/bucket?versioning").await.all("Status"), [""; 0]);
    for target in ["/bucket?acl", "/bucket/k?acl"] {
        assert_eq!(w.send("GET", target).await.one("Permission"), "FULL_CONTROL");
    }
    assert_eq!(w.send("GET", "/bucket/k?tagging").await.status, 200);
    assert_eq!(w.send("GET", "/bucket/none?acl").await.refusal(), (404, "NoSuchKey".into()));
    for (method, target) in [
        ("PUT", "/bucket?analytics&id=x"),
        ("PUT", "/bucket/k?torrent"),
        ("POST", "/bucket/k?restore"),
        ("GET", "/bucket?inventory"),
    ] {
        assert_eq!(
            w.send(method, target).await.refusal(),
            (501, "NotImplemented".into()),
            "{method} {target}"
        );
    }
    assert_eq!(w.send("POST", "/").await.refusal(), (405, "MethodNotAllowed".into()));
    assert_eq!(w.send("PATCH", "/bucket/k").await.refusal(), (405, "MethodNotAllowed".into()));
    w.stop().await;
}

#[tokio::test]
async fn many_buckets_come_in_pages() {
    let w = World::start().await;
    for i in 0..5 {
        assert_eq!(w.send("PUT", &format!("/page-{i}")).await.status, 200);
    }
    let first = w.send("GET", "/?max-buckets=2&prefix=page-").await;
    assert_eq!(first.all("Name"), ["page-0", "page-1"]);
    let next = format!("/?max-buckets=10&prefix=page-&continuation-token={}", first.one("ContinuationToken"));
    let rest = w.send("GET", &next).await;
    assert_eq!(rest.all("Name"), ["page-2", "page-3", "page-4"]);
    assert_eq!(rest.one("ContinuationToken"), "");
    w.stop().await;
}

#[tokio::test]
async fn figures_that_rgw_tells() {
    let w = World::start().await;
    w.put("/bucket/a", b"foo").await;
    assert_eq!(w.send("HEAD", "/bucket").await.find("x-rgw-object-count"), None);
    let head = w.send("HEAD", "/bucket?read-stats=true").await;
    assert_eq!((head.header("x-rgw-object-count"), head.header("x-rgw-bytes-used")), ("1", "3"));
    assert_eq!(
        (head.header("x-rgw-quota-max-buckets"), head.header("x-rgw-quota-user-size")),
        ("1000", "-1")
    );
    let usage = w.send("GET", "/?usage").await;
    assert_eq!((usage.one("QuotaMaxBuckets"), usage.one("QuotaMaxBytes")), ("1000".into(), "-1".into()));
    assert_eq!((usage.one("TotalBytes"), usage.one("TotalEntries")), ("3".into(), "1".into()));
    let anonymous = w.call(call("GET", "/?usage").anonymous()).await;
    assert_eq!(anonymous.refusal(), (403, "AccessDenied".into()));
    let nobodys = w.call(call("GET", "/").anonymous()).await;
    assert_eq!(
        (nobodys.status, nobodys.all("Bucket").len(), nobodys.one("ID")),
        (200, 0, "anonymous".into())
    );
    for listing in ["/bucket?", "/bucket?list-type=2&", "/bucket?versions&"] {
        let plain = w.send("GET", &format!("{listing}allow-unordered=true")).await;
        assert_eq!((plain.status, plain.all("Key").len()), (200, 1), "{listing}");
        let rolled = w.send("GET", &format!("{listing}allow-unordered=true&delimiter=%2F")).await;
        assert_eq!(rolled.refusal(), (400, "InvalidArgument".into()), "{listing}");
    }
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_built_may_be_switched_off() {
    let w = World::start().await;
    let put = |what: &str, document: &str| call("PUT", &format!("/bucket?{what}")).body(document);
    for (what, root) in
        [("notification", "NotificationConfiguration"), ("accelerate", "AccelerateConfiguration")]
    {
        assert_eq!(w.call(put(what, &format!("<{root}/>"))).await.status, 200, "{what}");
        let asks = format!("<{root}><Status>Enabled</Status></{root}>");
        assert_eq!(w.call(put(what, &asks)).await.refusal(), (501, "NotImplemented".into()), "{what}");
        assert_eq!(w.call(put(what, &format!("<{root}/>")).by("bob-key", "bob-secret")).await.status, 403);
        assert_eq!(w.send("GET", &format!("/bucket?{what}")).await.status, 200);
    }
    assert_eq!(w.send("DELETE", "/bucket?replication").await.status, 204);
    assert_eq!(w.send("DELETE", "/bucket?analytics&id=x").await.refusal(), (501, "NotImplemented".into()));
    w.stop().await;
}
