//! Doors for the fuzzer (`tests/fuzz`) to what takes apart the bytes of strangers, without a server around it. Each says
//! whether the input was taken, or what does not hold of the outcome.

use crate::access::{Acl, Block, Ownership, Policy, PolicyAsked, Values};
use crate::auth::{Claim, KeyCache, Payload, Signed, request_hash};
use crate::chunked::Decoder;
use crate::encryption::BucketEncryption;
use crate::error::{Code, S3Error};
use crate::form;
use crate::object_lock;
use crate::server::Target;
use crate::tags::{self, Tag};
use crate::uri::{self, Query};
use crate::verbs::object::range;
use crate::verbs::{bucket, multipart};
use crate::{cors, dates, lifecycle};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Whether the input was taken; the error says what is wrong with the outcome.
pub type Verdict = Result<bool, String>;

/// The moment at which everything happens: 2025-01-01 00:00:00 UTC, seconds since 1970.
pub const NOW_S: u64 = 1_735_689_600;

/// The first line, and what follows it.
fn line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// Cuts that depend on the input only: 1 to 16 bytes each.
fn cuts(input: &[u8]) -> impl FnMut() -> usize {
    let mut state = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        1 + (state >> 60) as usize
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, a: &T, b: &T) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what}: {a:?} became {b:?}")) }
}

/// `aws-chunked` bodies: `LENGTH` of the data, a new line, the body. How it is cut on its way changes nothing.
pub fn aws_chunked(input: &[u8]) -> Verdict {
    let (length, body) = line(input);
    let length = text(length).parse().unwrap_or(0);
    let read = |mut cut: Box<dyn FnMut() -> usize>| -> Result<(Vec<u8>, bool, Option<String>), Code> {
        let mut decoder = Decoder::new(&Payload::UnsignedChunks, None, length);
        let (mut rest, mut data) = (body, Vec::new());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cut().min(rest.len()));
            let mut now = Bytes::copy_from_slice(now);
            while let Some(piece) = decoder.next(&mut now).map_err(|e| e.code())? {
                data.extend_from_slice(&piece);
            }
            rest = later;
        }
        let trailer = decoder.trailer("x-amz-checksum-crc32").map(String::from);
        Ok((data, decoder.is_done(), trailer))
    };
    let whole = read(Box::new(|| usize::MAX));
    same("cut otherwise", &whole, &read(Box::new(cuts(input))))?;
    match whole {
        Ok((data, true, _)) if data.len() as u64 != length => {
            Err(format!("{} bytes of {length} are the whole body", data.len()))
        }
        Ok((data, _, _)) if data.len() as u64 > length => Err("more data than announced".into()),
        Ok((_, done, _)) => Ok(done),
        Err(_) => Ok(false),
    }
}

/// Forms: a `Content-Type`, a new line, the body. How it is cut on its way changes nothing.
pub fn form(input: &[u8]) -> Verdict {
    let (kind, body) = line(input);
    let whole = form::pieces(text(kind), body, || usize::MAX);
    same("cut otherwise", &whole, &form::pieces(text(kind), body, cuts(input)))?;
    Ok(whole.is_some())
}

/// The policies of forms. A field that a policy does not speak of is never let in.
pub fn form_policy(input: &[u8]) -> Verdict {
    let Ok(policy) = form::FormPolicy::parse(input, NOW_S) else { return Ok(false) };
    let fields = form::Fields::of(&[("key", "u/k"), ("zzz", "1")]);
    let spoken_of = input.windows(3).any(|w| w.eq_ignore_ascii_case(b"zzz")) || input.contains(&b'\\');
    if !spoken_of && policy.check(&fields, "b", "u/k").is_ok() {
        return Err("a field that the policy does not know is let in".into());
    }
    if policy.range().is_some_and(|(least, most)| least > most && policy.check(&fields, "b", "u/k").is_ok()) {
        return Err("a range of sizes without a size in it lets something in".into());
    }
    Ok(true)
}

/// What was read from a document must survive a round through its own writer.
fn round<T: PartialEq + std::fmt::Debug>(
    what: &str,
    input: &[u8],
    read: impl Fn(&[u8]) -> Result<T, S3Error>,
    write: impl Fn(&T) -> Bytes,
) -> Verdict {
    let Ok(value) = read(input) else { return Ok(false) };
    let again = read(&write(&value)).map_err(|e| format!("{what}: its own document is refused: {e}"))?;
    same(what, &value, &again).map(|()| true)
}

/// XML documents, by every reader there is.
pub fn xml(input: &[u8]) -> Verdict {
    let id = || Ok("made".to_string());
    let taken = [
        round(
            "tags",
            input,
            |d| tags::of_document(d, tags::BUCKET_TAGS_MAX),
            |tags| {
                // The document has them in order.
                let mut tags: Vec<Tag> = tags.clone();
                tags.sort_by(|a, b| a.key.cmp(&b.key));
                tags::document(&tags).finish()
            },
        )
        .or_else(|why| if sorted_tags(input) { Err(why) } else { Ok(true) })?,
        round("cors", input, cors::of_document, |rules| cors::document(rules).finish())?,
        round(
            "lifecycle",
            input,
            |d| lifecycle::of_document(d, id),
            |rules| lifecycle::to_document(rules).finish(),
        )?,
        round("block", input, Block::of_document, |block| block.document().finish())?,
        round("ownership", input, Ownership::of_document, |owner| owner.document().finish())?,
        round("encryption", input, BucketEncryption::of_document, |e| e.document().finish())?,
        round("lock", input, object_lock::bucket_of_document, |l| object_lock::bucket_document(l).finish())?,
        Acl::of_document(input, "owner").is_ok(),
        object_lock::retention_of_document(input, NOW_S).is_ok(),
        object_lock::hold_of_document(input).is_ok(),
        bucket::reads_document(input),
        multipart::complete::reads_document(input),
    ];
    Ok(taken.contains(&true))
}

/// Whether the tags of a document are in order already.
fn sorted_tags(input: &[u8]) -> bool {
    tags::of_document(input, tags::BUCKET_TAGS_MAX).is_ok_and(|tags| tags.is_sorted_by(|a, b| a.key <= b.key))
}

/// Bucket policies. What is read twice is the same, and one that is public to nobody lets no stranger in.
pub fn policy(input: &[u8]) -> Verdict {
    let Ok(policy) = Policy::parse(input, "", "bucket") else { return Ok(false) };
    let again = Policy::parse(input, "", "bucket").map_err(|why| format!("the second time: {why}"))?;
    same("the second time", &policy, &again)?;
    let mut values = Values::new();
    for (name, value) in
        [("aws:sourceip", "10.1.2.3"), ("s3:prefix", "a/b"), ("aws:currenttime", "1735689600")]
    {
        values.insert(name.into(), vec![value.into()]);
    }
    for action in ["s3:GetObject", "s3:PutObjectAcl", "s3:ListBucket"] {
        let asked = PolicyAsked {
            uid: Some("eve"),
            service: None,
            action,
            resource: "arn:aws:s3:::bucket/a/b",
            values: &values,
        };
        // Only that it comes to an end, and to the same one.
        same("judged twice", &policy.judge(&asked), &policy.judge(&asked))?;
    }
    let _ = policy.is_public();
    Ok(true)
}

/// The header `x-amz-tagging`.
pub fn tagging_header(input: &[u8]) -> Verdict {
    let Ok(tags) = tags::of_header(text(input)) else { return Ok(false) };
    let pair = |tag: &Tag| {
        format!("{}={}", uri::encode(tag.key.as_bytes(), false), uri::encode(tag.value.as_bytes(), false))
    };
    let written = tags.iter().map(pair).collect::<Vec<_>>().join("&");
    let again = tags::of_header(&written).map_err(|e| format!("its own header is refused: {e}"))?;
    same("tags", &tags, &again).map(|()| !tags.is_empty())
}

/// Ranges: a size, a new line, a `Range` or `x-amz-copy-source-range`.
pub fn byte_range(input: &[u8]) -> Verdict {
    let (size, header) = line(input);
    let (size, header) = (text(size).parse::<u64>().unwrap_or(0), text(header));
    let asked = range::of_header(header, size);
    let spans = [asked.as_ref().ok().copied().flatten(), range::copy_range(header, size).ok()];
    for span in spans.into_iter().flatten() {
        if span.length == 0 || span.offset.checked_add(span.length).is_none_or(|end| end > size) {
            return Err(format!("{span:?} of {size} bytes"));
        }
    }
    Ok(spans.iter().any(Option::is_some))
}

/// What a request means, apart from its spelling.
#[derive(Debug, PartialEq)]
struct Meaning {
    method: String,
    path: Vec<u8>,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
}

struct Head {
    method: String,
    path: String,
    query: Query,
    headers: HeaderMap,
}

impl Head {
    /// `METHOD PATH?QUERY`, and a line for each header.
    fn read(input: &[u8]) -> Option<Head> {
        let (first, mut rest) = line(input);
        let (method, target) = text(first).split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        uri::decode(path, false)?;
        let mut headers = HeaderMap::new();
        while !rest.is_empty() && headers.len() < 64 {
            let (now, later) = line(rest);
            rest = later;
            let at = now.iter().position(|b| *b == b':')?;
            let name = HeaderName::from_bytes(&now[..at]).ok()?;
            headers.append(name, HeaderValue::from_bytes(now[at + 1..].trim_ascii()).ok()?);
        }
        Some(Head { method: method.into(), path: path.into(), query: Query::parse(query).ok()?, headers })
    }

    fn hash(&self, signed_headers: &[String]) -> [u8; 32] {
        request_hash(&Signed {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            host: "",
            signed_headers,
            payload: "UNSIGNED-PAYLOAD",
        })
    }

    fn meaning(&self, signed_headers: &[String]) -> Meaning {
        let mut query: Vec<_> = self.query.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        query.retain(|(name, _)| name != "X-Amz-Signature");
        query.sort_by_cached_key(|(n, v)| {
            (uri::encode(n.as_bytes(), false), uri::encode(v.as_bytes(), false))
        });
        let collapsed = |value: &HeaderValue| {
            let words = value.as_bytes().split(|b| *b == b' ').filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(&b' ')
        };
        // Several values of one name are one list (RFC 9110, 5.3).
        let of = |name: &String| {
            (name.clone(), self.headers.get_all(name).iter().map(collapsed).collect::<Vec<_>>().join(&b','))
        };
        Meaning {
            method: self.method.clone(),
            path: uri::decode(&self.path, false).unwrap_or_default(),
            query,
            headers: signed_headers.iter().map(of).collect(),
        }
    }
}

/// Requests to be signed: two heads, with an empty line between them. Two that mean different things are never signed
/// alike, two that mean the same always; and whatever they claim to be signed with is read or refused.
pub fn sigv4(input: &[u8]) -> Verdict {
    let middle = input.windows(2).position(|w| w == b"\n\n").unwrap_or(input.len());
    let (one, two) = (&input[..middle], input.get(middle + 2..).unwrap_or_default());
    let (Some(one), Some(two)) = (Head::read(one), Head::read(two)) else { return Ok(false) };
    let mut signed: Vec<String> = one.headers.keys().map(|name| name.as_str().to_string()).collect();
    signed.sort();
    let (alike, mean) =
        (one.hash(&signed) == two.hash(&signed), one.meaning(&signed) == two.meaning(&signed));
    if alike != mean {
        let (one, two) = (one.meaning(&signed), two.meaning(&signed));
        return Err(format!("signed alike: {alike}, mean the same: {mean}: {one:?} {two:?}"));
    }
    for head in [&one, &two] {
        let host = head.headers.get("host").and_then(|v| v.to_str().ok()).unwrap_or("");
        let _ = Target::of(host, &head.path, &["s3.test".to_string()]);
        if let Ok(Some(claim)) = Claim::of_request(&head.headers, &head.query, "us-east-1", NOW_S) {
            let subject = crate::auth::Subject {
                method: &head.method,
                path: &head.path,
                query: &head.query,
                headers: &head.headers,
                host,
                virtual_bucket: None,
            };
            // Nobody here knows the secret.
            if crate::auth::verify(&claim, &subject, "secret", "us-east-1", &KeyCache::default()).is_ok() {
                return Err(format!("{} is believed", claim.access_key()));
            }
        }
    }
    Ok(true)
}

/// Dates of headers, in every form that is read. What is read is written so that it is read again.
pub fn date(input: &[u8]) -> Verdict {
    let Some(seconds) = dates::parse_http(text(input)) else { return Ok(false) };
    match dates::parse_http(&dates::http(seconds)) {
        Some(again) => same("seconds", &seconds, &again).map(|()| true),
        None => Err(format!("{seconds} is written as {}", dates::http(seconds))),
    }
}
