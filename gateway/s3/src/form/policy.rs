//! The policy of a form: what its owner signed, which the fields must fit. Pure.

use super::Fields;
use crate::dates;
use crate::error::{Code, S3Error};
use serde_json::Value;

/// More conditions than any form has.
const CONDITIONS_MAX: usize = 256;

/// What a field must be.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Is { field: String, value: String },
    StartsWith { field: String, prefix: String },
}

/// A policy that has not ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormPolicy {
    conditions: Vec<Condition>,
    /// The least and the most bytes of the file.
    range: Option<(u64, u64)>,
}

fn invalid(what: impl std::fmt::Display) -> S3Error {
    S3Error::with_message(Code::InvalidPolicyDocument, format!("Invalid Policy: {what}"))
}

fn denied(what: impl std::fmt::Display) -> S3Error {
    S3Error::with_message(Code::AccessDenied, format!("Invalid according to Policy: {what}"))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// A field's name as a condition writes it.
fn field(value: &Value) -> Option<String> {
    value.as_str()?.strip_prefix('$').map(str::to_ascii_lowercase)
}

impl FormPolicy {
    /// Reads a policy; `now` is in seconds since 1970. `InvalidPolicyDocument`, `AccessDenied` for one that has ended.
    pub(crate) fn parse(text: &[u8], now: u64) -> Result<FormPolicy, S3Error> {
        let json: Value = serde_json::from_slice(text).map_err(|_| invalid("Invalid JSON."))?;
        let json = json.as_object().ok_or_else(|| invalid("Invalid JSON."))?;
        if let Some(name) = json.keys().find(|name| !matches!(name.as_str(), "expiration" | "conditions")) {
            return Err(invalid(format!("Unexpected: '{name}'.")));
        }
        let expiration = json.get("expiration").and_then(Value::as_str);
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let ends = Some(expiration).filter(|text| text.ends_with('Z')).and_then(dates::parse_http);
        let ends = ends.ok_or_else(|| invalid("Invalid 'expiration' value."))?;
        let list = json.get("conditions").and_then(Value::as_array);
        let list = list.ok_or_else(|| invalid("Policy missing conditions."))?;
        if list.len() > CONDITIONS_MAX {
            return Err(invalid("There are too many conditions."));
        }
        let mut policy = FormPolicy { conditions: Vec::new(), range: None };
        for condition in list {
            policy.add(condition)?;
        }
        if now > ends {
            return Err(denied("Policy expired."));
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Value) -> Result<(), S3Error> {
        let bad = || invalid("Invalid Condition.");
        if let Some(pairs) = condition.as_object() {
            if pairs.is_empty() || self.conditions.len() + pairs.len() > CONDITIONS_MAX {
                return Err(bad());
            }
            for (name, value) in pairs {
                let value = value.as_str().ok_or_else(bad)?.to_string();
                self.conditions.push(Condition::Is { field: name.to_ascii_lowercase(), value });
            }
            return Ok(());
        }
        let list = condition.as_array().ok_or_else(bad)?;
        let [operator, first, second] = &list[..] else { return Err(bad()) };
        match operator.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("eq") => {
                let value = second.as_str().ok_or_else(bad)?.to_string();
                self.conditions.push(Condition::Is { field: field(first).ok_or_else(bad)?, value });
            }
            Some("starts-with") => {
                let prefix = second.as_str().ok_or_else(bad)?.to_string();
                self.conditions.push(Condition::StartsWith { field: field(first).ok_or_else(bad)?, prefix });
            }
            Some("content-length-range") => {
                let (min, max) = number(first).zip(number(second)).ok_or_else(bad)?;
                // Both hold, where it is said twice.
                let (least, most) = self.range.unwrap_or((0, u64::MAX));
                self.range = Some((least.max(min), most.min(max)));
            }
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// How many bytes the file may have.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        self.range
    }

    /// Whether the fields are what it says, and no others; `key` is the one that results from them. `AccessDenied`.
    pub(crate) fn check(&self, fields: &Fields, bucket: &str, key: &str) -> Result<(), S3Error> {
        let value = |name: &str| match name {
            "bucket" => bucket,
            "key" => key,
            name => fields.get(name).unwrap_or(""),
        };
        for condition in &self.conditions {
            let (holds, field) = match condition {
                Condition::Is { field, value: wanted } => (value(field) == wanted, field),
                // A list of types: each must fit.
                Condition::StartsWith { field, prefix } if field == "content-type" => {
                    (value(field).split(',').all(|one| one.trim().starts_with(prefix.as_str())), field)
                }
                Condition::StartsWith { field, prefix } => (value(field).starts_with(prefix.as_str()), field),
            };
            if !holds {
                return Err(denied(format!("Policy Condition failed: {field}")));
            }
        }
        let names = fields.iter().map(|(name, _)| name).chain(["bucket"]);
        for name in names.filter(|name| !needs_no_condition(name)) {
            let named = |condition: &Condition| match condition {
                Condition::Is { field, .. } | Condition::StartsWith { field, .. } => field == name,
            };
            if !self.conditions.iter().any(named) {
                return Err(denied(format!("Extra input fields: {name}")));
            }
        }
        Ok(())
    }
}

/// Fields that vouch for themselves, or that nobody looks at.
fn needs_no_condition(name: &str) -> bool {
    matches!(name, "policy" | "signature" | "x-amz-signature" | "awsaccesskeyid" | "file")
        || name.starts_with("x-ignore-")
        // It can only make the upload fail.
        || name.starts_with("x-amz-checksum-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn parse(conditions: &str) -> Result<FormPolicy, Code> {
        let text = format!("{{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[{conditions}]}}");
        FormPolicy::parse(text.as_bytes(), NOW).map_err(|e| e.code())
    }
    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), Code> {
        let all = format!("{{\"bucket\":\"b\"}},[\"starts-with\",\"$key\",\"u/\"]{conditions}");
        parse(&all).unwrap().check(&Fields::of(fields), "b", "u/k").map_err(|e| e.code())
    }

    #[test]
    fn every_field_must_be_named_and_fit() {
        let plain = [("key", "u/${filename}"), ("policy", "p"), ("x-ignore-a", "1"), ("signature", "s")];
        assert_eq!(check("", &plain), Ok(()));
        assert_eq!(check("", &[("key", "k"), ("acl", "private")]), Err(Code::AccessDenied), "an extra field");
        assert_eq!(check(",{\"aCl\":\"private\"}", &[("key", "k"), ("acl", "private")]), Ok(()));
        assert_eq!(
            check(",{\"acl\":\"private\"}", &[("key", "k"), ("acl", "public-read")]),
            Err(Code::AccessDenied)
        );
        assert_eq!(
            check(",{\"acl\":\"private\"}", &plain),
            Err(Code::AccessDenied),
            "a field that is missing"
        );
        assert_eq!(check(",[\"StArTs-With\",\"$x-amz-meta-a\",\"\"]", &plain), Ok(()), "it may be anything");
        let types = ",[\"starts-with\",\"$Content-Type\",\"image/\"]";
        assert_eq!(check(types, &[("key", "k"), ("content-type", "image/png, image/gif")]), Ok(()));
        assert_eq!(
            check(types, &[("key", "k"), ("content-type", "image/png,text/html")]),
            Err(Code::AccessDenied)
        );
        let unnamed = parse("[\"starts-with\",\"$key\",\"\"]").unwrap();
        assert!(unnamed.check(&Fields::of(&[("key", "k")]), "b", "k").is_err(), "the bucket must be named");
    }

    #[test]
    fn policies_are_read_strictly() {
        assert_eq!(
            parse("[\"content-length-range\",1,\"9\"],[\"content-length-range\",0,5]").unwrap().range(),
            Some((1, 5))
        );
        for bad in [
            "{}",
            "[\"eq\",\"$a\"]",
            "[\"eq\",\"a\",\"b\"]",
            "[\"like\",\"$a\",\"b\"]",
            "[\"content-length-range\",0]",
            "[\"content-length-range\",-1,0]",
            "{\"a\":1}",
            "7",
        ] {
            assert_eq!(parse(bad), Err(Code::InvalidPolicyDocument), "{bad}");
        }
        let of = |text: &str| FormPolicy::parse(text.as_bytes(), NOW).map_err(|e| e.code());
        for bad in [
            "",
            "[]",
            "{\"conditions\":[]}",
            "{\"expiration\":\"2030-01-01T00:00:00Z\"}",
            "{\"expiration\":\"2030-01-01 00:00:00\",\"conditions\":[]}",
            "{\"EXPIRATION\":\"2030-01-01T00:00:00Z\",\"conditions\":[]}",
        ] {
            assert_eq!(of(bad), Err(Code::InvalidPolicyDocument), "{bad}");
        }
        let over = "{\"expiration\":\"2020-01-01T00:00:00Z\",\"conditions\":[]}";
        assert_eq!(of(over), Err(Code::AccessDenied));
        assert_eq!(parse(&vec!["{\"a\":\"b\"}"; 257].join(",")), Err(Code::InvalidPolicyDocument));
    }
}
