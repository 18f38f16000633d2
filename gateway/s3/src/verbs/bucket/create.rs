//! CreateBucket.

use super::name;
use crate::access::{Acl, Ownership};
use crate::authorise::{check_acl, resolve_grantees};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::{BucketCreated, BucketLock, Versioning, full_name};
use crate::xml;
use gateway_client::Rados;
use http::StatusCode;

/// The largest configuration document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Under this name the location is kept that a bucket was made with.
pub(super) const LOCATION: &str = "location";
const DEFAULT_ZONEGROUP: &str = "default";
/// Requests below this path are the administrators' (as RGW has it), so no bucket can have the name.
const RESERVED: &str = "admin";

/// Makes a bucket. Making one's own again is an error everywhere but in us-east-1, where S3 has always said yes.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let (tenant, short) = rq.tenant_of(rq.bucket_name());
    name::check(short)?;
    if short == RESERVED {
        return Err(S3Error::new(Code::InvalidBucketName).field("BucketName", short));
    }
    let user = rq.user()?;
    if tenant != user.tenant() {
        return Err(Code::AccessDenied.into());
    }
    let owner = rq.owner(gw).await?;
    let (full, uid, max_buckets) = (full_name(tenant, short), owner.uid.clone(), owner.max_buckets);
    let ownership = rq.header("x-amz-object-ownership").map(Ownership::parse).transpose()?;
    let mut acl = Acl::of_headers(&rq.headers, &uid, &uid)?;
    if ownership == Some(Ownership::Enforced) && acl.as_ref().is_some_and(|acl| *acl != Acl::private(&uid)) {
        return Err(Code::InvalidBucketAclWithObjectOwnership.into());
    }
    if let Some(acl) = &mut acl {
        resolve_grantees(gw, acl).await?;
    }
    let document = rq.optional_document(MAX_DOCUMENT_BYTES).await?;
    let location = if document.is_empty() { None } else { check_configuration(&document, &gw.region)? };
    check_count(gw, &uid, max_buckets, &full).await?;
    let locked = wants_lock(&rq)?;
    let bucket = match gw.storage.bucket_create(&uid, &full).await? {
        // One that is there already gets no lock by this.
        BucketCreated::AlreadyYours(_) if gw.region != "us-east-1" || locked => {
            return Err(S3Error::new(Code::BucketAlreadyOwnedByYou).field("BucketName", rq.bucket_name()));
        }
        BucketCreated::AlreadyYours(bucket) => {
            // Making it again changes nothing, and so must not ask for a change.
            let private = || Acl::private(&uid);
            let as_it_is = Acl::of(&bucket.settings)?.unwrap_or_else(private);
            if acl.unwrap_or_else(private) != as_it_is {
                return Err(S3Error::new(Code::BucketAlreadyExists).field("BucketName", rq.bucket_name()));
            }
            return Ok(made(&rq));
        }
        BucketCreated::Created(bucket) => bucket,
    };
    if acl.is_some() || ownership.is_some() || location.is_some() || locked {
        let change = |bucket: &mut crate::storage::Bucket| {
            if let Some(location) = location {
                bucket.settings.insert(LOCATION.into(), location.into());
            }
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
    Ok(made(&rq))
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

fn made(rq: &Request) -> Response {
    let mut response = response::empty(StatusCode::OK);
    set(response.headers_mut(), "location", &format!("/{}", rq.bucket_name()));
    response
}

/// Whether a user may own one bucket more. `TooManyBuckets`.
async fn check_count<R: Rados>(
    gw: &Gateway<R>,
    uid: &str,
    max_buckets: i32,
    full_name: &str,
) -> Result<(), S3Error> {
    let refused = || S3Error::new(Code::TooManyBuckets);
    let most = match usize::try_from(max_buckets) {
        Ok(0) => return Ok(()),
        Ok(most) => most,
        Err(_) => return Err(refused()),
    };
    let owned = gw.storage.bucket_list(uid, None, most).await?;
    let again = owned.iter().any(|b| b.full_name() == full_name);
    if owned.len() < most || again { Ok(()) } else { Err(refused()) }
}

/// The location, if it is one that GetBucketLocation has to give back as it was named.
fn check_configuration(document: &[u8], region: &str) -> Result<Option<&'static str>, S3Error> {
    let mut location = None;
    xml::walk(document, "CreateBucketConfiguration", 64, |path, text| match path[0].as_str() {
        // `us-east-1` has no name here, and clients that name it all the same mean this one.
        "LocationConstraint" if text.is_empty() || text == region => Ok(()),
        // RGW's name for its one zonegroup: who moves from there goes on naming it.
        "LocationConstraint" if text == DEFAULT_ZONEGROUP => {
            location = Some(DEFAULT_ZONEGROUP);
            Ok(())
        }
        "LocationConstraint" => {
            let message = format!(
                "The {text} location constraint is incompatible for the region {region} of this endpoint."
            );
            Err(S3Error::with_message(Code::IllegalLocationConstraintException, message))
        }
        "Tags" | "Location" | "Bucket" => Err(Code::NotImplemented.into()),
        _ => Err(Code::MalformedXML.into()),
    })?;
    Ok(location)
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
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("<LocationConstraint>eu-west-1</LocationConstraint>"), Ok(None));
        assert_eq!(of("<LocationConstraint>default</LocationConstraint>"), Ok(Some("default")));
        assert_eq!(
            of("<LocationConstraint>mars</LocationConstraint>"),
            Err(Code::IllegalLocationConstraintException)
        );
        assert_eq!(of("<X/>"), Err(Code::MalformedXML));
    }
}
