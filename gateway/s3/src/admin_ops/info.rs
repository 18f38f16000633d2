//! `/admin/info` and `/admin/usage`.

use super::needs;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};

/// Which cluster this is.
pub(super) fn info<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Option<Value>, S3Error> {
    needs(rq, "info", rq.method != Method::GET)?;
    if rq.method != Method::GET {
        return Err(Code::MethodNotAllowed.into());
    }
    let backend = json!({ "name": "rados", "cluster_id": gw.cluster_id });
    Ok(Some(json!({ "info": { "storage_backends": [backend] } })))
}

/// The usage log: there is none, which RGW without `rgw_enable_usage_log` (its default) answers in this way.
pub(super) fn usage(rq: &Request) -> Result<Option<Value>, S3Error> {
    match rq.method.as_str() {
        "GET" => {
            needs(rq, "usage", false)?;
            Ok(Some(json!({ "entries": [], "summary": [] })))
        }
        "DELETE" => {
            needs(rq, "usage", true)?;
            Ok(None)
        }
        _ => Err(Code::MethodNotAllowed.into()),
    }
}
