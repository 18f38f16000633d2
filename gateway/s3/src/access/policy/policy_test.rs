//! Policies: what they allow, what they deny, and what is no policy.

use super::*;

fn policy(statements: &str) -> Result<Policy, &'static str> {
    let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}");
    Policy::parse(text.as_bytes(), "", "b")
}

fn statement(effect: &str, principal: &str, action: &str, resource: &str, rest: &str) -> String {
    format!(
        "{{\"Effect\":\"{effect}\",\"Principal\":{principal},\"Action\":\"{action}\",\"Resource\":\"{resource}\"{rest}}}"
    )
}

fn judge(policy: &Policy, uid: Option<&str>, action: &str, resource: &str) -> Verdict {
    policy.judge(&Asked { uid, service: None, action, resource, values: &Values::new() })
}

const OBJECT: &str = "arn:aws:s3:::b/k";

#[test]
fn nothing_is_allowed_that_is_not_said() {
    let p = policy(&statement(
        "Allow",
        "{\"AWS\":\"arn:aws:iam:::user/bob\"}",
        "s3:Get*",
        "arn:aws:s3:::b/*",
        "",
    ))
    .unwrap();
    assert_eq!(judge(&p, Some("bob"), "s3:GetObject", OBJECT), Verdict::Allowed);
    assert_eq!(judge(&p, Some("bob"), "s3:PutObject", OBJECT), Verdict::Silent);
    assert_eq!(judge(&p, Some("bob"), "s3:GetObject", "arn:aws:s3:::b"), Verdict::Silent);
    assert_eq!(judge(&p, Some("bobby"), "s3:GetObject", OBJECT), Verdict::Silent);
    assert_eq!(judge(&p, None, "s3:GetObject", OBJECT), Verdict::Silent);
    assert!(!p.is_public());
}

#[test]
fn a_denial_beats_every_permission() {
    let allow = statement("Allow", "\"*\"", "s3:*", "*", "");
    let deny = statement("Deny", "{\"AWS\":[\"bob\"]}", "s3:DeleteObject", "arn:aws:s3:::b/*", "");
    for both in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        let p = policy(&both).unwrap();
        assert_eq!(judge(&p, Some("bob"), "s3:DeleteObject", OBJECT), Verdict::Denied);
        assert_eq!(judge(&p, Some("eve"), "s3:DeleteObject", OBJECT), Verdict::Allowed);
        assert_eq!(judge(&p, None, "s3:ListBucket", "arn:aws:s3:::b"), Verdict::Allowed);
        assert!(p.is_public());
    }
}

#[test]
fn all_but_these() {
    let text = "{\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"ann\"},\"NotAction\":\"s3:GetObject\",\"NotResource\":\"arn:aws:s3:::b/open/*\"}";
    let p = policy(text).unwrap();
    assert_eq!(judge(&p, Some("ann"), "s3:PutObject", OBJECT), Verdict::Silent);
    assert_eq!(judge(&p, None, "s3:PutObject", OBJECT), Verdict::Denied);
    assert_eq!(judge(&p, Some("bob"), "s3:GetObject", OBJECT), Verdict::Silent);
    assert_eq!(judge(&p, Some("bob"), "s3:PutObject", "arn:aws:s3:::b/open/x"), Verdict::Silent);
}

#[test]
fn patterns_mean_what_they_say_and_no_more() {
    let of = |resource: &str| policy(&statement("Allow", "\"*\"", "S3:getobject", resource, "")).unwrap();
    let may = |p: &Policy, key: &str| {
        judge(p, None, "s3:GetObject", &format!("arn:aws:s3:::b/{key}")) == Verdict::Allowed
    };
    let open = of("arn:aws:s3:::b/open/*");
    for key in ["open/", "open/x", "open/x\ny", "open/../k", "open/*"] {
        assert!(may(&open, key), "{key}");
    }
    for key in ["open", "Open/x", "x/open/y", "open%2Fx", "*", "?pen/x", "\nopen/x"] {
        assert!(!may(&open, key), "{key}");
    }
    // What is a pattern in a policy is only text in a key.
    assert!(may(&of("arn:aws:s3:::b/a?c"), "a\u{e9}c") && !may(&of("arn:aws:s3:::b/abc"), "a?c"));
    assert!(judge(&of("*"), None, "s3:GetObject", "arn:aws:s3:::b") == Verdict::Allowed);
    assert_eq!(judge(&open, None, "s3:GetObjectVersion", "arn:aws:s3:::b/open/x"), Verdict::Silent);
}

#[test]
fn conditions_must_all_hold() {
    let rest = ",\"Condition\":{\"StringEquals\":{\"s3:prefix\":[\"a\",\"b\"]},\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}";
    let p = policy(&statement("Allow", "\"*\"", "s3:ListBucket", "arn:aws:s3:::b", rest)).unwrap();
    let mut values = Values::new();
    let judge = |values: &Values| {
        p.judge(&Asked {
            uid: None,
            service: None,
            action: "s3:ListBucket",
            resource: "arn:aws:s3:::b",
            values,
        })
    };
    values.insert("s3:prefix".into(), vec!["b".into()]);
    assert_eq!(judge(&values), Verdict::Silent);
    values.insert("aws:sourceip".into(), vec!["10.9.9.9".into()]);
    assert_eq!(judge(&values), Verdict::Allowed);
    assert!(!p.is_public(), "only for a network");
}

#[test]
fn what_is_no_policy_is_refused() {
    let good = |rest: &str| statement("Allow", "\"*\"", "s3:GetObject", "arn:aws:s3:::b/*", rest);
    assert!(policy(&good("")).is_ok());
    for bad in [
        String::new(),
        "1".into(),
        good(",\"Extra\":1"),
        good(",\"NotAction\":\"s3:*\""),
        good(",\"Condition\":{\"StringEquals\":{\"aws:SourceVpc\":\"x\"}}"),
        good(",\"Condition\":[]"),
        statement("allow", "\"*\"", "s3:*", "*", ""),
        statement("Allow", "\"bob\"", "s3:*", "*", ""),
        statement("Allow", "{\"AWS\":\"arn:aws:iam:::user/*\"}", "s3:*", "*", ""),
        statement("Allow", "{\"Service\":\"x\"}", "s3:*", "*", ""),
        statement("Deny", "{\"AWS\":\"arn:aws:iam::1:role/x\"}", "s3:*", "*", ""),
        statement("Deny", "{\"AWS\":\"arn:aws:sts::1:assumed-role/x/y\"}", "s3:*", "*", ""),
        statement("Deny", "{\"AWS\":\"arn:aws:iam::1:user/\"}", "s3:*", "*", ""),
        statement("Deny", "{\"AWS\":\"\"}", "s3:*", "*", ""),
        statement("Deny", "\"*\"", "s3:DeletObject", "*", ""),
        statement("Deny", "\"*\"", "s3:Wipe*", "*", ""),
        statement("Allow", "\"*\"", "s3:*", "arn:aws:s3:::B/*", ""),
        statement("Allow", "\"*\"", "s3:*", "arn:aws:s3:::bb/*", ""),
        statement("Allow", "\"*\"", "ec2:Run", "*", ""),
        statement("Allow", "\"*\"", "s3:*", "arn:aws:s3:::other/*", ""),
        statement("Allow", "\"*\"", "s3:*", "arn:aws:s3:::b/${aws:username}", ""),
        "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}".into(),
    ] {
        assert!(policy(&bad).is_err(), "{bad}");
    }
    assert!(Policy::parse(b"{\"Version\":\"2030-01-01\",\"Statement\":[]}", "", "b").is_err());
    assert!(Policy::parse(&vec![b' '; POLICY_BYTES_MAX + 1], "", "b").is_err());
    assert!(Policy::parse("[".repeat(10_000).as_bytes(), "", "b").is_err(), "and deep nesting is survived");
}

#[test]
fn services_are_let_in_by_their_names_only() {
    let asks = |p: &Policy, service| {
        let asked = Asked {
            uid: None,
            service: Some(service),
            action: "s3:PutObject",
            resource: OBJECT,
            values: &Values::new(),
        };
        p.judge(&asked)
    };
    let of = |effect: &str, principal: &str| policy(&statement(effect, principal, "s3:PutObject", "*", ""));
    let logs = "logging.s3.amazonaws.com";
    let named = of("Allow", "{\"Service\":\"logging.s3.amazonaws.com\"}").unwrap();
    assert_eq!(asks(&named, logs), Verdict::Allowed);
    assert_eq!(asks(&named, "other.amazonaws.com"), Verdict::Silent);
    assert!(!named.is_public());
    for uid in [None, Some(logs), Some("service:logging.s3.amazonaws.com")] {
        assert_eq!(judge(&named, uid, "s3:PutObject", OBJECT), Verdict::Silent, "{uid:?} is no service");
    }
    for everybody in ["\"*\"", "{\"AWS\":\"*\"}"] {
        assert_eq!(asks(&of("Allow", everybody).unwrap(), logs), Verdict::Silent);
        assert_eq!(asks(&of("Deny", everybody).unwrap(), logs), Verdict::Denied);
    }
    for bad in ["{\"Service\":\"*\"}", "{\"Service\":\"*.amazonaws.com\"}", "{\"AWS\":\"service:x\"}"] {
        assert!(of("Allow", bad).is_err(), "{bad}");
    }
}

#[test]
fn a_statement_without_a_resource_is_about_the_whole_bucket() {
    let p = policy("{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\"}").unwrap();
    assert_eq!(judge(&p, None, "s3:GetObject", OBJECT), Verdict::Denied);
    assert_eq!(judge(&p, None, "s3:ListBucket", "arn:aws:s3:::b"), Verdict::Denied);
}
