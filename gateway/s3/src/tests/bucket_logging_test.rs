//! Logs of buckets: set, delivered where they are let in, in S3's words, and nowhere else.

use super::*;

const LOGS: &str = "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"logging.s3.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::logs/*\",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"alice\"}}}]}";

async fn set(w: &World, bucket: &str, inner: &str) -> Answer {
    let document = format!("<BucketLoggingStatus>{inner}</BucketLoggingStatus>");
    w.call(call("PUT", &format!("/{bucket}?logging")).body(document)).await
}

fn to(target: &str, more: &str) -> String {
    format!(
        "<LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>log/</TargetPrefix>{more}</LoggingEnabled>"
    )
}

/// A gateway where `bucket` may log into `logs`.
async fn world(more: &str) -> World {
    let w = World::start().await;
    assert_eq!(w.send("PUT", "/logs").await.status, 200);
    assert_eq!(w.call(call("PUT", "/logs?policy").body(LOGS)).await.status, 204);
    assert_eq!(set(&w, "bucket", &to("logs", more)).await.status, 200);
    w
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

/// Has the log delivered: the key of the object, and its lines.
async fn flush(w: &World) -> (String, Vec<String>) {
    let answer = w.send("POST", "/bucket?logging").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.body).unwrap();
    let key = between(&text, "<FlushedLoggingObject>", "<").to_string();
    let lines = String::from_utf8(w.get(&format!("/logs/{key}")).await).unwrap();
    (key, lines.lines().map(String::from).collect())
}

async fn delivered(w: &World) -> usize {
    let text = String::from_utf8(w.get("/logs?list-type=2").await).unwrap();
    text.matches("<Key>").count()
}

#[tokio::test]
async fn requests_are_logged_in_the_words_of_s3() {
    let w = world("").await;
    w.put("/bucket/a%20b", b"hello").await;
    assert_eq!(w.get("/bucket/a%20b").await, b"hello");
    let by =
        call("GET", "/bucket/none").header("user-agent", "tester/1 \"x\"").header("referer", "http://x/");
    assert_eq!(w.call(by).await.status, 404);
    assert_eq!(w.call(call("GET", "/bucket/a%20b").anonymous()).await.status, 403);
    assert_eq!(w.call(call("GET", "/bucket/a%20b").by("alice-key", "wrong")).await.status, 403);
    let mut presigned = call("GET", "/bucket/a%20b");
    presigned.presign = Some(60);
    assert_eq!(w.call(presigned).await.status, 200);
    let (key, lines) = flush(&w).await;
    assert!(key.starts_with("log/") && key.len() == "log/1994-11-06-08-49-37-".len() + 16, "{key}");
    assert_eq!(lines.len(), 6, "{lines:#?}");
    let has = |n: usize, parts: &[&str]| {
        for part in parts {
            assert!(lines[n].contains(part), "{part} in {}", lines[n]);
        }
    };
    has(
        0,
        &[
            "alice bucket [",
            "] 127.0.0.1 alice ",
            " REST.PUT.OBJECT a%20b \"PUT /bucket/a%20b HTTP/1.1\" 200 - - 5 ",
        ],
    );
    has(0, &[" SigV4 - AuthHeader 127.0.0.1 - - -"]);
    has(1, &[" REST.GET.OBJECT a%20b \"GET /bucket/a%20b HTTP/1.1\" 200 - 5 5 "]);
    has(2, &[" 404 NoSuchKey ", " \"http://x/\" \"tester/1 %22x%22\" "]);
    has(3, &["] 127.0.0.1 - ", " 403 AccessDenied ", " - - - - 127.0.0.1 - - -"]);
    has(4, &["] 127.0.0.1 - ", " 403 SignatureDoesNotMatch "]);
    has(5, &["X-Amz-Signature=-", " SigV4 - QueryString "]);
    // The flush itself is a request, and so were the reads of nobody's business here.
    let (_, lines) = flush(&w).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(" REST.POST.LOGGING_STATUS - "), "{lines:#?}");
    w.stop().await;
}

#[tokio::test]
async fn a_log_object_comes_when_it_is_due_and_none_without_records() {
    let w = world("<ObjectRollTime>1</ObjectRollTime>").await;
    assert_eq!(delivered(&w).await, 0);
    w.put("/bucket/k", b"1").await;
    while delivered(&w).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    w.stop().await;
}

#[tokio::test]
async fn what_a_gateway_took_down_another_delivers() {
    let w = world("").await;
    w.put("/bucket/k", b"1").await;
    let rados = w.rados.clone();
    w.stop().await;
    let w = World::resume(rados).await;
    let (_, lines) = flush(&w).await;
    assert!(lines[0].contains("REST.PUT.OBJECT k "), "{lines:#?}");
    w.stop().await;
}

#[tokio::test]
async fn journals_have_changes_only_and_are_durable_before_the_answer() {
    let w = world("<LoggingType>Journal</LoggingType><Filter><S3Key><FilterRule><Name>suffix</Name><Value>.txt</Value></FilterRule></S3Key></Filter>").await;
    let etag = w.put("/bucket/a.txt", b"hello").await;
    w.put("/bucket/a.bin", b"hello").await;
    w.get("/bucket/a.txt").await;
    let copy = call("PUT", "/bucket/b.txt").header("x-amz-copy-source", "/bucket/a.txt");
    assert_eq!(w.call(copy).await.status, 200);
    let many = "<Delete><Object><Key>a.txt</Key></Object><Object><Key>b.txt</Key></Object></Delete>";
    let md5 = base64_md5(many);
    assert_eq!(
        w.call(call("POST", "/bucket?delete").header("content-md5", &md5).body(many)).await.status,
        200
    );
    let (_, lines) = flush(&w).await;
    let of = |operation: &str, key: &str| {
        lines
            .iter()
            .find(|line| line.contains(&format!(" {operation} {key} ")))
            .unwrap_or_else(|| panic!("{lines:#?}"))
    };
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(of("REST.PUT.OBJECT", "a.txt").ends_with(&format!(" 5 - {etag}")));
    assert!(of("REST.PUT.OBJECT", "b.txt").ends_with(&format!(" 5 - {etag}")));
    assert!(of("REST.POST.DELETE_MULTI_OBJECT", "b.txt").ends_with(" - - -"));
    // Where the journal is not let in, objects are not changed; deletes are.
    assert_eq!(w.send("DELETE", "/logs?policy").await.status, 204);
    let refused = w.call(call("PUT", "/bucket/c.txt").body("1")).await;
    assert_eq!(refused.status, 403);
    assert!(String::from_utf8_lossy(&refused.body).contains("Logging bucket"), "{refused:?}");
    assert_eq!(w.send("HEAD", "/bucket/c.txt").await.status, 404);
    assert_eq!(w.call(call("PUT", "/bucket/c.bin").body("1")).await.status, 200);
    assert_eq!(w.send("DELETE", "/bucket/c.bin").await.status, 204);
    w.stop().await;
}

fn base64_md5(text: &str) -> String {
    use base64::Engine;
    use md5::{Digest, Md5};
    base64::engine::general_purpose::STANDARD.encode(Md5::digest(text))
}

#[tokio::test]
async fn logs_go_only_where_they_are_let_in() {
    let w = world("").await;
    let code = |answer: &Answer| between(&String::from_utf8_lossy(&answer.body), "<Code>", "<").to_string();
    for (target, wanted) in [("bucket", "InvalidArgument"), ("none", "NoSuchKey"), ("../x", "NoSuchKey")] {
        assert_eq!(code(&set(&w, "bucket", &to(target, "")).await), wanted, "{target}");
    }
    assert_eq!(w.send("PUT", "/other").await.status, 200);
    assert_eq!(code(&set(&w, "bucket", &to("other", "")).await), "AccessDenied", "nothing lets it in");
    assert_eq!(
        code(&set(&w, "other", &to("bucket", "")).await),
        "InvalidArgument",
        "a bucket that has a log"
    );
    // The ACL of old lets in logs of the same owner's buckets.
    let acl = call("PUT", "/other?acl").header("x-amz-acl", "log-delivery-write");
    assert_eq!(w.call(acl).await.status, 200);
    assert_eq!(set(&w, "bucket", &to("other", "")).await.status, 200);
    let bobs = |method: &str, target: &str| call(method, target).by("bob-key", "bob-secret");
    assert_eq!(w.call(bobs("PUT", "/bobs")).await.status, 200);
    for target in ["other", "logs"] {
        let document = format!("<BucketLoggingStatus>{}</BucketLoggingStatus>", to(target, ""));
        assert_eq!(code(&w.call(bobs("PUT", "/bobs?logging").body(&document)).await), "AccessDenied");
        assert_eq!(code(&w.call(bobs("PUT", "/bucket?logging").body(&document)).await), "AccessDenied");
    }
    assert_eq!(code(&w.call(bobs("POST", "/bucket?logging")).await), "AccessDenied");
    // What was let in when it was set may not be so any more.
    assert_eq!(set(&w, "bucket", &to("logs", "")).await.status, 200);
    w.put("/bucket/k", b"1").await;
    let before = delivered(&w).await;
    assert_eq!(w.send("DELETE", "/logs?policy").await.status, 204);
    assert_eq!(code(&w.send("POST", "/bucket?logging").await), "AccessDenied");
    assert_eq!(delivered(&w).await, before);
    w.stop().await;
}

#[tokio::test]
async fn a_log_that_is_turned_off_is_delivered_first() {
    let w = world("").await;
    let shown = w.send("GET", "/bucket?logging").await;
    assert!(String::from_utf8_lossy(&shown.body).contains("<ObjectRollTime>300</ObjectRollTime>"));
    let since = shown.header("last-modified").to_string();
    assert_eq!(set(&w, "bucket", &to("logs", "")).await.status, 200);
    assert_eq!(w.send("GET", "/bucket?logging").await.header("last-modified"), since, "nothing was changed");
    w.put("/bucket/k", b"1").await;
    let off = set(&w, "bucket", "").await;
    let text = String::from_utf8(off.body).unwrap();
    let key = between(&text, "<FlushedLoggingObject>", "<");
    assert!(String::from_utf8(w.get(&format!("/logs/{key}")).await).unwrap().contains("REST.PUT.OBJECT k "));
    let shown = String::from_utf8(w.get("/bucket?logging").await).unwrap();
    assert!(!shown.contains("LoggingEnabled"));
    w.put("/bucket/k", b"2").await;
    assert_eq!(w.send("POST", "/bucket?logging").await.status, 404);
    assert_eq!(delivered(&w).await, 1);
    w.stop().await;
}
