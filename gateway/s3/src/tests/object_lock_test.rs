//! Object lock: what is retained or held stays, whoever asks and however.

use super::access_test::{allow, bob, policy};
use super::*;

const LOCK: &str = "x-amz-object-lock-";
const FAR: &str = "2130-01-01T00:00:00Z";

async fn locked_bucket(w: &World) {
    let create = call("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(w.call(create.clone()).await.status, 200);
    assert_eq!(w.call(create).await.refusal(), (409, "BucketAlreadyOwnedByYou".into()));
}

async fn put(w: &World, target: &str, headers: &[(&str, &str)]) -> String {
    let mut put = call("PUT", target).body("data");
    for (name, value) in headers {
        put = put.header(&format!("{LOCK}{name}"), value);
    }
    let answer = w.call(put).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-amz-version-id").to_string()
}

fn retention(target: &str, mode: &str, until: &str) -> Call {
    let text =
        format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>");
    call("PUT", target).body(text)
}

fn with_bypass(call: Call) -> Call {
    call.header("x-amz-bypass-governance-retention", "true")
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".into())
}

#[tokio::test]
async fn a_bucket_is_made_with_a_lock_or_gets_one_while_it_keeps_versions() {
    let w = World::start().await;
    locked_bucket(&w).await;
    assert_eq!(w.send("GET", "/locked?versioning").await.one("Status"), "Enabled");
    let suspend = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let suspended = w.call(call("PUT", "/locked?versioning").body(suspend)).await;
    assert_eq!(suspended.refusal(), (409, "InvalidBucketState".into()));

    let none = w.send("GET", "/bucket?object-lock").await;
    assert_eq!(none.refusal(), (404, "ObjectLockConfigurationNotFoundError".into()));
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    let set = |bucket: &str| call("PUT", &format!("/{bucket}?object-lock")).body(rule);
    assert_eq!(w.call(set("bucket")).await.refusal(), (409, "InvalidBucketState".into()));
    let enable = suspend.replace("Suspended", "Enabled");
    assert_eq!(w.call(call("PUT", "/bucket?versioning").body(enable)).await.status, 200);
    assert_eq!(w.call(set("bucket")).await.status, 200);
    assert_eq!(w.send("GET", "/bucket?object-lock").await.one("Days"), "1");

    // By default, then: a put, a copy, an upload.
    w.put("/bucket/k", b"x").await;
    assert_eq!(w.send("HEAD", "/bucket/k").await.header("x-amz-object-lock-mode"), "GOVERNANCE");
    let copy = call("PUT", "/bucket/c").header("x-amz-copy-source", "bucket/k");
    assert_eq!(w.call(copy).await.status, 200);
    assert_eq!(w.send("HEAD", "/bucket/c").await.header("x-amz-object-lock-mode"), "GOVERNANCE");
    let held = call("POST", "/bucket/m?uploads").header("x-amz-object-lock-legal-hold", "ON");
    let id = w.call(held).await.one("UploadId");
    let part = w.call(call("PUT", &format!("/bucket/m?partNumber=1&uploadId={id}")).body("p")).await;
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    let done = w.call(call("POST", &format!("/bucket/m?uploadId={id}")).body(parts)).await;
    let version = done.header("x-amz-version-id").to_string();
    let head = w.send("HEAD", "/bucket/m").await;
    assert_eq!(head.header("x-amz-object-lock-legal-hold"), "ON");
    assert_eq!(head.header("x-amz-object-lock-mode"), "GOVERNANCE");
    let gone = with_bypass(call("DELETE", &format!("/bucket/m?versionId={version}")));
    assert_eq!(w.call(gone).await.refusal(), denied(), "a hold knows no bypass");
    w.stop().await;
}

#[tokio::test]
async fn retained_versions_stay() {
    let w = World::start().await;
    locked_bucket(&w).await;
    let v = put(&w, "/locked/k", &[("mode", "GOVERNANCE"), ("retain-until-date", FAR)]).await;
    let at = format!("/locked/k?versionId={v}");
    let head = w.send("HEAD", &at).await;
    assert_eq!(head.header("x-amz-object-lock-retain-until-date"), "2130-01-01T00:00:00.000Z");
    assert_eq!(w.send("DELETE", &at).await.refusal(), denied());
    let hidden = w.send("DELETE", "/locked/k").await;
    assert_eq!(hidden.header("x-amz-delete-marker"), "true");
    let many = format!(
        "<Delete><Object><Key>k</Key><VersionId>{v}</VersionId></Object><Object><Key>other</Key></Object></Delete>"
    );
    let done = w.call(call("POST", "/locked?delete").body(&many)).await;
    assert_eq!((done.all("Code"), done.all("Deleted").len()), (vec!["AccessDenied".to_string()], 1));

    let on = format!("/locked/k?retention&versionId={v}");
    assert_eq!(w.send("GET", &on).await.one("Mode"), "GOVERNANCE");
    assert_eq!(w.call(retention(&on, "GOVERNANCE", "2129-01-01T00:00:00Z")).await.refusal(), denied());
    assert_eq!(w.call(retention(&on, "COMPLIANCE", FAR)).await.refusal(), denied());
    assert_eq!(w.call(retention(&on, "GOVERNANCE", "2131-01-01T00:00:00Z")).await.status, 200);
    assert_eq!(w.call(retention(&on, "governance", FAR)).await.refusal(), (400, "MalformedXML".into()));
    let past = w.call(retention(&on, "GOVERNANCE", "2001-01-01T00:00:00Z")).await;
    assert_eq!(past.refusal(), (400, "InvalidArgument".into()));

    // Whoever may delete versions may not bypass by that.
    let deletes = allow("\"*\"", "s3:DeleteObjectVersion", "locked/*", "");
    let document = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{deletes}]}}");
    assert_eq!(w.call(call("PUT", "/locked?policy").body(document)).await.status, 204);
    assert_eq!(w.call(bob(with_bypass(call("DELETE", &at)))).await.refusal(), denied());
    assert_eq!(policy(&w, &deletes.replace("locked", "bucket")).await.status, 204);
    assert_eq!(w.call(with_bypass(call("POST", "/locked?delete")).body(many)).await.all("Deleted").len(), 2);
    assert_eq!(w.send("GET", &at).await.status, 404);

    let v = put(&w, "/locked/c", &[("mode", "COMPLIANCE"), ("retain-until-date", FAR)]).await;
    let at = format!("/locked/c?versionId={v}");
    assert_eq!(w.call(with_bypass(call("DELETE", &at))).await.refusal(), denied());
    let weaker = with_bypass(retention("/locked/c?retention", "GOVERNANCE", FAR));
    assert_eq!(w.call(weaker).await.refusal(), denied());
    assert_eq!(w.send("DELETE", "/locked").await.refusal(), (409, "BucketNotEmpty".into()));
    w.stop().await;
}

#[tokio::test]
async fn holds_and_what_is_wrong_with_requests() {
    let w = World::start().await;
    locked_bucket(&w).await;
    let v = put(&w, "/locked/k", &[]).await;
    let at = format!("/locked/k?versionId={v}");
    let none = (404, "NoSuchObjectLockConfiguration".to_string());
    assert_eq!(w.send("GET", "/locked/k?legal-hold").await.refusal(), none);
    assert_eq!(w.send("GET", "/locked/k?retention").await.refusal(), none);
    let hold = |status: &str| {
        call("PUT", "/locked/k?legal-hold").body(format!("<LegalHold><Status>{status}</Status></LegalHold>"))
    };
    assert_eq!(w.call(hold("ON")).await.status, 200);
    assert_eq!(w.send("DELETE", &at).await.refusal(), denied());
    assert_eq!(w.call(hold("abc")).await.refusal(), (400, "MalformedXML".into()));
    assert_eq!(w.call(hold("OFF")).await.status, 200);
    assert_eq!(w.send("GET", "/locked/k?legal-hold").await.one("Status"), "OFF");
    assert_eq!(w.send("DELETE", &at).await.status, 204);

    w.put("/bucket/k", b"x").await;
    let missing = (400, "InvalidRequest".to_string());
    for (method, target) in [("GET", "/bucket/k?retention"), ("GET", "/bucket/k?legal-hold")] {
        assert_eq!(w.send(method, target).await.refusal(), missing, "{target}");
    }
    assert_eq!(w.call(retention("/bucket/k?retention", "GOVERNANCE", FAR)).await.refusal(), missing);
    let on_put = |name: &str, value: &str| call("PUT", "/locked/k").header(&format!("{LOCK}{name}"), value);
    for bad in [
        on_put("mode", "GOVERNANCE"),
        on_put("retain-until-date", FAR),
        on_put("legal-hold", "on"),
        on_put("mode", "x").header(&format!("{LOCK}retain-until-date"), FAR),
        on_put("mode", "GOVERNANCE").header(&format!("{LOCK}retain-until-date"), "2001-01-01T00:00:00Z"),
        on_put("mode", "GOVERNANCE").header(&format!("{LOCK}retain-until-date"), "tomorrow"),
    ] {
        assert_eq!(w.call(bad.clone()).await.refusal(), (400, "InvalidArgument".into()), "{:?}", bad.headers);
    }
    let elsewhere = call("PUT", "/bucket/k").header(&format!("{LOCK}legal-hold"), "ON");
    assert_eq!(w.call(elsewhere).await.refusal(), missing);
    w.stop().await;
}
