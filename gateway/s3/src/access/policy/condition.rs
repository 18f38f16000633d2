//! Conditions of policies: which operators and keys there are, and when they hold.
//!
//! IAM user guide, "IAM JSON policy elements: Condition operators"; service authorization reference, "Condition keys
//! for Amazon S3". What is not known here is refused when a policy is set: a `Deny` whose condition never holds
//! because nobody knows its key would let everybody in.

use super::wildcard::like;
use crate::dates;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The values of a request by lower-case condition key. A key that is not there was not sent.
pub(crate) type Values = BTreeMap<String, Vec<String>>;

/// Condition keys that requests have values for; those ending in `/` go on with the name of a tag.
const KEYS: [&str; 34] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:principaltype",
    "aws:referer",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "s3:authtype",
    "s3:delimiter",
    "s3:existingobjecttag/",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:prefix",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Numeric(Order),
    Date(Order),
    Bool,
    Ip,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Single,
    ForAll,
    ForAny,
}

/// One key under one operator, with the values it is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    test: Test,
    negated: bool,
    if_exists: bool,
    quantifier: Quantifier,
    key: String,
    values: Vec<String>,
}

impl Condition {
    /// Reads a condition. None for an operator, a key or a value that is none.
    pub(crate) fn parse(operator: &str, key: &str, values: Vec<String>) -> Option<Condition> {
        let (quantifier, operator) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
            Some(_) => return None,
            None => (Quantifier::Single, operator),
        };
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let order = |name: &str| {
            Some(match name {
                "Equals" | "NotEquals" => Order::Equal,
                "LessThan" => Order::Less,
                "LessThanEquals" => Order::LessOrEqual,
                "GreaterThan" => Order::Greater,
                "GreaterThanEquals" => Order::GreaterOrEqual,
                _ => return None,
            })
        };
        let (test, negated) = match operator {
            "StringEquals" => (Test::Equals, false),
            "StringNotEquals" => (Test::Equals, true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Test::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Like, true),
            "Bool" => (Test::Bool, false),
            "IpAddress" => (Test::Ip, false),
            "NotIpAddress" => (Test::Ip, true),
            "Null" if !if_exists => (Test::Null, false),
            other => match (other.strip_prefix("Numeric"), other.strip_prefix("Date")) {
                (Some(rest), _) => (Test::Numeric(order(rest)?), rest == "NotEquals"),
                (_, Some(rest)) => (Test::Date(order(rest)?), rest == "NotEquals"),
                _ => return None,
            },
        };
        let fits = |value: &String| match test {
            Test::Numeric(_) => number(value).is_some(),
            Test::Date(_) => date(value).is_some(),
            Test::Bool | Test::Null => ["true", "false"].contains(&value.to_ascii_lowercase().as_str()),
            Test::Ip => network(value).is_some(),
            // Variables would have to be filled in.
            _ => !value.contains("${"),
        };
        let lower = key.to_ascii_lowercase();
        let known = KEYS.iter().any(|k| match k.strip_suffix('/') {
            Some(_) => lower.len() > k.len() && lower.starts_with(k),
            None => lower == *k,
        });
        if !known || values.is_empty() || !values.iter().all(fits) {
            return None;
        }
        // Whether one of several is meant or all of them has to be said: guessing wrong opens a door.
        if lower == "s3:requestobjecttagkeys" && quantifier == Quantifier::Single && test != Test::Null {
            return None;
        }
        let values = match lower.as_str() {
            // Requests' sources come without the slash that some clients put in front.
            "s3:x-amz-copy-source" if test != Test::Null => {
                values.iter().map(|v| v.strip_prefix('/').unwrap_or(v).to_string()).collect()
            }
            _ => values,
        };
        // The name of a tag is not to be folded.
        let key = match key.split_once('/') {
            Some((front, tag)) => format!("{}/{tag}", front.to_ascii_lowercase()),
            None => lower,
        };
        Some(Condition { test, negated, if_exists, quantifier, key, values })
    }

    /// Whether it leaves only certain callers: then a grant to everybody is not public. Only fixed values do, and
    /// networks up to a size (Amazon S3 user guide, "The meaning of 'public'"); and it must not hold for one who sent
    /// no value at all.
    pub(crate) fn narrows(&self) -> bool {
        let few = |v: &String| match (self.test, self.key.as_str()) {
            (Test::Ip, "aws:sourceip") => network(v).is_some_and(|(net, bits)| match net {
                IpAddr::V4(_) => bits >= 8,
                IpAddr::V6(_) => bits >= 32,
            }),
            (Test::Equals | Test::EqualsIgnoreCase, "aws:sourceip" | "aws:userid" | "aws:username") => true,
            (Test::Like, "aws:sourceip" | "aws:userid" | "aws:username") => !v.contains(['*', '?']),
            _ => false,
        };
        let vacuous = self.negated || self.if_exists || self.quantifier == Quantifier::ForAll;
        !vacuous && self.values.iter().all(few)
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, of_request: &Values) -> bool {
        let found = of_request.get(&self.key).map_or(&[][..], Vec::as_slice);
        if self.test == Test::Null {
            return self.values.iter().any(|v| v.eq_ignore_ascii_case("true") == found.is_empty());
        }
        // A negation is of all its values together.
        let one = |value: &String| self.values.iter().any(|v| self.compare(v, value)) != self.negated;
        match self.quantifier {
            Quantifier::ForAll => found.iter().all(one),
            Quantifier::ForAny => found.iter().any(one),
            Quantifier::Single if found.is_empty() => self.if_exists || self.negated,
            Quantifier::Single => found.iter().all(one),
        }
    }

    fn compare(&self, wanted: &str, value: &str) -> bool {
        fn ordered<T: PartialOrd>(order: Order, pair: Option<(T, T)>) -> bool {
            pair.is_some_and(|(value, wanted)| match order {
                Order::Equal => value == wanted,
                Order::Less => value < wanted,
                Order::LessOrEqual => value <= wanted,
                Order::Greater => value > wanted,
                Order::GreaterOrEqual => value >= wanted,
            })
        }
        match self.test {
            Test::Equals => wanted == value,
            Test::EqualsIgnoreCase => wanted.to_lowercase() == value.to_lowercase(),
            Test::Like => like(wanted, value),
            Test::Bool => wanted.eq_ignore_ascii_case(value),
            Test::Numeric(order) => ordered(order, number(value).zip(number(wanted))),
            Test::Date(order) => ordered(order, date(value).zip(date(wanted))),
            Test::Ip => value.parse().ok().zip(network(wanted)).is_some_and(|(ip, net)| within(ip, net)),
            Test::Null => false,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A date, or seconds since 1970.
fn date(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| dates::parse_http(text))
}

/// An address or a network of them, with the number of bits that count.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |b| b.parse().ok())?;
    // An IPv4 address in IPv6 clothes is looked at as IPv4, so a network of those would never hold.
    Some((ip, bits)).filter(|_| bits <= most && ip.to_canonical() == ip)
}

fn within(ip: IpAddr, (net, bits): (IpAddr, u32)) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (a ^ b) >> (width - bits) == 0;
    match (ip.to_canonical(), net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, key: &str, wanted: &[&str], sent: &[&str]) -> bool {
        let wanted = wanted.iter().map(ToString::to_string).collect();
        let condition = Condition::parse(operator, key, wanted).expect(operator);
        let mut values = Values::new();
        if !sent.is_empty() {
            values.insert(condition.key.clone(), sent.iter().map(ToString::to_string).collect());
        }
        condition.holds(&values)
    }

    #[test]
    fn strings() {
        assert!(holds("StringEquals", "s3:prefix", &["a", "b"], &["b"]));
        assert!(!holds("StringEquals", "s3:prefix", &["a"], &["A"]));
        assert!(holds("StringEqualsIgnoreCase", "s3:prefix", &["a"], &["A"]));
        assert!(holds("StringLike", "aws:Referer", &["http://x/*"], &["http://x/y"]));
        assert!(holds("StringNotEquals", "s3:prefix", &["a"], &["c"]));
        assert!(!holds("StringNotEquals", "s3:prefix", &["a", "b"], &["b"]));
        assert!(holds("StringEquals", "s3:ExistingObjectTag/Sec", &["x"], &["x"]));
    }

    #[test]
    fn what_was_not_sent() {
        assert!(!holds("StringEquals", "s3:prefix", &["a"], &[]));
        assert!(
            holds("StringNotEquals", "s3:prefix", &["a"], &[]),
            "a Deny that names what is allowed holds"
        );
        assert!(holds("StringEqualsIfExists", "s3:prefix", &["a"], &[]));
        assert!(holds("Null", "s3:prefix", &["true"], &[]) && !holds("Null", "s3:prefix", &["true"], &["x"]));
        assert!(holds("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", &["a"], &[]));
        assert!(!holds("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", &["a"], &[]));
        assert!(holds("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", &["a"], &["b", "a"]));
        assert!(!holds("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", &["a"], &["b", "a"]));
    }

    #[test]
    fn numbers_dates_addresses() {
        assert!(holds("NumericLessThanEquals", "s3:max-keys", &["10"], &["10"]));
        assert!(!holds("NumericLessThan", "s3:max-keys", &["10"], &["x"]));
        assert!(holds("DateLessThan", "aws:CurrentTime", &["2030-01-01T00:00:00Z"], &["1000"]));
        assert!(holds("IpAddress", "aws:SourceIp", &["10.0.0.0/8"], &["10.1.2.3"]));
        assert!(holds("IpAddress", "aws:SourceIp", &["10.0.0.0/8"], &["::ffff:10.1.2.3"]));
        assert!(!holds("IpAddress", "aws:SourceIp", &["10.0.0.1"], &["10.0.0.2"]));
        assert!(holds("NotIpAddress", "aws:SourceIp", &["10.0.0.0/8", "fe80::/10"], &["::1"]));
        assert!(holds("IpAddress", "aws:SourceIp", &["0.0.0.0/0"], &["1.2.3.4"]));
        assert!(holds("Bool", "aws:SecureTransport", &["false"], &["false"]));
    }

    #[test]
    fn only_fixed_callers_narrow() {
        let narrows = |operator, key, value: &str| {
            Condition::parse(operator, key, vec![value.into()]).expect(operator).narrows()
        };
        assert!(narrows("IpAddress", "aws:SourceIp", "10.0.0.0/8"));
        assert!(narrows("StringEquals", "aws:username", "bob") && narrows("StringLike", "aws:userid", "bob"));
        for (operator, key, value) in [
            ("IpAddress", "aws:SourceIp", "0.0.0.0/1"),
            ("IpAddress", "aws:SourceIp", "2000::/3"),
            ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"),
            ("Null", "aws:SourceIp", "false"),
            ("Null", "aws:userid", "true"),
            ("NumericGreaterThan", "aws:userid", "0"),
            ("StringLike", "aws:username", "?*"),
            ("StringEqualsIfExists", "aws:username", "bob"),
            ("ForAllValues:StringEquals", "aws:username", "bob"),
            ("StringLike", "aws:Referer", "http://x/y"),
        ] {
            assert!(!narrows(operator, key, value), "{operator} {key} {value}");
        }
    }

    #[test]
    fn sources_of_copies_have_no_slash_in_front() {
        for wanted in ["/b/open/*", "b/open/*"] {
            assert!(holds("StringLike", "s3:x-amz-copy-source", &[wanted], &["b/open/k"]));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (operator, key, value) in [
            ("StringAlmost", "s3:prefix", "a"),
            ("ForSome:StringEquals", "s3:prefix", "a"),
            ("StringEquals", "aws:SourceVpc", "a"),
            ("StringEquals", "s3:ExistingObjectTag/", "a"),
            ("StringEquals", "s3:prefix", "${aws:username}"),
            ("NumericEquals", "s3:max-keys", "many"),
            ("IpAddress", "aws:SourceIp", "10.0.0.0/33"),
            ("Bool", "aws:SecureTransport", "perhaps"),
            ("NullIfExists", "s3:prefix", "true"),
            ("StringEquals", "s3:RequestObjectTagKeys", "a"),
            ("IpAddress", "aws:SourceIp", "::ffff:10.0.0.0/104"),
        ] {
            assert_eq!(Condition::parse(operator, key, vec![value.into()]), None, "{operator} {key} {value}");
        }
        assert_eq!(Condition::parse("StringEquals", "s3:prefix", Vec::new()), None);
    }
}
