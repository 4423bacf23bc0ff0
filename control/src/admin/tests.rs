//! Every path, answered by a daemon that has little to say.

use bytes::Bytes;
use headgate_api::{ErrorKind, Request, Response, Services, Upstreams, Vrrp};
use http_body_util::{BodyExt, Full};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::respond::respond;
use crate::socket::calls;

/// A node in this state; upstreams cannot be asked for by name.
fn daemon(request: &Request, state: &str) -> Response {
    match request {
        Request::Status => {
            let status = json!({"version": 1, "node": "<lb1>", "headgate": "0.1.0", "pid": 1, "uptime_s": 61, "state": state,
                "generation": 1, "dataplane": {"workers": [], "interfaces": [], "connections": 0, "capacity": 0, "drops": {}},
                "last_reload": {"at": "2026-01-02T03:04:05Z", "ok": false, "message": "\"<script>\""}});
            Response::Status(serde_json::from_value(status).unwrap())
        }
        Request::Services { .. } => Response::Services(Services::new(Vec::new())),
        Request::Upstreams { name: None } => Response::Upstreams(Upstreams::new(Vec::new())),
        Request::Vrrp => Response::Vrrp(Vrrp::new(Vec::new())),
        Request::Upstreams { .. } => Response::error(ErrorKind::NotFound, "no upstream is called \"x\""),
        request => panic!("the endpoint only reads: {request:?}"),
    }
}

/// Status, media type and body.
fn ask(method: Method, path: &str, state: &str) -> (StatusCode, String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (caller, mut calls) = calls();
        let request = hyper::Request::builder().method(method).uri(path).body(()).unwrap();
        let answering = async {
            while let Some(call) = calls.recv().await {
                let response = daemon(call.request(), state);
                call.answer(response);
            }
        };
        let response: hyper::Response<Full<Bytes>> = tokio::select! {
            response = respond(&request, &caller) => response,
            () = answering => unreachable!("the caller lives"),
        };
        let media = response.headers()["content-type"].to_str().unwrap().to_owned();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, media, String::from_utf8(body.to_vec()).unwrap())
    })
}

fn get(path: &str) -> (u16, String) {
    let (status, _, body) = ask(Method::GET, path, "running");
    (status.as_u16(), body)
}

#[test]
fn health_follows_the_state_of_the_node() {
    for (state, status, body) in
        [("running", 200, "ok\n"), ("draining", 503, "draining\n"), ("failed", 503, "failed\n")]
    {
        let answer = ask(Method::GET, "/healthz", state);
        assert_eq!((answer.0.as_u16(), &*answer.2), (status, body));
    }
}

#[test]
fn the_api_speaks_json() {
    let (status, media, body) = ask(Method::GET, "/api/services", "running");
    assert_eq!((status.as_u16(), &*media, &*body), (200, "application/json", "{\"version\":1,\"services\":[]}\n"));
    let error =
        |kind: &str, message: &str| format!("{{\"version\":1,\"kind\":\"{kind}\",\"message\":\"{message}\"}}\n");
    assert_eq!(get("/api/upstreams?name=x"), (404, error("not_found", "no upstream is called \\\"x\\\"")));
    assert_eq!(get("/api/connections?limit=x"), (400, error("bad_request", "limit = \\\"x\\\" is not understood")));
}

#[test]
fn only_reading_and_only_what_is_there() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(ask(method, "/", "running").0, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(ask(Method::HEAD, "/metrics", "running").0, StatusCode::OK);
    for path in ["/metrics/", "/api", "/api/reload", "//", "/%2e%2e/etc/passwd"] {
        assert_eq!(get(path), (404, "not found\n".to_owned()), "{path}");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_escapes() {
    let (status, media, page) = ask(Method::GET, "/", "draining");
    assert_eq!((status.as_u16(), &*media), (200, "text/html; charset=utf-8"));
    assert!(page.contains("&lt;lb1&gt;") && page.contains("&quot;&lt;script&gt;&quot;"), "{page}");
    assert!(page.contains(">draining<") && page.contains(">refused<"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http://"), "{page}");
}

#[test]
fn metrics_say_what_they_are() {
    let (_, media, text) = ask(Method::GET, "/metrics", "running");
    assert_eq!(media, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("\nheadgate_node_state{state=\"running\"} 1\n"), "{text}");
}
