//! Who is let in: nobody, unless a policy or an ACL says so.

use super::client::Answer;
use super::*;

pub(super) fn bob(call: Call) -> Call {
    call.by("bob-key", "bob-secret")
}

pub(super) async fn status(w: &World, call: Call) -> u16 {
    w.call(call).await.status
}

pub(super) async fn policy(w: &World, statements: &str) -> Answer {
    let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}");
    w.call(call("PUT", "/bucket?policy").body(text)).await
}

pub(super) fn allow(principal: &str, action: &str, resource: &str, rest: &str) -> String {
    format!(
        "{{\"Effect\":\"Allow\",\"Principal\":{principal},\"Action\":\"{action}\",\"Resource\":\"arn:aws:s3:::{resource}\"{rest}}}"
    )
}

/// Every verb that is about alice's bucket or an object in it.
const VERBS: [(&str, &str); 57] = [
    ("GET", "/bucket"),
    ("GET", "/bucket?list-type=2"),
    ("GET", "/bucket?versions"),
    ("GET", "/bucket?uploads"),
    ("GET", "/bucket?location"),
    ("GET", "/bucket?acl"),
    ("PUT", "/bucket?acl"),
    ("GET", "/bucket?policy"),
    ("PUT", "/bucket?policy"),
    ("DELETE", "/bucket?policy"),
    ("GET", "/bucket?policyStatus"),
    ("GET", "/bucket?publicAccessBlock"),
    ("PUT", "/bucket?publicAccessBlock"),
    ("DELETE", "/bucket?publicAccessBlock"),
    ("GET", "/bucket?ownershipControls"),
    ("PUT", "/bucket?ownershipControls"),
    ("DELETE", "/bucket?ownershipControls"),
    ("GET", "/bucket?tagging"),
    ("PUT", "/bucket?tagging"),
    ("DELETE", "/bucket?tagging"),
    ("GET", "/bucket?cors"),
    ("PUT", "/bucket?cors"),
    ("DELETE", "/bucket?cors"),
    ("GET", "/bucket?versioning"),
    ("PUT", "/bucket?versioning"),
    ("GET", "/bucket?lifecycle"),
    ("GET", "/bucket?requestPayment"),
    ("PUT", "/bucket?requestPayment"),
    ("GET", "/bucket?encryption"),
    ("PUT", "/bucket?encryption"),
    ("DELETE", "/bucket?encryption"),
    ("PUT", "/bucket?lifecycle"),
    ("DELETE", "/bucket?lifecycle"),
    ("GET", "/bucket?object-lock"),
    ("PUT", "/bucket?object-lock"),
    ("GET", "/bucket/k?retention"),
    ("PUT", "/bucket/k?retention"),
    ("GET", "/bucket/k?legal-hold"),
    ("PUT", "/bucket/k?legal-hold"),
    ("DELETE", "/bucket"),
    ("GET", "/bucket/k"),
    ("GET", "/bucket/none"),
    ("GET", "/bucket/k?versionId=null"),
    ("GET", "/bucket/k?attributes"),
    ("GET", "/bucket/k?acl"),
    ("PUT", "/bucket/k?acl"),
    ("GET", "/bucket/k?tagging"),
    ("PUT", "/bucket/k?tagging"),
    ("DELETE", "/bucket/k?tagging"),
    ("PUT", "/bucket/k"),
    ("DELETE", "/bucket/k"),
    ("DELETE", "/bucket/k?versionId=null"),
    ("POST", "/bucket/k?uploads"),
    ("PUT", "/bucket/k?uploadId=00000000000000000000000000000001&partNumber=1"),
    ("POST", "/bucket/k?uploadId=00000000000000000000000000000001"),
    ("GET", "/bucket/k?uploadId=00000000000000000000000000000001"),
    ("DELETE", "/bucket/k?uploadId=00000000000000000000000000000001"),
];

#[tokio::test]
async fn nobody_else_does_anything_by_default() {
    let w = World::start().await;
    w.put("/bucket/k", b"mine").await;
    for (method, target) in VERBS {
        for call in [bob(call(method, target)), call(method, target).anonymous()] {
            let call = call.header("x-amz-object-attributes", "ETag");
            assert_eq!(w.call(call).await.refusal(), (403, "AccessDenied".into()), "{method} {target}");
        }
    }
    assert_eq!(status(&w, call("HEAD", "/bucket").anonymous()).await, 403);
    assert_eq!(status(&w, call("HEAD", "/bucket/k").anonymous()).await, 403);
    assert_eq!(status(&w, call("PUT", "/new-bucket").anonymous()).await, 403);
    let many = "<Delete><Object><Key>k</Key></Object></Delete>";
    let refused = w.call(call("POST", "/bucket?delete").anonymous().body(many)).await;
    assert_eq!((refused.status, refused.one("Code")), (200, "AccessDenied".into()));
    let copy = bob(call("PUT", "/bobs-copy/k").header("x-amz-copy-source", "bucket/k"));
    assert_eq!(status(&w, bob(call("PUT", "/bobs-copy"))).await, 200);
    assert_eq!(status(&w, copy).await, 403);
    assert_eq!(w.get("/bucket/k").await, b"mine");
    w.stop().await;
}

#[tokio::test]
async fn acls_let_in_whom_they_name() {
    let w = World::start().await;
    let set = |target: &str, acl: &str| call("PUT", target).header("x-amz-acl", acl);
    assert_eq!(status(&w, set("/bucket/open", "public-read").body("o")).await, 200);
    assert_eq!(status(&w, set("/bucket/signed", "authenticated-read").body("s")).await, 200);
    let anyone = |target: &str| call("GET", target).anonymous();
    assert_eq!(w.call(anyone("/bucket/open")).await.body, b"o");
    assert_eq!(status(&w, anyone("/bucket/signed")).await, 403);
    assert_eq!(w.call(bob(call("GET", "/bucket/signed"))).await.body, b"s");
    assert_eq!(status(&w, anyone("/bucket")).await, 403, "an object's ACL opens no listing");
    assert_eq!(status(&w, anyone("/bucket/none")).await, 403, "who may not list is not told");
    assert_eq!(status(&w, call("DELETE", "/bucket/open").anonymous()).await, 403);

    assert_eq!(status(&w, set("/bucket?acl", "public-read")).await, 200);
    assert_eq!(w.call(anyone("/bucket")).await.all("Key"), ["open", "signed"]);
    assert_eq!(status(&w, anyone("/bucket/none")).await, 404);
    assert_eq!(status(&w, call("PUT", "/bucket/x").anonymous().body("x")).await, 403);

    assert_eq!(status(&w, set("/bucket?acl", "public-read-write")).await, 200);
    assert_eq!(status(&w, bob(call("PUT", "/bucket/bobs").body("b"))).await, 200);
    assert_eq!(w.send("GET", "/bucket/bobs?acl").await.one("ID"), "bob");
    assert_eq!(w.call(bob(call("GET", "/bucket/bobs"))).await.body, b"b");
    assert_eq!(status(&w, call("PUT", "/bucket/x").anonymous().body("x")).await, 200);
    assert_eq!(status(&w, anyone("/bucket/bobs")).await, 403);
    assert_eq!(status(&w, call("DELETE", "/bucket/x?versionId=null").anonymous()).await, 403);

    let grant = call("PUT", "/bucket/signed?acl").header("x-amz-grant-read-acp", "id=\"bob\"");
    assert_eq!(status(&w, grant).await, 200);
    assert_eq!(status(&w, bob(call("GET", "/bucket/signed?acl"))).await, 200);
    assert_eq!(status(&w, bob(call("GET", "/bucket/signed"))).await, 403, "the new ACL replaces the old one");
    let nobody = call("PUT", "/bucket/signed?acl").header("x-amz-grant-read", "id=\"nobody\"");
    assert_eq!(w.call(nobody).await.refusal(), (400, "InvalidArgument".into()));
    let text = w.send("GET", "/bucket/open?acl").await.text();
    assert_eq!(status(&w, call("PUT", "/bucket/signed?acl").body(text)).await, 200);
    assert_eq!(w.call(anyone("/bucket/signed")).await.body, b"s");
    w.stop().await;
}

#[tokio::test]
async fn policies_allow_and_deny() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    assert_eq!(policy(&w, "{}").await.refusal(), (400, "MalformedPolicy".into()));
    let to_bob = allow("{\"AWS\":\"arn:aws:iam:::user/bob\"}", "s3:GetObject", "bucket/*", "");
    assert_eq!(policy(&w, &to_bob).await.status, 204);
    assert!(w.send("GET", "/bucket?policy").await.text().contains("user/bob"));
    assert_eq!(w.call(bob(call("GET", "/bucket/k"))).await.body, b"x");
    for refused in [
        bob(call("PUT", "/bucket/k").body("y")),
        bob(call("GET", "/bucket")),
        call("GET", "/bucket/k").anonymous(),
    ] {
        assert_eq!(w.call(refused).await.refusal(), (403, "AccessDenied".into()));
    }
    assert_eq!(w.send("GET", "/bucket?policyStatus").await.one("IsPublic"), "false");

    let condition = ",\"Condition\":{\"StringEquals\":{\"s3:ExistingObjectTag/level\":\"open\"}}";
    assert_eq!(policy(&w, &allow("\"*\"", "s3:GetObject", "bucket/*", condition)).await.status, 204);
    assert_eq!(status(&w, call("GET", "/bucket/k").anonymous()).await, 403);
    let tagged = call("PUT", "/bucket/k").header("x-amz-tagging", "level=open").body("x");
    assert_eq!(status(&w, tagged).await, 200);
    assert_eq!(status(&w, call("GET", "/bucket/k").anonymous()).await, 200);
    assert_eq!(w.send("GET", "/bucket?policyStatus").await.one("IsPublic"), "true");

    // A denial holds for the owner too, who can still mend it.
    let deny = allow("\"*\"", "s3:*", "bucket/*", "").replace("Allow", "Deny");
    assert_eq!(policy(&w, &deny).await.status, 204);
    assert_eq!(w.send("GET", "/bucket/k").await.status, 403);
    assert_eq!(w.send("DELETE", "/bucket?policy").await.status, 204);
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200);
    assert_eq!(w.send("GET", "/bucket?policy").await.refusal(), (404, "NoSuchBucketPolicy".into()));
    w.stop().await;
}

#[tokio::test]
async fn the_block_of_public_access_overrules_both() {
    let w = World::start().await;
    let open = |target: &str| call("PUT", target).header("x-amz-acl", "public-read").body("o");
    assert_eq!(status(&w, open("/bucket/k")).await, 200);
    let block = |name: &str| {
        let body =
            format!("<PublicAccessBlockConfiguration><{name}>true</{name}></PublicAccessBlockConfiguration>");
        call("PUT", "/bucket?publicAccessBlock").body(body)
    };
    let anyone = call("GET", "/bucket/k").anonymous();
    assert_eq!(status(&w, anyone.clone()).await, 200);
    assert_eq!(status(&w, block("IgnorePublicAcls")).await, 200);
    assert_eq!(status(&w, anyone.clone()).await, 403);
    assert_eq!(status(&w, block("BlockPublicAcls")).await, 200);
    assert_eq!(status(&w, open("/bucket/other")).await, 403);
    assert_eq!(status(&w, block("BlockPublicPolicy")).await, 200);
    let everybody = allow("\"*\"", "s3:GetObject", "bucket/*", "");
    assert_eq!(policy(&w, &everybody).await.status, 403);
    assert_eq!(w.send("DELETE", "/bucket?publicAccessBlock").await.status, 204);
    assert_eq!(policy(&w, &everybody).await.status, 204);
    w.put("/bucket/private", b"p").await;
    assert_eq!(status(&w, call("GET", "/bucket/private").anonymous()).await, 200);
    assert_eq!(status(&w, block("RestrictPublicBuckets")).await, 200);
    assert_eq!(status(&w, call("GET", "/bucket/private").anonymous()).await, 403);

    let enforced = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    assert_eq!(w.send("DELETE", "/bucket?publicAccessBlock").await.status, 204);
    assert_eq!(w.send("DELETE", "/bucket?policy").await.status, 204);
    assert_eq!(status(&w, anyone.clone()).await, 200);
    assert_eq!(status(&w, call("PUT", "/bucket?ownershipControls").body(enforced)).await, 200);
    assert_eq!(status(&w, anyone).await, 403, "ACLs count for nothing");
    assert_eq!(w.call(open("/bucket/k")).await.one("Code"), "AccessControlListNotSupported");
    w.stop().await;
}

#[tokio::test]
async fn where_requesters_pay_they_must_say_so() {
    let w = World::start().await;
    let open = call("PUT", "/bucket/k").header("x-amz-acl", "public-read").body("o");
    assert_eq!(status(&w, open).await, 200);
    assert_eq!(w.send("GET", "/bucket?requestPayment").await.one("Payer"), "BucketOwner");
    let set = |payer: &str| {
        let body =
            format!("<RequestPaymentConfiguration><Payer>{payer}</Payer></RequestPaymentConfiguration>");
        call("PUT", "/bucket?requestPayment").body(body)
    };
    assert_eq!(status(&w, set("Requester")).await, 200);
    assert_eq!(w.send("GET", "/bucket?requestPayment").await.one("Payer"), "Requester");
    let get = |call: Call| call.header("x-amz-request-payer", "requester");
    assert_eq!(status(&w, bob(call("GET", "/bucket/k"))).await, 403);
    assert_eq!(status(&w, bob(get(call("GET", "/bucket/k")))).await, 200);
    assert_eq!(status(&w, get(call("GET", "/bucket/k").anonymous())).await, 403, "nobody would pay");
    assert_eq!(w.send("GET", "/bucket/k").await.status, 200, "the owner pays anyway");
    assert_eq!(status(&w, set("BucketOwner")).await, 200);
    assert_eq!(status(&w, call("GET", "/bucket/k").anonymous()).await, 200);
    w.stop().await;
}
