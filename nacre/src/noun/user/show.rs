//! How users are printed.

use crate::cli::Format;
use crate::table;
use gateway_s3::storage::{Quota, Secret, Usage, User};
use serde_json::{Value, json};

/// Prints an answer in the form that was asked for.
pub(in crate::noun) fn say(format: Format, plain: &str, json: Value) {
    match format {
        Format::Plain => println!("{plain}"),
        Format::Json => println!("{json}"),
    }
}

/// The one time that a secret is shown: to the person who has just made it.
pub(super) fn show_credential(format: Format, uid: &str, access: &str, secret: &Secret) {
    let secret = secret.reveal();
    say(
        format,
        &format!("user        {uid}\naccess key  {access}\nsecret key  {secret}"),
        json!({ "uid": uid, "access_key": access, "secret_key": secret }),
    );
}

/// A quota for programs.
pub(in crate::noun) fn quota_json(quota: &Quota) -> Value {
    json!({ "enabled": quota.enabled, "max_size": quota.max_bytes, "max_objects": quota.max_objects })
}

/// A quota for people.
pub(in crate::noun) fn quota_text(quota: &Quota) -> String {
    let size = u64::try_from(quota.max_bytes).map_or_else(|_| "any size".into(), crate::size::show);
    let objects = u64::try_from(quota.max_objects)
        .map_or_else(|_| "any number of objects".into(), |n| format!("{n} objects"));
    format!("{size}, {objects}{}", if quota.enabled { "" } else { " (disabled)" })
}

fn user_json(user: &User) -> Value {
    let caps: Vec<Value> =
        user.caps.iter().map(|(area, perm)| json!({ "type": area, "perm": perm })).collect();
    json!({
        "uid": user.uid,
        "tenant": user.tenant(),
        "display_name": user.display_name,
        "email": user.email,
        "suspended": user.suspended,
        "max_buckets": user.max_buckets,
        "access_keys": user.access_keys,
        "caps": caps,
        "subusers": user.subusers.iter().map(|(name, access)| (name.clone(), access.words().into())).collect::<serde_json::Map<_, Value>>(),
        "user_quota": quota_json(&user.user_quota),
        "bucket_quota": quota_json(&user.bucket_quota),
        "created_ms": user.created.millis(),
    })
}

fn subusers(user: &User) -> String {
    let all: Vec<String> =
        user.subusers.iter().map(|(name, access)| format!("{name} ({})", access.words())).collect();
    all.join(", ")
}

/// One user.
pub(super) fn show_user(format: Format, user: &User, usage: Option<Usage>) {
    let mut json = user_json(user);
    let max = match user.max_buckets {
        0 => "any number".to_string(),
        n if n < 0 => "none".to_string(),
        n => n.to_string(),
    };
    let mut lines = vec![
        ("user", user.uid.clone()),
        ("name", user.display_name.clone()),
        ("email", user.email.clone()),
        ("suspended", if user.suspended { "yes" } else { "no" }.to_string()),
        ("max buckets", max),
        ("access keys", user.access_keys.join(" ")),
        ("subusers", subusers(user)),
        ("caps", user.caps.to_string()),
        ("user quota", quota_text(&user.user_quota)),
        ("bucket quota", quota_text(&user.bucket_quota)),
    ];
    if let Some(used) = usage {
        json["stats"] = json!({ "objects": used.objects, "bytes": used.bytes });
        lines.push(("holds", format!("{}, {} objects", crate::size::show(used.bytes), used.objects)));
    }
    let lines: Vec<String> =
        lines.iter().map(|(name, value)| format!("{name:<13} {value}").trim_end().to_string()).collect();
    say(format, &lines.join("\n"), json);
}

/// All users.
pub(super) fn show_users(format: Format, users: &[User]) {
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|u| {
            let state = if u.suspended { "suspended" } else { "" };
            vec![u.uid.clone(), u.display_name.clone(), u.access_keys.len().to_string(), state.to_string()]
        })
        .collect();
    let list: Vec<Value> = users.iter().map(user_json).collect();
    say(format, table::render(&["UID", "NAME", "KEYS", ""], &rows).trim_end(), json!({ "users": list }));
}
