//! Encryption at rest: what goes in comes out, by ranges too, with the right key and not otherwise; and storage never
//! sees it in the clear.

use super::*;
use gateway_client::Rados;

const C: &str = "x-amz-server-side-encryption-customer-";
const SSE: &str = "x-amz-server-side-encryption";
const KMS: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const KEY: (&str, &str) = ("pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=", "DWygnHRtgiJ77HCm+1rvHw==");
const OTHER: (&str, &str) = ("6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=", "arxBvwY2V4SiOne6yppVPQ==");

fn keyed(call: Call, key: (&str, &str)) -> Call {
    by_key(call, "x-amz-server-side-encryption-customer-", key)
}
fn by_key(call: Call, prefix: &str, key: (&str, &str)) -> Call {
    call.header(&format!("{prefix}algorithm"), "AES256")
        .header(&format!("{prefix}key"), key.0)
        .header(&format!("{prefix}key-md5"), key.1)
}
fn from_key(call: Call, key: (&str, &str)) -> Call {
    by_key(call, "x-amz-copy-source-server-side-encryption-customer-", key)
}

/// Data objects of an odd size, so that chunks end everywhere.
async fn world() -> World {
    World::start_with(|c| {
        (c.object_bytes, c.piece_bytes, c.part_bytes_min) = (200_000, 100_000, 1);
    })
    .await
}

fn plain(n: usize) -> Vec<u8> {
    b"This line must not be found on any disk. ".iter().copied().cycle().take(n).collect()
}

/// Whether the data pool holds anything in the clear, and how many objects it has.
async fn looked_through(w: &World) -> usize {
    let page = w.rados.list("s3.data", None, 1000).await.unwrap();
    for name in &page.objects {
        let data = w.rados.read("s3.data", name.clone(), 0, 0).await.unwrap();
        assert!(!data.windows(16).any(|x| x == b"must not be foun"), "{name:?}");
    }
    page.objects.len()
}

#[tokio::test]
async fn a_customers_key_is_needed_for_everything() {
    let w = world().await;
    let refused = (400, "InvalidRequest".to_string());
    for n in [0, 10, 40_000, 65_536, 200_000, 200_001, 530_000] {
        let data = plain(n);
        let put = w.call(keyed(call("PUT", "/bucket/k").body(&data), KEY)).await;
        assert_eq!((put.status, put.header(&format!("{C}key-md5"))), (200, KEY.1), "{put:?}");
        let got = w.call(keyed(call("GET", "/bucket/k"), KEY)).await;
        assert!(got.body == data, "{n}");
        assert_eq!(got.header(&format!("{C}algorithm")), "AES256");
        for (first, last) in [(0, 0), (5, 70_000), (65_535, 65_536), (199_999, 200_000), (n / 2, n)] {
            if first < n {
                let range = call("GET", "/bucket/k").header("range", &format!("bytes={first}-{last}"));
                let got = w.call(keyed(range, KEY)).await;
                assert!(got.body == data[first..(last + 1).min(n)], "{n}: {first}-{last}");
            }
        }
        for method in ["GET", "HEAD"] {
            assert_eq!(w.send(method, "/bucket/k").await.status, 400);
            assert_eq!(w.call(keyed(call(method, "/bucket/k"), OTHER)).await.status, 400);
        }
        assert_eq!(w.call(keyed(call("GET", "/bucket/k"), OTHER)).await.refusal(), refused);
        assert_eq!(w.send("GET", "/bucket").await.one("Size"), n.to_string());
    }
    assert!(looked_through(&w).await > 3);
    w.put("/bucket/clear", b"x").await;
    assert_eq!(w.call(keyed(call("GET", "/bucket/clear"), KEY)).await.refusal(), refused);
    let attributes = call("GET", "/bucket/k?attributes").header("x-amz-object-attributes", "ObjectSize");
    assert_eq!(w.call(attributes.clone()).await.refusal(), refused);
    assert_eq!(w.call(keyed(attributes, KEY)).await.status, 200);
    // Its tags are no bytes of it.
    let tags = "<Tagging><TagSet><Tag><Key>t</Key><Value>v</Value></Tag></TagSet></Tagging>";
    assert_eq!(w.call(call("PUT", "/bucket/k?tagging").body(tags)).await.status, 200);
    assert_eq!(w.call(keyed(call("GET", "/bucket/k"), KEY)).await.body.len(), 530_000);
    w.stop().await;
}

#[tokio::test]
async fn uploads_and_copies() {
    let w = world().await;
    let begun = w.call(keyed(call("POST", "/bucket/m?uploads"), KEY)).await;
    let id = begun.one("UploadId");
    let part = |n: u32| call("PUT", &format!("/bucket/m?partNumber={n}&uploadId={id}"));
    assert_eq!(w.call(part(1).body("x")).await.refusal(), (400, "InvalidRequest".into()));
    assert_eq!(w.call(keyed(part(1).body("x"), OTHER)).await.refusal(), (400, "InvalidRequest".into()));
    let one = w.call(keyed(part(1).body(plain(300_000)), KEY)).await;
    assert_eq!(one.header(&format!("{C}key-md5")), KEY.1);
    // A part made of an object by another key.
    let source = plain(90_000);
    assert_eq!(w.call(keyed(call("PUT", "/bucket/s").body(&source), OTHER)).await.status, 200);
    let copy =
        part(2).header("x-amz-copy-source", "bucket/s").header("x-amz-copy-source-range", "bytes=1-70000");
    assert_eq!(w.call(keyed(copy.clone(), KEY)).await.status, 400, "the source has a key of its own");
    let two = w.call(from_key(keyed(copy, KEY), OTHER)).await;
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part><Part><PartNumber>2</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        one.header("etag"),
        two.one("ETag").replace('"', "&quot;")
    );
    let complete = call("POST", &format!("/bucket/m?uploadId={id}")).body(parts);
    assert_eq!(w.call(complete.clone()).await.status, 400);
    assert_eq!(w.call(keyed(complete, KEY)).await.status, 200);
    let whole: Vec<u8> = plain(300_000).into_iter().chain(source[1..=70_000].iter().copied()).collect();
    assert!(w.call(keyed(call("GET", "/bucket/m"), KEY)).await.body == whole);
    let at = keyed(call("GET", "/bucket/m").header("range", "bytes=299990-300100"), KEY);
    assert!(w.call(at).await.body == whole[299_990..=300_100]);

    // From a key of a customer's to one of the cluster's, and into the clear.
    let copy = call("PUT", "/bucket/c").header("x-amz-copy-source", "bucket/m").header(SSE, "AES256");
    let copied = w.call(from_key(copy, KEY)).await;
    assert_eq!((copied.status, copied.header(SSE)), (200, "AES256"));
    let got = w.send("GET", "/bucket/c").await;
    assert!(got.body == whole && got.header(SSE) == "AES256");
    assert!(looked_through(&w).await > 5);
    let clear = call("PUT", "/bucket/c").header("x-amz-copy-source", "bucket/c");
    assert_eq!(w.call(clear).await.status, 200, "another encryption is a change");
    let got = w.send("GET", "/bucket/c").await;
    assert!(got.body == whole && got.find(SSE).is_none());
    w.stop().await;
}

#[tokio::test]
async fn keys_of_the_cluster_and_what_a_bucket_does_by_itself() {
    let w = world().await;
    let none = w.send("GET", "/bucket?encryption").await;
    assert_eq!(none.refusal(), (404, "ServerSideEncryptionConfigurationNotFoundError".into()));
    let default = |rule: &str| {
        let text = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>{rule}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        );
        call("PUT", "/bucket?encryption").body(text)
    };
    assert_eq!(w.call(default("<SSEAlgorithm>AES256</SSEAlgorithm>")).await.status, 200);
    assert_eq!(w.send("GET", "/bucket?encryption").await.one("SSEAlgorithm"), "AES256");
    for n in [10, 150_000] {
        let put = w.call(call("PUT", "/bucket/k").body(plain(n))).await;
        assert_eq!(put.header(SSE), "AES256");
        let got = w.send("GET", "/bucket/k").await;
        assert!(got.body == plain(n) && got.header(SSE) == "AES256");
    }
    assert_eq!(looked_through(&w).await, 1);
    let head = call("HEAD", "/bucket/k").header(SSE, "AES256");
    assert_eq!(w.call(head).await.status, 400, "reading asks for no encryption");
    assert_eq!(w.send("DELETE", "/bucket?encryption").await.status, 204);
    assert!(w.call(call("PUT", "/bucket/k").body("x")).await.find(SSE).is_none());

    let named = |id: &str| call("PUT", "/bucket/k").header(SSE, "aws:kms").header(KMS, id).body(plain(99));
    assert_eq!(w.call(named("mine")).await.refusal(), (400, "KMS.NotFoundException".into()));
    let other = crate::storage::Storage::new(w.rados.clone(), Default::default());
    other.set_kms_keys(vec!["mine".into()]);
    assert!(other.seal_by_cluster(Some("mine")).await.is_ok(), "the operator lets it be named");
    let put = w.call(named("mine")).await;
    assert_eq!((put.header(SSE), put.header(KMS)), ("aws:kms", "mine"), "it is there now, for every gateway");
    assert!(w.send("GET", "/bucket/k").await.body == plain(99));
    let by_key = default("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>mine</KMSMasterKeyID>");
    assert_eq!(w.call(by_key).await.status, 200);
    assert_eq!(w.call(call("PUT", "/bucket/k").body("x")).await.header(KMS), "mine");
    for bad in [
        call("PUT", "/bucket/k").header(SSE, "AES192"),
        call("PUT", "/bucket/k").header(SSE, "aws:kms"),
        call("PUT", "/bucket/k").header(KMS, "mine"),
        call("PUT", "/bucket/k").header(SSE, "AES256").header(KMS, "mine"),
        keyed(call("PUT", "/bucket/k").header(SSE, "AES256"), KEY),
    ] {
        assert_eq!(w.call(bad.clone()).await.refusal(), (400, "InvalidArgument".into()), "{:?}", bad.headers);
    }
    w.stop().await;
}
