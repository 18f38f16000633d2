//! Requests that botocore signed are accepted, and no other than those.

use super::*;
use http::HeaderName;

const VECTORS: &str = include_str!("vectors.txt");
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

impl Vector {
    fn virtual_bucket(&self) -> Option<&str> {
        self.headers["host"].to_str().unwrap().strip_suffix(".s3.example.com")
    }
}

struct Vector {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
}

fn vectors() -> Vec<Vector> {
    let text: Vec<&str> = VECTORS.lines().filter(|l| !l.starts_with('#')).collect();
    let blocks = text.split(|l| l.is_empty()).filter(|b| !b.is_empty());
    blocks
        .map(|block| {
            let (method, target) = block[1].split_once(' ').unwrap();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut headers = HeaderMap::new();
            for line in &block[2..] {
                let (name, value) = line.split_once(": ").unwrap();
                headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            Vector {
                name: block[0].into(),
                method: method.into(),
                path: path.into(),
                query: query.into(),
                headers,
            }
        })
        .collect()
}

fn check(v: &Vector, secret: &str) -> Result<(), Code> {
    let now = crate::dates::parse_amz("20261122T120000Z").unwrap();
    let query = Query::parse(&v.query).unwrap();
    let claim = Claim::of_request(&v.headers, &query, "us-east-1", now).map_err(|e| e.code())?.unwrap();
    assert_eq!(claim.access_key(), "AKIDEXAMPLE/x");
    let subject = Subject {
        method: &v.method,
        path: &v.path,
        query: &query,
        headers: &v.headers,
        host: "",
        virtual_bucket: v.virtual_bucket(),
    };
    verify(&claim, &subject, secret, "us-east-1", &KeyCache::default()).map(|_| ()).map_err(|e| e.code())
}

#[test]
fn botocores_signatures_hold() {
    let all = vectors();
    assert_eq!(all.len(), 11);
    for v in &all {
        assert_eq!(check(v, SECRET), Ok(()), "{}", v.name);
        assert_eq!(check(v, "another"), Err(Code::SignatureDoesNotMatch), "{}", v.name);
    }
}

#[test]
fn whatever_is_changed_breaks_them() {
    let changes: [fn(&mut Vector); 4] = [
        |v| v.method = "POST".into(),
        |v| v.path.push('x'),
        |v| v.query.push_str("&acl"),
        |v| {
            v.headers.insert("host", "elsewhere".parse().unwrap());
        },
    ];
    for change in changes {
        for mut v in vectors() {
            let host = v.headers["host"].clone();
            change(&mut v);
            // Version 2 does not sign the host.
            if v.name.starts_with("version 2") && v.headers["host"] != host {
                continue;
            }
            assert_eq!(check(&v, SECRET), Err(Code::SignatureDoesNotMatch), "{}", v.name);
        }
    }
}
