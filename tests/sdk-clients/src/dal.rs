//! opendal: writers in parts, ranges, listings, conditions, copies, presigned URLs.

use crate::Endpoint;
use crate::content::{bytes, same};
use opendal::services::S3;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::time::Duration;

const BUCKET: &str = "opendal";

fn open(endpoint: &Endpoint) -> Operator {
    let service = S3::default()
        .bucket(BUCKET)
        .endpoint(&endpoint.url)
        .region("us-east-1")
        .access_key_id(&endpoint.access)
        .secret_access_key(&endpoint.secret)
        .disable_config_load()
        .disable_ec2_metadata();
    // Its facade brings a transport with TLS; this is the same one without.
    let transport = HttpTransporter::new(ReqwestTransport::new(reqwest::Client::new()));
    let operator = Operator::new(service).expect("an operator");
    operator.with_context(OperationContext::new().with_http_transport(transport))
}

/// Everything, one after the other. The bucket is there: this client makes none.
pub async fn walk(endpoint: &Endpoint) {
    let op = open(endpoint);
    op.check().await.expect("the bucket");
    let path = "a b/\u{e4}+&=%.bin";
    let large = bytes(20, 300_000);
    op.write_with(path, large.clone()).content_type("text/x-test").await.expect("a write");
    let stat = op.stat(path).await.expect("a stat");
    assert_eq!((stat.content_length(), stat.content_type()), (300_000, Some("text/x-test")));
    same(&op.read(path).await.expect("a read").to_vec(), &large);
    same(&op.read_with(path).range(1000..2000).await.expect("a range").to_vec(), &large[1000..2000]);
    op.copy(path, "copy").await.expect("a copy");
    same(&op.read("copy").await.expect("a read").to_vec(), &large);
    assert_eq!(op.stat("none").await.expect_err("nothing there").kind(), ErrorKind::NotFound);

    let whole = bytes(21, 12 << 20);
    let mut writer = op.writer_with("parts").chunk(5 << 20).concurrent(2).await.expect("a writer");
    for piece in whole.chunks(700_001) {
        writer.write(piece.to_vec()).await.expect("a piece");
    }
    writer.close().await.expect("completion");
    same(&op.read("parts").await.expect("a read").to_vec(), &whole);
    let mut never = op.writer_with("never").chunk(5 << 20).await.expect("a writer");
    never.write(bytes(22, 6 << 20)).await.expect("a piece");
    never.abort().await.expect("an abort");
    assert!(!op.exists("never").await.expect("an answer"));

    op.write_with("lock", "1").if_not_exists(true).await.expect("the first one");
    let second = op.write_with("lock", "2").if_not_exists(true).await.expect_err("the second one");
    assert_eq!(second.kind(), ErrorKind::ConditionNotMatch);
    let stat = op.stat("lock").await.expect("a stat");
    let etag = stat.etag().expect("an ETag");
    op.read_with("lock").if_match(etag).await.expect("a matching read");
    let other = op.read_with("lock").if_none_match(etag).await.expect_err("nothing new");
    assert_eq!(other.kind(), ErrorKind::ConditionNotMatch);

    for i in 0..30 {
        op.write(&format!("list/{:02}/{i}", i % 3), "x").await.expect("a write");
    }
    assert_eq!(op.list_with("list/").recursive(true).limit(7).await.expect("pages").len(), 30);
    let folded = op.list("list/").await.expect("prefixes");
    assert_eq!(folded.iter().filter(|e| e.metadata().is_dir()).count(), 3, "{folded:?}");

    let signed = op.presign_read(path, Duration::from_secs(60)).await.expect("a URL");
    let answer = reqwest::get(signed.uri().to_string()).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    same(&answer.bytes().await.expect("its body"), &large);
    let signed = op.presign_write("by url", Duration::from_secs(60)).await.expect("a URL");
    let put = reqwest::Client::new()
        .put(signed.uri().to_string())
        .headers(signed.header().clone())
        .body(large.clone());
    assert_eq!(put.send().await.expect("an answer").status(), 200);
    same(&op.read("by url").await.expect("a read").to_vec(), &large);

    op.delete_iter(["copy", "lock", "none"].map(String::from)).await.expect("deletes");
    op.delete_with("/").recursive(true).await.expect("everything goes");
    assert_eq!(op.list_with("/").recursive(true).await.expect("a listing").len(), 0);
}
