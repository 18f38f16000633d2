//! Users, quotas and figures in RGW's JSON.

use super::text;
use crate::error::S3Error;
use crate::request::Request;
use crate::storage::{Access, Caps, Quota, Usage, User, UserKey};
use serde_json::{Value, json};

/// Bytes in whole KiB.
fn kib(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

/// A quota.
pub(super) fn quota(quota: &Quota) -> Value {
    json!({
        "enabled": quota.enabled,
        "check_on_raw": false,
        "max_size": quota.max_bytes,
        "max_size_kb": u64::try_from(quota.max_bytes).map_or(0, kib),
        "max_objects": quota.max_objects,
    })
}

/// How much is stored. Sizes "actual" and "utilized" are the same here: nothing is rounded to stripes.
pub(super) fn usage(used: &Usage) -> Value {
    json!({
        "size": used.bytes,
        "size_actual": used.bytes,
        "size_utilized": used.bytes,
        "size_kb": kib(used.bytes),
        "size_kb_actual": kib(used.bytes),
        "size_kb_utilized": kib(used.bytes),
        "num_objects": used.objects,
    })
}

/// Capabilities.
pub(super) fn caps(caps: &Caps) -> Value {
    caps.iter().map(|(area, perm)| json!({ "type": area, "perm": perm })).collect()
}

/// Keys with their secrets: whoever may read users may read these, as with RGW.
pub(super) fn keys(uid: &str, keys: &[UserKey]) -> Value {
    let whose = |key: &UserKey| match key.subuser.as_str() {
        "" => uid.to_string(),
        subuser => format!("{uid}:{subuser}"),
    };
    keys.iter()
        .map(|key| {
            json!({ "user": whose(key), "access_key": key.access_key, "secret_key": key.secret.reveal() })
        })
        .collect()
}

/// Subusers.
pub(super) fn subusers(user: &User) -> Value {
    let one = |(name, access): (&String, &Access)| json!({ "id": format!("{}:{name}", user.uid), "permissions": access.words() });
    user.subusers.iter().map(one).collect()
}

/// A user.
pub(super) fn user(user: &User, all_keys: &[UserKey]) -> Value {
    json!({
        "tenant": user.tenant(),
        "user_id": user.id(),
        "display_name": user.display_name,
        "email": user.email,
        "suspended": u8::from(user.suspended),
        "max_buckets": user.max_buckets,
        "subusers": subusers(user),
        "keys": keys(&user.uid, all_keys),
        "swift_keys": [],
        "caps": caps(&user.caps),
        "op_mask": "read, write, delete",
        "default_placement": "",
        "default_storage_class": "",
        "placement_tags": [],
        "bucket_quota": quota(&user.bucket_quota),
        "user_quota": quota(&user.user_quota),
        "temp_url_keys": [],
        "type": if user.account_root { "root" } else { "rgw" },
        "account_id": user.account,
        "mfa_ids": [],
    })
}

/// Changes a quota to what a document or else the parameters say. `InvalidArgument`.
pub(super) fn change_quota(quota: &mut Quota, rq: &Request, document: &[u8]) -> Result<(), S3Error> {
    let wrong = |name: &'static str| {
        S3Error::invalid_argument("The quota has a value that makes no sense.", name, "")
    };
    let set: Value = if document.is_empty() {
        let mut set = json!({});
        for (name, parameter) in
            [("max_size", "max-size"), ("max_size_kb", "max-size-kb"), ("max_objects", "max-objects")]
        {
            if let Some(word) = text(rq, parameter) {
                set[name] = word.parse::<i64>().map_err(|_| wrong(name))?.into();
            }
        }
        if let Some(enabled) = super::switch(rq, "enabled")? {
            set["enabled"] = enabled.into();
        }
        set
    } else {
        serde_json::from_slice(document).map_err(|_| wrong("body"))?
    };
    let number = |name: &'static str| match set.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(name)),
    };
    match (number("max_size")?, number("max_size_kb")?) {
        (Some(bytes), _) => quota.max_bytes = bytes.max(-1),
        (None, Some(kib)) => quota.max_bytes = kib.max(-1).saturating_mul(if kib < 0 { 1 } else { 1024 }),
        (None, None) => {}
    }
    if let Some(objects) = number("max_objects")? {
        quota.max_objects = objects.max(-1);
    }
    match set.get("enabled") {
        None | Some(Value::Null) => {}
        Some(Value::Bool(enabled)) => quota.enabled = *enabled,
        Some(_) => return Err(wrong("enabled")),
    }
    Ok(())
}
