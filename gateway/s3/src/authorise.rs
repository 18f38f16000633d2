//! What a request wants, held against what policies, ACLs and the block of public access say.

use crate::access::{Acl, Ask, Block, Facts, Grantee, Ownership, Policy, Values, allowed, denied, is_by_acl};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::{Bucket, Entry, Which};
use crate::tags::{self, Tag};
use crate::verbs::bucket::request_payment;
use crate::verbs::object::{copy_source_named, version_text};
use gateway_client::Rados;

/// Under this name a bucket's policy is kept, as its owner wrote it.
pub(crate) const POLICY: &str = "policy";

/// The longest value that is held against a policy's patterns, bytes: comparing takes up to the product of both
/// lengths, and whoever sets the policy may send the request as well.
const VALUE_BYTES_MAX: usize = 4096;

/// The headers that conditions are about, each under `s3:` and its name.
const HEADERS: [&str; 11] = [
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
];

/// The policy of a bucket, if it has one. One that cannot be read lets nobody in.
pub(crate) fn policy_of(bucket: &Bucket) -> Result<Option<Policy>, S3Error> {
    let Some(text) = bucket.settings.get(POLICY) else { return Ok(None) };
    Policy::parse(text, &bucket.tenant, &bucket.name)
        .map(Some)
        .map_err(|e| S3Error::internal(format!("the policy of {} cannot be read: {e}", bucket.name)))
}

/// What is to be done, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) ask: Ask,
    /// None: with the bucket.
    pub(crate) key: Option<&'a str>,
    /// The version that is named, wherever in the request it is: in a copy or in a list of deletes not where
    /// others have it.
    pub(crate) which: Which,
    /// What there is of the key, where its ACL or its tags have a say.
    pub(crate) object: Option<&'a Entry>,
    /// The tags that it shall have; none: those of the header.
    pub(crate) tags: Option<&'a [Tag]>,
}

impl<'a> Wish<'a> {
    pub(crate) fn new(ask: Ask, key: Option<&'a str>) -> Wish<'a> {
        Wish { ask, key, which: Which::Current, object: None, tags: None }
    }
    /// The same with a version of the key. One that is named makes it another action.
    pub(crate) fn version(self, which: Which) -> Wish<'a> {
        let ask = if which == Which::Current { self.ask } else { self.ask.of_version() };
        Wish { ask, which, ..self }
    }
    pub(crate) fn object(self, object: &'a Entry) -> Wish<'a> {
        Wish { object: Some(object), ..self }
    }
    pub(crate) fn tags(self, tags: &'a [Tag]) -> Wish<'a> {
        Wish { tags: Some(tags), ..self }
    }
}

impl Request {
    /// Whether the sender may. `AccessDenied`.
    pub(crate) fn check<R: Rados>(
        &self,
        gw: &Gateway<R>,
        bucket: &Bucket,
        wish: Wish<'_>,
    ) -> Result<(), S3Error> {
        request_payment::check(self, bucket)?;
        let policy = policy_of(bucket)?;
        // The usual case: nothing was ever said, and the owner asks.
        if policy.is_none() && self.uid() == Some(&bucket.owner) {
            return Ok(());
        }
        let values = if policy.is_some() { self.values(gw.now(), &wish)? } else { Values::new() };
        self.held(bucket, policy.as_ref(), &values, wish, allowed)
    }

    /// Whether the bucket's policy forbids something that goes along with what the sender may do. `AccessDenied`.
    pub(crate) fn check_not_denied<R: Rados>(
        &self,
        gw: &Gateway<R>,
        bucket: &Bucket,
        wish: Wish<'_>,
    ) -> Result<(), S3Error> {
        let Some(policy) = policy_of(bucket)? else { return Ok(()) };
        let values = self.values(gw.now(), &wish)?;
        self.held(bucket, Some(&policy), &values, wish, |facts, ask| !denied(facts, ask))
    }

    fn held(
        &self,
        bucket: &Bucket,
        policy: Option<&Policy>,
        values: &Values,
        wish: Wish<'_>,
        may: impl FnOnce(&Facts<'_>, Ask) -> bool,
    ) -> Result<(), S3Error> {
        let resource = match wish.key {
            Some(key) => format!("arn:aws:s3:::{}/{key}", bucket.name),
            None => format!("arn:aws:s3:::{}", bucket.name),
        };
        let bucket_acl = Acl::of(&bucket.settings)?;
        let object_acl = wish.object.map(|o| Acl::of(&o.attrs.extra)).transpose()?.flatten();
        let facts = Facts {
            uid: self.uid(),
            bucket_owner: &bucket.owner,
            bucket_acl: bucket_acl.as_ref(),
            object_acl: object_acl.as_ref(),
            policy,
            block: Block::of(&bucket.settings)?.unwrap_or_default(),
            acls_off: Ownership::of(&bucket.settings)? == Some(Ownership::Enforced),
            resource: &resource,
            values,
        };
        if !may(&facts, wish.ask) {
            return Err(Code::AccessDenied.into());
        }
        if is_by_acl(&facts, wish.ask) {
            self.noted().by_acl();
        }
        Ok(())
    }

    /// Whether the sender may be told that there is no such object: who may not list is not told what is missing.
    pub(crate) fn check_absent<R: Rados>(
        &self,
        gw: &Gateway<R>,
        bucket: &Bucket,
        key: &str,
    ) -> Result<(), S3Error> {
        let policy = policy_of(bucket)?;
        let wish = Wish::new(Ask::LIST, None);
        let mut values = if policy.is_some() { self.values(gw.now(), &wish)? } else { Values::new() };
        // As a listing of just this key, whatever the query of this request says.
        values.remove("s3:delimiter");
        values.remove("s3:max-keys");
        values.insert("s3:prefix".into(), vec![key.to_string()]);
        self.held(bucket, policy.as_ref(), &values, wish, allowed)
    }

    /// What conditions can ask of this request. `InvalidRequest` for a value that is too long to compare.
    fn values(&self, now_s: u64, wish: &Wish<'_>) -> Result<Values, S3Error> {
        let mut values = Values::new();
        let mut set = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                values.insert(key.to_string(), vec![value.to_string()]);
            }
        };
        set("aws:currenttime", Some(&now_s.to_string()));
        set("aws:epochtime", Some(&now_s.to_string()));
        set("aws:referer", self.header("referer"));
        set("aws:useragent", self.header("user-agent"));
        set("aws:securetransport", Some(if self.way.secure { "true" } else { "false" }));
        set("aws:sourceip", self.way.peer.map(|ip| ip.to_canonical().to_string()).as_deref());
        set("aws:userid", self.uid());
        set("aws:username", self.uid());
        set("aws:principaltype", Some(if self.uid().is_some() { "User" } else { "Anonymous" }));
        if self.uid().is_some() {
            let in_header = self.headers.contains_key("authorization");
            set("s3:authtype", Some(if in_header { "REST-HEADER" } else { "REST-QUERY-STRING" }));
        }
        // Only where they mean something: a sender can add them to any request.
        if wish.key.is_none() {
            for (key, parameter) in
                [("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys"), ("s3:prefix", "prefix")]
            {
                set(key, self.query.get(parameter));
            }
        }
        if wish.which != Which::Current {
            set("s3:versionid", Some(&version_text(wish.which)));
        }
        for name in HEADERS {
            set(&format!("s3:{name}"), self.header(name));
        }
        for name in ["object-lock-legal-hold", "object-lock-mode", "object-lock-retain-until-date"] {
            set(&format!("s3:{name}"), self.header(&format!("x-amz-{name}")));
        }
        // One source has many spellings.
        let source = self.header("x-amz-copy-source").map(copy_source_named).transpose()?;
        set("s3:x-amz-copy-source", source.as_deref());
        let of_header = match (wish.tags, self.header("x-amz-tagging")) {
            (None, Some(text)) => tags::of_header(text)?,
            _ => Vec::new(),
        };
        let tags = wish.tags.unwrap_or(&of_header);
        if !tags.is_empty() {
            for tag in tags {
                values.insert(format!("s3:requestobjecttag/{}", tag.key), vec![tag.value.clone()]);
            }
            values.insert("s3:requestobjecttagkeys".into(), tags.iter().map(|t| t.key.clone()).collect());
        }
        if let Some(object) = wish.object {
            for tag in tags::of(&object.attrs.extra)? {
                values.insert(format!("s3:existingobjecttag/{}", tag.key), vec![tag.value]);
            }
        }
        match values.iter().find(|(_, all)| all.iter().any(|v| v.len() > VALUE_BYTES_MAX)) {
            Some((key, _)) => {
                let message = format!("The value of {key} is too long for a bucket with a policy.");
                Err(S3Error::with_message(Code::InvalidRequest, message))
            }
            None => Ok(values),
        }
    }
}

/// The ACL that headers give to a new object or bucket, checked: by default it is private to whom it belongs.
/// `AccessDenied` for a public one where those are blocked, `InvalidArgument` for a grant to nobody.
pub(crate) async fn new_acl<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
) -> Result<Acl, S3Error> {
    let ownership = Ownership::of(&bucket.settings)?.unwrap_or_default();
    let enforced = ownership == Ownership::Enforced;
    let maker = if enforced { &bucket.owner } else { rq.maker(bucket) };
    let Some(mut acl) = Acl::of_headers(&rq.headers, maker, &bucket.owner)? else {
        return Ok(Acl::private(maker));
    };
    // Where ACLs are off, the one that may be named says what holds anyway.
    if enforced && rq.header("x-amz-acl").is_some_and(|name| name != "bucket-owner-full-control") {
        return Err(Code::AccessControlListNotSupported.into());
    }
    if ownership == Ownership::Preferred && rq.header("x-amz-acl") == Some("bucket-owner-full-control") {
        acl = Acl::private(&bucket.owner);
    }
    rq.check_not_denied(gw, bucket, Wish::new(Ask::PUT_ACL, Some(rq.key())))?;
    check_acl(bucket, &acl)?;
    resolve_grantees(gw, &mut acl).await?;
    Ok(acl)
}

/// Whether the bucket's settings let an ACL be set. `AccessControlListNotSupported`, `AccessDenied`.
pub(crate) fn check_acl(bucket: &Bucket, acl: &Acl) -> Result<(), S3Error> {
    let enforced = Ownership::of(&bucket.settings)? == Some(Ownership::Enforced);
    if enforced && *acl != Acl::private(&bucket.owner) {
        return Err(Code::AccessControlListNotSupported.into());
    }
    if Block::of(&bucket.settings)?.unwrap_or_default().set_acls && acl.is_public() {
        return Err(Code::AccessDenied.into());
    }
    Ok(())
}

/// Looks up all those whom an ACL names; addresses become users. `InvalidArgument`,
/// `UnresolvableGrantByEmailAddress`.
pub(crate) async fn resolve_grantees<R: Rados>(gw: &Gateway<R>, acl: &mut Acl) -> Result<(), S3Error> {
    for grant in &mut acl.grants {
        match &grant.grantee {
            Grantee::User(uid) if *uid != acl.owner && gw.storage.user_known(uid).await?.is_none() => {
                return Err(S3Error::invalid_argument("Invalid id", "CanonicalUser/ID", uid));
            }
            Grantee::Address(address) => {
                let unresolvable = || {
                    S3Error::new(Code::UnresolvableGrantByEmailAddress).field("EmailAddress", address.clone())
                };
                let uid = gw.storage.user_of_email(address).await?.ok_or_else(unresolvable)?;
                grant.grantee = Grantee::User(uid);
            }
            _ => {}
        }
    }
    Ok(())
}
