//! PutBucketRequestPayment, GetBucketRequestPayment; and what the setting asks of others than the bucket's owner.
//!
//! Nobody pays here: what counts is that a requester says that they would. S3 user guide, "Using Requester Pays buckets".

use crate::access::Ask;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use crate::xml::{self, Document};
use bytes::Bytes;
use gateway_client::Rados;
use http::StatusCode;

const KEPT_AS: &str = "request-payment";
const REQUESTER: &str = "Requester";
/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

pub(crate) fn requester_pays(bucket: &Bucket) -> bool {
    bucket.settings.get(KEPT_AS).is_some_and(|payer| payer == REQUESTER)
}

/// Shows who is said to pay.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_PAYMENT).await?;
    let mut d = Document::new("RequestPaymentConfiguration");
    d.leaf("Payer", if requester_pays(&bucket) { REQUESTER } else { "BucketOwner" });
    Ok(response::document(StatusCode::OK, d))
}

/// Sets it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_PAYMENT).await?;
    let requester = parse(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    let change = |bucket: &mut Bucket| {
        if requester {
            bucket.settings.insert(KEPT_AS.into(), Bytes::from_static(REQUESTER.as_bytes()));
        } else {
            bucket.settings.remove(KEPT_AS);
        }
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(response::empty(StatusCode::OK))
}

pub(super) fn parse(document: &[u8]) -> Result<bool, S3Error> {
    let mut requester = None;
    xml::walk(document, "RequestPaymentConfiguration", 4, |path, text| {
        requester = Some(match (path[0].as_str(), text.trim()) {
            ("Payer", REQUESTER) => true,
            ("Payer", "BucketOwner") => false,
            _ => return Err(Code::MalformedXML.into()),
        });
        Ok(())
    })?;
    requester.ok_or_else(|| Code::MalformedXML.into())
}

/// Where requesters pay, others than the owner must say that they know, and say who they are. `AccessDenied`.
pub(crate) fn check(rq: &Request, bucket: &Bucket) -> Result<(), S3Error> {
    if !requester_pays(bucket) || rq.uid() == Some(&bucket.owner) {
        return Ok(());
    }
    let said = rq.header("x-amz-request-payer").or_else(|| rq.query.get("x-amz-request-payer"));
    let knows = said.is_some_and(|word| word.eq_ignore_ascii_case("requester"));
    if knows && rq.uid().is_some() { Ok(()) } else { Err(Code::AccessDenied.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_must_pay() {
        let of = |inner: &str| {
            let text = format!("<RequestPaymentConfiguration>{inner}</RequestPaymentConfiguration>");
            parse(text.as_bytes()).map_err(|e| e.code())
        };
        assert_eq!(of("<Payer>Requester</Payer>"), Ok(true));
        assert_eq!(of("<Payer>BucketOwner</Payer>"), Ok(false));
        for bad in ["", "<Payer>me</Payer>", "<Other/>"] {
            assert_eq!(of(bad), Err(Code::MalformedXML), "{bad}");
        }
    }
}
