//! Buckets as websites: their configuration, and what browsers are answered.

use super::client::Answer;
use super::*;

const HOST: &str = "bucket.web.test";

async fn visit(w: &World, method: &str, path: &str) -> Answer {
    let mut call = call(method, path).anonymous();
    call.host = HOST.into();
    w.call(call).await
}

/// A website whose pages everybody may see but for those below `private/`.
async fn world(config: &str) -> World {
    let w = World::start().await;
    for (key, body) in [
        ("index.html", "home"),
        ("docs/index.html", "docs"),
        ("page.html", "page"),
        ("error.html", "<h1>sorry</h1>"),
    ] {
        let put = call("PUT", &format!("/bucket/{key}")).header("x-amz-acl", "public-read").body(body);
        assert_eq!(w.call(put.header("content-type", "text/html")).await.status, 200);
    }
    w.put("/bucket/private/a", b"secret").await;
    let text = format!("<WebsiteConfiguration>{config}</WebsiteConfiguration>");
    assert_eq!(w.call(call("PUT", "/bucket?website").body(text)).await.status, 200);
    let open = call("PUT", "/bucket?acl").header("x-amz-acl", "public-read");
    assert_eq!(w.call(open).await.status, 200);
    w
}

const PLAIN: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";
const WITH_ERROR: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument>";

#[tokio::test]
async fn its_configuration_is_kept() {
    let w = World::start().await;
    assert_eq!(w.send("GET", "/bucket?website").await.refusal(), (404, "NoSuchWebsiteConfiguration".into()));
    let none = visit(&w, "GET", "/").await;
    assert_eq!(none.status, 404);
    assert!(none.text().contains("Code: NoSuchWebsiteConfiguration"));
    let text = format!("<WebsiteConfiguration>{WITH_ERROR}</WebsiteConfiguration>");
    assert_eq!(w.call(call("PUT", "/bucket?website").body(&text)).await.status, 200);
    assert!(w.send("GET", "/bucket?website").await.text().contains(WITH_ERROR));
    let by_bob = call("PUT", "/bucket?website").body(&text).by("bob-key", "bob-secret");
    assert_eq!(w.call(by_bob).await.refusal(), (403, "AccessDenied".into()));
    assert_eq!(w.send("DELETE", "/bucket?website").await.status, 204);
    assert_eq!(w.send("GET", "/bucket?website").await.status, 404);
    w.stop().await;
}

#[tokio::test]
async fn browsers_are_shown_pages() {
    let w = world(PLAIN).await;
    for (path, body) in [("/", "home"), ("/docs/", "docs"), ("/page.html", "page"), ("/?acl", "home")] {
        let answer = visit(&w, "GET", path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), "text/html");
    }
    let head = visit(&w, "HEAD", "/").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "4", 0));
    let folder = visit(&w, "GET", "/docs").await;
    assert_eq!((folder.status, folder.header("location")), (302, "/docs/"));
    let missing = visit(&w, "GET", "/%3Cscript%3E").await;
    assert_eq!((missing.status, missing.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(missing.text().contains("Code: NoSuchKey") && !missing.text().contains("<script>"));
    let private = visit(&w, "GET", "/private/a").await;
    assert_eq!(private.status, 403);
    assert!(private.text().contains("Code: AccessDenied") && !private.text().contains("secret"));
    assert_eq!(visit(&w, "PUT", "/new").await.status, 405);
    assert_eq!(w.send("HEAD", "/bucket/new").await.status, 404);
    let mut other = call("GET", "/").anonymous();
    other.host = "nobodys.web.test".into();
    let answer = w.call(other).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("Code: NoSuchBucket"));
    // On the other endpoint nothing has changed.
    assert_eq!(w.get("/bucket/page.html").await, b"page");
    assert_eq!(w.send("GET", "/bucket").await.all("Key").len(), 5);
    w.stop().await;
}

#[tokio::test]
async fn errors_have_the_buckets_own_page() {
    let w = world(WITH_ERROR).await;
    let missing = visit(&w, "GET", "/nothing").await;
    assert_eq!((missing.status, missing.text().as_str()), (404, "<h1>sorry</h1>"));
    let mut ranged = call("GET", "/private/a").anonymous().header("range", "bytes=0-1");
    ranged.host = HOST.into();
    let private = w.call(ranged).await;
    assert_eq!((private.status, private.text().as_str()), (403, "<h1>sorry</h1>"));
    assert_eq!(w.send("DELETE", "/bucket/error.html").await.status, 204);
    let ours = visit(&w, "GET", "/nothing").await;
    assert_eq!(ours.status, 404);
    assert!(ours.text().contains("Code: NoSuchKey"));
    w.stop().await;
}

#[tokio::test]
async fn objects_and_rules_send_browsers_elsewhere() {
    let rule = |condition: &str, redirect: &str| {
        format!(
            "<RoutingRule><Condition>{condition}</Condition><Redirect>{redirect}</Redirect></RoutingRule>"
        )
    };
    let rules = [
        rule(
            "<KeyPrefixEquals>old/</KeyPrefixEquals>",
            "<ReplaceKeyPrefixWith>docs/</ReplaceKeyPrefixWith><HttpRedirectCode>307</HttpRedirectCode>",
        ),
        rule(
            "<HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals>",
            "<HostName>example.org</HostName><ReplaceKeyWith>lost</ReplaceKeyWith>",
        ),
    ];
    let w = world(&format!("{PLAIN}<RoutingRules>{}</RoutingRules>", rules.concat())).await;
    let moved = visit(&w, "GET", "/old/a").await;
    assert_eq!((moved.status, moved.header("location")), (307, "http://bucket.web.test/docs/a"));
    let lost = visit(&w, "GET", "/nothing").await;
    assert_eq!((lost.status, lost.header("location")), (301, "http://example.org/lost"));
    let put = call("PUT", "/bucket/away")
        .header("x-amz-website-redirect-location", "https://example.org/there")
        .header("x-amz-acl", "public-read");
    assert_eq!(w.call(put.clone()).await.status, 200);
    let away = visit(&w, "GET", "/away").await;
    assert_eq!((away.status, away.header("location")), (301, "https://example.org/there"));
    let told = w.send("HEAD", "/bucket/away").await;
    assert_eq!(
        (told.status, told.header("x-amz-website-redirect-location")),
        (200, "https://example.org/there")
    );
    let copy = call("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/away");
    assert_eq!(w.call(copy).await.status, 200);
    assert_eq!(w.send("HEAD", "/bucket/copy").await.find("x-amz-website-redirect-location"), None);
    let bad = call("PUT", "/bucket/bad").header("x-amz-website-redirect-location", "javascript:x");
    assert_eq!(w.call(bad).await.refusal(), (400, "InvalidRedirectLocation".into()));

    let all = "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>example.org</HostName><Protocol>https</Protocol></RedirectAllRequestsTo></WebsiteConfiguration>";
    assert_eq!(w.call(call("PUT", "/bucket?website").body(all)).await.status, 200);
    let gone = visit(&w, "GET", "/private/a").await;
    assert_eq!((gone.status, gone.header("location")), (301, "https://example.org/private/a"));
    w.stop().await;
}
