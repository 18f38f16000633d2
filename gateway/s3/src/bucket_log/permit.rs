//! Whether a bucket takes the log of another.

use crate::access::{Acl, Ownership, Values, may_deliver};
use crate::authorise::policy_of;
use crate::encryption::BucketEncryption;
use crate::error::S3Error;
use crate::storage::{Bucket, split_name};
use crate::verbs::bucket::request_payment::requester_pays;

/// What makes a bucket unfit for logs, in words, whoever owns it.
pub(crate) fn unfit(target: &Bucket) -> Result<Option<&'static str>, S3Error> {
    Ok(match () {
        () if super::is_kept(&target.settings) => Some("The target bucket has logging enabled itself."),
        () if BucketEncryption::of(&target.settings)?.is_some() => {
            Some("The target bucket must not have a default encryption.")
        }
        () if requester_pays(target) => Some("The target bucket must not be one where requesters pay."),
        () => None,
    })
}

/// Whether its policy or its ACL lets records of a bucket (its full name, its owner) in, in objects of these names.
pub(crate) fn permits(target: &Bucket, source: (&str, &str), names: &[&str]) -> Result<bool, S3Error> {
    let (tenant, name) = split_name(source.0);
    let values = Values::from([
        ("aws:sourcearn".to_string(), vec![format!("arn:aws:s3::{tenant}:{name}")]),
        ("aws:sourceaccount".to_string(), vec![source.1.to_string()]),
    ]);
    let resources: Vec<String> =
        names.iter().map(|name| format!("arn:aws:s3:::{}/{name}", target.name)).collect();
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    let enforced = Ownership::of(&target.settings)? == Some(Ownership::Enforced);
    let acl = Acl::of(&target.settings)?.filter(|_| !enforced);
    let policy = policy_of(target)?;
    Ok(may_deliver((policy.as_ref(), acl.as_ref()), &resources, &values, target.owner == source.1))
}
