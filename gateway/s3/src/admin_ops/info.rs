//! `/admin/info`.

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
