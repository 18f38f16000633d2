//! The additional checksums of single puts, and Content-MD5.

use super::*;
use crate::checksum::{ChecksumAlgorithm, Digest};

fn sum(algorithm: ChecksumAlgorithm, data: &[u8]) -> String {
    let mut d = Digest::new(algorithm);
    d.update(data);
    d.finish().base64()
}

#[tokio::test]
async fn every_algorithm_is_checked_kept_and_given_back() {
    let w = World::start().await;
    for algorithm in ChecksumAlgorithm::ALL {
        let (name, good) = (algorithm.header(), sum(algorithm, b"hello"));
        let put = call("PUT", "/bucket/k").body("hello").header(name, &good);
        let answer = w.call(put).await;
        assert_eq!((answer.status, answer.header(name)), (200, good.as_str()), "{name}");
        assert_eq!(answer.header("x-amz-checksum-type"), "FULL_OBJECT");
        let wanted = |method| call(method, "/bucket/k").header("x-amz-checksum-mode", "ENABLED");
        for method in ["GET", "HEAD"] {
            assert_eq!(w.call(wanted(method)).await.header(name), good);
            assert_eq!(w.send(method, "/bucket/k").await.find(name), None, "not asked for");
        }
        let ranged = w.call(wanted("GET").header("range", "bytes=0-1")).await;
        assert_eq!((ranged.status, ranged.find(name)), (206, None));
        let list = w.send("GET", "/bucket").await;
        assert_eq!(list.one("ChecksumAlgorithm"), algorithm.name());

        let bad = call("PUT", "/bucket/bad").body("jello").header(name, &good);
        assert_eq!(w.call(bad).await.refusal(), (400, "BadDigest".into()), "{name}");
        let junk = call("PUT", "/bucket/bad").body("hello").header(name, "AAA");
        assert_eq!(w.call(junk).await.refusal(), (400, "BadDigest".into()));
        assert_eq!(w.send("GET", "/bucket/bad").await.status, 404);
    }
    w.stop().await;
}

#[tokio::test]
async fn content_md5() {
    let w = World::start().await;
    let put = |md5: &str| call("PUT", "/bucket/k").body("hello").header("content-md5", md5);
    assert_eq!(w.call(put("AAAAAAAAAAAAAAAAAAAAAA==")).await.refusal(), (400, "BadDigest".into()));
    assert_eq!(w.call(put("nonsense")).await.refusal(), (400, "InvalidDigest".into()));
    assert_eq!(w.call(put("")).await.refusal(), (400, "InvalidDigest".into()));
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    assert_eq!(w.call(put("XUFAKrxLKna5cZ2REBfFkg==")).await.status, 200);
    w.stop().await;
}
