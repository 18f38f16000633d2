//! Who is let in, in every form of signature, and what the others get.

use super::*;

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
// CRC-32 of "hello, chunked world of s3"
const DATA: &[u8] = b"hello, chunked world of s3";

fn crc32(data: &[u8]) -> String {
    let mut d = crate::checksum::Digest::new(crate::checksum::ChecksumAlgorithm::Crc32);
    d.update(data);
    d.finish().base64()
}

#[tokio::test]
async fn every_form_of_body_arrives() {
    let w = World::start().await;
    let crc = crc32(DATA);
    let crc_trailer = [("x-amz-checksum-crc32", crc.as_str())];
    for (i, c) in [
        call("PUT", "").body(DATA),
        Call { payload: Some("UNSIGNED-PAYLOAD"), ..call("PUT", "").body(DATA) },
        Call { presign: Some(60), ..call("PUT", "").body(DATA) },
        call("PUT", "").chunked(SIGNED, DATA, &[]),
        call("PUT", "").chunked(SIGNED_TRAILER, DATA, &crc_trailer),
        call("PUT", "").chunked(UNSIGNED_TRAILER, DATA, &crc_trailer),
        call("PUT", "").chunked(UNSIGNED_TRAILER, b"", &[("x-amz-checksum-crc32", "AAAAAA==")]),
    ]
    .into_iter()
    .enumerate()
    {
        let empty = c.chunks.as_ref().is_some_and(|(chunks, _)| chunks.is_empty());
        let target = format!("/bucket/form {i}").replace(' ', "%20");
        let answer = w.call(Call { target: target.clone(), ..c }).await;
        assert_eq!(answer.status, 200, "{i} {answer:?}");
        let got = w.send("GET", &target).await;
        assert_eq!(got.body, if empty { b"" } else { DATA }, "{i}");
        assert_eq!(got.find("content-encoding"), None, "aws-chunked is no encoding of the object");
    }
    w.stop().await;
}

#[tokio::test]
async fn bad_chunks_and_trailers_leave_nothing() {
    let w = World::start().await;
    let bad = [
        (call("PUT", "/bucket/k").chunked(SIGNED, DATA, &[]), "SignatureDoesNotMatch", "hello", "jello"),
        (
            call("PUT", "/bucket/k").chunked(SIGNED_TRAILER, DATA, &[("x-amz-checksum-crc32", "AAAAAA==")]),
            "BadDigest",
            "",
            "",
        ),
        (
            call("PUT", "/bucket/k").chunked(UNSIGNED_TRAILER, DATA, &[("x-amz-checksum-crc32", "AAAAAA==")]),
            "BadDigest",
            "",
            "",
        ),
        (
            call("PUT", "/bucket/k").chunked(SIGNED_TRAILER, DATA, &[("x-amz-checksum-crc32", "AAAAAA==")]),
            "SignatureDoesNotMatch",
            "crc32:AAAAAA==",
            "crc32:AAAABA==",
        ),
    ];
    for (c, code, from, to) in bad {
        let text: String = c.bytes().into_iter().map(char::from).collect();
        let bytes: Vec<u8> = text.replace(from, to).chars().map(|c| c as u8).collect();
        let answer = client::send_raw(w.address, &bytes).await;
        assert_eq!(answer.one("Code"), code, "{answer:?}");
        assert_eq!(w.send("GET", "/bucket/k").await.refusal(), (404, "NoSuchKey".into()));
    }
    w.stop().await;
}

#[tokio::test]
async fn who_is_not_let_in() {
    let w = World::start().await;
    w.put("/bucket/k", b"x").await;
    let get = || call("GET", "/bucket/k");
    let tampered = |from: &str, to: &str, c: Call| {
        let text: String = c.bytes().into_iter().map(char::from).collect();
        assert!(text.contains(from));
        text.replacen(from, to, 1).into_bytes()
    };
    for (bytes, status, code) in [
        (get().anonymous().bytes(), 403, "AccessDenied"),
        (get().by("nobody", "x").bytes(), 403, "InvalidAccessKeyId"),
        (get().by("alice-key", "wrong").bytes(), 403, "SignatureDoesNotMatch"),
        (get().by("bob-key", "bob-secret").bytes(), 403, "AccessDenied"),
        (Call { skew: -901, ..get() }.bytes(), 403, "RequestTimeTooSkewed"),
        (Call { skew: 920, ..get() }.bytes(), 403, "RequestTimeTooSkewed"),
        (Call { region: "eu-west-1".into(), ..get() }.bytes(), 400, "AuthorizationHeaderMalformed"),
        (tampered("/bucket/k", "/bucket/l", get()), 403, "SignatureDoesNotMatch"),
        (tampered("x-amz-date", "x-amz-d", get()), 403, "AccessDenied"),
        (tampered("Signature=", "Sig=", get()), 400, "AuthorizationHeaderMalformed"),
        (Call { presign: Some(60), skew: -70, ..get() }.bytes(), 403, "AccessDenied"),
        (Call { presign: Some(60), ..get().by("alice-key", "wrong") }.bytes(), 403, "SignatureDoesNotMatch"),
        (Call { presign: Some(604_801), ..get() }.bytes(), 403, "AccessDenied"),
        (get().header("authorization", "AWS a:b").anonymous().bytes(), 400, "InvalidArgument"),
    ] {
        let answer = client::send_raw(w.address, &bytes).await;
        assert_eq!(answer.refusal(), (status, code.to_string()), "{}", String::from_utf8_lossy(&bytes));
    }
    let presigned = w.call(Call { presign: Some(60), ..get() }).await;
    assert_eq!((presigned.status, presigned.body), (200, b"x".to_vec()));
    w.stop().await;
}

#[tokio::test]
async fn health_needs_no_signature() {
    let w = World::start().await;
    assert_eq!(w.call(call("GET", "/-/health").anonymous()).await.status, 200);
    assert_eq!(w.call(call("PUT", "/-/health").anonymous()).await.status, 405);
    // As MinIO's and RGW's load balancers ask.
    for path in ["/minio/health/live", "/minio/health/cluster", "/swift/healthcheck"] {
        assert_eq!(w.call(call("GET", path).anonymous()).await.status, 200, "{path}");
    }
    let signed = w.send("GET", "/minio/health/live").await;
    assert_eq!(signed.refusal(), (404, "NoSuchBucket".into()), "signed, it is an object like any other");
    w.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let w = World::start().await;
    let c = call("PUT", "/bucket/k").body("hello");
    let mut bytes = c.bytes();
    *bytes.last_mut().unwrap() = b'0';
    let answer = client::send_raw(w.address, &bytes).await;
    assert_eq!(answer.refusal(), (400, "XAmzContentSHA256Mismatch".into()));
    assert_eq!(w.send("HEAD", "/bucket/k").await.status, 404);
    w.stop().await;
}
