//! Tags and cross-origin rules as clients and browsers see them.

use super::*;

fn tagging(tags: &[(&str, &str)]) -> String {
    let tag = |(k, v): &(&str, &str)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>");
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.iter().map(tag).collect::<String>())
}

#[tokio::test]
async fn objects_have_tags() {
    let w = World::start().await;
    let put = call("PUT", "/bucket/k").body("x").header("x-amz-tagging", "foo=bar&b%20=");
    assert_eq!(w.call(put).await.status, 200);
    let got = w.send("GET", "/bucket/k?tagging").await;
    assert_eq!(
        (got.all("Key"), got.all("Value")),
        (vec!["b ".into(), "foo".into()], vec!["".into(), "bar".into()])
    );
    assert_eq!(w.send("HEAD", "/bucket/k").await.header("x-amz-tagging-count"), "2");
    let before = w.send("HEAD", "/bucket/k").await.header("last-modified").to_string();

    let set = |body: String| call("PUT", "/bucket/k?tagging").body(body);
    assert_eq!(w.call(set(tagging(&[("a", "1")]))).await.status, 200);
    let many: Vec<(String, String)> = (0..11).map(|i| (format!("k{i}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(w.call(set(tagging(&many))).await.refusal(), (400, "InvalidTag".into()));
    assert_eq!(w.call(set("<Tagging/>".into())).await.refusal(), (400, "MalformedXML".into()));
    assert_eq!(w.send("GET", "/bucket/k?tagging").await.all("Key"), ["a"]);
    assert_eq!(w.get("/bucket/k").await, b"x");
    assert_eq!(w.send("HEAD", "/bucket/k").await.header("last-modified"), before);

    // A copy takes them along, unless it is told others.
    let copy = |to: &str| call("PUT", to).header("x-amz-copy-source", "bucket/k");
    assert_eq!(w.call(copy("/bucket/c")).await.status, 200);
    assert_eq!(w.send("GET", "/bucket/c?tagging").await.all("Key"), ["a"]);
    let others =
        copy("/bucket/c").header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "z=9");
    assert_eq!(w.call(others).await.status, 200);
    assert_eq!(w.send("GET", "/bucket/c?tagging").await.all("Key"), ["z"]);
    let fresh = copy("/bucket/c").header("x-amz-metadata-directive", "REPLACE");
    assert_eq!(w.call(fresh).await.status, 200);
    assert_eq!(w.send("GET", "/bucket/c?tagging").await.all("Key"), ["a"], "metadata and tags apart");

    assert_eq!(w.send("DELETE", "/bucket/k?tagging").await.status, 204);
    let none = w.send("GET", "/bucket/k?tagging").await;
    assert_eq!((none.status, none.all("Tag").len()), (200, 0));
    assert!(w.send("HEAD", "/bucket/k").await.find("x-amz-tagging-count").is_none());
    assert_eq!(w.send("GET", "/bucket/none?tagging").await.refusal(), (404, "NoSuchKey".into()));
    assert_eq!(w.call(call("PUT", "/bucket/none?tagging").body(tagging(&[]))).await.one("Code"), "NoSuchKey");
    let by_bob = set(tagging(&[("b", "")])).by("bob-key", "bob-secret");
    assert_eq!(w.call(by_bob).await.refusal(), (403, "AccessDenied".into()));
    w.stop().await;
}

#[tokio::test]
async fn each_version_has_its_own_tags() {
    let w = World::start().await;
    let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(w.call(call("PUT", "/bucket?versioning").body(body)).await.status, 200);
    let first = w.call(call("PUT", "/bucket/k").body("1")).await.header("x-amz-version-id").to_string();
    w.put("/bucket/k", b"2").await;
    let target = format!("/bucket/k?tagging&versionId={first}");
    let set = w.call(call("PUT", &target).body(tagging(&[("old", "")]))).await;
    assert_eq!((set.status, set.header("x-amz-version-id")), (200, first.as_str()));
    assert_eq!(w.send("GET", "/bucket/k?tagging").await.all("Key"), [""; 0]);
    assert_eq!(w.send("GET", &target).await.all("Key"), ["old"]);
    w.send("DELETE", "/bucket/k").await;
    assert_eq!(w.send("GET", "/bucket/k?tagging").await.refusal(), (404, "NoSuchKey".into()));
    assert_eq!(w.send("GET", &target).await.all("Key"), ["old"]);
    w.stop().await;
}

#[tokio::test]
async fn buckets_have_tags() {
    let w = World::start().await;
    assert_eq!(w.send("GET", "/bucket?tagging").await.refusal(), (404, "NoSuchTagSet".into()));
    // 200, as in RGW and MinIO, whose JavaScript client takes nothing else.
    assert_eq!(w.call(call("PUT", "/bucket?tagging").body(tagging(&[("a", "b")]))).await.status, 200);
    assert_eq!(w.send("GET", "/bucket?tagging").await.all("Value"), ["b"]);
    assert_eq!(w.send("DELETE", "/bucket?tagging").await.status, 204);
    assert_eq!(w.send("GET", "/bucket?tagging").await.refusal(), (404, "NoSuchTagSet".into()));
    w.stop().await;
}

#[tokio::test]
async fn browsers_are_told_what_the_rules_say() {
    let w = World::start().await;
    let options = |headers: &[(&str, &str)]| {
        let call = call("OPTIONS", "/bucket/k").anonymous();
        headers.iter().fold(call, |call, (n, v)| call.header(n, v))
    };
    let asks = [("Origin", "foo.suffix"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(w.call(options(&[])).await.refusal(), (400, "BadRequest".into()));
    assert_eq!(w.call(options(&asks[..1])).await.refusal(), (400, "BadRequest".into()));
    assert_eq!(w.call(options(&asks)).await.refusal(), (403, "AccessForbidden".into()));

    let rule = "<CORSRule><AllowedOrigin>*suffix</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>etag</ExposeHeader></CORSRule>";
    let set = call("PUT", "/bucket?cors").body(format!("<CORSConfiguration>{rule}</CORSConfiguration>"));
    assert_eq!(w.call(set).await.status, 200);
    assert_eq!(w.send("GET", "/bucket?cors").await.one("AllowedOrigin"), "*suffix");
    let allowed = w.call(options(&asks)).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, "foo.suffix"));
    assert_eq!(allowed.header("access-control-allow-methods"), "GET");
    let with_headers = |h| [asks[0], asks[1], ("Access-Control-Request-Headers", h)];
    assert_eq!(
        w.call(options(&with_headers("X-Amz-Date"))).await.header("access-control-allow-headers"),
        "x-amz-date"
    );
    assert_eq!(w.call(options(&with_headers("content-type"))).await.status, 403);

    // Answers carry it too, errors with them; and nobody is let in by it.
    w.put("/bucket/k", b"x").await;
    let get = call("GET", "/bucket/k").header("Origin", "foo.suffix");
    let got = w.call(get.clone()).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (200, "foo.suffix"));
    assert_eq!(got.header("access-control-expose-headers"), "etag");
    let denied = w.call(get.anonymous()).await;
    assert_eq!((denied.status, denied.header("access-control-allow-origin")), (403, "foo.suffix"));
    let other = w.call(call("GET", "/bucket/k").header("Origin", "elsewhere")).await;
    assert_eq!((other.status, other.find("access-control-allow-origin")), (200, None));

    assert_eq!(w.send("DELETE", "/bucket?cors").await.status, 204);
    assert_eq!(w.send("GET", "/bucket?cors").await.refusal(), (404, "NoSuchCORSConfiguration".into()));
    w.stop().await;
}
