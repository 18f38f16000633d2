//! Settings that no bucket has, for the features behind them are not built: read, they are what S3 shows of a new bucket;
//! switched off they may be, as tools do that see to every setting; all else answers `NotImplemented`.

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::{self, Document};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Answers GET of the subresource `name`.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request, name: &str) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let absent = |code| Err(S3Error::new(code).field("BucketName", bucket.name.clone()));
    let document = match name {
        "accelerate" => Document::new("AccelerateConfiguration"),
        "notification" => Document::new("NotificationConfiguration"),
        "replication" => return absent(Code::ReplicationConfigurationNotFoundError),
        _ => return Err(Code::NotImplemented.into()),
    };
    Ok(response::document(StatusCode::OK, document))
}

/// Answers PUT and DELETE of the subresource `name`: what leaves the bucket as it is is done.
pub(crate) async fn change<R: Rados>(
    gw: &Gateway<R>,
    mut rq: Request,
    name: &str,
) -> Result<Response, S3Error> {
    rq.bucket(gw).await?;
    let root = match (rq.method.as_str(), name) {
        ("PUT", "accelerate") => "AccelerateConfiguration",
        ("PUT", "notification") => "NotificationConfiguration",
        ("DELETE", "replication") => return Ok(response::empty(StatusCode::NO_CONTENT)),
        _ => return Err(Code::NotImplemented.into()),
    };
    switches_off(&rq.document(MAX_DOCUMENT_BYTES).await?, root)?;
    Ok(response::empty(StatusCode::OK))
}

/// `NotImplemented` for a document that wants anything.
fn switches_off(document: &[u8], root: &str) -> Result<(), S3Error> {
    xml::walk(document, root, 8, |path, text| match (path[0].as_str(), text.trim()) {
        ("Status", "Suspended") if root == "AccelerateConfiguration" => Ok(()),
        _ => Err(Code::NotImplemented.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_wants_nothing_is_done() {
        let of = |root: &str, inner: &str| {
            switches_off(format!("<{root}>{inner}</{root}>").as_bytes(), root).map_err(|e| e.code())
        };
        for root in ["AccelerateConfiguration", "NotificationConfiguration"] {
            assert_eq!(of(root, ""), Ok(()));
            assert_eq!(of(root, "<X>y</X>"), Err(Code::NotImplemented));
        }
        assert_eq!(of("AccelerateConfiguration", "<Status>Suspended</Status>"), Ok(()));
        assert_eq!(of("AccelerateConfiguration", "<Status>Enabled</Status>"), Err(Code::NotImplemented));
        assert_eq!(of("NotificationConfiguration", "<Status>Suspended</Status>"), Err(Code::NotImplemented));
        assert_eq!(
            switches_off(b"<Other/>", "NotificationConfiguration").map_err(|e| e.code()),
            Err(Code::MalformedXML)
        );
    }
}
