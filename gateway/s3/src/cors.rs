//! Cross-origin rules of a bucket: read, written, and asked which rule a request falls under.
//!
//! Amazon S3 user guide, "Using cross-origin resource sharing"; the fetch standard for what browsers send.

use crate::error::{Code, S3Error};
use crate::xml::{self, Document};
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "cors";
const RULES_MAX: usize = 100;
/// 100 rules with some tens of origins, methods and headers each.
const ELEMENTS_MAX: usize = 8000;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    max_age_s: Option<u32>,
}
stdx::codec_versioned!(Rule, 1 { id, origins, methods, headers, expose, max_age_s });

/// What a browser is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) origin: String,
    pub(crate) methods: String,
    pub(crate) headers: String,
    pub(crate) expose: String,
    pub(crate) max_age_s: Option<u32>,
}

/// Whether `text` is like `pattern`, in which one `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((front, back)) => {
            text.len() >= front.len() + back.len() && text.starts_with(front) && text.ends_with(back)
        }
    }
}

/// What the first rule says that allows it: `headers` are those that a preflight asks for.
pub(crate) fn judge(rules: &[Rule], origin: &str, method: &str, headers: &str) -> Option<Allowed> {
    let wanted: Vec<String> =
        headers.split(',').map(|h| h.trim().to_ascii_lowercase()).filter(|h| !h.is_empty()).collect();
    rules.iter().find_map(|rule| {
        let pattern = rule.origins.iter().find(|o| like(o, origin))?;
        let header = |h: &String| rule.headers.iter().any(|p| like(&p.to_ascii_lowercase(), h));
        if !rule.methods.iter().any(|m| m == method) || !wanted.iter().all(header) {
            return None;
        }
        Some(Allowed {
            origin: if pattern == "*" { "*".into() } else { origin.to_string() },
            methods: rule.methods.join(", "),
            headers: wanted.join(", "),
            expose: rule.expose.join(", "),
            max_age_s: rule.max_age_s,
        })
    })
}

/// Reads a `CORSConfiguration`. `MalformedXML`, `InvalidRequest`.
pub(crate) fn of_document(document: &[u8]) -> Result<Vec<Rule>, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let invalid = |message: String| S3Error::with_message(Code::InvalidRequest, message);
    let (mut rules, mut rule) = (Vec::new(), Rule::default());
    xml::walk(document, "CORSConfiguration", ELEMENTS_MAX, |path, text| {
        let text = text.trim();
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CORSRule"] => {
                let rule = std::mem::take(&mut rule);
                if rule.origins.is_empty() || rule.methods.is_empty() || rules.len() >= RULES_MAX {
                    return Err(malformed());
                }
                rules.push(rule);
            }
            ["CORSRule", "ID"] => rule.id = Some(text.to_string()),
            ["CORSRule", "AllowedMethod"] if METHODS.contains(&text) => rule.methods.push(text.to_string()),
            ["CORSRule", "AllowedMethod"] => {
                let message = "Found unsupported HTTP method in CORS config. Unsupported method is";
                return Err(invalid(format!("{message} {text}")));
            }
            ["CORSRule", "AllowedOrigin"] if text.matches('*').count() <= 1 => {
                rule.origins.push(text.to_string());
            }
            ["CORSRule", "AllowedOrigin"] => {
                return Err(invalid(format!(
                    "AllowedOrigin \"{text}\" can not have more than one wildcard."
                )));
            }
            ["CORSRule", "AllowedHeader"] if text.matches('*').count() <= 1 => {
                rule.headers.push(text.to_string());
            }
            ["CORSRule", "AllowedHeader"] => {
                return Err(invalid(format!(
                    "AllowedHeader \"{text}\" can not have more than one wildcard."
                )));
            }
            ["CORSRule", "ExposeHeader"] => rule.expose.push(text.to_string()),
            ["CORSRule", "MaxAgeSeconds"] => rule.max_age_s = Some(text.parse().map_err(|_| malformed())?),
            _ => return Err(malformed()),
        }
        Ok(())
    })?;
    if rules.is_empty() { Err(malformed()) } else { Ok(rules) }
}

/// The document that shows the rules.
pub(crate) fn document(rules: &[Rule]) -> Document {
    let mut d = Document::new("CORSConfiguration");
    for rule in rules {
        d.open("CORSRule").leaf_if("ID", rule.id.as_deref());
        for (name, texts) in [
            ("AllowedHeader", &rule.headers),
            ("AllowedMethod", &rule.methods),
            ("AllowedOrigin", &rule.origins),
            ("ExposeHeader", &rule.expose),
        ] {
            for text in texts {
                d.leaf(name, text);
            }
        }
        d.leaf_if("MaxAgeSeconds", rule.max_age_s.map(|s| s.to_string()).as_deref()).close();
    }
    d
}

/// The rules that are kept in `kept`; empty for none.
pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Vec<Rule>, S3Error> {
    let Some(bytes) = kept.get(KEPT_AS) else { return Ok(Vec::new()) };
    from_bytes(bytes.clone()).map_err(|e| S3Error::internal(format!("CORS rules cannot be read: {e}")))
}

/// Keeps the rules, in place of those that were kept.
pub(crate) fn keep(kept: &mut BTreeMap<String, Bytes>, rules: &Vec<Rule>) {
    if rules.is_empty() {
        kept.remove(KEPT_AS);
    } else {
        kept.insert(KEPT_AS.into(), to_bytes(rules));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(inner: &str) -> Result<Vec<Rule>, Code> {
        let text = format!("<CORSConfiguration>{inner}</CORSConfiguration>");
        of_document(text.as_bytes()).map_err(|e| e.code())
    }
    fn rule(origin: &str, method: &str, rest: &str) -> String {
        format!(
            "<CORSRule><AllowedOrigin>{origin}</AllowedOrigin><AllowedMethod>{method}</AllowedMethod>{rest}</CORSRule>"
        )
    }

    #[test]
    fn the_first_rule_that_allows_it_answers() {
        let all = [rule("*suffix", "GET", ""), rule("start*end", "GET", ""), rule("*", "PUT", "")].concat();
        let rules = rules(&all).unwrap();
        let of = |origin, method| judge(&rules, origin, method, "").map(|a| a.origin);
        for origin in ["foo.suffix", "suffix", "startend", "start12end"] {
            assert_eq!(of(origin, "GET").as_deref(), Some(origin));
        }
        for origin in ["suffix.x", "0startend", "star", "startxen"] {
            assert_eq!(of(origin, "GET"), None, "{origin}");
        }
        assert_eq!(of("foo.suffix", "PUT").as_deref(), Some("*"));
        assert_eq!(of("foo.suffix", "DELETE"), None);
        assert!(!like("aa*aa", "aaa"), "the ends do not overlap");
    }

    #[test]
    fn preflights_ask_for_headers() {
        let rest = "<AllowedHeader>X-Amz-*</AllowedHeader><ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds>";
        let rules = rules(&rule("*", "GET", rest)).unwrap();
        let allowed = judge(&rules, "o", "GET", "x-amz-date, X-AMZ-meta-a").unwrap();
        assert_eq!((allowed.headers.as_str(), allowed.expose.as_str()), ("x-amz-date, x-amz-meta-a", "etag"));
        assert_eq!(allowed.max_age_s, Some(30));
        assert_eq!(judge(&rules, "o", "GET", "authorization"), None);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        assert_eq!(rules(""), Err(Code::MalformedXML));
        assert_eq!(rules("<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>"), Err(Code::MalformedXML));
        assert_eq!(rules(&rule("*", "PATCH", "")), Err(Code::InvalidRequest));
        assert_eq!(rules(&rule("a*b*", "GET", "")), Err(Code::InvalidRequest));
        assert_eq!(rules(&rule("*", "GET", "<MaxAgeSeconds>x</MaxAgeSeconds>")), Err(Code::MalformedXML));
        assert_eq!(rules(&rule("*", "GET", "").repeat(101)), Err(Code::MalformedXML));
        let good = rules(&rule("a*", "PUT", "<ID>i</ID>")).unwrap();
        assert_eq!(of_document(&document(&good).finish()).unwrap(), good);
        let mut kept = BTreeMap::new();
        keep(&mut kept, &good);
        assert_eq!(of(&kept).unwrap(), good);
    }
}
