//! The proxy in this process, with listeners of its own for each lane.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use headgate_l7::config::{
    Action, Balance, Conditions, Edits, ErrorPages, Forward, Host, Limits, Listener, Path, Proxy, Retry, Route, Server,
    Timeouts, Upstream,
};
use headgate_l7::worker::Pool;

use super::Lane;
use super::corpus::Needs;

/// A pool of one worker and its lanes.
#[derive(Debug)]
pub struct Bed {
    pool: Arc<Mutex<Pool>>,
    lanes: Vec<SocketAddr>,
    proxies: Vec<[SocketAddr; LISTENERS.len()]>,
}

#[derive(Debug)]
pub struct PoolLane {
    pool: Arc<Mutex<Pool>>,
    index: usize,
    server: SocketAddr,
    proxies: [SocketAddr; LISTENERS.len()],
}

/// A listener for each need.
const LISTENERS: [&str; 4] = ["plain", "deny-admin", "websocket", "stream-uploads"];

/// Which of them.
pub fn listener(needs: &Needs) -> usize {
    match needs {
        Needs { deny_admin: true, .. } => 1,
        Needs { websocket: true, .. } => 2,
        Needs { stream_uploads: true, .. } => 3,
        Needs { .. } => 0,
    }
}

impl Bed {
    /// # Errors
    /// When the proxy does not start.
    pub fn start(lanes: usize) -> Result<Self> {
        let ports = free_ports(lanes * (1 + LISTENERS.len()))?;
        let (servers, rest) = ports.split_at(lanes);
        let proxies: Vec<[SocketAddr; LISTENERS.len()]> =
            rest.chunks(LISTENERS.len()).map(|chunk| std::array::from_fn(|index| chunk[index])).collect();
        let mut config = Proxy { pseudonym: "headgate".to_owned(), ..Proxy::default() };
        for (lane, server) in servers.iter().enumerate() {
            config.upstreams.push(upstream(lane, *server));
            for (index, name) in LISTENERS.iter().enumerate() {
                config.listeners.push(listener_for(name, proxies[lane][index], lane, index));
            }
        }
        let mut pool = Pool::start(&[None]).context("start the proxy")?;
        pool.apply(config)?;
        Ok(Self { pool: Arc::new(Mutex::new(pool)), lanes: servers.to_vec(), proxies })
    }

    pub fn lanes(&self) -> Vec<PoolLane> {
        let lane = |(index, (server, proxies)): (usize, (&SocketAddr, &[SocketAddr; LISTENERS.len()]))| PoolLane {
            pool: Arc::clone(&self.pool),
            index,
            server: *server,
            proxies: *proxies,
        };
        self.lanes.iter().zip(&self.proxies).enumerate().map(lane).collect()
    }
}

impl Lane for PoolLane {
    fn proxy(&self, needs: &Needs) -> SocketAddr {
        self.proxies[listener(needs)]
    }

    fn server(&self) -> SocketAddr {
        self.server
    }

    fn failures(&self) -> Result<u64> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pool.snapshot().upstreams[self.index].servers()[0].failures())
    }
}

fn upstream(lane: usize, server: SocketAddr) -> Upstream {
    let server = Server {
        name: server.to_string(),
        host: None,
        address: server,
        weight: 1,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
        max_connections: 0,
        slow_start: std::time::Duration::ZERO,
    };
    Upstream {
        name: format!("lane-{lane}"),
        balance: Balance::RoundRobin,
        keepalive: 64,
        retry: Retry::default(),
        servers: vec![server],
        tls: None,
        http2: false,
        send_proxy: None,
        sticky: None,
        queue: None,
        backup_below: 0,
    }
}

fn listener_for(name: &str, address: SocketAddr, lane: usize, index: usize) -> Listener {
    let forward = Forward {
        upstream: lane,
        timeouts: Timeouts::default(),
        request_buffering: index != 3,
        websocket: index == 2,
        rewrite: None,
        host: None,
        request_headers: Edits::default(),
    };
    let route = |path: &str, action| Route {
        host: Host::Any,
        path: Path::Prefix(path.to_owned()),
        conditions: Conditions::default(),
        action,
        error_pages: ErrorPages::default(),
        response_headers: Edits::default(),
        access_log: None,
    };
    let mut routes = vec![route("/", Action::Proxy(forward))];
    if index == 1 {
        routes.push(route("/admin/", Action::Respond { status: 403, body: String::new() }));
    }
    Listener {
        name: format!("{name}-{lane}"),
        protocol: headgate_l7::config::Protocol::Http,
        addresses: vec![address],
        routes,
        limits: Limits::default(),
        tls: None,
        http2: false,
        proxy_protocol: false,
        forwarding: headgate_l7::config::Forwarding::default(),
        underscores: headgate_l7::config::Underscores::default(),
        error_pages: ErrorPages::default(),
        access_log: None,
    }
}

/// Ports of loopback that nobody uses now.
fn free_ports(count: usize) -> Result<Vec<SocketAddr>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All are held until all are known, or some would come twice.
    let listeners = (0..count).map(bind).collect::<std::io::Result<Vec<_>>>().context("find free ports")?;
    listeners.iter().map(|listener| listener.local_addr().map_err(Into::into)).collect()
}
