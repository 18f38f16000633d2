//! `/admin/metadata`: the names of users and buckets, and what is kept of one. Read only.

use super::{needs, page_of, shapes, text};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};

/// Lists the sections, a section, or shows one entry of it.
pub(super) async fn run<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    section: Option<&str>,
) -> Result<Option<Value>, S3Error> {
    needs(rq, "metadata", rq.method != Method::GET)?;
    if rq.method != Method::GET {
        return Err(Code::NotImplemented.into());
    }
    match (section, text(rq, "key")) {
        (None, _) => Ok(Some(json!(["bucket", "user"]))),
        (Some("user"), Some(uid)) => {
            let user = gw.storage.user_get(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
            let data = shapes::user(&user, &gw.storage.user_keys(uid).await?);
            Ok(Some(entry("user", uid, dates::iso(user.created), data)))
        }
        (Some("user"), None) => {
            let uids = gw.storage.user_list().await?.into_iter().map(|u| u.uid).collect();
            page_of(rq, uids).map(Some)
        }
        (Some("bucket"), Some(name)) => {
            let missing = || S3Error::new(Code::NoSuchBucket).field("BucketName", name);
            let bucket = gw.storage.bucket_get(name).await?.ok_or_else(missing)?;
            let created = dates::iso(bucket.created);
            let data = json!({
                "bucket": { "name": bucket.name, "tenant": bucket.tenant,
                    "marker": bucket.id.to_string(), "bucket_id": bucket.id.to_string() },
                "owner": bucket.owner,
                "creation_time": created,
                "linked": true,
                "has_bucket_info": false,
            });
            Ok(Some(entry("bucket", name, created, data)))
        }
        (Some("bucket"), None) => {
            let mut names = Vec::new();
            for uid in gw.storage.owner_ids().await? {
                names.extend(gw.storage.bucket_ids(&uid).await?.into_iter().map(|(name, _)| name));
            }
            names.sort();
            page_of(rq, names).map(Some)
        }
        (Some(_), _) => Err(Code::MethodNotAllowed.into()),
    }
}

fn entry(section: &str, key: &str, mtime: String, data: Value) -> Value {
    json!({ "key": format!("{section}:{key}"), "ver": { "tag": "", "ver": 1 }, "mtime": mtime, "data": data })
}
