//! Claims of every malformed and untimely kind, and what each gets.

use super::*;
use crate::auth::Claim;

const NOW: u64 = 1_735_689_600; // 20250101T000000Z

fn v4(claim: Option<Claim>) -> Option<ClaimV4> {
    claim.map(|c| match c {
        Claim::V4(c) => c,
        Claim::V2(c) => panic!("{c:?}"),
    })
}

fn header_claim(authorization: &str, date: &str) -> Result<Option<ClaimV4>, Code> {
    let mut headers = HeaderMap::new();
    headers.insert("host", "h".parse().unwrap());
    if !authorization.is_empty() {
        headers.insert("authorization", authorization.parse().unwrap());
    }
    if !date.is_empty() {
        headers.insert("x-amz-date", date.parse().unwrap());
    }
    Claim::of_request(&headers, &Query::default(), "us-east-1", NOW).map(v4).map_err(|e| e.code())
}

fn good_header() -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=A/K/20250101/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    )
}

fn query_claim(changes: &[(&str, &str)]) -> Result<Option<ClaimV4>, S3Error> {
    let signature = "ab".repeat(32);
    let mut pairs = vec![
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AK/20250101/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", "20250101T000000Z"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", &signature),
    ];
    for (name, value) in changes {
        pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    let text: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let query = Query::parse(&text.join("&")).unwrap();
    Claim::of_request(&HeaderMap::new(), &query, "us-east-1", NOW).map(v4)
}

#[test]
fn a_good_header_is_read() {
    let claim = header_claim(&good_header(), "20250101T000100Z").unwrap().unwrap();
    assert_eq!(claim.access_key, "A/K");
    assert_eq!(claim.signed_headers, ["host", "x-amz-date"]);
    assert_eq!(claim.scope("us-east-1"), "20250101/us-east-1/s3/aws4_request");
    assert!(!claim.presigned);
    assert!(header_claim("", "").unwrap().is_none());
}

#[test]
fn bad_headers_get_their_codes() {
    let date = "20250101T000000Z";
    let good = good_header();
    for (authorization, date, code) in [
        (good.as_str(), "20250101T001501Z", Code::RequestTimeTooSkewed),
        (&good, "20250101T00150", Code::AccessDenied),
        (&good, "", Code::AccessDenied),
        (&good, "20241231T235959Z", Code::AuthorizationHeaderMalformed),
        (&good.replace("us-east-1", "eu-west-1"), date, Code::AuthorizationHeaderMalformed),
        (&good.replace("/s3/", "/ec2/"), date, Code::AuthorizationHeaderMalformed),
        (&good.replace("aws4_request", "aws5"), date, Code::AuthorizationHeaderMalformed),
        (&good.replace("00", "0"), date, Code::AuthorizationHeaderMalformed),
        (&good.replace("Signature=", "Sig="), date, Code::AuthorizationHeaderMalformed),
        (&good.replace("host;", ""), date, Code::AccessDenied),
        (&good.replace(";x-amz-date", ""), date, Code::AccessDenied),
        ("AWS AK:c2ln", date, Code::InvalidArgument),
        ("AWS HAHAHA", date, Code::InvalidArgument),
        ("Bearer x", date, Code::InvalidArgument),
    ] {
        assert_eq!(header_claim(authorization, date).unwrap_err(), code, "{authorization} {date}");
    }
}

#[test]
fn presigned_claims_live_as_long_as_they_say() {
    assert!(query_claim(&[]).unwrap().unwrap().presigned);
    assert!(query_claim(&[("X-Amz-Expires", "604800")]).is_ok());
    let long_ago =
        [("X-Amz-Date", "20241231T235900Z"), ("X-Amz-Credential", "AK/20241231/us-east-1/s3/aws4_request")];
    assert!(query_claim(&long_ago).is_ok(), "the sixtieth second still counts");
    let expired = [("X-Amz-Date", "20241231T235859Z"), long_ago[1]];
    let e = query_claim(&expired).unwrap_err();
    assert_eq!((e.code(), e.message()), (Code::AccessDenied, "Request has expired"));
    let early = query_claim(&[("X-Amz-Date", "20250101T001600Z")]).unwrap_err();
    assert_eq!((early.code(), early.message()), (Code::AccessDenied, "Request is not valid yet"));
}

#[test]
fn bad_queries_get_their_codes() {
    for bad in [
        ("X-Amz-Expires", "soon"),
        ("X-Amz-Expires", ""),
        ("X-Amz-Date", "today"),
        ("X-Amz-Credential", "AK"),
        ("X-Amz-Credential", "AK/20250101/us-west-2/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Signature", "00"),
    ] {
        assert_eq!(
            query_claim(&[bad]).unwrap_err().code(),
            Code::AuthorizationQueryParametersError,
            "{bad:?}"
        );
    }
    for never in ["0", "604801", "-1"] {
        assert_eq!(
            query_claim(&[("X-Amz-Expires", never)]).unwrap_err().code(),
            Code::AccessDenied,
            "{never}"
        );
    }
    assert_eq!(query_claim(&[("X-Amz-SignedHeaders", "x")]).unwrap_err().code(), Code::AccessDenied);
}
