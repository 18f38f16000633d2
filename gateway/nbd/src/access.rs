//! Who may use which export, and how. Pure.
//!
//! A rule is `CLIENT=EXPORTS[:ro]`: CLIENT a name in a client's certificate, or `*` for everybody who gets in;
//! EXPORTS `POOL/IMAGE`, `POOL/*` or `*`. Without any rule everybody may do everything. Of several rules that
//! fit, one that lets write wins.

use std::str::FromStr;

/// What a client may do with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// None: everybody.
    client: Option<String>,
    pool: Option<String>,
    image: Option<String>,
    access: Access,
}

impl FromStr for Rule {
    type Err = String;
    fn from_str(text: &str) -> Result<Rule, String> {
        let wrong = || {
            format!(
                "{text:?} is no rule: CLIENT=POOL/IMAGE, CLIENT=POOL/* or CLIENT=*, then :ro if only reading is allowed"
            )
        };
        let (client, exports) = text.split_once('=').ok_or_else(wrong)?;
        let (exports, access) = match exports.strip_suffix(":ro") {
            Some(exports) => (exports, Access::Read),
            None => (exports, Access::Write),
        };
        let (pool, image) = match exports.split_once('/') {
            None if exports == "*" => (None, None),
            Some((pool, "*")) => (Some(pool), None),
            Some((pool, image)) => (Some(pool), Some(image)),
            None => return Err(wrong()),
        };
        if client.is_empty() || pool == Some("") || image == Some("") {
            return Err(wrong());
        }
        let client = (client != "*").then(|| client.to_ascii_lowercase());
        Ok(Rule { client, pool: pool.map(Into::into), image: image.map(Into::into), access })
    }
}

/// The rules as far as they concern one client.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// None: there are no rules at all.
    rules: Option<Vec<Rule>>,
}

impl View {
    /// What somebody with these names in a verified certificate may do; no names: an unknown client.
    pub(crate) fn new(rules: &[Rule], names: &[String]) -> View {
        if rules.is_empty() {
            return View { rules: None };
        }
        let mine = |rule: &&Rule| match &rule.client {
            None => true,
            Some(client) => names.iter().any(|name| name.eq_ignore_ascii_case(client)),
        };
        View { rules: Some(rules.iter().filter(mine).cloned().collect()) }
    }

    /// What may be done with an image; none: not even know of it.
    pub(crate) fn access(&self, pool: &str, image: &str) -> Option<Access> {
        let Some(rules) = &self.rules else { return Some(Access::Write) };
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        rules.iter().filter(|r| fits(&r.pool, pool) && fits(&r.image, image)).map(|r| r.access).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(rules: &[&str], names: &[&str]) -> View {
        let rules: Vec<Rule> = rules.iter().map(|r| r.parse().unwrap()).collect();
        View::new(&rules, &names.iter().map(|n| (*n).to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn rules_say_who_may_do_what() {
        let rules = ["vm1=rbd/a", "vm1=rbd/*:ro", "backup.example=*:ro", "*=public/iso:ro"];
        let vm1 = view(&rules, &["VM1"]);
        assert_eq!(vm1.access("rbd", "a"), Some(Access::Write), "the better of two");
        assert_eq!(vm1.access("rbd", "b"), Some(Access::Read));
        assert_eq!(vm1.access("other", "a"), None);
        assert_eq!(vm1.access("public", "iso"), Some(Access::Read));
        let backup = view(&rules, &["x", "backup.example"]);
        assert_eq!(backup.access("other", "a"), Some(Access::Read));
        let nobody = view(&rules, &[]);
        assert_eq!((nobody.access("rbd", "a"), nobody.access("public", "iso")), (None, Some(Access::Read)));
        assert_eq!(view(&[], &[]).access("any", "thing"), Some(Access::Write), "no rules, no limits");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for bad in ["", "vm1", "=*", "vm1=", "vm1=a", "vm1=/a", "vm1=a/", "vm1=:ro", "vm1=a:ro"] {
            let refused = bad.parse::<Rule>().unwrap_err();
            assert!(refused.contains("no rule"), "{bad}");
        }
    }
}
