//! What is to be done with a request, once its head has been understood: nothing of the head itself is needed any more.

use std::net::IpAddr;

use crate::config::{Action, Forward, HashKey, Limits, Path, Underscores, Values};
use crate::failover;
use crate::files::asked::Asked;
use crate::forwarded::{self, Said};
use crate::http1::request::Request;
use crate::http1::write::{self, Forwarding};
use crate::http1::{Body, Reject, field, target};
use crate::origin::Version;
use crate::snapshot::Snapshot;
use crate::tls::Named;
use crate::worker::Scratch;

/// A request that has been through here more often goes round in circles (RFC 9110 section 7.6.3).
const PASSES: usize = 3;

#[derive(Debug)]
pub struct Plan {
    pub to: To,
    /// How the body comes.
    pub body: Body,
    /// The method is HEAD.
    pub is_head: bool,
    pub idempotent: bool,
    /// Of the client's HTTP/1: 0 or 1.
    pub minor: u8,
    pub keep_alive: bool,
    pub expects_continue: bool,
    /// A field that ends at this hop may stand among the trailers.
    pub nominates: bool,
    /// The client asks for WebSocket, and may.
    pub websocket: bool,
    /// Both sides talk at the same time, so that nothing may be held back (gRPC).
    pub streams: bool,
    /// As a trusted peer has named it; `None`: the peer itself.
    pub client: Option<IpAddr>,
    /// The server of the upstream that the client keeps.
    pub bound: Option<usize>,
    pub limits: Limits,
}

impl Plan {
    /// Whether anything follows the head.
    pub fn has_body(&self) -> bool {
        !matches!(self.body, Body::None | Body::Length(0))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct From<'a> {
    /// As it is passed on.
    pub address: &'a str,
    pub peer: IpAddr,
    pub tls: Option<&'a Named>,
    pub version: Version,
}

impl From<'_> {
    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// A server, as the [`Action::Proxy`] of this route says.
    Upstream { route: usize },
    /// We, as the route says.
    Route { route: usize },
    /// We, as nobody further on is to see the request (RFC 9110 section 7.6.2).
    LastHop,
    /// No route fits.
    Nowhere,
}

/// Makes a plan, and writes to the head in `scratch` what a server gets to see of the request, but for the end of its head, or the location of
/// a redirect, or what is [`Asked`] of a file; beside it what is hashed, and the fields that are added to the response.
///
/// # Errors
/// When the target makes no sense.
pub fn plan(
    request: &Request<'_>,
    snapshot: &Snapshot,
    listener: usize,
    client: From<'_>,
    scratch: &mut Scratch,
) -> Result<Plan, Reject> {
    let (listener, router) = &snapshot.listeners[listener];
    let mut plan = Plan {
        to: To::LastHop,
        body: request.body,
        is_head: request.method == b"HEAD",
        idempotent: failover::is_idempotent(request.method),
        minor: request.minor,
        keep_alive: request.keep_alive,
        expects_continue: request.expects_continue,
        nominates: request.nominates,
        websocket: false,
        streams: client.version == Version::Http2 && is_grpc(request),
        bound: None,
        client: forwarded::client(request, client.peer, &listener.forwarding),
        limits: listener.limits,
    };
    if client.tls.is_some_and(|tls| !tls.is_for(target::host_of(request.authority))) {
        return Err(Reject::new(421, "host of another certificate"));
    }
    if listener.underscores == Underscores::Refuse && request.fields.iter().any(|line| line.name.contains('_')) {
        return Err(Reject::new(400, "underscore in the name of a field"));
    }
    if request.via && passes(request, &snapshot.pseudonym) > PASSES {
        return Err(Reject::new(508, "loop"));
    }
    let path = target::normal_path(request.target)?;
    if request.max_forwards == Some(0) {
        return Ok(plan);
    }
    let fits = |index: usize| {
        let conditions = &listener.routes[index].conditions;
        conditions.is_empty() || conditions.hold(request)
    };
    let Some(index) = router.find(request.authority, &path, &fits) else {
        plan.to = To::Nowhere;
        return Ok(plan);
    };
    plan.to = To::Route { route: index };
    let route = &listener.routes[index];
    let named = plan.client.map(|address| address.to_string());
    let scheme = forwarded::scheme(request, client.peer, &listener.forwarding);
    let values = Values {
        host: target::host_of(request.authority),
        request_uri: request.target,
        remote_addr: named.as_deref().unwrap_or(client.address),
        scheme: scheme.unwrap_or(client.scheme()),
    };
    scratch.added.clear();
    route.response_headers.write(&values, &mut scratch.added);
    scratch.head.clear();
    match &route.action {
        Action::Redirect { location, .. } => location.write(&values, &mut scratch.head),
        Action::Files(_) => Asked::write(request, &path, &mut scratch.head),
        Action::Respond { .. } => {}
        Action::Proxy(forward) => {
            plan.to = To::Upstream { route: index };
            plan.websocket = request.websocket && forward.websocket;
            let edited = Edited::new(forward, &route.path, &path, &values, &mut scratch.edited);
            let forwarding = Forwarding {
                said: Said { peer: client.peer, address: client.address, scheme: client.scheme() },
                style: &listener.forwarding,
                underscores: listener.underscores,
                http2: client.version == Version::Http2,
                pseudonym: &snapshot.pseudonym,
                target: edited.target.unwrap_or(request.target),
                host: edited.host.unwrap_or(request.authority),
                edits: &forward.request_headers,
                added: edited.added,
            };
            write::request(request, forwarding, &mut scratch.head);
            let upstream = &snapshot.upstreams[forward.upstream];
            plan.bound = upstream.bound(request.fields);
            let key = &mut scratch.key;
            key.clear();
            match upstream.config().balance.hash_key() {
                Some(HashKey::Uri) => key.extend_from_slice(request.target),
                Some(HashKey::Host) => key.extend_from_slice(target::host_of(request.authority)),
                Some(HashKey::Client) => key.extend_from_slice(values.remote_addr.as_bytes()),
                None => {}
            }
        }
    }
    Ok(plan)
}

/// What a server gets to see otherwise than it was sent.
#[derive(Default)]
struct Edited<'a> {
    target: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    added: &'a [u8],
}

impl<'a> Edited<'a> {
    /// Writes it to `out`. `route`: by which the request was found, `path`: the normal one.
    fn new(forward: &Forward, route: &Path, path: &[u8], values: &Values<'_>, out: &'a mut Vec<u8>) -> Self {
        out.clear();
        if let Some(rewrite) = &forward.rewrite {
            rewrite.write(route, path, values.request_uri, out);
        }
        let target = out.len();
        if let Some(host) = &forward.host {
            host.write(values, out);
        }
        let host = out.len();
        forward.request_headers.write(values, out);
        Self {
            target: forward.rewrite.is_some().then_some(&out[..target]),
            host: forward.host.is_some().then_some(&out[target..host]),
            added: &out[host..],
        }
    }
}

/// How often somebody of our name has passed it on already.
fn passes(request: &Request<'_>, pseudonym: &str) -> usize {
    let vias = request.fields.iter().filter(|line| line.name.eq_ignore_ascii_case("via"));
    let ours = |element: &&[u8]| element.split(|byte| *byte == b' ').nth(1) == Some(pseudonym.as_bytes());
    vias.flat_map(|line| field::list(line.value)).filter(ours).count()
}

fn is_grpc(request: &Request<'_>) -> bool {
    let is_content_type = |name: &str| name.eq_ignore_ascii_case("content-type");
    request.fields.iter().any(|line| is_content_type(line.name) && line.value.starts_with(b"application/grpc"))
}
