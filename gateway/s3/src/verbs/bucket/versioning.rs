//! PutBucketVersioning and GetBucketVersioning.

use crate::access::Ask;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Versioning;
use crate::xml::{self, Document};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Has the bucket keep versions from now on, or no new ones.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_VERSIONING).await?;
    let wanted = parse(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    let change = |bucket: &mut crate::storage::Bucket| {
        if wanted == Versioning::Suspended && bucket.lock()?.is_some() {
            let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(S3Error::with_message(Code::InvalidBucketState, message));
        }
        bucket.set_versioning(wanted);
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Says whether it does. A bucket that never did has no status.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_VERSIONING).await?;
    let mut d = Document::new("VersioningConfiguration");
    match bucket.versioning() {
        Versioning::Off => {}
        Versioning::Enabled => _ = d.leaf("Status", "Enabled"),
        Versioning::Suspended => _ = d.leaf("Status", "Suspended"),
    }
    Ok(response::document(StatusCode::OK, d))
}

pub(super) fn parse(document: &[u8]) -> Result<Versioning, S3Error> {
    let mut wanted = None;
    xml::walk(document, "VersioningConfiguration", 16, |path, text| {
        match (path[0].as_str(), text.trim()) {
            ("Status", "Enabled") => wanted = Some(Versioning::Enabled),
            ("Status", "Suspended") => wanted = Some(Versioning::Suspended),
            ("MfaDelete", "Disabled") => {}
            // Nobody here has a second factor.
            ("MfaDelete", "Enabled") => return Err(Code::NotImplemented.into()),
            _ => return Err(Code::MalformedXML.into()),
        }
        Ok(())
    })?;
    wanted.ok_or_else(|| Code::IllegalVersioningConfigurationException.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_say_enabled_or_suspended() {
        let of = |inner: &str| {
            let text = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
            parse(text.as_bytes()).map_err(|e| e.code())
        };
        assert_eq!(of("<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"), Ok(Versioning::Enabled));
        assert_eq!(of("<Status>Suspended</Status>"), Ok(Versioning::Suspended));
        assert_eq!(of(""), Err(Code::IllegalVersioningConfigurationException));
        assert_eq!(of("<Status>Off</Status>"), Err(Code::MalformedXML));
        assert_eq!(of("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"), Err(Code::NotImplemented));
    }
}
