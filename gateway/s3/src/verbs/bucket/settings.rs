//! Reading the settings of a bucket that has none: what S3 answers for a new bucket. Setting them comes with
//! the features behind them; until then PUT and DELETE of them answer `NotImplemented`.

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Answers GET of the subresource `name`.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request, name: &str) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let absent = |code| Err(S3Error::new(code).field("BucketName", bucket.name.clone()));
    let document = match name {
        "acl" => access_control(rq.uid(), &rq.credential.user.display_name),
        "accelerate" => Document::new("AccelerateConfiguration"),
        "logging" => Document::new("BucketLoggingStatus"),
        "notification" => Document::new("NotificationConfiguration"),
        "requestPayment" => {
            let mut d = Document::new("RequestPaymentConfiguration");
            d.leaf("Payer", "BucketOwner");
            d
        }
        "policy" | "policyStatus" => return absent(Code::NoSuchBucketPolicy),
        "lifecycle" => return absent(Code::NoSuchLifecycleConfiguration),
        "encryption" => return absent(Code::ServerSideEncryptionConfigurationNotFoundError),
        "object-lock" => return absent(Code::ObjectLockConfigurationNotFoundError),
        "website" => return absent(Code::NoSuchWebsiteConfiguration),
        "replication" => return absent(Code::ReplicationConfigurationNotFoundError),
        "publicAccessBlock" => return absent(Code::NoSuchPublicAccessBlockConfiguration),
        "ownershipControls" => return absent(Code::OwnershipControlsNotFoundError),
        _ => return Err(Code::NotImplemented.into()),
    };
    Ok(response::document(StatusCode::OK, document))
}

/// The owner may do everything, others nothing.
pub(crate) fn access_control(uid: &str, display_name: &str) -> Document {
    let mut d = Document::new("AccessControlPolicy");
    d.open("Owner").leaf("ID", uid).leaf("DisplayName", display_name).close();
    d.open("AccessControlList").open("Grant");
    d.open_with(
        "Grantee",
        " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"",
    );
    d.leaf("ID", uid).leaf("DisplayName", display_name).close();
    d.leaf("Permission", "FULL_CONTROL");
    d
}
