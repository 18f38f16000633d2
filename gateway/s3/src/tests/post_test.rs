//! Uploads by forms: whom they come from, what their policies let through, what they are answered.

use super::client::Answer;
use super::*;
use crate::auth::KeyCache;
use crate::{dates, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use std::time::{SystemTime, UNIX_EPOCH};

type Pairs = Vec<(String, String)>;

fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

/// Sends a form. `file` comes last, under the name `dir/photo.png`.
async fn post(w: &World, bucket: &str, fields: &Pairs, file: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--BB\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(b"--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"dir/photo.png\"\r\nContent-Type: image/png\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--BB\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--BB--\r\n");
    let kind = "multipart/form-data; boundary=BB";
    w.call(call("POST", &format!("/{bucket}")).anonymous().header("content-type", kind).body(body)).await
}

fn policy(conditions: &str) -> String {
    let text = format!(
        "{{\"expiration\":\"2099-01-01T00:00:00Z\",\"conditions\":[{{\"bucket\":\"bucket\"}},{conditions}]}}"
    );
    STANDARD.encode(text)
}

/// Alice's form, signed with Version 4.
fn signed(conditions: &str, fields: &[(&str, &str)]) -> Pairs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let amz_date = dates::amz(now);
    let date = &amz_date[..8];
    let vouched = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_string()),
        ("x-amz-credential", format!("alice-key/{date}/us-east-1/s3/aws4_request")),
        ("x-amz-date", amz_date.clone()),
    ];
    let named: String = vouched.iter().map(|(n, v)| format!(",{{\"{n}\":\"{v}\"}}")).collect();
    let policy = policy(&format!("{conditions}{named}"));
    let key = KeyCache::default().get("alice-key", "alice-secret", date, "us-east-1");
    let mut all = pairs(fields);
    all.extend(vouched.map(|(n, v)| (n.to_string(), v)));
    all.push(("x-amz-signature".into(), hex::encode(&key.sign(policy.as_bytes()))));
    all.push(("Policy".into(), policy));
    all
}

fn refused(answer: &Answer) -> (u16, String) {
    answer.refusal()
}

const ANY_KEY: &str = "[\"starts-with\",\"$key\",\"u/\"],[\"content-length-range\",2,3000000]";

#[tokio::test]
async fn a_signed_form_stores_its_file() {
    let w = World::start().await;
    let conditions = format!(
        "{ANY_KEY},{{\"acl\":\"public-read\"}},[\"starts-with\",\"$Content-Type\",\"image/\"],[\"eq\",\"$x-amz-meta-a\",\"b\"]"
    );
    let fields = [
        ("key", "u/${filename}"),
        ("acl", "public-read"),
        ("Content-Type", "image/png"),
        ("x-amz-meta-a", "b"),
    ];
    let large: Vec<u8> = (0..2_000_000u32).map(|i| (i % 251) as u8).collect();
    let done = post(&w, "bucket", &signed(&conditions, &fields), &large).await;
    assert_eq!((done.status, done.body.len()), (204, 0), "{done:?}");
    let got = w.call(call("GET", "/bucket/u/photo.png").anonymous()).await;
    assert_eq!((got.header("content-type"), got.header("x-amz-meta-a")), ("image/png", "b"));
    assert!(got.body == large);
    assert_eq!(w.send("GET", "/bucket/u/photo.png?acl").await.one("ID"), "alice");

    let small = |conditions: &str, fields: &[(&str, &str)]| signed(conditions, fields);
    let with = |extra: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("key", "u/k")];
        fields.extend(more);
        small(&format!("{ANY_KEY}{extra}"), &fields)
    };
    let status = with(",{\"success_action_status\":\"201\"}", &[("success_action_status", "201")]);
    let made = post(&w, "bucket", &status, b"data").await;
    assert_eq!((made.status, made.one("Key")), (201, "u/k".into()));
    let target = ",[\"starts-with\",\"$success_action_redirect\",\"\"]";
    let redirect = with(target, &[("success_action_redirect", "http://example.org/done?x=1")]);
    let sent = post(&w, "bucket", &redirect, b"data").await;
    let wanted =
        "http://example.org/done?x=1&bucket=bucket&key=u%2Fk&etag=%228d777f385d3dfec8815d20f7496026dc%22";
    assert_eq!((sent.status, sent.header("location")), (303, wanted));
    let tags = "<Tagging><TagSet><Tag><Key>t</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let tagged = with(",[\"starts-with\",\"$tagging\",\"\"]", &[("tagging", tags)]);
    assert_eq!(post(&w, "bucket", &tagged, b"data").await.status, 204);
    assert_eq!(w.send("GET", "/bucket/u/k?tagging").await.all("Key"), ["t"]);
    let sum = with("", &[("x-amz-checksum-crc32", "NhCmhg==")]);
    assert_eq!(post(&w, "bucket", &sum, b"hello").await.status, 204);
    assert_eq!(refused(&post(&w, "bucket", &sum, b"hullo").await), (400, "BadDigest".into()));
    w.stop().await;
}

#[tokio::test]
async fn what_the_policy_does_not_let_through() {
    let w = World::start().await;
    let good = signed(ANY_KEY, &[("key", "u/k")]);
    let denied = (403, "AccessDenied".to_string());
    for (what, fields, file, wanted) in [
        ("another key", signed(ANY_KEY, &[("key", "v/k")]), "data", denied.clone()),
        (
            "an extra field",
            signed(ANY_KEY, &[("key", "u/k"), ("acl", "public-read")]),
            "data",
            denied.clone(),
        ),
        (
            "too long",
            signed("[\"starts-with\",\"$key\",\"u/\"],[\"content-length-range\",0,3]", &[("key", "u/k")]),
            "data",
            (400, "EntityTooLarge".into()),
        ),
        ("too short", good.clone(), "d", (400, "EntityTooSmall".into())),
        ("no key", signed(ANY_KEY, &[]), "data", (400, "InvalidArgument".into())),
        ("a nonsense policy", signed("7", &[("key", "u/k")]), "data", (400, "InvalidPolicyDocument".into())),
    ] {
        assert_eq!(refused(&post(&w, "bucket", &fields, file.as_bytes()).await), wanted, "{what}");
    }
    let change = |name: &str, to: Option<&str>| {
        let mut fields: Pairs = good.iter().filter(|(n, _)| n != name).cloned().collect();
        fields.extend(to.map(|to| (name.to_string(), to.to_string())));
        fields
    };
    let other = hex::encode(&[7; 32]);
    for (what, fields, wanted) in [
        ("another signature", change("x-amz-signature", Some(&other)), (403, "SignatureDoesNotMatch")),
        ("no signature", change("x-amz-signature", None), (400, "InvalidArgument")),
        ("no policy", change("Policy", None), (400, "InvalidArgument")),
        ("another policy", change("Policy", Some(&policy(ANY_KEY))), (403, "SignatureDoesNotMatch")),
        (
            "another region",
            change("x-amz-credential", Some("alice-key/20200101/mars/s3/aws4_request")),
            (400, "InvalidArgument"),
        ),
    ] {
        let answer = post(&w, "bucket", &fields, b"data").await;
        assert_eq!(refused(&answer), (wanted.0, wanted.1.to_string()), "{what}");
    }
    assert_eq!(w.send("PUT", "/elsewhere").await.status, 200);
    assert_eq!(refused(&post(&w, "elsewhere", &good, b"data").await), denied, "it is for another bucket");
    // A header that no policy was asked about counts for nothing.
    let body = "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--B--";
    let no_file = call("POST", "/bucket")
        .anonymous()
        .header("content-type", "multipart/form-data; boundary=B")
        .body(body);
    assert_eq!(w.call(no_file).await.refusal(), (400, "InvalidArgument".into()));
    assert_eq!(w.call(call("POST", "/bucket").anonymous().body("x")).await.refusal().0, 412);
    let huge = pairs(&[("key", "k"), ("x-ignore-a", &"x".repeat(70_000))]);
    assert_eq!(refused(&post(&w, "bucket", &huge, b"d").await).1, "MaxPostPreDataLengthExceededError");
    assert_eq!(w.send("GET", "/bucket").await.all("Key"), [""; 0]);
    w.stop().await;
}

#[tokio::test]
async fn anybody_where_the_acl_lets_them_and_version_two() {
    let w = World::start().await;
    let anyone = pairs(&[("key", "k"), ("acl", "public-read")]);
    assert_eq!(refused(&post(&w, "bucket", &anyone, b"data").await), (403, "AccessDenied".into()));
    let open = call("PUT", "/bucket?acl").header("x-amz-acl", "public-read-write");
    assert_eq!(w.call(open).await.status, 200);
    assert_eq!(post(&w, "bucket", &anyone, b"data").await.status, 204);
    assert_eq!(w.call(call("GET", "/bucket/k").anonymous()).await.body, b"data");

    let policy = policy(ANY_KEY);
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"alice-secret").unwrap();
    mac.update(policy.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let two = |secret: &str| {
        pairs(&[("key", "u/2"), ("AWSAccessKeyId", "alice-key"), ("policy", &policy), ("signature", secret)])
    };
    assert_eq!(post(&w, "bucket", &two(&signature), b"data").await.status, 204);
    let wrong = post(&w, "bucket", &two("AAAA"), b"data").await;
    assert_eq!(refused(&wrong), (403, "SignatureDoesNotMatch".into()));
    w.sigv2.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused(&post(&w, "bucket", &two(&signature), b"data").await), (400, "InvalidRequest".into()));
    let header = call("GET", "/bucket")
        .anonymous()
        .header("authorization", "AWS alice-key:AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let dated = header.header("x-amz-date", &dates::http(now));
    assert_eq!(w.call(dated).await.refusal(), (400, "InvalidRequest".into()));
    w.stop().await;
}
