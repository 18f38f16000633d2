//! Where a browser's request goes. Pure.

use super::{Redirect, RoutingRule, Website};
use crate::uri;

/// The answer of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) status: u16,
    pub(super) location: String,
}

/// How the request came: what redirects say nothing about stays so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came<'a> {
    pub(super) scheme: &'a str,
    /// With the port, if there was one.
    pub(super) host: &'a str,
}

/// The key that an address means: folders have an index.
pub(super) fn key_of(key: &str, index: &str) -> String {
    if key.is_empty() || key.ends_with('/') { format!("{key}{index}") } else { key.to_string() }
}

fn to(scheme: &str, host: &str, key: &str, status: u16) -> Elsewhere {
    Elsewhere { status, location: format!("{scheme}://{host}/{}", uri::encode(key.as_bytes(), true)) }
}

impl RoutingRule {
    fn fits(&self, key: &str, status: Option<u16>) -> bool {
        self.status == status && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }

    fn apply(&self, came: Came<'_>, key: &str) -> Elsewhere {
        let Redirect { host, protocol, prefix, key: other, status } = &self.redirect;
        let key = match (other, prefix) {
            (Some(other), _) => other.clone(),
            (None, Some(prefix)) => {
                let old = self.prefix.as_deref().unwrap_or("");
                format!("{prefix}{}", key.strip_prefix(old).unwrap_or(key))
            }
            (None, None) => key.to_string(),
        };
        let scheme = protocol.as_deref().unwrap_or(came.scheme);
        to(scheme, host.as_deref().unwrap_or(came.host), &key, status.unwrap_or(301))
    }
}

impl Website {
    /// Where a request for a key is sent before anything is looked up; none: it is looked up.
    pub(super) fn before(&self, came: Came<'_>, key: &str) -> Option<Elsewhere> {
        match self {
            Website::RedirectAll { host, protocol } => {
                Some(to(protocol.as_deref().unwrap_or(came.scheme), host, key, 301))
            }
            Website::Serve { rules, .. } => {
                rules.iter().find(|rule| rule.fits(key, None)).map(|rule| rule.apply(came, key))
            }
        }
    }

    /// Where a request is sent that would be answered with this status.
    pub(super) fn instead_of(&self, came: Came<'_>, key: &str, status: u16) -> Option<Elsewhere> {
        let Website::Serve { rules, .. } = self else { return None };
        rules.iter().find(|rule| rule.fits(key, Some(status))).map(|rule| rule.apply(came, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(rules: Vec<RoutingRule>) -> Website {
        Website::Serve { index: "index.html".into(), error: None, rules }
    }
    const CAME: Came<'static> = Came { scheme: "http", host: "b.web.test:81" };

    #[test]
    fn folders_have_an_index() {
        assert_eq!(key_of("", "i.html"), "i.html");
        assert_eq!(key_of("a/b/", "i.html"), "a/b/i.html");
        assert_eq!(key_of("a/b", "i.html"), "a/b");
    }

    #[test]
    fn all_requests_go_elsewhere() {
        let site = Website::RedirectAll { host: "example.org".into(), protocol: Some("https".into()) };
        let gone = site.before(CAME, "a b/ü").unwrap();
        assert_eq!((gone.status, gone.location.as_str()), (301, "https://example.org/a%20b/%C3%BC"));
        let same = Website::RedirectAll { host: "example.org".into(), protocol: None };
        assert_eq!(same.before(CAME, "").unwrap().location, "http://example.org/");
    }

    #[test]
    fn the_first_rule_that_fits_holds() {
        let rule = |prefix: &str, status, redirect| RoutingRule {
            prefix: (!prefix.is_empty()).then(|| prefix.to_string()),
            status,
            redirect,
        };
        let site = serve(vec![
            rule(
                "docs/",
                None,
                Redirect { prefix: Some("documents/".into()), status: Some(302), ..Redirect::default() },
            ),
            rule("old", None, Redirect { key: Some("new.html".into()), ..Redirect::default() }),
            rule(
                "img/",
                Some(404),
                Redirect {
                    host: Some("cdn.test".into()),
                    protocol: Some("https".into()),
                    ..Redirect::default()
                },
            ),
            rule("", Some(403), Redirect { prefix: Some("denied/".into()), ..Redirect::default() }),
        ]);
        let before = |key| site.before(CAME, key).map(|e| (e.status, e.location));
        assert_eq!(before("docs/a"), Some((302, "http://b.web.test:81/documents/a".into())));
        assert_eq!(before("older"), Some((301, "http://b.web.test:81/new.html".into())));
        assert_eq!(before("img/x"), None, "only where it is missing");
        let instead = |key, status| site.instead_of(CAME, key, status).map(|e| e.location);
        assert_eq!(instead("img/x", 404).as_deref(), Some("https://cdn.test/img/x"));
        assert_eq!(instead("x", 404), None);
        assert_eq!(instead("x", 403).as_deref(), Some("http://b.web.test:81/denied/x"));
    }
}
