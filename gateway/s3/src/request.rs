//! A request whose sender is known.

use crate::access::Ask;
use crate::access_log::{Arriving, Noted};
use crate::auth::Vouched;
use crate::authorise::Wish;
use crate::body::{Announced, PutBody};
use crate::error::{Code, S3Error};
use crate::server::{Gateway, Target};
use crate::storage::{Bucket, Credential, User, full_name};
use crate::uri::Query;
use bytes::Bytes;
use gateway_client::Rados;
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;

/// A request's body as it comes.
pub(crate) type RequestBody = Arriving<Incoming>;

/// Which way a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// From where, if that is known.
    pub(crate) peer: Option<IpAddr>,
    /// Whether by HTTPS.
    pub(crate) secure: bool,
}

/// Who sent a request, and which way.
pub(crate) struct Sender {
    pub(crate) credential: Option<Arc<Credential>>,
    pub(crate) way: Way,
}

/// A request whose sender is known. Its body is not read yet.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) target: Target,
    /// Whose signature it bears; none: anybody's.
    pub(crate) credential: Option<Arc<Credential>>,
    /// Which way it came.
    pub(crate) way: Way,
    noted: Arc<Noted>,
    body: Option<(Vouched, RequestBody)>,
}

impl Request {
    pub(crate) fn new(
        method: Method,
        headers: HeaderMap,
        query: Query,
        target: Target,
        sender: Sender,
        vouched: Vouched,
        incoming: RequestBody,
    ) -> Request {
        let Sender { credential, way } = sender;
        let noted = incoming.noted();
        let body = Some((vouched, incoming));
        let mut request = Request { method, headers, query, target, credential: None, way, noted, body };
        if let Some(credential) = credential {
            request.is_from(credential);
        }
        request
    }

    /// Whose it is, as is now believed.
    pub(crate) fn is_from(&mut self, credential: Arc<Credential>) {
        self.noted.user(&credential.user.uid);
        self.credential = Some(credential);
    }
    /// Where to note what only shows while it is carried out.
    pub(crate) fn noted(&self) -> &Noted {
        &self.noted
    }
    /// One that nobody signed, without a body.
    pub(crate) fn unsigned(method: Method, headers: HeaderMap, target: Target, way: Way) -> Request {
        Request {
            method,
            headers,
            query: Query::default(),
            target,
            credential: None,
            way,
            noted: Arc::default(),
            body: None,
        }
    }

    /// As whom the sender owns things and is let in: its uid, or its account's id; none for an anonymous one.
    pub(crate) fn uid(&self) -> Option<&str> {
        self.credential.as_ref().map(|c| c.owner.as_str())
    }
    /// The user or the account that owns what the sender makes. `AccessDenied` for an anonymous one.
    pub(crate) async fn owner<R: Rados>(&self, gateway: &Gateway<R>) -> Result<Arc<User>, S3Error> {
        let credential = self.credential.as_ref().ok_or_else(|| S3Error::new(Code::AccessDenied))?;
        if credential.owner == credential.user.uid {
            return Ok(credential.user.clone());
        }
        gateway.storage.user_known(&credential.owner).await?.ok_or_else(|| Code::AccessDenied.into())
    }
    /// The sender, where an anonymous one has no business. `AccessDenied`.
    pub(crate) fn user(&self) -> Result<&User, S3Error> {
        self.credential.as_ref().map(|c| &*c.user).ok_or_else(|| Code::AccessDenied.into())
    }
    /// Whose an object or a bucket's part is that the sender makes: an anonymous one's are the bucket owner's.
    pub(crate) fn maker<'a>(&'a self, bucket: &'a Bucket) -> &'a str {
        self.uid().unwrap_or(&bucket.owner)
    }
    /// The bucket's name; empty for the service, which no verb asks.
    pub(crate) fn bucket_name(&self) -> &str {
        self.target.bucket().unwrap_or("")
    }
    /// The object's key; empty for other targets, which no verb asks.
    pub(crate) fn key(&self) -> &str {
        self.target.key().unwrap_or("")
    }
    /// `http` or `https`, for what names this endpoint.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.way.secure { "https" } else { "http" }
    }
    /// A header that is text; none also if it is not.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim)
    }

    /// The bucket, if it exists and is the sender's. `NoSuchBucket`, `AccessDenied`.
    pub(crate) async fn bucket<R: Rados>(&self, gateway: &Gateway<R>) -> Result<Arc<Bucket>, S3Error> {
        let bucket = self.bucket_of_anybody(gateway).await?;
        if self.uid() != Some(&bucket.owner) { Err(Code::AccessDenied.into()) } else { Ok(bucket) }
    }
    /// The bucket, if it exists and the sender may do this with it. `NoSuchBucket`, `AccessDenied`.
    pub(crate) async fn bucket_for<R: Rados>(
        &self,
        gateway: &Gateway<R>,
        ask: Ask,
    ) -> Result<Arc<Bucket>, S3Error> {
        let bucket = self.bucket_of_anybody(gateway).await?;
        self.check(gateway, &bucket, Wish::new(ask, self.target.key()))?;
        Ok(bucket)
    }
    /// The bucket, if it exists. Whoever asks has to `check` before anything comes of it. `NoSuchBucket`.
    pub(crate) async fn bucket_of_anybody<R: Rados>(
        &self,
        gateway: &Gateway<R>,
    ) -> Result<Arc<Bucket>, S3Error> {
        let bucket = self.bucket_named(gateway, self.bucket_name()).await?;
        let expected = self.header("x-amz-expected-bucket-owner");
        if expected.is_some_and(|owner| owner != bucket.owner) {
            return Err(Code::AccessDenied.into());
        }
        Ok(bucket)
    }
    /// Any bucket by name, if it exists. Whoever asks has to `check` before anything comes of it. `NoSuchBucket`.
    pub(crate) async fn bucket_named<R: Rados>(
        &self,
        gateway: &Gateway<R>,
        name: &str,
    ) -> Result<Arc<Bucket>, S3Error> {
        let missing = || S3Error::new(Code::NoSuchBucket).field("BucketName", name);
        let (tenant, short) = self.tenant_of(name);
        if crate::verbs::bucket::name::check(short).is_err() {
            return Err(missing());
        }
        gateway.storage.bucket_get(&full_name(tenant, short)).await?.ok_or_else(missing)
    }
    /// Tenant and name of a bucket as the sender names it: `TENANT:NAME`, or a name of the sender's own tenant.
    pub(crate) fn tenant_of<'a>(&'a self, name: &'a str) -> (&'a str, &'a str) {
        name.split_once(':')
            .unwrap_or_else(|| (self.credential.as_ref().map_or("", |c| c.user.tenant()), name))
    }

    /// The body, for objects and parts. Nothing of it is asked of the client before the first read.
    pub(crate) fn take_body(&mut self) -> Result<PutBody<RequestBody>, S3Error> {
        let Some((vouched, incoming)) = self.body.take() else {
            return Err(S3Error::internal("a body was taken twice"));
        };
        let announced = Announced::of_headers(&self.headers, vouched.payload, vouched.signer)?;
        Ok(PutBody::new(incoming, announced))
    }
    /// The body as a document of at most `max` bytes, checked.
    pub(crate) async fn document(&mut self, max: u64) -> Result<Bytes, S3Error> {
        self.take_body()?.read_all(max).await
    }
    /// The body as a document that may be missing.
    pub(crate) async fn optional_document(&mut self, max: u64) -> Result<Bytes, S3Error> {
        let empty = !self.headers.contains_key("transfer-encoding")
            && self.header("content-length").is_none_or(|length| length == "0");
        if empty { Ok(Bytes::new()) } else { self.document(max).await }
    }
}
