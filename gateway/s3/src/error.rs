//! The error of everything in this package: an S3 error code with what S3 sends beside it.

use gateway_client::OpError;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::fmt;
use stdx::Errno;

macro_rules! codes {
    ($($name:ident = $status:literal, $text:literal;)*) => {
        /// An S3 error code. Its name is what clients see in `<Code>`; statuses and texts follow
        /// the S3 API reference, "Error responses".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $text] $name,)* }

        impl Code {
            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$name => Code::spelt(stringify!($name)),)*
                }
            }
            /// The HTTP status it travels with.
            pub fn status(self) -> StatusCode {
                let number = match self { $(Code::$name => $status,)* };
                StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            /// What it says when nothing better is known.
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

impl Code {
    /// The name on the wire of a variant: one has a dot in it.
    fn spelt(variant: &'static str) -> &'static str {
        if variant == "KMSNotFoundException" { "KMS.NotFoundException" } else { variant }
    }
}

codes! {
    AccessControlListNotSupported = 400, "The bucket does not allow ACLs.";
    AccessDenied = 403, "Access Denied";
    AccessForbidden = 403, "The cross-origin request is not allowed.";
    AccountAlreadyExists = 409, "There is an account of this id already.";
    AccountNotEmpty = 409, "Users belong to the account.";
    AuthorizationHeaderMalformed = 400, "The authorization header is malformed.";
    AuthorizationQueryParametersError = 400, "The query parameters of the presigned URL are malformed.";
    BadDigest = 400, "The Content-MD5 or checksum value that you specified did not match what the server received.";
    BadRequest = 400, "Bad request.";
    BucketAlreadyExists = 409, "The requested bucket name is not available: another user owns it. Choose another name and try again.";
    BucketAlreadyOwnedByYou = 409, "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty = 409, "The bucket you tried to delete is not empty.";
    ConditionalRequestConflict = 409, "A conflicting operation occurred during this one. Try again.";
    EmailExists = 409, "Another user has this e-mail address.";
    EntityTooLarge = 400, "Your proposed upload exceeds the maximum allowed object size.";
    EntityTooSmall = 400, "Your proposed upload is smaller than the minimum allowed object size.";
    IllegalVersioningConfigurationException = 400, "The versioning configuration says neither Enabled nor Suspended.";
    IllegalLocationConstraintException = 400, "The location constraint is not that of this endpoint's region.";
    IncompleteBody = 400, "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    InsufficientStorage = 507, "The cluster has no space left for this write. Reads and deletes go on working.";
    InternalError = 500, "We encountered an internal error. Please try again.";
    InvalidAccessKeyId = 403, "The access key ID that you provided does not exist in our records.";
    InvalidArgument = 400, "Invalid argument.";
    InvalidBucketAclWithObjectOwnership = 400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting.";
    InvalidBucketState = 409, "The request is not valid with the current state of the bucket.";
    InvalidBucketName = 400, "The specified bucket is not valid.";
    InvalidCapability = 400, "There is no such capability.";
    InvalidDigest = 400, "The Content-MD5 or checksum value that you specified is not valid.";
    InvalidPart = 400, "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.";
    InvalidPartOrder = 400, "The list of parts was not in ascending order. The parts list must be specified in order by part number.";
    InvalidPolicyDocument = 400, "The content of the form does not meet the conditions specified in the policy document.";
    InvalidRange = 416, "The requested range is not satisfiable.";
    InvalidRequest = 400, "Invalid request.";
    InvalidRedirectLocation = 400, "The website redirect location must begin with http://, https:// or / and have at most 2048 bytes.";
    InvalidRetentionPeriod = 400, "The retention period must be a positive number of days or years.";
    InvalidStorageClass = 400, "The storage class you specified is not valid.";
    InvalidTag = 400, "The tag provided was not a valid tag.";
    InvalidURI = 400, "The specified URI couldn't be parsed.";
    KeyExists = 409, "This access key is taken.";
    KeyTooLongError = 400, "Your key is too long.";
    InvalidEncryptionAlgorithmError = 400, "The encryption request that you specified is not valid. The valid value is AES256.";
    KMSNotFoundException = 400, "There is no key of this id.";
    MalformedACLError = 400, "The XML that you provided was not well formed or did not validate against our published schema.";
    MalformedPolicy = 400, "This policy contains invalid Json.";
    MalformedPOSTRequest = 400, "The body of your POST request is not well-formed multipart/form-data.";
    MalformedXML = 400, "The XML that you provided was not well formed or did not validate against our published schema.";
    MaxMessageLengthExceeded = 400, "Your request was too large.";
    MaxPostPreDataLengthExceededError = 400, "Your POST request fields preceding the upload file were too large.";
    MetadataTooLarge = 400, "Your metadata headers exceed the maximum allowed metadata size.";
    MethodNotAllowed = 405, "The specified method is not allowed against this resource.";
    MissingContentLength = 411, "You must provide the Content-Length HTTP header.";
    MissingSecurityHeader = 400, "Your request is missing a required header.";
    NoSuchAccount = 404, "There is no account of this id.";
    NoSuchBucket = 404, "The specified bucket does not exist.";
    NoSuchBucketPolicy = 404, "The bucket policy does not exist.";
    NoSuchCORSConfiguration = 404, "The CORS configuration does not exist.";
    NoSuchKey = 404, "The specified key does not exist.";
    NoSuchLifecycleConfiguration = 404, "The lifecycle configuration does not exist.";
    NoSuchObjectLockConfiguration = 404, "The specified object does not have a ObjectLock configuration.";
    NoSuchPublicAccessBlockConfiguration = 404, "The public access block configuration was not found.";
    NoSuchSubUser = 404, "The user has no subuser of this name.";
    NoSuchTagSet = 404, "The TagSet does not exist.";
    NoSuchUpload = 404, "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.";
    NoSuchUser = 404, "There is no user of this name.";
    NoSuchVersion = 404, "The specified version does not exist.";
    NoSuchWebsiteConfiguration = 404, "The specified bucket does not have a website configuration.";
    NotImplemented = 501, "A header or parameter that you provided implies functionality that is not implemented.";
    NotModified = 304, "Not Modified";
    ObjectLockConfigurationNotFoundError = 404, "Object Lock configuration does not exist for this bucket.";
    OperationAborted = 409, "A conflicting conditional operation is in progress against this resource. Try again.";
    OwnershipControlsNotFoundError = 404, "The bucket ownership controls were not found.";
    PreconditionFailed = 412, "At least one of the preconditions that you specified did not hold.";
    QuotaExceeded = 403, "The quota of the bucket or of its owner leaves no room for this object.";
    ReplicationConfigurationNotFoundError = 404, "The replication configuration was not found.";
    RequestHeaderSectionTooLarge = 400, "Your request header section exceeds the maximum allowed request header section size.";
    RequestTimeout = 400, "Your socket connection to the server was not read from or written to within the timeout period.";
    RequestTimeTooSkewed = 403, "The difference between the request time and the server's time is too large.";
    ServerSideEncryptionConfigurationNotFoundError = 404, "The server side encryption configuration was not found.";
    ServiceUnavailable = 503, "The cluster cannot carry out the request right now. Please try again.";
    SignatureDoesNotMatch = 403, "The request signature that the server calculated does not match the signature that you provided. Check your secret access key and signing method.";
    SlowDown = 503, "Please reduce your request rate.";
    SubuserExists = 409, "The user has a subuser of this name already.";
    TooManyBuckets = 400, "You have attempted to create more buckets than allowed.";
    TooManyParts = 400, "You have attempted to upload more parts than the maximum allowed.";
    UnexpectedContent = 400, "This request does not support content.";
    UnresolvableGrantByEmailAddress = 400, "The email address that you provided does not match any account on record.";
    UserAlreadyExists = 409, "There is a user of this name already.";
    UserSuspended = 403, "The user is suspended.";
    XAmzContentSHA256Mismatch = 400, "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

/// Why a request was refused: what the client is told, and, apart from it, what only the log is told.
#[derive(Clone)]
pub struct S3Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl S3Error {
    /// The code with its usual text.
    pub fn new(code: Code) -> S3Error {
        S3Error::with_message(code, code.text())
    }
    /// The code with a text of its own, for the client.
    pub fn with_message(code: Code, message: impl Into<Cow<'static, str>>) -> S3Error {
        let message = message.into();
        S3Error(Box::new(Inner { code, message, fields: Vec::new(), headers: Vec::new(), cause: None }))
    }
    /// `InvalidArgument` naming the argument and its value.
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>, name: &str, value: &str) -> S3Error {
        S3Error::with_message(Code::InvalidArgument, message)
            .field("ArgumentName", name)
            .field("ArgumentValue", value)
    }
    /// `InternalError` for the client, `cause` for the log.
    pub fn internal(cause: impl fmt::Display) -> S3Error {
        S3Error::new(Code::InternalError).caused_by(cause)
    }

    /// One more element of the error document.
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> S3Error {
        self.0.fields.push((name, value.into()));
        self
    }
    /// One more header of the response.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> S3Error {
        self.0.headers.push((name, value));
        self
    }
    /// What the log should say beside it; never sent.
    pub fn caused_by(mut self, cause: impl fmt::Display) -> S3Error {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }
    /// The text for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The further elements of the error document, in order.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.0.fields
    }
    /// The further headers of the response.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }
    /// What only the log is told.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

impl From<Code> for S3Error {
    fn from(code: Code) -> S3Error {
        S3Error::new(code)
    }
}

impl From<OpError> for S3Error {
    /// What a failure of the cluster means to a client that cannot know about objects and PGs. Codes with a
    /// meaning of their own (`ENOENT`, `ECANCELED`, ...) are read by the caller before it comes to this.
    fn from(e: OpError) -> S3Error {
        let code = match e.code {
            Errno::ENOSPC | Errno::EDQUOT => Code::InsufficientStorage,
            Errno::ETIMEDOUT | Errno::EAGAIN | Errno::EBUSY | Errno::EROFS => Code::ServiceUnavailable,
            _ => Code::InternalError,
        };
        S3Error::new(code).caused_by(e)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.0.message)?;
        if let Some(cause) = &self.0.cause {
            write!(f, " ({cause})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Error({self})")
    }
}

impl std::error::Error for S3Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cluster_is_told_apart_from_a_broken_one() {
        let of = |code| S3Error::from(OpError::new(code)).code();
        assert_eq!(of(Errno::ENOSPC), Code::InsufficientStorage);
        assert_eq!(of(Errno::EDQUOT).status().as_u16(), 507);
        assert_eq!(of(Errno::EAGAIN), Code::ServiceUnavailable);
        assert_eq!(of(Errno::EIO), Code::InternalError);
    }

    #[test]
    fn the_cause_is_for_the_log_only() {
        let e = S3Error::internal("osd.3 said no");
        assert!(!e.message().contains("osd.3"));
        assert!(e.to_string().contains("osd.3"));
    }
}
