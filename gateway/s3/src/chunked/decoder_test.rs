//! Chunked bodies of every form, cut at every byte, and broken at every byte.

use super::*;
use crate::auth::{KeyCache, sha256};

const DATA: &[u8] = b"hello, chunked world";

fn signer() -> ChunkSigner {
    let key = KeyCache::default().get("AK", "secret", "20250101", "us-east-1");
    ChunkSigner::new(
        key,
        "20250101T000000Z".into(),
        "20250101/us-east-1/s3/aws4_request".into(),
        sha256(b"seed"),
    )
}

/// The three forms with a body each, chunks of 7 bytes.
fn forms() -> Vec<(Payload, Vec<u8>)> {
    let trailer = "x-amz-checksum-crc32:AAAAAA==";
    let mut out = Vec::new();
    for payload in [
        Payload::UnsignedChunks,
        Payload::SignedChunks { trailer: false },
        Payload::SignedChunks { trailer: true },
    ] {
        let mut s = signer();
        let mut body = Vec::new();
        for chunk in DATA.chunks(7).chain([&b""[..]]) {
            let mark = match payload {
                Payload::UnsignedChunks => String::new(),
                _ => format!(";chunk-signature={}", s.sign_next(Some(chunk), b"")),
            };
            body.extend(format!("{:x}{mark}\r\n", chunk.len()).bytes());
            body.extend(chunk);
            if !chunk.is_empty() {
                body.extend(b"\r\n");
            }
        }
        match payload {
            Payload::SignedChunks { trailer: false } => {}
            Payload::UnsignedChunks => body.extend(format!("{trailer}\r\n").bytes()),
            _ => {
                let signature = s.sign_next(None, format!("{trailer}\n").as_bytes());
                body.extend(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n").bytes());
            }
        }
        body.extend(b"\r\n");
        out.push((payload, body));
    }
    out
}

fn decode(payload: &Payload, pieces: &[&[u8]]) -> Result<Option<Vec<u8>>, Code> {
    let signer = matches!(payload, Payload::SignedChunks { .. }).then(signer);
    let mut d = Decoder::new(payload, signer, DATA.len() as u64);
    let mut out = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = d.next(&mut input).map_err(|e| e.code())? {
            out.extend(data);
        }
        assert!(input.is_empty());
    }
    if d.is_done() && !matches!(payload, Payload::SignedChunks { trailer: false }) {
        assert_eq!(d.trailer("x-amz-checksum-crc32"), Some("AAAAAA=="));
    }
    Ok(d.is_done().then_some(out))
}

#[test]
fn cut_at_every_byte_it_decodes_the_same() {
    for (payload, body) in forms() {
        for at in 0..=body.len() {
            assert_eq!(
                decode(&payload, &[&body[..at], &body[at..]]),
                Ok(Some(DATA.to_vec())),
                "{payload:?} {at}"
            );
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(decode(&payload, &bytes), Ok(Some(DATA.to_vec())));
    }
}

#[test]
fn ended_at_any_byte_it_is_never_done() {
    for (payload, body) in forms() {
        for end in 0..body.len() {
            assert!(matches!(decode(&payload, &[&body[..end]]), Ok(None)), "{payload:?} {end}");
        }
        let longer = [&body[..], b"x"].concat();
        assert_eq!(decode(&payload, &[&longer]), Err(Code::IncompleteBody));
    }
}

#[test]
fn any_flipped_byte_of_a_signed_body_is_noticed() {
    for (payload, body) in forms().into_iter().filter(|(p, _)| *p != Payload::UnsignedChunks) {
        for at in 0..body.len() {
            let mut bad = body.clone();
            bad[at] ^= 1;
            let outcome = decode(&payload, &[&bad]);
            // A flip may turn a line's end into something as good (`\r` is not signed), never change data.
            if let Ok(Some(data)) = &outcome {
                assert_eq!(data, DATA, "{payload:?} {at}");
            }
            if DATA.chunks(7).any(|c| body[at..].starts_with(c)) {
                assert_eq!(outcome, Err(Code::SignatureDoesNotMatch), "{payload:?} {at}");
            }
        }
    }
}

#[test]
fn lengths_that_lie_and_endless_lines_are_refused() {
    let p = Payload::UnsignedChunks;
    assert_eq!(decode(&p, &[b"ffffffffffffffff\r\n"]), Err(Code::IncompleteBody), "more than announced");
    assert_eq!(decode(&p, &[b"15\r\n"]), Err(Code::IncompleteBody));
    assert_eq!(decode(&p, &[b"0\r\n"]), Err(Code::IncompleteBody), "less than announced");
    assert_eq!(decode(&p, &[b"11111111111111111\r\n"]), Err(Code::InvalidRequest));
    assert_eq!(decode(&p, &[b"-1\r\n"]), Err(Code::InvalidRequest));
    assert_eq!(decode(&p, &[b"\r\n"]), Err(Code::InvalidRequest));
    assert_eq!(decode(&p, &[b"3\r\nabcd\r\n"]), Err(Code::InvalidRequest));
    assert_eq!(decode(&p, &[&[b'0'; 5000]]), Err(Code::InvalidRequest));
    let signed = Payload::SignedChunks { trailer: false };
    assert_eq!(decode(&signed, &[b"3\r\n"]), Err(Code::InvalidRequest), "no signature");
}
