//! The whole node, asked for piece by piece as any client of the control socket would.

use headgate_api::{ErrorReport, NodeState, Request, Response, Services, Status, Upstreams, Vrrp};

use crate::socket::Caller;

/// What the status page and the metrics show.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    pub status: Status,
    /// With rates.
    pub services: Services,
    pub upstreams: Upstreams,
    pub vrrp: Vrrp,
}

impl Overview {
    pub(super) async fn ask(caller: &Caller) -> Result<Self, ErrorReport> {
        let status = status(caller).await?;
        let services = match caller.ask(Request::Services { name: None, rates: true, zero: false }).await {
            Response::Services(services) => services,
            other => return Err(unexpected(other)),
        };
        let upstreams = match caller.ask(Request::Upstreams { name: None }).await {
            Response::Upstreams(upstreams) => upstreams,
            other => return Err(unexpected(other)),
        };
        let vrrp = match caller.ask(Request::Vrrp).await {
            Response::Vrrp(vrrp) => vrrp,
            other => return Err(unexpected(other)),
        };
        Ok(Self { status, services, upstreams, vrrp })
    }
}

/// Whether the node does its work.
pub(super) async fn state(caller: &Caller) -> Result<NodeState, ErrorReport> {
    status(caller).await.map(|status| status.state)
}

async fn status(caller: &Caller) -> Result<Status, ErrorReport> {
    match caller.ask(Request::Status).await {
        Response::Status(status) => Ok(*status),
        other => Err(unexpected(other)),
    }
}

/// Anything but an error would be an answer to another question.
fn unexpected(response: Response) -> ErrorReport {
    match response {
        Response::Error(error) => error,
        _ => ErrorReport {
            version: headgate_api::VERSION,
            kind: headgate_api::ErrorKind::Failed,
            message: "the daemon answered something else".to_owned(),
        },
    }
}
