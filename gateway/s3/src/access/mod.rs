//! Who may do what: policies, ACLs and the block of public access put together. Pure, and deaf by default: what
//! nothing allows is denied.

mod acl;
mod block;
mod ownership;
mod policy;

use acl::Permission;
pub(crate) use acl::{Acl, Grantee};
pub(crate) use block::Block;
pub(crate) use ownership::Ownership;
pub(crate) use policy::{Asked as PolicyAsked, POLICY_BYTES_MAX, Policy, Values};

use policy::{Asked, Verdict};

/// Which ACL has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    /// None: only policies.
    None,
    /// The bucket's.
    Bucket(Permission),
    /// The object's.
    Object(Permission),
}

/// Something that a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    action: &'static str,
    say: Say,
}

impl Ask {
    const fn bucket(action: &'static str, permission: Permission) -> Ask {
        Ask { action, say: Say::Bucket(permission) }
    }
    const fn object(action: &'static str, permission: Permission) -> Ask {
        Ask { action, say: Say::Object(permission) }
    }
    const fn policy(action: &'static str) -> Ask {
        Ask { action, say: Say::None }
    }
    pub(crate) const LIST: Ask = Ask::bucket("s3:ListBucket", Permission::Read);
    pub(crate) const LIST_VERSIONS: Ask = Ask::bucket("s3:ListBucketVersions", Permission::Read);
    pub(crate) const LIST_UPLOADS: Ask = Ask::bucket("s3:ListBucketMultipartUploads", Permission::Read);
    pub(crate) const LIST_PARTS: Ask = Ask::policy("s3:ListMultipartUploadParts");
    pub(crate) const LOCATION: Ask = Ask::policy("s3:GetBucketLocation");
    pub(crate) const PUT: Ask = Ask::bucket("s3:PutObject", Permission::Write);
    pub(crate) const ABORT: Ask = Ask::bucket("s3:AbortMultipartUpload", Permission::Write);
    pub(crate) const DELETE: Ask = Ask::bucket("s3:DeleteObject", Permission::Write);
    pub(crate) const GET: Ask = Ask::object("s3:GetObject", Permission::Read);
    pub(crate) const GET_TAGS: Ask = Ask::policy("s3:GetObjectTagging");
    pub(crate) const PUT_TAGS: Ask = Ask::policy("s3:PutObjectTagging");
    pub(crate) const DELETE_TAGS: Ask = Ask::policy("s3:DeleteObjectTagging");
    pub(crate) const GET_ACL: Ask = Ask::object("s3:GetObjectAcl", Permission::ReadAcp);
    pub(crate) const PUT_ACL: Ask = Ask::object("s3:PutObjectAcl", Permission::WriteAcp);
    pub(crate) const GET_BUCKET_ACL: Ask = Ask::bucket("s3:GetBucketAcl", Permission::ReadAcp);
    pub(crate) const PUT_BUCKET_ACL: Ask = Ask::bucket("s3:PutBucketAcl", Permission::WriteAcp);
    pub(crate) const ATTRIBUTES: Ask = Ask::object("s3:GetObjectAttributes", Permission::Read);
    pub(crate) const DELETE_BUCKET: Ask = Ask::policy("s3:DeleteBucket");
    pub(crate) const POLICY_STATUS: Ask = Ask::policy("s3:GetBucketPolicyStatus");
    pub(crate) const GET_VERSIONING: Ask = Ask::policy("s3:GetBucketVersioning");
    pub(crate) const PUT_VERSIONING: Ask = Ask::policy("s3:PutBucketVersioning");
    pub(crate) const GET_CORS: Ask = Ask::policy("s3:GetBucketCORS");
    pub(crate) const PUT_CORS: Ask = Ask::policy("s3:PutBucketCORS");
    pub(crate) const GET_BUCKET_TAGS: Ask = Ask::policy("s3:GetBucketTagging");
    pub(crate) const PUT_BUCKET_TAGS: Ask = Ask::policy("s3:PutBucketTagging");
    pub(crate) const GET_BLOCK: Ask = Ask::policy("s3:GetBucketPublicAccessBlock");
    pub(crate) const PUT_BLOCK: Ask = Ask::policy("s3:PutBucketPublicAccessBlock");
    pub(crate) const GET_ENCRYPTION: Ask = Ask::policy("s3:GetEncryptionConfiguration");
    pub(crate) const PUT_ENCRYPTION: Ask = Ask::policy("s3:PutEncryptionConfiguration");
    pub(crate) const GET_WEBSITE: Ask = Ask::policy("s3:GetBucketWebsite");
    pub(crate) const PUT_WEBSITE: Ask = Ask::policy("s3:PutBucketWebsite");
    pub(crate) const DELETE_WEBSITE: Ask = Ask::policy("s3:DeleteBucketWebsite");
    pub(crate) const GET_PAYMENT: Ask = Ask::policy("s3:GetBucketRequestPayment");
    pub(crate) const PUT_PAYMENT: Ask = Ask::policy("s3:PutBucketRequestPayment");
    pub(crate) const GET_LIFECYCLE: Ask = Ask::policy("s3:GetLifecycleConfiguration");
    pub(crate) const PUT_LIFECYCLE: Ask = Ask::policy("s3:PutLifecycleConfiguration");
    pub(crate) const GET_BUCKET_LOCK: Ask = Ask::policy("s3:GetBucketObjectLockConfiguration");
    pub(crate) const PUT_BUCKET_LOCK: Ask = Ask::policy("s3:PutBucketObjectLockConfiguration");
    pub(crate) const GET_RETENTION: Ask = Ask::policy("s3:GetObjectRetention");
    pub(crate) const PUT_RETENTION: Ask = Ask::policy("s3:PutObjectRetention");
    pub(crate) const BYPASS_RETENTION: Ask = Ask::policy("s3:BypassGovernanceRetention");
    pub(crate) const GET_LEGAL_HOLD: Ask = Ask::policy("s3:GetObjectLegalHold");
    pub(crate) const PUT_LEGAL_HOLD: Ask = Ask::policy("s3:PutObjectLegalHold");
    pub(crate) const GET_LOGGING: Ask = Ask::policy("s3:GetBucketLogging");
    pub(crate) const PUT_LOGGING: Ask = Ask::policy("s3:PutBucketLogging");
    pub(crate) const GET_OWNERSHIP: Ask = Ask::policy("s3:GetBucketOwnershipControls");
    pub(crate) const PUT_OWNERSHIP: Ask = Ask::policy("s3:PutBucketOwnershipControls");

    /// The same of a version that is asked for by its name, which is an action of its own.
    pub(crate) fn of_version(self) -> Ask {
        let action = match self.action {
            "s3:GetObject" => "s3:GetObjectVersion",
            "s3:GetObjectAttributes" => "s3:GetObjectVersionAttributes",
            "s3:GetObjectAcl" => "s3:GetObjectVersionAcl",
            "s3:PutObjectAcl" => "s3:PutObjectVersionAcl",
            "s3:GetObjectTagging" => "s3:GetObjectVersionTagging",
            "s3:PutObjectTagging" => "s3:PutObjectVersionTagging",
            "s3:DeleteObjectTagging" => "s3:DeleteObjectVersionTagging",
            "s3:DeleteObject" => return Ask::policy("s3:DeleteObjectVersion"),
            other => other,
        };
        Ask { action, ..self }
    }
}

/// What is known of a request and of what it is about.
pub(crate) struct Facts<'a> {
    /// The sender; none if anonymous.
    pub(crate) uid: Option<&'a str>,
    pub(crate) bucket_owner: &'a str,
    /// The bucket's ACL, unless it is private.
    pub(crate) bucket_acl: Option<&'a Acl>,
    /// The object's ACL, unless it is private to the bucket's owner.
    pub(crate) object_acl: Option<&'a Acl>,
    pub(crate) policy: Option<&'a Policy>,
    pub(crate) block: Block,
    /// Whether ACLs count for nothing: the bucket's owner owns everything in it.
    pub(crate) acls_off: bool,
    /// Such as `arn:aws:s3:::bucket/key`.
    pub(crate) resource: &'a str,
    /// By condition key.
    pub(crate) values: &'a Values,
}

/// What the policy says of it.
fn said(facts: &Facts<'_>, ask: Ask) -> Verdict {
    let Facts { uid, values, resource, .. } = *facts;
    let asked = Asked { uid, service: None, action: ask.action, resource, values };
    facts.policy.map_or(Verdict::Silent, |policy| policy.judge(&asked))
}

/// Whether an ACL is what lets a sender do this who may.
pub(crate) fn is_by_acl(facts: &Facts<'_>, ask: Ask) -> bool {
    facts.uid != Some(facts.bucket_owner) && said(facts, ask) != Verdict::Allowed
}

/// Whether the service that delivers logs may put an object into a bucket: by its policy, or by an ACL that grants it to
/// that service, which only counts for `kin`, logs of a bucket of the same owner. `source` are the condition values
/// that say whose logs they are: logs of others need a statement that asks for them. Of several `resources`, the names
/// of what is put, one that is allowed is enough, and none may be denied.
pub(crate) fn may_deliver(
    bucket: (Option<&Policy>, Option<&Acl>),
    resources: &[&str],
    source: &Values,
    kin: bool,
) -> bool {
    const DELIVERER: &str = "logging.s3.amazonaws.com";
    let (policy, acl) = bucket;
    let judge = |values: &Values| {
        let action = Ask::PUT.action;
        let of = |resource: &&str| {
            let asked = Asked { uid: None, service: Some(DELIVERER), action, resource, values };
            policy.map_or(Verdict::Silent, |policy| policy.judge(&asked))
        };
        let said: Vec<Verdict> = resources.iter().map(of).collect();
        let strongest = [Verdict::Denied, Verdict::Allowed].into_iter().find(|v| said.contains(v));
        strongest.unwrap_or(Verdict::Silent)
    };
    match judge(source) {
        Verdict::Denied => false,
        // A statement that holds whoever the source is may have been meant for the owner's own buckets only.
        Verdict::Allowed => kin || judge(&Values::new()) != Verdict::Allowed,
        Verdict::Silent => kin && acl.is_some_and(Acl::lets_logs_in),
    }
}

/// Whether the policy denies it: for what goes along with something else and needs no permission of its own.
pub(crate) fn denied(facts: &Facts<'_>, ask: Ask) -> bool {
    said(facts, ask) == Verdict::Denied
}

/// Whether it is about the content or the ACL of an object that is not the bucket's owner's.
fn is_anothers(facts: &Facts<'_>, ask: Ask) -> bool {
    let anothers = facts.object_acl.is_some_and(|acl| acl.owner != facts.bucket_owner);
    anothers && matches!(ask.say, Say::Object(_))
}

/// Whether the request may do it.
pub(crate) fn allowed(facts: &Facts<'_>, ask: Ask) -> bool {
    let uid = facts.uid;
    let owns = uid == Some(facts.bucket_owner);
    match said(facts, ask) {
        Verdict::Denied => false,
        // What others own in a bucket is not its owner's, unless ACLs count for nothing.
        _ if owns && (facts.acls_off || !is_anothers(facts, ask)) => true,
        Verdict::Allowed => !(facts.block.restrict_buckets && facts.policy.is_some_and(Policy::is_public)),
        Verdict::Silent if facts.acls_off => false,
        Verdict::Silent => {
            let (acl, permission) = match ask.say {
                Say::None => return false,
                Say::Bucket(permission) => (facts.bucket_acl, permission),
                Say::Object(permission) => (facts.object_acl, permission),
            };
            acl.is_some_and(|acl| acl.allows(uid, permission, !facts.block.ignore_acls))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what() {
        let headers = |name: &str| {
            let mut h = http::HeaderMap::new();
            h.insert("x-amz-acl", name.parse().unwrap());
            Acl::of_headers(&h, "ann", "ann").unwrap().unwrap()
        };
        let (open, writable) = (headers("public-read"), headers("public-read-write"));
        let text = |effect: &str, action: &str| {
            let text = format!(
                "{{\"Statement\":{{\"Effect\":\"{effect}\",\"Principal\":\"*\",\"Action\":\"{action}\",\"Resource\":\"*\"}}}}"
            );
            Policy::parse(text.as_bytes(), "", "b").unwrap()
        };
        let (allow, deny) = (text("Allow", "s3:GetObject"), text("Deny", "s3:GetObject"));
        let values = Values::new();
        let facts = |uid| Facts {
            uid,
            bucket_owner: "ann",
            bucket_acl: None,
            object_acl: None,
            policy: None,
            block: Block::default(),
            acls_off: false,
            resource: "arn:aws:s3:::b/k",
            values: &values,
        };
        for uid in [None, Some("eve")] {
            // Nothing says that they may.
            assert!(!allowed(&facts(uid), Ask::GET) && !allowed(&facts(uid), Ask::PUT));
            let by_acl = Facts { object_acl: Some(&open), bucket_acl: Some(&writable), ..facts(uid) };
            assert!(allowed(&by_acl, Ask::GET) && allowed(&by_acl, Ask::PUT));
            assert!(!allowed(&by_acl, Ask::PUT_ACL) && !allowed(&by_acl, Ask::GET_TAGS));
            assert!(!allowed(&by_acl, Ask::DELETE.of_version()) && !allowed(&by_acl, Ask::DELETE_BUCKET));
            assert!(!allowed(
                &Facts { acls_off: true, ..Facts { object_acl: Some(&open), ..facts(uid) } },
                Ask::GET
            ));
            let ignored = Block { ignore_acls: true, ..Block::default() };
            let blocked = Facts { object_acl: Some(&open), block: ignored, ..facts(uid) };
            assert!(!allowed(&blocked, Ask::GET));
            let denied = Facts { object_acl: Some(&open), policy: Some(&deny), ..facts(uid) };
            assert!(!allowed(&denied, Ask::GET), "a denial beats an ACL");
            let by_policy = Facts { policy: Some(&allow), ..facts(uid) };
            assert!(allowed(&by_policy, Ask::GET) && !allowed(&by_policy, Ask::PUT));
            let restricted = Block { restrict_buckets: true, ..Block::default() };
            assert!(!allowed(&Facts { policy: Some(&allow), block: restricted, ..facts(uid) }, Ask::GET));
        }
        assert!(allowed(&facts(Some("ann")), Ask::DELETE.of_version()));
        let eves = Acl::private("eve");
        let anothers = Facts { object_acl: Some(&eves), ..facts(Some("ann")) };
        assert!(!allowed(&anothers, Ask::GET) && !allowed(&anothers, Ask::GET_ACL));
        assert!(allowed(&anothers, Ask::DELETE) && allowed(&anothers, Ask::GET_TAGS));
        assert!(allowed(&Facts { acls_off: true, ..anothers }, Ask::GET));
        let denied_owner = Facts { policy: Some(&deny), ..facts(Some("ann")) };
        assert!(!allowed(&denied_owner, Ask::GET) && denied(&denied_owner, Ask::GET));
        assert!(allowed(&denied_owner, Ask::GET.of_version()), "which is another action");
        assert!(!denied(&facts(None), Ask::GET), "silence is no denial");
    }

    #[test]
    fn logs_are_delivered_where_they_are_let_in() {
        let source = |account: &str| {
            Values::from([
                ("aws:sourceaccount".to_string(), vec![account.to_string()]),
                ("aws:sourcearn".to_string(), vec!["arn:aws:s3:::src".to_string()]),
            ])
        };
        let of = |effect: &str, rest: &str| {
            let text = format!(
                "{{\"Statement\":{{\"Effect\":\"{effect}\",\"Principal\":{{\"Service\":\"logging.s3.amazonaws.com\"}},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::b/log/*\"{rest}}}}}"
            );
            Policy::parse(text.as_bytes(), "", "b").unwrap()
        };
        let may = |policy: &Policy, key: &str, account: &str, kin| {
            may_deliver((Some(policy), None), &[&format!("arn:aws:s3:::b/{key}")], &source(account), kin)
        };
        let open = of("Allow", "");
        assert!(may(&open, "log/", "ann", true) && !may(&open, "other/", "ann", true));
        assert!(!may(&open, "log/", "bob", false), "another's logs need to be asked for");
        let asked = of("Allow", ",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"bob\"}}");
        assert!(may(&asked, "log/x", "bob", false) && !may(&asked, "log/x", "ann", true));
        let loose = of("Allow", ",\"Condition\":{\"StringNotEquals\":{\"aws:SourceAccount\":\"eve\"}}");
        assert!(!may(&loose, "log/x", "bob", false), "it holds for what has no source, too");
        assert!(!may(&of("Deny", ""), "log/x", "ann", true));
        let mut headers = http::HeaderMap::new();
        headers.insert("x-amz-acl", "log-delivery-write".parse().unwrap());
        let acl = Acl::of_headers(&headers, "ann", "ann").unwrap().unwrap();
        let by_acl = |acl, kin| may_deliver((None, acl), &["arn:aws:s3:::b/log/"], &source("ann"), kin);
        assert!(by_acl(Some(&acl), true) && !by_acl(Some(&acl), false) && !by_acl(None, true));
    }
}
