//! Ways around what policies and ACLs say: none of them leads anywhere.

use super::access_test::{allow, bob, policy, status};
use super::*;

const ANYONE: &str = "\"*\"";
const BOB: &str = "{\"AWS\":\"arn:aws:iam:::user/bob\"}";

fn deny(principal: &str, action: &str, resource: &str, rest: &str) -> String {
    allow(principal, action, resource, rest).replace("Allow", "Deny")
}
fn when(operator: &str, key: &str, value: &str) -> String {
    format!(",\"Condition\":{{\"{operator}\":{{\"{key}\":\"{value}\"}}}}")
}
async fn set(w: &World, statements: &[String]) {
    assert_eq!(policy(w, &statements.join(",")).await.status, 204);
}

#[tokio::test]
async fn conditions_are_about_what_is_done() {
    let w = World::start().await;
    for key in ["k", "pub/k", "secret/k"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    // The tags of the document, not of a header that does nothing here.
    let open = when("StringEquals", "s3:RequestObjectTag/level", "open");
    set(&w, &[allow(BOB, "s3:PutObjectTagging", "bucket/*", &open)]).await;
    let tag = |level: &str| {
        let body =
            format!("<Tagging><TagSet><Tag><Key>level</Key><Value>{level}</Value></Tag></TagSet></Tagging>");
        bob(call("PUT", "/bucket/k?tagging")).header("x-amz-tagging", "level=open").body(body)
    };
    assert_eq!(status(&w, tag("secret")).await, 403);
    assert_eq!(status(&w, tag("open")).await, 200);

    // The key that is missing, not a prefix in the query.
    set(&w, &[allow(BOB, "s3:ListBucket", "bucket", &when("StringLike", "s3:prefix", "pub/*"))]).await;
    assert_eq!(status(&w, bob(call("GET", "/bucket/secret/none?prefix=pub/"))).await, 403);
    assert_eq!(status(&w, bob(call("GET", "/bucket/pub/none"))).await, 404);
    assert_eq!(status(&w, bob(call("GET", "/bucket?prefix=pub/"))).await, 200);
    assert_eq!(status(&w, bob(call("GET", "/bucket?prefix=secret/"))).await, 403);
    assert_eq!(status(&w, bob(call("GET", "/bucket"))).await, 403);

    // One source has many spellings.
    let secret = when("StringLike", "s3:x-amz-copy-source", "/bucket/secret/*");
    set(&w, &[deny(ANYONE, "s3:PutObject", "bucket/*", &secret)]).await;
    let copy = |source: &str| call("PUT", "/bucket/copy").header("x-amz-copy-source", source);
    for source in
        ["bucket/secret/k", "/bucket/secret/k", "bucket/%73ecret%2Fk", "bucket/secret/k?versionId=null"]
    {
        assert_eq!(status(&w, copy(source)).await, 403, "{source}");
    }
    assert_eq!(status(&w, copy("bucket/k")).await, 200);
    let long = call("GET", "/bucket/k").header("user-agent", &"a".repeat(5000));
    assert_eq!(w.call(long).await.refusal(), (400, "InvalidRequest".into()), "and comparing has an end");
    w.stop().await;
}

#[tokio::test]
async fn versions_are_asked_about_as_they_are_named() {
    let w = World::start().await;
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(status(&w, call("PUT", "/bucket?versioning").body(on)).await, 200);
    let mut ids = Vec::new();
    for body in ["1", "2"] {
        let put = w.call(call("PUT", "/bucket/k").body(body)).await;
        ids.push(put.header("x-amz-version-id").to_string());
    }
    // Reading the current one is not reading them all.
    set(
        &w,
        &[allow(BOB, "s3:GetObject*", "bucket/*", ""), deny(BOB, "s3:GetObjectVersion*", "bucket/*", "")],
    )
    .await;
    for rest in ["", "&acl", "&tagging", "&attributes"] {
        let get = |target: String| bob(call("GET", &target)).header("x-amz-object-attributes", "ETag");
        let current = format!("/bucket/k?x=y{rest}");
        assert_eq!(status(&w, get(current.clone())).await, 200, "{current}");
        let version = format!("/bucket/k?versionId={}{rest}", ids[0]);
        assert_eq!(status(&w, get(version.clone())).await, 403, "{version}");
    }

    let first = when("StringEquals", "s3:VersionId", &ids[0]);
    set(&w, &[allow(BOB, "s3:DeleteObjectVersion", "bucket/*", &first)]).await;
    let many = |id: &str| {
        let body = format!("<Delete><Object><Key>k</Key><VersionId>{id}</VersionId></Object></Delete>");
        bob(call("POST", &format!("/bucket?delete&versionId={}", ids[0])).body(body))
    };
    assert_eq!(w.call(many(&ids[1])).await.one("Code"), "AccessDenied");
    assert_eq!(w.call(many("")).await.one("Code"), "AccessDenied", "which would be the current one");
    let upper = call("DELETE", &format!("/bucket/k?versionId={}", ids[1].to_uppercase()));
    set(&w, &[deny(ANYONE, "s3:*", "bucket/*", &when("StringEquals", "s3:VersionId", &ids[1]))]).await;
    assert_eq!(status(&w, upper).await, 403);
    set(&w, &[allow(BOB, "s3:DeleteObjectVersion", "bucket/*", &first)]).await;
    assert_eq!(w.call(many(&ids[0])).await.all("Code"), Vec::<String>::new());
    assert_eq!(w.get("/bucket/k").await, b"2");
    w.stop().await;
}

#[tokio::test]
async fn what_goes_along_can_be_denied() {
    let w = World::start().await;
    assert_eq!(status(&w, call("PUT", "/bucket/k").header("x-amz-tagging", "a=b").body("x")).await, 200);
    set(
        &w,
        &[
            deny(ANYONE, "s3:PutObjectAcl", "bucket/*", ""),
            deny(ANYONE, "s3:PutObjectTagging", "bucket/*", ""),
            deny(ANYONE, "s3:GetObjectAttributes", "bucket/*", ""),
        ],
    )
    .await;
    for (name, value) in
        [("x-amz-acl", "public-read"), ("x-amz-tagging", "a=b"), ("x-amz-grant-read", "id=bob")]
    {
        for (method, target) in [("PUT", "/bucket/n"), ("POST", "/bucket/n?uploads")] {
            assert_eq!(status(&w, call(method, target).header(name, value)).await, 403, "{method} {name}");
        }
        let copy = call("PUT", "/bucket/n").header("x-amz-copy-source", "bucket/k").header(name, value);
        let copy = copy.header("x-amz-tagging-directive", "REPLACE");
        assert_eq!(status(&w, copy).await, 403, "a copy with {name}");
    }
    let attributes = call("GET", "/bucket/k?attributes").header("x-amz-object-attributes", "ETag");
    assert_eq!(status(&w, attributes).await, 403);
    assert_eq!(status(&w, call("PUT", "/bucket/n").body("x")).await, 200);

    // A copy shows the source's tags to who makes it.
    set(&w, &[allow(BOB, "s3:GetObject", "bucket/*", "")]).await;
    assert_eq!(status(&w, bob(call("PUT", "/bobs-bucket"))).await, 200);
    let copy = bob(call("PUT", "/bobs-bucket/k")).header("x-amz-copy-source", "bucket/k");
    assert_eq!(status(&w, copy.clone()).await, 403);
    assert_eq!(status(&w, copy.clone().header("x-amz-tagging-directive", "REPLACE")).await, 200);
    let expects = copy.header("x-amz-tagging-directive", "REPLACE");
    let other = expects.clone().header("x-amz-source-expected-bucket-owner", "bob");
    assert_eq!(status(&w, other).await, 403);
    assert_eq!(status(&w, expects.header("x-amz-source-expected-bucket-owner", "alice")).await, 200);

    // The source of a part is asked about as that of a copy.
    assert_eq!(w.send("DELETE", "/bucket?policy").await.status, 204);
    let upload = w.call(bob(call("POST", "/bobs-bucket/k?uploads"))).await.one("UploadId");
    let part = format!("/bobs-bucket/k?uploadId={upload}&partNumber=1");
    let part = bob(call("PUT", &part)).header("x-amz-copy-source", "bucket/k");
    assert_eq!(status(&w, part).await, 403);
    w.stop().await;
}

#[tokio::test]
async fn the_owner_is_bound_but_never_locked_out() {
    let w = World::start().await;
    set(&w, &[deny(ANYONE, "s3:*", "bucket", ""), deny(ANYONE, "s3:*", "bucket/*", "")]).await;
    for (method, target) in [
        ("DELETE", "/bucket"),
        ("GET", "/bucket?versioning"),
        ("PUT", "/bucket?versioning"),
        ("DELETE", "/bucket?cors"),
        ("PUT", "/bucket?tagging"),
        ("DELETE", "/bucket?publicAccessBlock"),
        ("DELETE", "/bucket?ownershipControls"),
        ("GET", "/bucket?acl"),
    ] {
        assert_eq!(w.send(method, target).await.refusal(), (403, "AccessDenied".into()), "{method} {target}");
    }
    assert_eq!(w.send("GET", "/bucket?policy").await.status, 200);
    // Whom everything is allowed is let in, but not at the policy itself.
    set(&w, &[allow(BOB, "s3:*", "bucket", "")]).await;
    assert_eq!(w.call(bob(call("GET", "/bucket?cors"))).await.one("Code"), "NoSuchCORSConfiguration");
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(status(&w, bob(call(method, "/bucket?policy"))).await, 403, "{method}");
    }
    assert_eq!(w.send("DELETE", "/bucket?policy").await.status, 204);
    assert_eq!(w.send("DELETE", "/bucket").await.status, 204);
    w.stop().await;
}

#[tokio::test]
async fn each_key_of_many_and_each_owner_of_an_object() {
    let w = World::start().await;
    for key in ["pub/a", "k"] {
        w.put(&format!("/bucket/{key}"), b"x").await;
    }
    set(&w, &[allow(ANYONE, "s3:DeleteObject", "bucket/pub/*", "")]).await;
    let many = "<Delete><Object><Key>k</Key></Object><Object><Key>pub/a</Key></Object></Delete>";
    let answer = w.call(call("POST", "/bucket?delete").anonymous().body(many)).await;
    assert_eq!(
        (answer.all("Code"), answer.all("Key")),
        (vec!["AccessDenied".into()], vec!["k".into(), "pub/a".into()])
    );
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200);
    assert_eq!(w.send("GET", "/bucket/pub/a").await.status, 404);
    let mut presigned = bob(call("GET", "/bucket/k"));
    presigned.presign = Some(60);
    assert_eq!(status(&w, presigned).await, 403);

    assert_eq!(w.send("DELETE", "/bucket?policy").await.status, 204);
    let acl = |target: &str| call("PUT", target).header("x-amz-acl", "public-read-write");
    assert_eq!(status(&w, acl("/bucket?acl")).await, 200);
    assert_eq!(
        status(&w, bob(call("PUT", "/bucket/bobs")).header("x-amz-grant-read", "id=alice")).await,
        200
    );
    assert_eq!(status(&w, bob(call("GET", "/bucket/bobs"))).await, 403, "he granted himself nothing");
    assert_eq!(status(&w, bob(acl("/bucket/bobs?acl"))).await, 200, "and can mend it");
    assert_eq!(status(&w, bob(call("GET", "/bucket/bobs"))).await, 200);
    let nobody = call("PUT", "/half-made").header("x-amz-grant-read", "id=nobody");
    assert_eq!(w.call(nobody).await.refusal(), (400, "InvalidArgument".into()));
    assert_eq!(w.send("HEAD", "/half-made").await.status, 404, "and nothing was made");
    w.stop().await;
}

#[tokio::test]
async fn a_policy_that_looks_narrow_is_public_all_the_same() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    let block = "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    assert_eq!(status(&w, call("PUT", "/bucket?publicAccessBlock").body(block)).await, 200);
    for condition in [
        when("Null", "aws:SourceIp", "false"),
        when("Null", "aws:userid", "true"),
        when("IpAddress", "aws:SourceIp", "0.0.0.0/1"),
        when("StringLike", "aws:username", "?*"),
        when("ForAllValues:StringEquals", "aws:username", "bob"),
    ] {
        let open = allow(ANYONE, "s3:GetObject", "bucket/*", &condition);
        assert_eq!(policy(&w, &open).await.refusal(), (403, "AccessDenied".into()), "{condition}");
    }
    set(&w, &[allow(ANYONE, "s3:GetObject", "bucket/*", &when("StringEquals", "aws:username", "bob"))]).await;
    assert_eq!(status(&w, bob(call("GET", "/bucket/k"))).await, 200);
    assert_eq!(status(&w, call("GET", "/bucket/k").anonymous()).await, 403);
    w.stop().await;
}
