//! CreateBucket.

use super::name;
use crate::access::{Acl, Ownership};
use crate::authorise::{check_acl, check_grantees};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::{BucketCreated, BucketLock, Versioning};
use crate::verbs::refuse_unbuilt;
use crate::xml;
use gateway_client::Rados;
use http::StatusCode;

/// The largest configuration document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Makes a bucket. Making one's own again is an error everywhere but in us-east-1, where S3 has always said yes.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    name::check(rq.bucket_name())?;
    refuse_unbuilt(&rq)?;
    let uid = rq.user()?.uid.clone();
    let ownership = rq.header("x-amz-object-ownership").map(Ownership::parse).transpose()?;
    let acl = Acl::of_headers(&rq.headers, &uid, &uid)?;
    if ownership == Some(Ownership::Enforced) && acl.as_ref().is_some_and(|acl| *acl != Acl::private(&uid)) {
        return Err(Code::InvalidBucketAclWithObjectOwnership.into());
    }
    if let Some(acl) = &acl {
        check_grantees(gw, acl).await?;
    }
    let document = rq.optional_document(MAX_DOCUMENT_BYTES).await?;
    if !document.is_empty() {
        check_configuration(&document, &gw.region)?;
    }
    let locked = wants_lock(&rq)?;
    let bucket = match gw.storage.bucket_create(&uid, rq.bucket_name()).await? {
        // One that is there already gets no lock by this.
        BucketCreated::AlreadyYours(_) if gw.region != "us-east-1" || locked => {
            return Err(S3Error::new(Code::BucketAlreadyOwnedByYou).field("BucketName", rq.bucket_name()));
        }
        BucketCreated::Created(bucket) | BucketCreated::AlreadyYours(bucket) => bucket,
    };
    if acl.is_some() || ownership.is_some() || locked {
        let change = |bucket: &mut crate::storage::Bucket| {
            if locked {
                bucket.set_lock(&BucketLock::default());
                bucket.set_versioning(Versioning::Enabled);
            }
            if ownership.is_some() {
                Ownership::keep(ownership, &mut bucket.settings);
            }
            if let Some(acl) = &acl {
                check_acl(bucket, acl)?;
                acl.keep(&mut bucket.settings, &uid);
            }
            Ok(())
        };
        gw.storage.bucket_change(&bucket, change).await?;
    }
    let mut response = response::empty(StatusCode::OK);
    set(response.headers_mut(), "location", &format!("/{}", rq.bucket_name()));
    Ok(response)
}

fn wants_lock(rq: &Request) -> Result<bool, S3Error> {
    const NAME: &str = "x-amz-bucket-object-lock-enabled";
    match rq.header(NAME) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(word) => Err(S3Error::invalid_argument("The value is neither true nor false.", NAME, word)),
    }
}

fn check_configuration(document: &[u8], region: &str) -> Result<(), S3Error> {
    xml::walk(document, "CreateBucketConfiguration", 64, |path, text| match path[0].as_str() {
        // `us-east-1` has no name here, and clients that name it all the same mean this one.
        "LocationConstraint" if text.is_empty() || text == region || text == "default" => Ok(()),
        "LocationConstraint" => {
            let message = format!(
                "The {text} location constraint is incompatible for the region {region} of this endpoint."
            );
            Err(S3Error::with_message(Code::IllegalLocationConstraintException, message))
        }
        "Tags" | "Location" | "Bucket" => Err(Code::NotImplemented.into()),
        _ => Err(Code::MalformedXML.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_must_be_here() {
        let of = |inner: &str| {
            let text = format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
            check_configuration(text.as_bytes(), "eu-west-1").map_err(|e| e.code())
        };
        assert_eq!(of(""), Ok(()));
        assert_eq!(of("<LocationConstraint>eu-west-1</LocationConstraint>"), Ok(()));
        assert_eq!(
            of("<LocationConstraint>mars</LocationConstraint>"),
            Err(Code::IllegalLocationConstraintException)
        );
        assert_eq!(of("<X/>"), Err(Code::MalformedXML));
    }
}
