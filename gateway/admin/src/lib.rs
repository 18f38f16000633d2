//! The admin API: what the monitors answer, as JSON for programs and as metrics for Prometheus. Reads only,
//! and so harmless to whoever reaches its port; by default that is this host.
//!
//! `GET /health` (200 while data is served, else 503), `/api/v1/status`, `/api/v1/health`, `/api/v1/osds`,
//! `/api/v1/pools`, `/api/v1/pgs`, `/metrics`.

mod metrics;

use bytes::Bytes;
use gateway_client::Client;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use placement_map::status::{Answer, Query, Severity};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long the monitors may take to answer one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is done.
pub async fn serve(
    listener: TcpListener,
    client: Client,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let client = client.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(client.clone(), request));
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an admin connection ended early");
            }
            drop(permit);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept an admin connection; trying again");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn answer(client: Client, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "this API only answers GET\n"));
    }
    let query = match request.uri().path() {
        "/health" => return Ok(health(&client).await),
        "/metrics" => return Ok(metrics_page(&client).await),
        "/api/v1/status" => Query::Status,
        "/api/v1/health" => Query::Health,
        "/api/v1/osds" => Query::OsdDf,
        "/api/v1/pools" => Query::PoolLs,
        "/api/v1/pgs" => Query::PgLs,
        _ => return Ok(text(StatusCode::NOT_FOUND, "text/plain", "no such page; try /api/v1/status\n")),
    };
    Ok(match ask(&client, query).await {
        Ok(answer) => match serde_json::to_string(&answer) {
            Ok(json) => text(StatusCode::OK, "application/json", json + "\n"),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
        },
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why + "\n"),
    })
}

async fn ask(client: &Client, query: Query) -> Result<Answer, String> {
    match tokio::time::timeout(ANSWER_WITHIN, client.query(query)).await {
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err("the monitors do not answer".into()),
    }
}

async fn health(client: &Client) -> Response<Full<Bytes>> {
    match ask(client, Query::Health).await {
        Ok(Answer::Health(h)) if h.status < Severity::Err => {
            text(StatusCode::OK, "text/plain", format!("{}\n", h.status))
        }
        Ok(Answer::Health(h)) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{}\n", h.status))
        }
        Ok(_) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "the monitors' answer makes no sense\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why + "\n"),
    }
}

async fn metrics_page(client: &Client) -> Response<Full<Bytes>> {
    let (status, osds) = tokio::join!(ask(client, Query::Status), ask(client, Query::OsdDf));
    match (status, osds) {
        (Ok(Answer::Status(status)), Ok(Answer::OsdDf { osds })) => text(
            StatusCode::OK,
            "text/plain; version=0.0.4",
            metrics::page(&status, &osds, client.op_counts()),
        ),
        (Err(why), _) | (_, Err(why)) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why + "\n"),
        _ => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "the monitors' answer makes no sense\n"),
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
