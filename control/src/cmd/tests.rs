//! What people see, as text fixtures; `HEADGATE_BLESS=1` writes them anew.

use clap::CommandFactory;
use headgate_api::{
    AccessLog, Connection, Connections, Dataplane, FailingServer, Forward, Frames, Interface, LastReload, Latency,
    NodeState, Problem, Protocol, Proxy, ProxyListener, ProxyWorker, Rates, ReloadReport, Server, ServerReport,
    ServerState, Service, ServiceSummary, Services, Stats, Status, Upstream, UpstreamServer, UpstreamServerReport,
    UpstreamState, UpstreamSummary, Upstreams, VERSION, VirtualRouterSummary, VrrpState, Worker, XdpMode,
};

use super::output::Paint;
use super::{Cli, Parser, Path, config, connections, reload, server, services, status, upstreams};

const PLAIN: Paint = Paint::fixed(false);

fn fixture(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cmd/fixtures").join(name);
    if std::env::var_os("HEADGATE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{}\n--- expected\n{expected}--- shown\n{text}", path.display());
    for line in text.lines() {
        assert_eq!(line.trim_end(), line, "no blanks at the end");
    }
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "more than 80 columns: {line}");
    }
}

fn stats(connections: u64, rates: bool) -> Stats {
    Stats {
        connections,
        packets_in: connections * 12,
        packets_out: connections * 10,
        bytes_in: connections * 900,
        bytes_out: connections * 23_000,
        rates: rates.then_some(Rates {
            connections: connections / 100,
            packets_in: connections / 10,
            packets_out: connections / 11,
            bytes_in: connections * 100,
            bytes_out: connections * 2300,
        }),
    }
}

fn server(address: &str, weight: u32, state: ServerState, connections: u64, rates: bool) -> Server {
    Server {
        address: address.parse().unwrap(),
        forward: Forward::Nat,
        weight,
        effective_weight: if state == ServerState::Up { weight } else { 0 },
        state,
        active: connections / 10,
        inactive: connections / 20,
        persistent: 0,
        check: None,
        stats: stats(connections, rates),
    }
}

fn service(name: &str, address: &str, servers: Vec<Server>, rates: bool) -> Service {
    Service {
        name: name.into(),
        protocol: Protocol::Tcp,
        address: address.into(),
        forward: Forward::Nat,
        scheduler: "wrr".into(),
        up: servers.iter().any(|s| s.state == ServerState::Up),
        since_s: 42,
        quorum: 1,
        sorry_server: None,
        stats: stats(servers.iter().map(|s| s.stats.connections).sum(), rates),
        servers,
    }
}

fn services(rates: bool) -> services::Report {
    let web = vec![
        server("10.0.0.11:8080", 2, ServerState::Up, 123_456, rates),
        server("10.0.0.12:8080", 1, ServerState::Drain, 60_000, rates),
        server("10.0.0.113:8080", 0, ServerState::Disabled, 0, rates),
    ];
    let mut mixed = vec![
        server("[2001:db8::11]:443", 1, ServerState::Up, 5, rates),
        server("[2001:db8:0:1:2:3:4:5]:443", 1, ServerState::Down, 7, rates),
    ];
    mixed[1].forward = Forward::Dr;
    mixed[0].persistent = 3;
    let services = vec![
        service("web", "192.168.162.130:80", web, rates),
        service("mixed", "[2001:db8::5]:443", mixed, rates),
        service("empty", "192.168.162.130:8000-8099", vec![], rates),
    ];
    services::Report { services: Services::new(services), rates, paint: PLAIN }
}

#[test]
fn services_table() {
    let text = services(false).to_string();
    fixture("services.txt", &text);
    fits(&text);
}

#[test]
fn services_rates() {
    let text = services(true).to_string();
    fixture("services-rates.txt", &text);
    fits(&text);
}

#[test]
fn services_none() {
    let report = services::Report { services: Services::new(vec![]), rates: false, paint: PLAIN };
    assert_eq!(report.to_string(), "there are no services\n");
}

#[test]
fn colours_do_not_move_columns() {
    let coloured = services::Report { paint: Paint::fixed(true), ..services(false) }.to_string();
    assert!(coloured.contains("\x1b[32mup\x1b[0m"));
    let mut plain = coloured;
    for code in ["\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, services(false).to_string().lines().collect::<Vec<_>>());
}

fn connection(protocol: Protocol, client: &str, state: &str, expires_s: u64) -> Connection {
    let v6 = client.starts_with('[');
    let (vip, server) =
        if v6 { ("[2001:db8::5]:443", "[2001:db8::11]:443") } else { ("192.0.2.130:80", "10.0.0.11:8080") };
    Connection {
        protocol,
        client: client.parse().unwrap(),
        virtual_address: vip.parse().unwrap(),
        server: server.parse().unwrap(),
        state: state.into(),
        expires_s,
        forward: Forward::Nat,
        service: Some("web".into()),
    }
}

#[test]
fn connections_table() {
    let connections = vec![
        connection(Protocol::Tcp, "198.51.100.7:40001", "ESTABLISHED", 899),
        connection(Protocol::Tcp, "198.51.100.7:0", "NONE", 300),
        connection(Protocol::Udp, "[2001:db8::77]:5353", "UDP", 7),
    ];
    let report = connections::Report { connections: Connections::new(3, connections.clone()), paint: PLAIN };
    fixture("connections.txt", &report.to_string());
    let report = connections::Report { connections: Connections::new(1234, connections[..1].to_vec()), paint: PLAIN };
    fits(&report.to_string());
    fixture("connections-limit.txt", &report.to_string());
    let report = connections::Report { connections: Connections::new(0, vec![]), paint: PLAIN };
    assert_eq!(report.to_string(), "no connections\n");
}

fn status() -> Status {
    let interface = |name: &str, mode| Interface { name: name.into(), mode, queues: 4, mtu: 1500, present: true };
    let summary = |name: &str, address: &str, servers_up| ServiceSummary {
        name: name.into(),
        protocol: Protocol::Tcp,
        address: address.into(),
        up: servers_up > 0,
        servers_up,
        servers: 3,
        active: 123_456,
        inactive: 99,
        failing: match servers_up {
            0 => vec![FailingServer {
                address: "[2001:db8::7]:25".parse().unwrap(),
                check: "smtp".into(),
                since_s: 61,
                reason: "connection refused".into(),
            }],
            _ => Vec::new(),
        },
    };
    Status {
        version: VERSION,
        node: "lb1".into(),
        headgate: "0.1.0".into(),
        pid: 4242,
        uptime_s: 273_906,
        state: NodeState::Running,
        generation: 7,
        dataplane: Dataplane {
            workers: vec![
                Worker { id: 0, core: 2, ..Worker::default() },
                Worker { id: 1, core: 3, ..Worker::default() },
            ],
            interfaces: vec![interface("eth0", XdpMode::Zerocopy), interface("eth1", XdpMode::Generic)],
            connections: 123_555,
            capacity: 1_000_000,
            drops: [("no_server".to_string(), 17), ("bad_header".to_string(), 2), ("ttl".to_string(), 0)].into(),
            frames: Frames::default(),
        },
        services: vec![summary("web", "192.168.162.130:80", 2), summary("mail", "[2001:db8::5]:25", 0)],
        virtual_routers: vec![VirtualRouterSummary {
            name: "VI_1".into(),
            state: VrrpState::Master,
            effective_priority: 80,
            master: Some("192.168.162.131".parse().unwrap()),
            reason: "192.168.162.132 left".into(),
        }],
        proxy: Proxy {
            workers: vec![ProxyWorker { id: 0, core: Some(0) }, ProxyWorker { id: 1, core: Some(1) }],
            connections: 1234,
            listeners: vec![ProxyListener {
                name: "http".into(),
                addresses: vec!["0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()],
                connections: 1234,
                requests: [1, 1_234_567, 56, 789, 12_345].into(),
                bytes_in: 0,
                bytes_out: 0,
                routes: vec![],
            }],
            access_logs: vec![
                AccessLog { path: "stdout".into(), lines: 1_234_567, dropped: 0 },
                AccessLog { path: "/var/log/headgate/access.log".into(), lines: 7, dropped: 65 },
            ],
            upstreams: vec![
                UpstreamSummary { name: "app".into(), servers_up: 1, servers: 2, in_flight: 56 },
                UpstreamSummary { name: "static".into(), servers_up: 3, servers: 3, in_flight: 0 },
            ],
        },
        last_reload: Some(LastReload {
            at: "2026-01-02T03:04:05Z".into(),
            unix_s: 0,
            ok: true,
            message: "2 changes".into(),
        }),
    }
}

#[test]
fn status_screen() {
    let text = status::Report { status: status(), paint: PLAIN }.to_string();
    fixture("status.txt", &text);
    fits(&text);
}

#[test]
fn status_without_a_data_plane() {
    let last_reload =
        LastReload { at: "2026-01-02T03:04:05Z".into(), unix_s: 0, ok: false, message: "3 errors".into() };
    let status = Status {
        dataplane: Dataplane::default(),
        services: vec![],
        virtual_routers: vec![],
        last_reload: Some(last_reload),
        ..status()
    };
    let idle = Status { proxy: Proxy::default(), ..status.clone() };
    fixture("status-idle.txt", &status::Report { status: idle, paint: PLAIN }.to_string());
    fixture("status-proxy.txt", &status::Report { status, paint: PLAIN }.to_string());
}

#[test]
fn upstreams_table() {
    let server = |address: &str, state, requests, latency_ms| UpstreamServer {
        address: address.parse().unwrap(),
        name: (state == UpstreamState::Down).then(|| "app.internal:8080".to_owned()),
        backup: state == UpstreamState::Drain,
        weight: 1,
        weight_percent: if state == UpstreamState::Up { 25 } else { 100 },
        state,
        in_flight: 3,
        requests,
        failures: requests / 1000,
        retries: 7,
        latency_ms,
        check: None,
        latency: None,
    };
    let app = vec![
        server("10.0.0.11:8080", UpstreamState::Up, 1_234_567, Some(Latency { p50: 0.43, p99: 12.34 })),
        server("10.0.0.12:8080", UpstreamState::Down, 12, None),
        server("10.0.0.13:8080", UpstreamState::Drain, 0, None),
    ];
    let upstream = |name: &str, servers| Upstream {
        name: name.into(),
        balance: "round_robin".into(),
        queue: None,
        backup_below: 0,
        last_resorts: 0,
        names: vec![],
        servers,
    };
    let report = |upstreams| upstreams::Report { upstreams: Upstreams::new(upstreams), paint: PLAIN }.to_string();
    let text = report(vec![upstream("app", app), upstream("spare", vec![])]);
    fixture("upstreams.txt", &text);
    assert_eq!(report(vec![]), "there are no upstreams\n");
}

#[test]
fn reload_outcomes() {
    let report = |ok, changes: &[&str], errors: Vec<Problem>| {
        let changes = changes.iter().map(|c| (*c).to_owned()).collect();
        reload::Report(ReloadReport { version: VERSION, ok, generation: 4, changes, errors, warnings: vec![] })
            .to_string()
    };
    assert_eq!(report(true, &[], vec![]), "nothing changed: configuration 4 stays in use\n");
    assert_eq!(
        report(true, &["service web removed"], vec![]),
        "service web removed\n1 change applied: configuration 4 is in use\n"
    );
    let key = "node.name".to_owned();
    let error = Problem { file: "h.toml".into(), line: 2, column: None, key, message: "missing".into() };
    assert_eq!(
        report(false, &[], vec![error]),
        "h.toml:2: node.name: missing\n1 error: nothing changed, configuration 4 stays in use\n"
    );
}

#[test]
fn server_outcomes() {
    let report = |state, weight, effective_weight| {
        let (service, address) = ("web".to_owned(), "[2001:db8::1]:80".parse().unwrap());
        server::Report::Service(ServerReport { version: VERSION, service, address, state, weight, effective_weight })
            .to_string()
    };
    assert_eq!(
        report(ServerState::Drain, 2, 0),
        "service web: server [2001:db8::1]:80: drain, weight 0 until the next reload (configured: 2)\n"
    );
    assert_eq!(report(ServerState::Up, 2, 2), "service web: server [2001:db8::1]:80: up, weight 2\n");
    let report = server::Report::Upstream(UpstreamServerReport {
        version: VERSION,
        upstream: "app".into(),
        address: "10.0.0.1:80".parse().unwrap(),
        state: UpstreamState::Up,
        weight: 1,
        effective_weight: 5,
    });
    assert_eq!(
        report.to_string(),
        "upstream app: server 10.0.0.1:80: up, weight 5 until the next reload (configured: 1)\n"
    );
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_teaches_with_an_example() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("headgate {}", command.get_name())), "{}", command.get_name());
    }
}

#[test]
fn the_socket_comes_from_the_nearest_source() {
    let global = |args: &[&str]| Cli::try_parse_from(args).unwrap().global.socket();
    assert_eq!(global(&["headgate", "status"]), Path::new(config::DEFAULT_SOCKET));
    assert_eq!(global(&["headgate", "--socket", "/a", "status"]), Path::new("/a"));
    assert_eq!(global(&["headgate", "status", "--socket", "/a"]), Path::new("/a"));
    let file = std::env::temp_dir().join(format!("headgate-cmd-{}.toml", std::process::id()));
    std::fs::write(&file, "[control]\nsocket = \"/b\"\n").unwrap();
    let found = global(&["headgate", "status", "-c", file.to_str().unwrap()]);
    let overridden = global(&["headgate", "-c", file.to_str().unwrap(), "status", "--socket", "/a"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(found, Path::new("/b"));
    assert_eq!(overridden, Path::new("/a"));
}
