//! Bucket policies: read, checked, and asked whether they allow or deny. No clock and no network: what a request is
//! comes as values.
//!
//! IAM user guide, "IAM JSON policy reference" and "Policy evaluation logic". Principals are users of this cluster:
//! `*`, a uid, `arn:aws:iam::TENANT:user/ID`, `arn:aws:iam::UID:root`, or `arn:aws:iam::TENANT:root` for all of a tenant;
//! and services by their names, of which the deliverer of bucket logs is the only one that ever asks.

mod action;
mod condition;
mod wildcard;

pub(crate) use condition::Values;

use condition::Condition;
use serde_json::{Map, Value};
use wildcard::like;

/// The largest policy, bytes.
pub(crate) const POLICY_BYTES_MAX: usize = 20 * 1024;
const STATEMENTS_MAX: usize = 100;
/// Elements of one list; the document's size bounds them as well.
const LIST_MAX: usize = 500;

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement denies it: nothing else counts.
    Denied,
    /// A statement allows it, and none denies it.
    Allowed,
    /// Nothing.
    Silent,
}

/// Some of them, or all but these.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    not: bool,
    patterns: Vec<String>,
}

impl Names {
    fn meet(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|p| matches(p)) != self.not
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allow: bool,
    principals: Names,
    actions: Names,
    resources: Names,
    conditions: Vec<Condition>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

/// Marks the name of a service among principals; no uid begins so.
const SERVICE: &str = "service:";

/// A request, as policies see it.
pub(crate) struct Asked<'a> {
    /// The sender; none if anonymous.
    pub(crate) uid: Option<&'a str>,
    /// The service that asks by itself, in place of any sender.
    pub(crate) service: Option<&'a str>,
    /// Such as `s3:GetObject`.
    pub(crate) action: &'a str,
    /// Such as `arn:aws:s3:::bucket/key`.
    pub(crate) resource: &'a str,
    /// By condition key.
    pub(crate) values: &'a Values,
}

impl Policy {
    /// Reads the policy of a tenant's bucket. What is wrong with it, if anything is.
    pub(crate) fn parse(text: &[u8], tenant: &str, bucket: &str) -> Result<Policy, &'static str> {
        if text.len() > POLICY_BYTES_MAX {
            return Err("The policy is longer than 20 KiB");
        }
        let root: Value = serde_json::from_slice(text).map_err(|_| "Policies must be valid JSON")?;
        let root = root.as_object().ok_or("Policies must be a JSON object")?;
        for (name, value) in root {
            match (name.as_str(), value.as_str()) {
                ("Version", Some("2012-10-17" | "2008-10-17")) | ("Id", Some(_)) | ("Statement", _) => {}
                ("Version", _) => return Err("The policy has an unknown Version"),
                _ => return Err("Unknown field in the policy"),
            }
        }
        let statements = match root.get("Statement") {
            Some(Value::Array(all)) if all.len() <= STATEMENTS_MAX => all.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err("Missing or invalid field Statement"),
        };
        let read = |s: &Value| {
            s.as_object().ok_or("A Statement must be an object").and_then(|s| statement(s, tenant, bucket))
        };
        let statements = statements.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if statements.is_empty() {
            Err("Missing required field Statement")
        } else {
            Ok(Policy { statements })
        }
    }

    /// What it says of a request.
    pub(crate) fn judge(&self, asked: &Asked<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in self.statements.iter().filter(|s| s.is_about(asked)) {
            if !statement.allow {
                return Verdict::Denied;
            }
            verdict = Verdict::Allowed;
        }
        verdict
    }

    /// Whether it allows anything to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.statements.iter().any(|s| {
            let everybody = s.principals.not || s.principals.patterns.iter().any(|p| p == "*");
            s.allow && everybody && !s.conditions.iter().any(Condition::narrows)
        })
    }
}

impl Statement {
    fn is_about(&self, asked: &Asked<'_>) -> bool {
        let action = asked.action.to_ascii_lowercase();
        let is_meant = |p: &str| match asked.service {
            // A star lets in all users, and no service; it keeps out everything.
            Some(service) => p.strip_prefix(SERVICE) == Some(service) || (p == "*" && !self.allow),
            None => is_principal(p, asked.uid),
        };
        self.principals.meet(is_meant)
            && self.actions.meet(|p| like(&p.to_ascii_lowercase(), &action))
            && self.resources.meet(|p| like(p, asked.resource))
            && self.conditions.iter().all(|c| c.holds(asked.values))
    }
}

fn is_principal(pattern: &str, uid: Option<&str>) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(uid) = uid.filter(|_| !pattern.starts_with(SERVICE)) else { return false };
    let Some(rest) = pattern.strip_prefix("arn:aws:iam::") else { return pattern == uid };
    let (tenant, id) = uid.split_once('$').unwrap_or(("", uid));
    // Users of no tenant may also be named with an account of AWS's form, which policies from there have.
    let ours =
        |account: &str| account == tenant || (tenant.is_empty() && account.len() == 12 && is_digits(account));
    match rest.split_once(':') {
        Some((account, "root")) => account == uid || (!tenant.is_empty() && account == tenant),
        Some((account, user)) => {
            user.strip_prefix("user/") == Some(uid)
                || (ours(account) && user.strip_prefix("user/") == Some(id))
        }
        None => false,
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn statement(s: &Map<String, Value>, tenant: &str, bucket: &str) -> Result<Statement, &'static str> {
    const FIELDS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if s.keys().any(|k| !FIELDS.contains(&k.as_str())) {
        return Err("Unknown field in a Statement");
    }
    let allow = match s.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Invalid effect"),
    };
    let principals = names(s, "Principal", "NotPrincipal", principals)?;
    if allow && principals.not {
        // It would let in everybody but a few, whoever they come to be.
        return Err("Allow with NotPrincipal is not allowed");
    }
    let actions = names(s, "Action", "NotAction", texts)?;
    let mut resources = match (s.get("Resource"), s.get("NotResource")) {
        // RGW takes this for the bucket and all that is in it.
        (None, None) => Names { not: false, patterns: vec!["*".into()] },
        _ => names(s, "Resource", "NotResource", texts)?,
    };
    // A tenant's buckets may be named with it, and are all the same without it.
    let with_tenant = format!("arn:aws:s3::{tenant}:");
    for pattern in &mut resources.patterns {
        if let Some(rest) = pattern.strip_prefix(&with_tenant) {
            *pattern = format!("arn:aws:s3:::{rest}");
        }
    }
    if !actions.patterns.iter().all(|a| action::names_any(a)) {
        return Err("Policy has invalid action");
    }
    let (itself, objects) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/"));
    let ours = |r: &str| r == "*" || r == itself || r.starts_with(&objects) || could_be(r, &objects);
    if resources.patterns.iter().any(|r| r.contains("${") || !ours(r)) {
        return Err("Policy has invalid resource");
    }
    Ok(Statement { allow, principals, actions, resources, conditions: conditions(s.get("Condition"))? })
}

/// Whether a pattern with a star in the bucket's name can name this bucket's objects.
fn could_be(pattern: &str, objects: &str) -> bool {
    let Some((front, _)) = pattern.split_once('*') else { return false };
    front.starts_with("arn:aws:s3:::") && objects.starts_with(front)
}

/// One of two fields, which exclude each other.
fn names(
    s: &Map<String, Value>,
    name: &str,
    not_name: &str,
    read: impl Fn(&Value) -> Option<Vec<String>>,
) -> Result<Names, &'static str> {
    let (not, value) = match (s.get(name), s.get(not_name)) {
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        _ => return Err("Missing or contradictory field in a Statement"),
    };
    let patterns = read(value).filter(|p| !p.is_empty() && p.len() <= LIST_MAX);
    patterns.map(|patterns| Names { not, patterns }).ok_or("Invalid value in a Statement")
}

/// A text or a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|v| v.as_str().map(String::from)).collect(),
        _ => None,
    }
}

fn principals(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => (one == "*").then(|| vec!["*".into()]),
        Value::Object(kinds) => {
            let mut all = Vec::new();
            for (kind, value) in kinds {
                let named = texts(value)?;
                match kind.as_str() {
                    "AWS" | "CanonicalUser" if named.iter().all(|p| names_somebody(p)) => all.extend(named),
                    "Service" if named.iter().all(|p| names_service(p)) => {
                        all.extend(named.iter().map(|name| format!("{SERVICE}{name}")));
                    }
                    _ => return None,
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// Whether a principal is of the form that services have.
fn names_service(name: &str) -> bool {
    name.contains(".amazonaws.com")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// Whether a principal is of a form that can be somebody: a denial of what is nobody would let everybody in. A star
/// stands for everybody, never for a part of a name.
fn names_somebody(pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if pattern.starts_with(SERVICE) {
        return false;
    }
    let named = match pattern.strip_prefix("arn:aws:iam::").map(|rest| rest.split_once(':')) {
        Some(Some((account, "root"))) => !account.is_empty(),
        Some(Some((_, user))) => user.strip_prefix("user/").is_some_and(|uid| !uid.is_empty()),
        Some(None) => false,
        None => !pattern.is_empty() && !pattern.starts_with("arn:"),
    };
    named && !pattern.contains(['*', '?']) && !pattern.contains("${")
}

fn conditions(value: Option<&Value>) -> Result<Vec<Condition>, &'static str> {
    let invalid = "Policy has an invalid condition";
    let Some(value) = value else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (operator, keys) in value.as_object().ok_or(invalid)? {
        for (key, values) in keys.as_object().ok_or(invalid)? {
            let text = |v: &Value| match v {
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) => Some(v.to_string()),
                _ => None,
            };
            let values: Option<Vec<String>> = match values {
                Value::Array(all) => all.iter().map(text).collect(),
                one => text(one).map(|one| vec![one]),
            };
            all.push(values.and_then(|v| Condition::parse(operator, key, v)).ok_or(invalid)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
#[path = "policy_test.rs"]
mod tests;
