//! Sound input for what the S3 gateway reads of strangers, and the words that mean something in it.

use crate::targets::Outcome;
use gateway_s3::fuzz::Verdict;
use stdx::Rng;

/// Runs one of the gateway's doors.
pub(crate) fn run(door: fn(&[u8]) -> Verdict, input: &[u8]) -> Result<Outcome, String> {
    let (taken, allocated_bytes) = crate::allocated::most_at_once(|| door(input));
    Ok(Outcome { accepted: taken?, allocated_bytes })
}

fn pick<'a>(words: &[&'a str], rng: &mut Rng) -> &'a str {
    words[rng.below(words.len() as u64) as usize]
}

/// Mutations of texts: as bytes, or by a word that means something put at some place.
fn words(mut text: Vec<u8>, other: &[u8], rng: &mut Rng, words: &[&str]) -> Vec<u8> {
    for _ in 0..rng.below(3) {
        let at = rng.below(text.len() as u64 + 1) as usize;
        let end = text.len().min(at + rng.below(8) as usize);
        text.splice(at..end, pick(words, rng).bytes());
    }
    if rng.chance(1, 2) { crate::mutate::bytes(text, other, rng) } else { text }
}

/// `aws-chunked`, with its announced length.
pub(crate) fn aws_chunked(rng: &mut Rng) -> Vec<u8> {
    let mut body = Vec::new();
    let mut total = 0;
    for _ in 0..rng.below(4) {
        let len = 1 + rng.below(200) as usize;
        total += len;
        let extension = pick(&["", ";chunk-signature=00", ";a=b;c"], rng);
        body.extend(format!("{len:x}{extension}\r\n").bytes());
        body.extend((0..len).map(|i| b'a' + (i % 26) as u8));
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n");
    if rng.chance(1, 2) {
        body.extend(b"x-amz-checksum-crc32:AAAAAA==\r\n");
    }
    body.extend(b"\r\n");
    [format!("{total}\n").into_bytes(), body].concat()
}

/// Mutations of it.
pub(crate) fn mutate_chunked(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &["\r\n", "\n", "0\r\n", "ffffffffffffffff", "-1", "0x1", ";", ":", "0\r\n\r\n", "+2"],
    )
}

/// A form.
pub(crate) fn form(rng: &mut Rng) -> Vec<u8> {
    let boundary = pick(&["XX", "----a-b", "\"a b\"", "'1'"], rng);
    let inner = boundary.trim_matches('"');
    let mut text = format!("multipart/form-data; boundary={boundary}\n");
    for _ in 0..rng.below(4) {
        let name = pick(&["key", "policy", "file", "a;b", "x-amz-meta-y"], rng);
        let value = pick(&["", "v", "\r\n--X", "a\r\n--XX but not", "\r\r\n\n--"], rng);
        let filename = pick(&["", "; filename=\"a\\\"b.txt\"", "; filename=x"], rng);
        text += &format!(
            "--{inner}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\nContent-Type: a/b\r\n\r\n{value}\r\n"
        );
    }
    (text + &format!("--{inner}--\r\n")).into_bytes()
}

/// Mutations of it.
pub(crate) fn mutate_form(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &["\r\n", "--", "\r\n--XX", "--XX--", "\"", "=", ";", "name=", "\r\n\r\n", "boundary="],
    )
}

/// A form's policy.
pub(crate) fn form_policy(rng: &mut Rng) -> Vec<u8> {
    let conditions = [
        "{\"bucket\":\"b\"}",
        "[\"starts-with\",\"$key\",\"u/\"]",
        "[\"content-length-range\",0,10]",
        "[\"eq\",\"$acl\",\"private\"]",
        "{\"x-amz-meta-a\":\"\"}",
    ];
    let some: Vec<&str> = conditions.into_iter().filter(|_| rng.chance(2, 3)).collect();
    format!("{{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[{}]}}", some.join(",")).into_bytes()
}

/// Mutations of JSON.
pub(crate) fn mutate_json(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &[
            "[",
            "]",
            "{",
            "}",
            "\"",
            ",",
            ":",
            "$",
            "null",
            "*",
            "-1",
            "1e999",
            "\\u0000",
            "[[[[[[[[[[[[[[[[",
            "?",
        ],
    )
}

/// A document of some kind.
pub(crate) fn xml(rng: &mut Rng) -> Vec<u8> {
    let text = match rng.below(13) {
        0 => "<Tagging><TagSet><Tag><Key>a</Key><Value>b &amp; c</Value></Tag><Tag><Key>b</Key><Value/></Tag></TagSet></Tagging>".to_string(),
        1 => "<CORSConfiguration><CORSRule><ID>x</ID><AllowedOrigin>https://*.a</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds></CORSRule></CORSConfiguration>".into(),
        2 => format!("<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>{}</Days></Expiration></Rule></LifecycleConfiguration>", rng.below(40)),
        3 => "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls></PublicAccessBlockConfiguration>".into(),
        4 => "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>".into(),
        5 => "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>".into(),
        6 => "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>".into(),
        7 => "<AccessControlPolicy><Owner><ID>owner</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>bob</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>".into(),
        8 => "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate></Retention>".into(),
        9 => "<LegalHold><Status>ON</Status></LegalHold>".into(),
        10 => "<Delete><Quiet>true</Quiet><Object><Key>a&#x20;b</Key><VersionId>null</VersionId></Object><Object><Key><![CDATA[<c>]]></Key></Object></Delete>".into(),
        11 => "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"0123456789abcdef0123456789abcdef\"</ETag></Part></CompleteMultipartUpload>".into(),
        _ => "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".into(),
    };
    let declaration =
        pick(&["", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "\u{feff}", "<!-- c -->"], rng);
    format!("{declaration}{text}").into_bytes()
}

/// Mutations of it.
pub(crate) fn mutate_xml(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &[
            "<",
            ">",
            "</",
            "/>",
            "<a>",
            "</a>",
            "&",
            "&lt;",
            "&#0;",
            "&#x110000;",
            "&b;",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<!DOCTYPE d [<!ENTITY b \"c\">]>",
            "<Rule>",
            "</Rule>",
            "99999999999999999999",
            "-1",
            "xmlns=\"x\"",
        ],
    )
}

/// A bucket's policy.
pub(crate) fn policy(rng: &mut Rng) -> Vec<u8> {
    let effect = pick(&["Allow", "Deny"], rng);
    let principal = pick(
        &["\"*\"", "{\"AWS\":\"arn:aws:iam:::user/eve\"}", "{\"AWS\":[\"*\",\"arn:aws:iam::t:root\"]}"],
        rng,
    );
    let action = pick(&["\"s3:*\"", "[\"s3:GetObject\",\"s3:Put*\"]", "\"s3:ListBucket\""], rng);
    let resource =
        pick(&["\"arn:aws:s3:::bucket/*\"", "[\"arn:aws:s3:::bucket\",\"arn:aws:s3:::bucket/a*?\"]"], rng);
    let condition = pick(
        &[
            "",
            ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}",
            ",\"Condition\":{\"StringLike\":{\"s3:prefix\":[\"a*\",\"b?\"]}}",
            ",\"Condition\":{\"DateLessThan\":{\"aws:CurrentTime\":\"2030-01-01T00:00:00Z\"}}",
            ",\"Condition\":{\"StringNotEqualsIfExists\":{\"s3:x-amz-acl\":\"private\"}}",
        ],
        rng,
    );
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Sid\":\"s\",\"Effect\":\"{effect}\",\"Principal\":{principal},\"Action\":{action},\"Resource\":{resource}{condition}}}]}}").into_bytes()
}

/// A tagging header.
pub(crate) fn tagging(rng: &mut Rng) -> Vec<u8> {
    let pairs: Vec<String> = (0..rng.below(5))
        .map(|i| format!("k{i}={}", pick(&["", "v", "a%20b", "%C3%A4", "x+y"], rng)))
        .collect();
    pairs.join("&").into_bytes()
}

/// Mutations of percent-encoded texts.
pub(crate) fn mutate_encoded(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(text, other, rng, &["%", "%00", "%ff", "%C3", "&", "=", "+", "&&", "k1=", "%2", "%25"])
}

/// A range of an object of some size.
pub(crate) fn range(rng: &mut Rng) -> Vec<u8> {
    let (size, a, b) = (rng.below(5000), rng.below(5000), rng.below(5000));
    let range = match rng.below(4) {
        0 => format!("{a}-"),
        1 => format!("-{b}"),
        2 => format!("{a}-{b}"),
        _ => format!("{}-{}", a.min(b), a.max(b)),
    };
    format!("{size}\nbytes={range}").into_bytes()
}

/// Mutations of it.
pub(crate) fn mutate_range(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &["-", ",", "=", "bytes=", " ", "18446744073709551615", "18446744073709551616", "0", "+1", "\n"],
    )
}

/// Two heads of requests: the same one twice, of which mutation makes two that may differ.
pub(crate) fn sigv4(rng: &mut Rng) -> Vec<u8> {
    let method = pick(&["GET", "PUT", "DELETE"], rng);
    let path = pick(&["/", "/b/k", "/b/a%20b/../c", "/b//%C3%A4+~", "/b/%2F"], rng);
    let query = pick(
        &[
            "",
            "?uploads",
            "?prefix=a%2Fb&max-keys=2",
            "?b=2&a=+&a=1",
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20250101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20250101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00",
        ],
        rng,
    );
    let mut headers = String::from("host: b.s3.test\n");
    if !query.contains("Algorithm") {
        headers += "x-amz-date: 20250101T000000Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n";
        headers += "authorization: AWS4-HMAC-SHA256 Credential=AK/20250101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000\n";
    }
    headers += pick(
        &["", "x-amz-meta-a:  a   b \n", "x-amz-meta-a: a\nx-amz-meta-a: b\n", "x-amz-meta-b: \u{e4}\n"],
        rng,
    );
    let head = format!("{method} {path}{query}\n{}", headers.trim_end());
    format!("{head}\n\n{head}").into_bytes()
}

/// Mutations of them.
pub(crate) fn mutate_sigv4(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &[
            "%",
            "%20",
            "+",
            "&",
            "=",
            "/",
            "//",
            "..",
            "?",
            " ",
            "  ",
            ",",
            ";",
            ":",
            "\n",
            "%2F",
            "~",
            "X-Amz-Signature=",
            "a=1&",
            "x-amz-meta-a: c\n",
        ],
    )
}

/// A date.
pub(crate) fn date(rng: &mut Rng) -> Vec<u8> {
    pick(
        &[
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "2024-02-29T23:59:59Z",
            "1994-11-06T08:49:37.123Z",
        ],
        rng,
    )
    .into()
}

/// Mutations of it.
pub(crate) fn mutate_date(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    words(
        text,
        other,
        rng,
        &["0", "99", "-1", "29 Feb 2023", "GMT", ":", "9999-12-31T23:59:60Z", "0000", " "],
    )
}
