//! Multipart uploads.

use super::*;
use crate::checksum::{ChecksumAlgorithm, Digest, composite};

const MIN: usize = 5 << 20;

async fn begin(w: &World, call: Call) -> String {
    let answer = w.call(call).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.one("UploadId")
}

fn part(key: &str, id: &str, number: u32, data: &[u8]) -> Call {
    call("PUT", &format!("/bucket/{key}?partNumber={number}&uploadId={id}")).body(data)
}

fn complete(key: &str, id: &str, parts: &[(u32, &str)]) -> Call {
    let parts: String = parts
        .iter()
        .map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    call("POST", &format!("/bucket/{key}?uploadId={id}"))
        .body(format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"))
}

fn md5(data: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(data).into()
}

#[tokio::test]
async fn an_upload_from_beginning_to_end() {
    let w = World::start().await;
    let create =
        call("POST", "/bucket/big?uploads").header("content-type", "x/y").header("x-amz-meta-a", "b");
    let id = begin(&w, create).await;
    let data = [vec![1; MIN], vec![2; MIN + 7], vec![3; 10]];
    let mut etags = Vec::new();
    for (number, data) in [1, 3, 7].into_iter().zip(&data) {
        let answer = w.call(part("big", &id, number, data)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        etags.push(answer.header("etag").to_string());
    }
    // A part that nobody will name.
    assert_eq!(w.call(part("big", &id, 9, b"unused")).await.status, 200);
    let list = w.send("GET", &format!("/bucket/big?uploadId={id}&max-parts=2")).await;
    assert_eq!(list.all("PartNumber"), ["1", "3"]);
    assert_eq!((list.one("IsTruncated"), list.one("NextPartNumberMarker")), ("true".into(), "3".into()));
    let list = w.send("GET", &format!("/bucket/big?uploadId={id}&part-number-marker=3")).await;
    assert_eq!(
        (list.all("PartNumber"), list.one("IsTruncated")),
        (vec!["7".into(), "9".into()], "false".into())
    );
    assert_eq!(w.send("GET", "/bucket/big").await.status, 404, "nothing is visible before the end");
    assert_eq!(w.send("GET", "/bucket?uploads").await.all("UploadId"), [id.as_str()]);

    let named = [(1, etags[0].as_str()), (3, &etags[1]), (7, &etags[2])];
    let done = w.call(complete("big", &id, &named)).await;
    assert_eq!(done.status, 200, "{done:?}");
    let digests: Vec<u8> = data.iter().flat_map(|d| md5(d)).collect();
    let expected = format!("\"{}-3\"", crate::hex::encode(&md5(&digests)));
    assert_eq!((done.one("ETag"), done.one("Key")), (expected.clone(), "big".into()));
    let got = w.send("GET", "/bucket/big").await;
    assert!(got.body == data.concat());
    assert_eq!((got.header("etag"), got.header("content-type")), (expected.as_str(), "x/y"));
    assert_eq!(got.header("x-amz-meta-a"), "b");
    assert_eq!(w.send("GET", "/bucket?uploads").await.all("UploadId"), [""; 0]);
    assert_eq!(w.call(complete("big", &id, &named)).await.status, 200, "the answer was lost, say");

    let second = w.send("GET", "/bucket/big?partNumber=3").await;
    assert_eq!((second.status, second.header("x-amz-mp-parts-count")), (206, "3"));
    assert!(second.body == data[1]);
    assert_eq!(second.header("content-range"), format!("bytes {MIN}-{}/{}", 2 * MIN + 6, 2 * MIN + 17));
    assert_eq!(w.send("GET", "/bucket/big?partNumber=2").await.refusal(), (400, "InvalidPart".into()));
    let across =
        w.call(call("GET", "/bucket/big").header("range", &format!("bytes={}-{}", MIN - 1, MIN))).await;
    assert_eq!(across.body, [1, 2]);
    w.stop().await;
}

#[tokio::test]
async fn what_completes_and_what_does_not() {
    let w = World::start().await;
    let id = begin(&w, call("POST", "/bucket/k?uploads")).await;
    let small = w.call(part("k", &id, 1, b"small")).await.header("etag").to_string();
    let last = w.call(part("k", &id, 2, b"last")).await.header("etag").to_string();
    let other = "\"00000000000000000000000000000000\"";
    for (parts, code) in [
        (vec![(1, small.as_str()), (2, &last)], "EntityTooSmall"),
        (vec![(2, &last), (1, &small)], "InvalidPartOrder"),
        // Of a part that is named twice the last one counts.
        (vec![(1, &small), (1, other)], "InvalidPart"),
        (vec![(1, other)], "InvalidPart"),
        (vec![(1, "nonsense")], "InvalidPart"),
        (vec![(3, &small)], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        let answer = w.call(complete("k", &id, &parts)).await;
        assert_eq!((answer.status, answer.one("Code")), (400, code.to_string()), "{parts:?}");
    }
    assert_eq!(w.send("GET", "/bucket/k").await.status, 404);
    let elsewhere = complete("other", &id, &[(1, &small)]);
    assert_eq!(w.call(elsewhere).await.refusal(), (404, "NoSuchUpload".into()));
    assert_eq!(w.call(complete("k", &id, &[(1, &small)])).await.status, 200);
    assert_eq!(w.get("/bucket/k").await, b"small");
    w.stop().await;
}

#[tokio::test]
async fn part_numbers_and_uploads_that_are_not() {
    let w = World::start().await;
    let id = begin(&w, call("POST", "/bucket/k?uploads")).await;
    for number in ["0", "10001", "-1", "x", ""] {
        let put = call("PUT", &format!("/bucket/k?partNumber={number}&uploadId={id}")).body("x");
        assert_eq!(w.call(put).await.refusal(), (400, "InvalidArgument".into()), "{number}");
    }
    assert_eq!(w.call(part("k", &id, 10_000, b"x")).await.status, 200);
    for id in ["nonsense", "", "00000000000000000000000000000000"] {
        for (method, query) in [("PUT", "partNumber=1&"), ("GET", ""), ("DELETE", "")] {
            let answer = w.send(method, &format!("/bucket/k?{query}uploadId={id}")).await;
            assert_eq!(answer.refusal(), (404, "NoSuchUpload".into()), "{method} {id}");
        }
    }
    assert_eq!(w.send("DELETE", &format!("/bucket/k?uploadId={id}")).await.status, 204);
    assert_eq!(w.call(part("k", &id, 1, b"x")).await.refusal(), (404, "NoSuchUpload".into()));
    assert_eq!(w.send("GET", "/bucket?uploads").await.all("Key"), [""; 0]);
    w.stop().await;
}

#[tokio::test]
async fn parts_can_be_replaced_and_copied() {
    let w = World::start().await;
    let source: Vec<u8> = (0..6_000_000_u32).map(|i| i as u8).collect();
    w.put("/bucket/source", &source).await;
    let id = begin(&w, call("POST", "/bucket/k?uploads")).await;
    let copy = |number, range: &str| {
        let c = part("k", &id, number, b"").header("x-amz-copy-source", "/bucket/source");
        if range.is_empty() { c } else { c.header("x-amz-copy-source-range", range) }
    };
    assert_eq!(w.call(part("k", &id, 1, b"to be replaced")).await.status, 200);
    let first = w.call(copy(1, "")).await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = w.call(copy(2, "bytes=10-19")).await;
    for (range, refusal) in [
        ("bytes=0-6000000", (416, "InvalidRange")),
        ("bytes=5-", (400, "InvalidArgument")),
        ("junk", (400, "InvalidArgument")),
    ] {
        let answer = w.call(copy(3, range)).await;
        assert_eq!(answer.refusal(), (refusal.0, refusal.1.to_string()), "{range}");
    }
    let done = complete("k", &id, &[(1, &first.one("ETag")), (2, &second.one("ETag"))]);
    assert_eq!(w.call(done).await.status, 200);
    assert!(w.get("/bucket/k").await == [&source[..], &source[10..20]].concat());
    w.stop().await;
}

#[tokio::test]
async fn checksums_of_the_whole() {
    let w = World::start().await;
    let sum = |algorithm, data: &[u8]| {
        let mut d = Digest::new(algorithm);
        d.update(data);
        d.finish()
    };
    let data = [vec![1; MIN], vec![2; 100]];
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc32, "COMPOSITE"),
        (ChecksumAlgorithm::Sha256, "COMPOSITE"),
        (ChecksumAlgorithm::Crc32c, "FULL_OBJECT"),
        (ChecksumAlgorithm::Crc64Nvme, "FULL_OBJECT"),
    ] {
        let create = call("POST", "/bucket/k?uploads")
            .header("x-amz-checksum-algorithm", algorithm.name())
            .header("x-amz-checksum-type", kind);
        let id = begin(&w, create).await;
        let sums: Vec<_> = data.iter().map(|d| sum(algorithm, d)).collect();
        // The first part announces its checksum, the second leaves it to the server.
        let first = part("k", &id, 1, &data[0]).header(algorithm.header(), &sums[0].base64());
        let second = part("k", &id, 2, &data[1]);
        let mut named = Vec::new();
        for (c, sum) in [first, second].into_iter().zip(&sums) {
            let answer = w.call(c).await;
            assert_eq!(answer.header(algorithm.header()), sum.base64(), "{answer:?}");
            named.push(answer.header("etag").to_string());
        }
        let wrong = part("k", &id, 3, b"x")
            .header("x-amz-checksum-sha1", &sum(ChecksumAlgorithm::Sha1, b"x").base64());
        assert_eq!(w.call(wrong).await.refusal(), (400, "InvalidRequest".into()));
        let expected = match kind {
            "COMPOSITE" => format!("{}-2", composite(algorithm, &sums).unwrap().base64()),
            _ => sum(algorithm, &data.concat()).base64(),
        };
        let parts = [(1, named[0].as_str()), (2, &named[1])];
        let zeros = base64_of_zeros(algorithm);
        let claimed = complete("k", &id, &parts).header(algorithm.header(), &zeros);
        assert_eq!(w.call(claimed).await.refusal(), (400, "BadDigest".into()));
        let done = w.call(complete("k", &id, &parts).header(algorithm.header(), &expected)).await;
        assert_eq!(
            (done.one(algorithm.element()), done.one("ChecksumType")),
            (expected.clone(), kind.into()),
            "{done:?}"
        );
        let head = w.call(call("HEAD", "/bucket/k").header("x-amz-checksum-mode", "ENABLED")).await;
        assert_eq!(
            (head.header(algorithm.header()), head.header("x-amz-checksum-type")),
            (expected.as_str(), kind)
        );
        let second = call("GET", "/bucket/k?partNumber=2").header("x-amz-checksum-mode", "ENABLED");
        let second = w.call(second).await;
        assert_eq!(second.header(algorithm.header()), sums[1].base64());
        assert_eq!(second.header("x-amz-checksum-type"), kind);
    }
    w.stop().await;
}

fn base64_of_zeros(algorithm: ChecksumAlgorithm) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(vec![0; algorithm.value_len()])
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let w = World::start().await;
    for key in ["a/1", "a/1", "a/2", "b"] {
        begin(&w, call("POST", &format!("/bucket/{key}?uploads"))).await;
    }
    let (mut seen, mut more) = (Vec::new(), String::new());
    loop {
        let page = w.send("GET", &format!("/bucket?uploads&max-uploads=1{more}")).await;
        seen.extend(
            page.all("Upload").iter().map(|u| u.split("</Key>").next().unwrap().replace("<Key>", "")),
        );
        if page.one("IsTruncated") == "false" {
            break;
        }
        more = format!(
            "&key-marker={}&upload-id-marker={}",
            page.one("NextKeyMarker"),
            page.one("NextUploadIdMarker")
        );
    }
    assert_eq!(seen, ["a/1", "a/1", "a/2", "b"]);
    let rolled = w.send("GET", "/bucket?uploads&delimiter=/").await;
    assert_eq!((rolled.all("Upload").len(), rolled.all("Prefix")), (1, vec!["".into(), "a/".into()]));
    w.stop().await;
}
