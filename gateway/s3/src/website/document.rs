//! A website's configuration as a document, with S3's limits. Source: S3 API reference, `PutBucketWebsite`.

use super::{Redirect, RoutingRule, Website};
use crate::error::{Code, S3Error};
use crate::xml::{self, Document};

const RULES_MAX: usize = 50;
const ELEMENTS_MAX: usize = 1000;
const TEXT_BYTES_MAX: usize = 2048;

fn malformed() -> S3Error {
    Code::MalformedXML.into()
}
fn invalid(message: &'static str, name: &str, value: &str) -> S3Error {
    S3Error::invalid_argument(message, name, value)
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    all: Redirect,
    redirects_all: bool,
    suffix: Option<String>,
    index: Option<String>,
    error_key: Option<String>,
    error: Option<String>,
    rules: Vec<RoutingRule>,
    rule: RoutingRule,
    has_condition: bool,
    has_redirect: bool,
}

/// Reads the configuration. `MalformedXML`, `InvalidArgument`, `InvalidRequest`.
pub(crate) fn of_document(document: &[u8]) -> Result<Website, S3Error> {
    let mut now = Reading::default();
    xml::walk(document, "WebsiteConfiguration", ELEMENTS_MAX, |path, text| {
        now.element(&path.iter().map(String::as_str).collect::<Vec<_>>(), text)
    })?;
    now.finish()
}

fn protocol(text: &str) -> Result<String, S3Error> {
    let word = text.trim().to_ascii_lowercase();
    if matches!(word.as_str(), "http" | "https") {
        return Ok(word);
    }
    let message = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.";
    Err(S3Error::with_message(Code::InvalidRequest, message))
}

/// A text that may stand in a header: host names, keys and prefixes of redirects.
fn plain(text: &str) -> Result<String, S3Error> {
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        Err(malformed())
    } else {
        Ok(text.into())
    }
}

fn host(text: &str) -> Result<String, S3Error> {
    let text = text.trim();
    let good = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\' | '@' | '?' | '#');
    if text.is_empty() || text.len() > 255 || !text.chars().all(good) {
        return Err(invalid("The host name of a redirect is not valid.", "HostName", text));
    }
    Ok(text.to_string())
}

fn status(text: &str, range: std::ops::Range<u16>, name: &'static str) -> Result<u16, S3Error> {
    let number = text.trim().parse().ok().filter(|n| range.contains(n));
    number.ok_or_else(|| {
        let message = format!(
            "The provided HTTP status ({text}) is not valid. Valid codes are {} to {}.",
            range.start,
            range.end - 1
        );
        S3Error::invalid_argument(message, name, text)
    })
}

impl Reading {
    fn element(&mut self, path: &[&str], text: &str) -> Result<(), S3Error> {
        let rule = &mut self.rule;
        match path {
            ["RedirectAllRequestsTo"] => self.redirects_all = true,
            ["RedirectAllRequestsTo", "HostName"] => self.all.host = Some(host(text)?),
            ["RedirectAllRequestsTo", "Protocol"] => self.all.protocol = Some(protocol(text)?),
            ["IndexDocument", "Suffix"] => self.suffix = Some(plain(text)?),
            ["IndexDocument"] => self.index = Some(self.suffix.take().ok_or_else(malformed)?),
            ["ErrorDocument", "Key"] => self.error_key = Some(plain(text)?),
            ["ErrorDocument"] => {
                self.error = Some(self.error_key.take().filter(|key| !key.is_empty()).ok_or_else(malformed)?);
            }
            ["RoutingRules"] => {}
            ["RoutingRules", "RoutingRule"] => {
                if !self.has_redirect || self.rules.len() >= RULES_MAX {
                    return Err(malformed());
                }
                (self.has_condition, self.has_redirect) = (false, false);
                self.rules.push(std::mem::take(rule));
            }
            ["RoutingRules", "RoutingRule", "Condition"] => {
                if rule.prefix.is_none() && rule.status.is_none() {
                    let message = "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.";
                    return Err(S3Error::with_message(Code::InvalidRequest, message));
                }
                self.has_condition = true;
            }
            ["RoutingRules", "RoutingRule", "Condition", "KeyPrefixEquals"] => {
                rule.prefix = Some(plain(text)?);
            }
            ["RoutingRules", "RoutingRule", "Condition", "HttpErrorCodeReturnedEquals"] => {
                rule.status = Some(status(text, 400..600, "HttpErrorCodeReturnedEquals")?);
            }
            ["RoutingRules", "RoutingRule", "Redirect"] => {
                let r = &rule.redirect;
                if *r == Redirect::default() {
                    return Err(malformed());
                }
                if r.prefix.is_some() && r.key.is_some() {
                    let message = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
                    return Err(S3Error::with_message(Code::InvalidRequest, message));
                }
                self.has_redirect = true;
            }
            ["RoutingRules", "RoutingRule", "Redirect", name] => {
                let r = &mut rule.redirect;
                match *name {
                    "HostName" => r.host = Some(host(text)?),
                    "Protocol" => r.protocol = Some(protocol(text)?),
                    "ReplaceKeyPrefixWith" => r.prefix = Some(plain(text)?),
                    "ReplaceKeyWith" => r.key = Some(plain(text)?),
                    "HttpRedirectCode" => r.status = Some(status(text, 301..309, "HttpRedirectCode")?),
                    _ => return Err(malformed()),
                }
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Website, S3Error> {
        let serves = self.index.is_some() || self.error.is_some() || !self.rules.is_empty();
        if self.redirects_all {
            let host = self.all.host.ok_or_else(malformed)?;
            if serves {
                let message =
                    "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
                return Err(S3Error::with_message(Code::InvalidRequest, message));
            }
            return Ok(Website::RedirectAll { host, protocol: self.all.protocol });
        }
        let missing = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        let index = self.index.ok_or_else(|| invalid(missing, "IndexDocument", "null"))?;
        if index.is_empty() || index.contains('/') {
            return Err(invalid("The IndexDocument Suffix is not well formed", "IndexDocument", &index));
        }
        Ok(Website::Serve { index, error: self.error, rules: self.rules })
    }
}

/// The document, as it was put.
pub(crate) fn to_document(website: &Website) -> Document {
    let mut d = Document::new("WebsiteConfiguration");
    match website {
        Website::RedirectAll { host, protocol } => {
            d.open("RedirectAllRequestsTo").leaf("HostName", host);
            d.leaf_if("Protocol", protocol.as_deref()).close();
        }
        Website::Serve { index, error, rules } => {
            d.open("IndexDocument").leaf("Suffix", index).close();
            if let Some(key) = error {
                d.open("ErrorDocument").leaf("Key", key).close();
            }
            if !rules.is_empty() {
                d.open("RoutingRules");
                rules.iter().for_each(|rule| write_rule(&mut d, rule));
                d.close();
            }
        }
    }
    d
}

fn write_rule(d: &mut Document, rule: &RoutingRule) {
    let number = |n: Option<u16>| n.map(|n| n.to_string());
    d.open("RoutingRule");
    if rule.prefix.is_some() || rule.status.is_some() {
        d.open("Condition").leaf_if("KeyPrefixEquals", rule.prefix.as_deref());
        d.leaf_if("HttpErrorCodeReturnedEquals", number(rule.status).as_deref()).close();
    }
    let r = &rule.redirect;
    d.open("Redirect").leaf_if("Protocol", r.protocol.as_deref()).leaf_if("HostName", r.host.as_deref());
    d.leaf_if("ReplaceKeyPrefixWith", r.prefix.as_deref()).leaf_if("ReplaceKeyWith", r.key.as_deref());
    d.leaf_if("HttpRedirectCode", number(r.status).as_deref()).close();
    d.close();
}

/// Refuses a place that an object cannot send browsers to. `InvalidRedirectLocation`.
pub(crate) fn check_redirect(place: &str) -> Result<(), S3Error> {
    let begins = ["/", "http://", "https://"].iter().any(|start| place.starts_with(start));
    if begins && place.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(S3Error::new(Code::InvalidRedirectLocation).field("Location", place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn of(inner: &str) -> Result<Website, Code> {
        let text = format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>");
        of_document(text.as_bytes()).map_err(|e| e.code())
    }
    const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";
    const RULE: &str = "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><Protocol>https</Protocol><HostName>example.org</HostName><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule></RoutingRules>";

    #[test]
    fn what_is_read_is_written_again() {
        let all = "<RedirectAllRequestsTo><HostName>example.org</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>";
        let error = "<ErrorDocument><Key>error.html</Key></ErrorDocument>";
        for inner in [all, INDEX, &format!("{INDEX}{error}{RULE}")] {
            let website = of(inner).unwrap();
            let written = to_document(&website).finish();
            assert!(String::from_utf8_lossy(&written).contains(inner), "{written:?}");
            let mut kept = std::collections::BTreeMap::new();
            super::super::keep(&mut kept, Some(&website));
            assert_eq!(super::super::of(&kept).unwrap(), Some(website));
            super::super::keep(&mut kept, None);
            assert_eq!(super::super::of(&kept).unwrap(), None);
        }
    }

    #[test]
    fn refusals_have_their_codes() {
        use Code::{InvalidArgument, InvalidRequest, MalformedXML};
        let rule =
            |inner: &str| format!("{INDEX}<RoutingRules><RoutingRule>{inner}</RoutingRule></RoutingRules>");
        let to = "<Redirect><HostName>h</HostName></Redirect>";
        for (inner, code) in [
            (String::new(), InvalidArgument),
            (RULE.into(), InvalidArgument),
            ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>".into(), InvalidArgument),
            ("<IndexDocument><Suffix></Suffix></IndexDocument>".into(), InvalidArgument),
            ("<IndexDocument/>".into(), MalformedXML),
            (format!("{INDEX}<ErrorDocument><Key></Key></ErrorDocument>"), MalformedXML),
            ("<RedirectAllRequestsTo/>".into(), MalformedXML),
            (
                format!("<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>{INDEX}"),
                InvalidRequest,
            ),
            (rule(""), MalformedXML),
            (rule("<Redirect/>"), MalformedXML),
            (rule(&format!("<Condition/>{to}")), InvalidRequest),
            (
                rule(
                    "<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>",
                ),
                InvalidRequest,
            ),
            (rule("<Redirect><Protocol>gopher</Protocol></Redirect>"), InvalidRequest),
            (rule("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), InvalidArgument),
            (rule("<Redirect><HostName>a b</HostName></Redirect>"), InvalidArgument),
            (
                rule(&format!(
                    "<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition>{to}"
                )),
                InvalidArgument,
            ),
            (format!("{INDEX}<Unknown/>"), MalformedXML),
        ] {
            assert_eq!(of(&inner), Err(code), "{inner}");
        }
        assert!(of(&rule(to)).is_ok());
        let many = format!("<RoutingRule>{to}</RoutingRule>").repeat(51);
        assert_eq!(of(&format!("{INDEX}<RoutingRules>{many}</RoutingRules>")), Err(MalformedXML));
        assert!(check_redirect("/a").is_ok() && check_redirect("https://x").is_ok());
        assert!(check_redirect("javascript:alert(1)").is_err() && check_redirect("").is_err());
    }

    #[test]
    fn mutated_documents_are_read_or_refused() {
        let good = format!("<WebsiteConfiguration>{INDEX}{RULE}</WebsiteConfiguration>");
        let mut rng = Rng::new(11);
        for _ in 0..4000 {
            let mut bytes = good.clone().into_bytes();
            for _ in 0..1 + rng.below(4) {
                let at = rng.below(bytes.len() as u64) as usize;
                match rng.below(3) {
                    0 => bytes[at] = rng.below(256) as u8,
                    1 => _ = bytes.remove(at),
                    _ => {
                        let piece = bytes[at..(at + 20).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            if let Ok(website) = of_document(&bytes) {
                assert_eq!(of_document(&to_document(&website).finish()).unwrap(), website);
            }
        }
    }
}
