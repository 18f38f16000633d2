//! Versioning as clients see it.

use super::client::Answer;
use super::*;

async fn set(w: &World, bucket: &str, status: &str) {
    let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    let answer = w.call(call("PUT", &format!("/{bucket}?versioning")).body(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(w.send("GET", &format!("/{bucket}?versioning")).await.one("Status"), status);
}

/// Puts an object and gives its version; empty if the answer names none.
async fn put(w: &World, target: &str, body: &str) -> String {
    let answer = w.call(call("PUT", target).body(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-amz-version-id").to_string()
}

fn marker(answer: &Answer) -> (&str, &str) {
    (answer.header("x-amz-delete-marker"), answer.header("x-amz-version-id"))
}

#[tokio::test]
async fn versions_stack_up_and_come_back() {
    let w = World::start().await;
    assert_eq!(put(&w, "/bucket/k", "zero").await, "", "no versions yet, none named");
    set(&w, "bucket", "Enabled").await;
    let one = put(&w, "/bucket/k", "one").await;
    let two = put(&w, "/bucket/k", &"two".repeat(20_000)).await;
    assert!(one.len() == 32 && one != two);
    let got = w.send("GET", "/bucket/k").await;
    assert_eq!((got.body.len(), got.header("x-amz-version-id")), (60_000, two.as_str()));
    assert_eq!(w.get(&format!("/bucket/k?versionId={one}")).await, b"one");
    assert_eq!(w.get("/bucket/k?versionId=null").await, b"zero");
    let head = w.send("HEAD", &format!("/bucket/k?versionId={one}")).await;
    assert_eq!((head.header("content-length"), head.header("x-amz-version-id")), ("3", one.as_str()));
    assert_eq!(
        w.send("GET", &format!("/bucket/k?versionId={}", "1".repeat(32))).await.one("Code"),
        "NoSuchVersion"
    );

    let gone = w.send("DELETE", "/bucket/k").await;
    let (is_marker, id) = marker(&gone);
    assert_eq!((gone.status, is_marker), (204, "true"));
    let missing = w.send("GET", "/bucket/k").await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey".into()));
    assert_eq!(marker(&missing), ("true", id));
    assert_eq!(w.send("HEAD", "/bucket/other").await.header("x-amz-delete-marker"), "false");
    let asked = w.send("GET", &format!("/bucket/k?versionId={id}")).await;
    assert_eq!((asked.status, marker(&asked), asked.header("allow")), (405, ("true", id), "DELETE"));
    assert_eq!(w.send("GET", "/bucket").await.all("Key"), [""; 0]);
    assert_eq!(w.send("DELETE", "/bucket").await.one("Code"), "BucketNotEmpty");

    let list = w.send("GET", "/bucket?versions").await;
    assert_eq!(list.all("VersionId"), [id, &two, &one, "null"]);
    assert_eq!(list.all("IsLatest"), ["true", "false", "false", "false"]);
    assert_eq!((list.all("DeleteMarker").len(), list.all("Version").len()), (1, 3));

    // Removing the marker uncovers what it hid; removing that uncovers the one before.
    let removed = w.send("DELETE", &format!("/bucket/k?versionId={id}")).await;
    assert_eq!((removed.status, marker(&removed)), (204, ("true", id)));
    assert_eq!(w.send("GET", "/bucket/k").await.header("x-amz-version-id"), two);
    let removed = w.send("DELETE", &format!("/bucket/k?versionId={two}")).await;
    assert_eq!(marker(&removed), ("", two.as_str()));
    assert_eq!(w.get("/bucket/k").await, b"one");
    assert_eq!(w.send("DELETE", &format!("/bucket/k?versionId={two}")).await.status, 204, "gone already");
    w.stop().await;
}

#[tokio::test]
async fn a_suspended_bucket_replaces_only_the_version_called_null() {
    let w = World::start().await;
    set(&w, "bucket", "Enabled").await;
    let one = put(&w, "/bucket/k", "one").await;
    set(&w, "bucket", "Suspended").await;
    for body in ["a", "b"] {
        assert_eq!(put(&w, "/bucket/k", body).await, "");
    }
    assert_eq!(w.send("GET", "/bucket/k").await.header("x-amz-version-id"), "null");
    assert_eq!(w.send("GET", "/bucket?versions").await.all("VersionId"), ["null", one.as_str()]);
    let gone = w.send("DELETE", "/bucket/k").await;
    assert_eq!(marker(&gone), ("true", "null"));
    let list = w.send("GET", "/bucket?versions").await;
    assert_eq!(
        (list.all("VersionId"), list.all("DeleteMarker").len()),
        (vec!["null".into(), one.clone()], 1)
    );
    assert_eq!(w.send("DELETE", "/bucket/k?versionId=null").await.status, 204);
    assert_eq!(w.get("/bucket/k").await, b"one");
    w.stop().await;
}

#[tokio::test]
async fn pages_of_versions_join_up() {
    let w = World::start().await;
    set(&w, "bucket", "Enabled").await;
    for key in ["a", "a", "a", "dir/x", "dir/x", "dir/y", "z%20%2B"] {
        put(&w, &format!("/bucket/{key}"), "x").await;
    }
    let all = w.send("GET", "/bucket?versions").await.all("VersionId");
    assert_eq!(all.len(), 7);
    for max in 1..9 {
        let (mut seen, mut marker) = (Vec::new(), String::new());
        loop {
            let page =
                w.send("GET", &format!("/bucket?versions&max-keys={max}{marker}&encoding-type=url")).await;
            assert!(page.all("VersionId").len() <= max);
            seen.extend(page.all("VersionId"));
            if page.one("IsTruncated") == "false" {
                break;
            }
            let (key, version) = (page.one("NextKeyMarker"), page.one("NextVersionIdMarker"));
            marker = format!("&key-marker={key}&version-id-marker={version}");
        }
        assert_eq!(seen, all, "{max} a page");
    }
    let rolled = w.send("GET", "/bucket?versions&delimiter=/&max-keys=4").await;
    assert_eq!(
        (rolled.all("VersionId").len(), rolled.one("CommonPrefixes")),
        (3, "<Prefix>dir/</Prefix>".into())
    );
    assert_eq!(
        (rolled.one("NextKeyMarker"), rolled.one("NextVersionIdMarker")),
        ("dir/".into(), String::new())
    );
    let rest = w.send("GET", "/bucket?versions&delimiter=/&key-marker=dir/").await;
    assert_eq!(rest.all("VersionId").len(), 1);
    for bad in ["version-id-marker=null", "key-marker=a&version-id-marker=x"] {
        assert_eq!(w.send("GET", &format!("/bucket?versions&{bad}")).await.one("Code"), "InvalidArgument");
    }
    w.stop().await;
}

#[tokio::test]
async fn many_versions_go_in_one_request() {
    let w = World::start().await;
    set(&w, "bucket", "Enabled").await;
    let (one, two) = (put(&w, "/bucket/k", "1").await, put(&w, "/bucket/k", "2").await);
    let object = |rest: &str| format!("<Object><Key>k</Key>{rest}</Object>");
    let version = |id: &str| object(&format!("<VersionId>{id}</VersionId>"));
    let delete = |objects: String| call("POST", "/bucket?delete").body(format!("<Delete>{objects}</Delete>"));
    let hidden = w.call(delete(object(""))).await;
    let id = hidden.one("DeleteMarkerVersionId");
    assert_eq!((hidden.one("DeleteMarker"), id.len(), hidden.all("VersionId").len()), ("true".into(), 32, 0));
    for conditions in [
        "<ETag>badetag</ETag>",
        "<Size>9</Size>",
        "<LastModifiedTime>2015-01-01T00:00:00Z</LastModifiedTime>",
    ] {
        let refused = w.call(delete(object(&format!("<VersionId>{one}</VersionId>{conditions}")))).await;
        assert_eq!(refused.one("Code"), "PreconditionFailed", "{conditions}");
    }
    for _ in 0..2 {
        let gone = w.call(delete([&one, &two, &id].map(|v| version(v)).concat())).await;
        assert_eq!((gone.status, gone.all("VersionId").len(), gone.all("Error").len()), (200, 3, 0));
    }
    assert_eq!(w.send("GET", "/bucket?versions").await.all("VersionId").len(), 0);
    assert_eq!(w.send("DELETE", "/bucket").await.status, 204);
    w.stop().await;
}

#[tokio::test]
async fn conditions_look_at_the_current_version() {
    let w = World::start().await;
    set(&w, "bucket", "Enabled").await;
    let conditional = |method, header, value: &str| call(method, "/bucket/k").header(header, value);
    assert_eq!(
        w.call(conditional("PUT", "if-match", "*").body("x")).await.refusal(),
        (404, "NoSuchKey".into())
    );
    // What is not there needs no deleting, whatever was expected of it; and leaves no marker.
    assert_eq!(w.call(conditional("DELETE", "if-match", "badetag")).await.status, 204);
    assert_eq!(w.send("GET", "/bucket?versions").await.all("VersionId").len(), 0);
    let etag = w.put("/bucket/k", b"one").await;
    assert_eq!(w.call(conditional("PUT", "if-none-match", "*").body("x")).await.status, 412);
    assert_eq!(w.call(conditional("DELETE", "if-match", "badetag")).await.status, 412);
    assert_eq!(w.call(conditional("DELETE", "x-amz-if-match-size", "9")).await.status, 412);
    let old = conditional("DELETE", "x-amz-if-match-last-modified-time", "Thu, 01 Jan 2015 00:00:00 GMT");
    assert_eq!(w.call(old).await.status, 412);
    assert_eq!(w.call(conditional("DELETE", "if-match", &etag)).await.header("x-amz-delete-marker"), "true");
    assert_eq!(
        w.call(conditional("PUT", "if-match", &etag).body("x")).await.status,
        404,
        "a marker is no object"
    );
    assert_eq!(
        w.call(conditional("DELETE", "if-match", "badetag")).await.status,
        412,
        "a marker has no ETag"
    );
    assert_eq!(w.call(conditional("PUT", "if-none-match", "*").body("x")).await.status, 200);
    w.stop().await;
}

#[tokio::test]
async fn copies_and_uploads_name_their_versions() {
    let w = World::start().await;
    set(&w, "bucket", "Enabled").await;
    let (one, two) = (put(&w, "/bucket/k", "one").await, put(&w, "/bucket/k", "two").await);
    let copy = |to: &str, from: String| call("PUT", to).header("x-amz-copy-source", &from);
    // An older version copied onto its own key is how it is brought back.
    let back = w.call(copy("/bucket/k", format!("bucket/k?versionId={one}"))).await;
    assert_eq!((back.status, back.header("x-amz-copy-source-version-id")), (200, one.as_str()), "{back:?}");
    assert_eq!(w.get("/bucket/k").await, b"one");
    assert_ne!(back.header("x-amz-version-id"), two);
    let marker = w.send("DELETE", "/bucket/k").await.header("x-amz-version-id").to_string();
    assert_eq!(w.call(copy("/bucket/c", "bucket/k".into())).await.refusal(), (404, "NoSuchKey".into()));
    let of_marker = copy("/bucket/c", format!("bucket/k?versionId={marker}"));
    assert_eq!(w.call(of_marker).await.refusal(), (400, "InvalidRequest".into()));

    let id = w.send("POST", "/bucket/up?uploads").await.one("UploadId");
    let part = copy(&format!("/bucket/up?uploadId={id}&partNumber=1"), format!("bucket/k?versionId={two}"));
    let part = w.call(part).await;
    assert_eq!(part.header("x-amz-copy-source-version-id"), two);
    let etag = part.one("ETag");
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done = w.call(call("POST", &format!("/bucket/up?uploadId={id}")).body(body)).await;
    let version = done.header("x-amz-version-id");
    assert_eq!(version.len(), 32);
    put(&w, "/bucket/up", "newer").await;
    assert_eq!(w.get(&format!("/bucket/up?versionId={version}")).await, b"two");
    w.stop().await;
}

#[tokio::test]
async fn versioning_is_configured_strictly() {
    let w = World::start().await;
    for (body, code) in [
        ("", "MalformedXML"),
        ("<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        ("<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", "MalformedXML"),
    ] {
        assert_eq!(w.call(call("PUT", "/bucket?versioning").body(body)).await.one("Code"), code);
    }
    let by_bob = call("PUT", "/bucket?versioning").by("bob-key", "bob-secret");
    let by_bob = by_bob.body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    assert_eq!(w.call(by_bob).await.refusal(), (403, "AccessDenied".into()));
    assert_eq!(w.send("GET", "/bucket?versioning").await.all("Status"), [""; 0]);
    w.stop().await;
}
