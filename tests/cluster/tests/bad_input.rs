//! Wrong, hostile and broken requests over real sockets: S3's own error code for each, nothing half-visible, nothing
//! leaked, and the gateway goes on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::time::Duration;
use tests_cluster::content::{bytes, md5};
use tests_cluster::s3::{Request, Response, list, time};
use tests_cluster::sections::Sections;
use tests_cluster::settings::sized;
use tests_cluster::{Cluster, Options, S3, say};

const BUCKET: &str = "bad-input";

#[track_caller]
fn refused(response: &Response, status: u16, codes: &[&str]) {
    let code = response.code();
    assert!(
        response.status == status && codes.contains(&code.as_str()),
        "wanted {status} {codes:?}, got {} `{code}`: {}",
        response.status,
        response.text()
    );
}

/// What a refused write must leave: nothing under its key.
#[track_caller]
fn absent(s3: &S3, key: &str) {
    assert_eq!(s3.get(BUCKET, key), None, "`{key}` is visible");
}

fn put(key: &str) -> Request {
    Request::object("PUT", BUCKET, key).body(b"content")
}

fn wrong_identity(s3: &S3) {
    let mut stranger = s3.clone();
    stranger.signer.access = "AKIANOBODYKNOWSTHIS0".into();
    refused(&stranger.send(put("a")), 403, &["InvalidAccessKeyId"]);
    let mut forger = s3.clone();
    forger.signer.secret.push('x');
    refused(&forger.send(put("a")), 403, &["SignatureDoesNotMatch"]);
    // Signed for one key, sent to another.
    let mut moved = s3.sign(put("a"));
    moved.path = format!("/{BUCKET}/b");
    refused(&s3.raw(&moved).expect("an answer"), 403, &["SignatureDoesNotMatch"]);
    // Signed for one body, sent with another of the same length.
    let mut swapped = s3.sign(put("a"));
    swapped.body = b"CONTENT".to_vec();
    refused(&s3.raw(&swapped).expect("an answer"), 400, &["XAmzContentSHA256Mismatch"]);
    refused(&s3.raw(&put("a")).expect("an answer"), 403, &["AccessDenied"]);
    let malformed = put("a").with("authorization", "AWS4-HMAC-SHA256 nonsense");
    refused(
        &s3.raw(&malformed).expect("an answer"),
        400,
        &["AuthorizationHeaderMalformed", "InvalidArgument"],
    );
    for key in ["a", "b"] {
        absent(s3, key);
    }
}

fn wrong_time(s3: &S3) {
    for minutes in [-16, 16, -60 * 24 * 365] {
        let mut request = put("a");
        s3.signer.sign(&mut request, &s3.host, time::now() + minutes * 60);
        refused(&s3.raw(&request).expect("an answer"), 403, &["RequestTimeTooSkewed"]);
    }
    let mut near = put("near");
    s3.signer.sign(&mut near, &s3.host, time::now() - 14 * 60);
    assert_eq!(s3.raw(&near).expect("an answer").status, 200, "14 minutes are within the limit");
    s3.must(Request::object("DELETE", BUCKET, "near"));

    let mut expired = Request::object("GET", BUCKET, "a");
    s3.signer.presign(&mut expired, &s3.host, time::now() - 100, 60);
    refused(&s3.raw(&expired).expect("an answer"), 403, &["AccessDenied"]);
    let mut endless = Request::object("GET", BUCKET, "a");
    s3.signer.presign(&mut endless, &s3.host, time::now(), 8 * 86_400);
    // As RGW: AWS says 400 AuthorizationQueryParametersError.
    refused(&s3.raw(&endless).expect("an answer"), 403, &["AccessDenied"]);
    let mut forged = Request::object("GET", BUCKET, "a");
    s3.signer.presign(&mut forged, &s3.host, time::now(), 60);
    if let Some((_, signature)) = forged.query.last_mut() {
        *signature = "0".repeat(64);
    }
    refused(&s3.raw(&forged).expect("an answer"), 403, &["SignatureDoesNotMatch"]);
    absent(s3, "a");
}

fn wrong_checksums(s3: &S3) {
    let other = STANDARD.encode([0; 16]);
    refused(&s3.send(put("a").with("content-md5", &other)), 400, &["BadDigest"]);
    refused(&s3.send(put("a").with("content-md5", "not base64!")), 400, &["InvalidDigest"]);
    refused(&s3.send(put("a").with("content-md5", "AAAA")), 400, &["InvalidDigest"]);
    for (name, len) in [("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)] {
        let header = format!("x-amz-checksum-{name}");
        let wrong = STANDARD.encode(vec![1; len]);
        refused(&s3.send(put("a").with(&header, &wrong)), 400, &["BadDigest"]);
        let short = STANDARD.encode(vec![1; len - 1]);
        // As RGW: AWS says InvalidRequest.
        refused(&s3.send(put("a").with(&header, &short)), 400, &["BadDigest"]);
    }
    let right = STANDARD.encode(hex_bytes(&md5(b"content")));
    assert_eq!(s3.send(put("right").with("content-md5", &right)).status, 200);
    s3.must(Request::object("DELETE", BUCKET, "right"));
    absent(s3, "a");
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

/// A chunk-signed body whose trailer or framing lies.
fn wrong_chunks(s3: &S3) {
    let framed = |body: &[u8], trailer: &str| {
        let mut request = put("chunks").body(body);
        request.set("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        request.set("x-amz-decoded-content-length", "7");
        request.set("x-amz-trailer", trailer);
        request.set("content-encoding", "aws-chunked");
        s3.send(request)
    };
    let good = framed(b"7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:/sUwqQ==\r\n\r\n", "x-amz-checksum-crc32");
    assert_eq!(good.status, 200, "{}", good.text());
    assert_eq!(s3.get(BUCKET, "chunks").as_deref(), Some(&b"content"[..]));
    s3.must(Request::object("DELETE", BUCKET, "chunks"));
    refused(
        &framed(b"7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "x-amz-checksum-crc32"),
        400,
        &["BadDigest"],
    );
    for bad in [
        &b"8\r\ncontent\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"[..],
        b"zz\r\ncontent\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\ncontent\r\n0\r\n\r\n",
        b"7\r\ncontentX\r\n0\r\n\r\n",
        b"5\r\nconte\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        b"7\r\ncontent\r\n",
    ] {
        let response = framed(bad, "x-amz-checksum-crc32");
        assert_eq!(response.status, 400, "{:?}: {}", String::from_utf8_lossy(bad), response.text());
        assert!(!response.code().is_empty(), "S3's own error: {}", response.text());
    }
    absent(s3, "chunks");
}

/// More and fewer bytes than announced.
fn wrong_lengths(s3: &S3) {
    let mut short = s3.sign(put("short"));
    short.length = Some(100);
    let mut connection = s3.connect().expect("connects");
    connection.send(&short.bytes(&s3.host)).expect("sent");
    connection.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
    match connection.response(false) {
        Ok(response) => refused(&response, 400, &["IncompleteBody", "RequestTimeout"]),
        // Hanging up on somebody who has hung up is an answer, too.
        Err(e) => say!("        short body: the gateway hung up ({e})"),
    }
    // Seven bytes belong to the request, the rest begins another one, which is no HTTP.
    let long = s3.sign(put("long"));
    let mut text = long.bytes(&s3.host);
    text.extend_from_slice(b" and more than was announced\r\n\r\n");
    let mut connection = s3.connect().expect("connects");
    let first = connection.exchange(&text, false).expect("an answer to the whole request");
    assert_eq!(first.status, 200);
    if let Ok(second) = connection.response(false) {
        assert_eq!(second.status, 400, "{}", second.text());
    }
    assert_eq!(s3.get(BUCKET, "long").as_deref(), Some(&b"content"[..]), "what was announced and no more");
    s3.must(Request::object("DELETE", BUCKET, "long"));
    let mut huge = put("huge");
    huge.length = Some((5 << 30) + 1);
    huge.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let response = s3.raw(&s3.sign(huge)).expect("an answer before the body is sent");
    refused(&response, 400, &["EntityTooLarge"]);
    let mut nothing = s3.sign(put("none"));
    nothing.body.clear();
    let head =
        String::from_utf8(nothing.head_bytes(&s3.host)).expect("text").replace("content-length: 0\r\n", "");
    let response = s3.connect().expect("connects").exchange(head.as_bytes(), false).expect("an answer");
    refused(&response, 411, &["MissingContentLength"]);
    for length in ["-1", "7x", "99999999999999999999"] {
        let head = String::from_utf8(s3.sign(put("none")).bytes(&s3.host)).expect("text");
        let text = head.replace("content-length: 7", &format!("content-length: {length}"));
        let answer = s3.connect().expect("connects").exchange(text.as_bytes(), false);
        assert!(answer.as_ref().map_or(true, |r| r.status == 400), "content-length {length}: {answer:?}");
    }
    for key in ["short", "huge", "none"] {
        absent(s3, key);
    }
}

fn bad_xml(s3: &S3) {
    let delete = |body: &[u8]| {
        let sum = STANDARD.encode(hex_bytes(&md5(body)));
        s3.send(Request::bucket("POST", BUCKET).query("delete", "").body(body).with("content-md5", &sum))
    };
    let nested = |name: &str, count: usize| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        [open.repeat(count), close.repeat(count)].concat().into_bytes()
    };
    let too_many = format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1001));
    let bomb = b"<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
        <Delete><Object><Key>&b;</Key></Object></Delete>";
    let cases: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("not XML", b"hello"),
        ("cut off", b"<Delete><Object><Key>a</Key>"),
        ("crossed", b"<Delete><Object></Delete></Object>"),
        ("another document", b"<CompleteMultipartUpload></CompleteMultipartUpload>"),
        ("no UTF-8", b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>"),
        ("entities", bomb),
        ("no object", b"<Delete></Delete>"),
        ("1001 objects", too_many.as_bytes()),
    ];
    for (what, body) in cases {
        let response = delete(body);
        assert_eq!(response.status, 400, "{what}: {}", response.text());
        assert!(
            ["MalformedXML", "MissingRequestBodyError", "InvalidRequest"].contains(&response.code().as_str()),
            "{what}: {}",
            response.text()
        );
    }
    // A million elements inside each other: 5 MB and more. Refused for its depth or its size, at once.
    let begin = std::time::Instant::now();
    let response = delete(&nested("a", 1_000_000));
    refused(&response, 400, &["MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge"]);
    let response = delete(&[&b"<Delete>"[..], &nested("Object", 100_000), b"</Delete>"].concat());
    refused(&response, 400, &["MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "nested XML took {:?}", begin.elapsed());
    let location = Request::bucket("PUT", "other-bucket").body(&nested("CreateBucketConfiguration", 10_000));
    refused(&s3.send(location), 400, &["MalformedXML", "MaxMessageLengthExceeded"]);
    let location = Request::bucket("PUT", "other-bucket").body(&nested("CreateBucketConfiguration", 100));
    refused(&s3.send(location), 400, &["MalformedXML"]);
}

fn bad_heads(s3: &S3) {
    let raw = |bytes: &[u8]| {
        let mut connection = s3.connect().expect("connects");
        connection.exchange(bytes, false)
    };
    let large = s3.sign(Request::object("GET", BUCKET, "a")).with("x-large", &"v".repeat(100 << 10));
    let answer = raw(&large.bytes(&s3.host));
    assert!(
        answer.as_ref().map_or(true, |r| r.status == 431 || r.status == 400),
        "100 KiB in one header: {answer:?}"
    );
    let mut many = s3.sign(Request::object("GET", BUCKET, "a"));
    for i in 0..3000 {
        many.set(&format!("x-many-{i}"), "v");
    }
    let answer = raw(&many.bytes(&s3.host));
    assert!(answer.as_ref().map_or(true, |r| (400..500).contains(&r.status)), "3000 headers: {answer:?}");
    let metadata = put("meta").with("x-amz-meta-large", &"m".repeat(3 << 10));
    refused(&s3.send(metadata), 400, &["MetadataTooLarge"]);
    for bytes in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbroken header\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[0xff; 3000],
    ] {
        let mut connection = s3.patient(Duration::from_secs(10)).connect().expect("connects");
        let sent =
            connection.send(bytes).and_then(|()| connection.stream().shutdown(std::net::Shutdown::Write));
        let answer = sent.and_then(|()| connection.response(false));
        assert!(
            answer.as_ref().map_or(true, |r| (400..600).contains(&r.status)),
            "{:?}: {answer:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    absent(s3, "meta");
}

fn names(s3: &S3) {
    let long = "b".repeat(64);
    for name in [
        "ab",
        long.as_str(),
        "Upper",
        "under_score",
        "-dash",
        "dash-",
        "a..b",
        "192.168.5.4",
        "dot.",
        "x%20y",
        "xn--a",
    ] {
        refused(&s3.send(Request::bucket("PUT", name)), 400, &["InvalidBucketName"]);
    }
    let put = |key: &str| s3.send(Request::object("PUT", BUCKET, key).body(b"n"));
    // 1024 bytes are the limit, counted in UTF-8 and not in characters.
    let longest = ["k".repeat(1024), "ä".repeat(512), "語".repeat(341) + "x", "🦀".repeat(256)];
    for key in &longest {
        assert_eq!(key.len(), 1024);
        assert_eq!(put(key).status, 200);
        refused(&put(&format!("{key}y")), 400, &["KeyTooLongError"]);
    }
    // Names are names: none of them is a path, none is cleaned.
    let strange = [
        "../up",
        "a/../b",
        "./dot",
        "..",
        "a//b",
        "/lead",
        "trail/",
        "sp ace+plus",
        "%2F",
        "nul\u{1}",
        "e\u{301}",
        "é",
        "<&>\"'",
        "\u{feff}bom",
        "\u{10ffff}",
    ];
    for key in strange {
        assert_eq!(put(key).status, 200, "`{key}`");
    }
    let listed: BTreeSet<String> = s3.list(BUCKET).into_keys().collect();
    let wanted: BTreeSet<String> =
        longest.iter().cloned().chain(strange.iter().map(|k| k.to_string())).collect();
    assert_eq!(listed, wanted);
    for key in &wanted {
        assert_eq!(s3.get(BUCKET, key).as_deref(), Some(&b"n"[..]), "`{key}`");
        s3.must(Request::object("DELETE", BUCKET, key));
    }
    let invalid = s3.sign(Request::new("PUT", &format!("/{BUCKET}/%FF%FE")).body(b"n"));
    let response = s3.raw(&invalid).expect("an answer");
    assert_eq!(response.status, 400, "a key that is no UTF-8: {}", response.text());
    refused(&s3.send(Request::object("GET", "no-such-bucket", "a")), 404, &["NoSuchBucket"]);
    refused(&s3.send(Request::object("GET", BUCKET, "nothing")), 404, &["NoSuchKey"]);
}

fn multipart(s3: &S3) {
    let start = |key: &str| {
        let text = s3.must(Request::object("POST", BUCKET, key).query("uploads", "")).text();
        list::field(&text, "UploadId").expect("an upload id")
    };
    let upload = start("mp");
    let part = |number: &str, id: &str, body: &[u8]| {
        s3.send(
            Request::object("PUT", BUCKET, "mp").query("partNumber", number).query("uploadId", id).body(body),
        )
    };
    for number in ["0", "-1", "10001", "x", "", "99999999999999999999"] {
        refused(&part(number, &upload, b"p"), 400, &["InvalidArgument"]);
    }
    refused(&part("1", "no-such-upload", b"p"), 404, &["NoSuchUpload"]);
    refused(&part("1", &"9".repeat(5000), b"p"), 404, &["NoSuchUpload"]);
    let (one, two) = (bytes(11, 5 << 20), b"the end");
    let etag = |r: Response| r.header("etag").expect("an ETag").to_string();
    let (first, small) = (etag(part("1", &upload, &one)), etag(part("2", &upload, two)));
    let last = etag(part("3", &upload, two));
    let complete = |parts: &[(u32, &str)]| {
        let rows: String = parts
            .iter()
            .map(|(n, e)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>"))
            .collect();
        let body = format!("<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>");
        s3.send(Request::object("POST", BUCKET, "mp").query("uploadId", &upload).body(body.as_bytes()))
    };
    refused(&complete(&[]), 400, &["MalformedXML", "InvalidRequest"]);
    refused(&complete(&[(1, &first), (9, &last)]), 400, &["InvalidPart"]);
    refused(&complete(&[(1, "\"00000000000000000000000000000000\"")]), 400, &["InvalidPart"]);
    refused(&complete(&[(3, &last), (1, &first)]), 400, &["InvalidPartOrder"]);
    refused(&complete(&[(1, &first), (2, &small), (3, &last)]), 400, &["EntityTooSmall"]);
    absent(s3, "mp");
    let done = complete(&[(1, &first), (3, &last)]);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(s3.get(BUCKET, "mp"), Some([&one[..], two].concat()));
    s3.must(Request::object("DELETE", BUCKET, "mp"));
    refused(&part("1", &upload, b"late"), 404, &["NoSuchUpload"]);
    let dropped = start("mp");
    s3.must(Request::object("DELETE", BUCKET, "mp").query("uploadId", &dropped));
    refused(&part("1", &dropped, b"late"), 404, &["NoSuchUpload"]);
}

/// Sends the bytes on a connection of their own and hangs up.
fn cut(s3: &S3, bytes: &[u8]) {
    let mut connection = s3.connect().unwrap_or_else(|e| panic!("the gateway takes no connections: {e}"));
    // The gateway may have refused and closed already; hanging up is all that matters here.
    let _ = connection.send(bytes);
    let _ = connection.stream().shutdown(std::net::Shutdown::Both);
}

/// Hangs up after every single byte of a small upload, and at chosen places of larger ones.
fn cut_everywhere(s3: &S3) {
    let small = s3.sign(Request::object("PUT", BUCKET, "cut-small").body(&bytes(12, 700)));
    let whole = small.bytes(&s3.host);
    for end in 0..whole.len() {
        cut(s3, &whole[..end]);
    }
    say!("        cut at each of {} offsets of a small upload", whole.len());
    absent(s3, "cut-small");
    let large = s3.sign(Request::object("PUT", BUCKET, "cut-large").body(&bytes(13, 9 << 20)));
    let whole = large.bytes(&s3.host);
    let head = whole.len() - large.body.len();
    let borders = [0, 1, 4095, 4096, 32 << 10, (32 << 10) + 1, 1 << 20, 4 << 20, (4 << 20) + 1, 8 << 20];
    let mut ends: Vec<usize> = borders.iter().map(|b| head + b).collect();
    ends.push(whole.len() - 1);
    let extra = sized(10, 200);
    ends.extend((0..extra).map(|i| head + i * (large.body.len() / extra) + i * 37));
    for end in &ends {
        cut(s3, &whole[..*end]);
    }
    say!("        cut at {} offsets of a 9 MiB upload", ends.len());
    absent(s3, "cut-large");
    // An overwrite that is cut leaves the object that was there.
    let kept = bytes(14, 3000);
    s3.put(BUCKET, "kept", &kept);
    let over = s3.sign(Request::object("PUT", BUCKET, "kept").body(&bytes(15, 2000))).bytes(&s3.host);
    for end in (over.len() - 2000..over.len()).step_by(50) {
        cut(s3, &over[..end]);
    }
    assert_eq!(s3.get(BUCKET, "kept"), Some(kept));
    s3.must(Request::object("DELETE", BUCKET, "kept"));
}

#[test]
fn bad_input() {
    let cluster = Cluster::start("bad_input", Options::default());
    cluster.free_garbage_soon();
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    s3.make_bucket("bystander");
    let bystander = bytes(1, 5 << 20);
    s3.put("bystander", "large", &bystander);
    let before = cluster.data_objects().unwrap_or_else(|e| panic!("{e}"));
    assert!(!before.is_empty(), "5 MiB lie in data objects");

    let mut sections = Sections::new();
    sections.run("wrong key, signature, path, payload", || wrong_identity(&s3));
    sections.run("clock skew, expired and endless presigns", || wrong_time(&s3));
    sections.run("wrong and malformed checksums", || wrong_checksums(&s3));
    sections.run("chunked bodies that lie", || wrong_chunks(&s3));
    sections.run("bodies shorter and longer than announced, 5 GiB + 1", || wrong_lengths(&s3));
    sections.run("malformed XML, a million nested elements, entity bombs", || bad_xml(&s3));
    sections.run("heads: 100 KiB, 3000 headers, garbage", || bad_heads(&s3));
    sections.run("bucket and key names of every kind", || names(&s3));
    sections.run("multipart: numbers, order, size, unknown uploads", || multipart(&s3));
    sections.run("hanging up at every byte", || cut_everywhere(&s3));
    sections.run("nothing is left of all that, and the gateway goes on", || {
        assert_eq!(s3.list(BUCKET).len(), 0, "{:?}", s3.list(BUCKET));
        let uploads = s3.must(Request::bucket("GET", BUCKET).query("uploads", "")).text();
        assert!(!uploads.contains("<Upload>"), "{uploads}");
        assert_eq!(s3.get("bystander", "large"), Some(bystander.clone()));
        let waited = cluster.wait_data_objects(&before, Duration::from_secs(120));
        say!("        no data object is left over after {:.1} s", waited.as_secs_f64());
        cluster.live("gateway.0");
        s3.must(Request::bucket("DELETE", BUCKET));
    });
    sections.finish();
}
