//! The endpoint that browsers ask: GET and HEAD of a bucket's objects by the host name, nobody signing anything.

use super::route::{Came, Elsewhere, key_of};
use super::{REDIRECT_HEADER, Website, page};
use crate::access::Ask;
use crate::authorise::Wish;
use crate::error::{Code, S3Error};
use crate::request::{Request, Way};
use crate::response::Response;
use crate::server::{Gateway, Target, check_key};
use crate::storage::Bucket;
use crate::{uri, verbs};
use gateway_client::Rados;
use http::{HeaderMap, Method, StatusCode};

/// A browser's request.
pub(crate) struct Visit<'a> {
    pub(crate) method: &'a Method,
    /// The bucket that the host names.
    pub(crate) bucket: &'a str,
    /// With the port, if there was one.
    pub(crate) host: &'a str,
    /// Still encoded.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) way: Way,
    pub(crate) id: &'a str,
}

/// What headers of a request decide about the bytes that come; of an error's page they say nothing.
const OF_THE_OBJECT: [&str; 6] =
    ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

/// Answers a browser. Everything that is wrong is a page.
pub(crate) async fn serve<R: Rados>(gw: &Gateway<R>, visit: Visit<'_>) -> Response {
    let head = visit.method == Method::HEAD;
    match answer(gw, &visit).await {
        Ok(response) => response,
        Err(e) => {
            if e.code().status().is_server_error() {
                tracing::warn!(request = visit.id, "{e}");
            } else {
                tracing::debug!(request = visit.id, "{e}");
            }
            page::error(&e, visit.id, head)
        }
    }
}

async fn answer<R: Rados>(gw: &Gateway<R>, visit: &Visit<'_>) -> Result<Response, S3Error> {
    let head = visit.method == Method::HEAD;
    if !head && visit.method != Method::GET {
        return Err(S3Error::new(Code::MethodNotAllowed).field("Method", visit.method.as_str()));
    }
    let key = uri::decode_text(visit.path.strip_prefix('/').unwrap_or(visit.path), false)?;
    check_key(&key)?;
    let bucket = visit.request("").bucket_of_anybody(gw).await?;
    let website = super::of(&bucket.settings)?
        .ok_or_else(|| S3Error::new(Code::NoSuchWebsiteConfiguration).field("BucketName", visit.bucket))?;
    let came = Came { scheme: if visit.way.secure { "https" } else { "http" }, host: visit.host };
    if let Some(Elsewhere { status, location }) = website.before(came, &key) {
        return Ok(page::redirect(status, &location, head));
    }
    let Website::Serve { index, error, .. } = &website else {
        return Err(S3Error::internal("a website that is nowhere"));
    };
    let wanted = key_of(&key, index);
    let e = match object(gw, visit, &wanted).await {
        Ok(response) => return Ok(response),
        Err(e) => e,
    };
    if e.code() == Code::NoSuchKey && wanted == key && is_folder(gw, visit, &bucket, &key, index).await {
        let location = format!("/{}/", uri::encode(key.as_bytes(), true));
        return Ok(page::redirect(302, &location, head));
    }
    let status = e.code().status();
    if !status.is_client_error() {
        return Err(e);
    }
    if let Some(Elsewhere { status, location }) = website.instead_of(came, &key, status.as_u16()) {
        return Ok(page::redirect(status, &location, head));
    }
    let Some(error) = error.as_deref().filter(|error| *error != wanted) else { return Err(e) };
    // The bucket's own page for it; where that cannot be had either, ours.
    match error_page(gw, visit, error, status).await {
        Some(response) => Ok(response),
        None => Err(e),
    }
}

impl Visit<'_> {
    fn request(&self, key: &str) -> Request {
        let target = if key.is_empty() {
            Target::Bucket(self.bucket.to_string())
        } else {
            Target::Object(self.bucket.to_string(), key.to_string())
        };
        let mut headers = self.headers.clone();
        // Nobody signs here: what looks like it means nothing.
        for name in ["authorization", "x-amz-expected-bucket-owner"] {
            headers.remove(name);
        }
        Request::unsigned(self.method.clone(), headers, target, self.way)
    }
}

/// An object as S3 would answer it, or where it sends browsers.
async fn object<R: Rados>(gw: &Gateway<R>, visit: &Visit<'_>, key: &str) -> Result<Response, S3Error> {
    verb(gw, visit.request(key)).await.map(|response| {
        let place = response.headers().get(REDIRECT_HEADER).map(crate::response::text_of_header);
        match place {
            Some(place) => page::redirect(301, &place, visit.method == Method::HEAD),
            None => response,
        }
    })
}

async fn verb<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    if rq.method == Method::HEAD {
        verbs::object::head::run(gw, rq).await
    } else {
        verbs::object::get::run(gw, rq).await
    }
}

async fn error_page<R: Rados>(
    gw: &Gateway<R>,
    visit: &Visit<'_>,
    key: &str,
    status: StatusCode,
) -> Option<Response> {
    let mut rq = visit.request(key);
    for name in OF_THE_OBJECT {
        rq.headers.remove(name);
    }
    let mut response = verb(gw, rq).await.ok()?;
    *response.status_mut() = status;
    Some(response)
}

/// Whether a key that is not there is a folder that has an index which the visitor may see.
async fn is_folder<R: Rados>(
    gw: &Gateway<R>,
    visit: &Visit<'_>,
    bucket: &Bucket,
    key: &str,
    index: &str,
) -> bool {
    let key = format!("{key}/{index}");
    let Ok(Some(entry)) = gw.storage.head(bucket, &key).await else { return false };
    let rq = visit.request(&key);
    rq.check(gw, bucket, Wish::new(Ask::GET, Some(&key)).object(&entry)).is_ok()
}
