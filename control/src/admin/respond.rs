//! What each path answers.

use bytes::Bytes;
use headgate_api::{ErrorKind, ErrorReport, NodeState, Response as Answer};
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::overview::{self, Overview};
use super::{metrics, page, query};
use crate::socket::Caller;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// Version 0.0.4 of the text format is what every Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request.
pub(super) async fn respond<B>(request: &Request<B>, caller: &Caller) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/" => show(caller, HTML, page::page).await,
        "/metrics" => show(caller, EXPOSITION, metrics::metrics).await,
        "/healthz" => health(caller).await,
        path => match query::request(path, request.uri().query().unwrap_or("")) {
            Some(Ok(asked)) => answer(caller.ask(asked).await),
            Some(Err(message)) => {
                failure(&ErrorReport { version: headgate_api::VERSION, kind: ErrorKind::BadRequest, message })
            }
            None => plain(StatusCode::NOT_FOUND, "not found\n"),
        },
    }
}

async fn show(caller: &Caller, media: &'static str, write: fn(&Overview) -> String) -> Response<Full<Bytes>> {
    match Overview::ask(caller).await {
        Ok(overview) => body(StatusCode::OK, media, write(&overview)),
        Err(error) => failure(&error),
    }
}

async fn health(caller: &Caller) -> Response<Full<Bytes>> {
    match overview::state(caller).await {
        Ok(NodeState::Running) => plain(StatusCode::OK, "ok\n"),
        Ok(state) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{state}\n")),
        Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", error.message)),
    }
}

/// As the subcommands print it with `--json`.
fn answer(answer: Answer) -> Response<Full<Bytes>> {
    match answer {
        Answer::Status(status) => json(StatusCode::OK, &status),
        Answer::Services(services) => json(StatusCode::OK, &services),
        Answer::Upstreams(upstreams) => json(StatusCode::OK, &upstreams),
        Answer::Vrrp(vrrp) => json(StatusCode::OK, &vrrp),
        Answer::Connections(connections) => json(StatusCode::OK, &connections),
        Answer::Error(error) => failure(&error),
        // Nothing here asks for what these answer.
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered something else\n"),
    }
}

fn failure(error: &ErrorReport) -> Response<Full<Bytes>> {
    let status = match error.kind {
        ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(status, error)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string(value) {
        Ok(text) => body(status, JSON, text + "\n"),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written as JSON\n")
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    body(status, TEXT, text)
}

fn body(status: StatusCode, media: &'static str, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    *response.status_mut() = status;
    let fields: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The page needs its own style and nothing else, from nowhere else.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
