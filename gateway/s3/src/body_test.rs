//! Bodies that are what they say, and bodies that are not.

use super::*;
use crate::checksum::ChecksumAlgorithm;
use http_body_util::Full;

fn announced(pairs: &[(&'static str, &str)], payload: Payload) -> Result<Announced, Code> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    Announced::of_headers(&headers, payload, None).map_err(|e| e.code())
}

fn read(pairs: &[(&'static str, &str)], payload: Payload, body: &'static [u8]) -> Result<BodySummary, Code> {
    let announced = announced(pairs, payload)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut body = PutBody::new(Full::new(Bytes::from_static(body)), announced);
        while body.next().await.map_err(|e| e.code())?.is_some() {}
        body.finish().await.map_err(|e| e.code())
    })
}

const LENGTH: (&str, &str) = ("content-length", "5");

#[test]
fn a_good_body_is_summed_up() {
    let sha = crate::auth::sha256(b"hello");
    let pairs = [LENGTH, ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), ("x-amz-checksum-crc32c", "mnG7TA==")];
    let summary = read(&pairs, Payload::Sha256(sha), b"hello").unwrap();
    assert_eq!(summary.length, 5);
    assert_eq!(crate::hex::encode(&summary.md5), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(summary.checksum.unwrap().algorithm, ChecksumAlgorithm::Crc32c);
}

#[test]
fn bodies_that_are_not_what_they_say() {
    let none = Payload::Unsigned;
    assert_eq!(read(&[LENGTH], none.clone(), b"hell").unwrap_err(), Code::IncompleteBody);
    assert_eq!(read(&[LENGTH], none.clone(), b"hello!").unwrap_err(), Code::IncompleteBody);
    assert_eq!(
        read(&[LENGTH], Payload::Sha256([0; 32]), b"hello").unwrap_err(),
        Code::XAmzContentSHA256Mismatch
    );
    let md5 = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(read(&[LENGTH, md5], none.clone(), b"jello").unwrap_err(), Code::BadDigest);
    let crc = ("x-amz-checksum-crc32c", "mnG7TA==");
    assert_eq!(read(&[LENGTH, crc], none, b"jello").unwrap_err(), Code::BadDigest);
}

#[test]
fn headers_that_announce_nothing_sensible() {
    let none = || Payload::Unsigned;
    let of = |pairs: &[(&'static str, &str)], payload| announced(pairs, payload).err();
    assert_eq!(of(&[], none()), Some(Code::MissingContentLength));
    assert_eq!(of(&[LENGTH], Payload::UnsignedChunks), Some(Code::MissingContentLength));
    assert_eq!(of(&[("content-length", "5368709121")], none()), Some(Code::EntityTooLarge));
    assert_eq!(of(&[("content-length", "5368709120")], none()), None);
    assert_eq!(of(&[LENGTH, ("content-md5", "x")], none()), Some(Code::InvalidDigest));
    assert_eq!(of(&[LENGTH, ("content-md5", "AAAA")], none()), Some(Code::InvalidDigest));
    assert_eq!(of(&[LENGTH, ("x-amz-trailer", "x-amz-checksum-sha1")], none()), Some(Code::InvalidRequest));
}

#[test]
fn a_checksum_in_the_trailer_is_compared() {
    let pairs = [("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32c")];
    let of = |body| read(&pairs, Payload::UnsignedChunks, body).map(|s| s.length);
    assert_eq!(of(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"), Ok(5));
    assert_eq!(of(b"5\r\njello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"), Err(Code::BadDigest));
    assert_eq!(of(b"5\r\nhello\r\n0\r\n\r\n"), Err(Code::InvalidRequest), "announced but not sent");
    assert_eq!(of(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n"), Err(Code::IncompleteBody));
    assert_eq!(of(b"4\r\nhell\r\n0\r\n\r\n"), Err(Code::IncompleteBody));
}
