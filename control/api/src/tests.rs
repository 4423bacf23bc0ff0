use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn round_trip<T: serde::Serialize + for<'a> serde::Deserialize<'a> + PartialEq + std::fmt::Debug>(value: &T) -> Value {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    assert!(!text.contains('\n'), "one object per line: {text}");
    serde_json::from_str(&text).unwrap()
}

fn stats() -> Stats {
    Stats { connections: 1, packets_in: 2, packets_out: 3, bytes_in: 4, bytes_out: 5, rates: None }
}

#[test]
fn services_have_the_documented_shape() {
    let services = Services::new(vec![Service {
        name: "web".into(),
        protocol: Protocol::Tcp,
        address: "192.0.2.1:80".into(),
        forward: Forward::Nat,
        scheduler: "wrr".into(),
        up: true,
        since_s: 7,
        quorum: 1,
        sorry_server: None,
        stats: stats(),
        servers: vec![Server {
            address: addr("[2001:db8::1]:8080"),
            forward: Forward::Tunnel,
            weight: 2,
            effective_weight: 0,
            state: ServerState::Drain,
            active: 3,
            inactive: 4,
            persistent: 5,
            check: None,
            stats: Stats::default(),
        }],
    }]);
    let zeros = json!({"connections":0,"packets_in":0,"packets_out":0,"bytes_in":0,"bytes_out":0});
    assert_eq!(
        round_trip(&services),
        json!({"version":1,"services":[{
            "name":"web","protocol":"tcp","address":"192.0.2.1:80","forward":"nat","scheduler":"wrr","up":true,"since_s":7,"quorum":1,
            "stats":{"connections":1,"packets_in":2,"packets_out":3,"bytes_in":4,"bytes_out":5},
            "servers":[{"address":"[2001:db8::1]:8080","forward":"tunnel","weight":2,"effective_weight":0,"state":"drain",
                "active":3,"inactive":4,"persistent":5,"stats":zeros}]}]})
    );
}

#[test]
fn connections_have_the_documented_shape() {
    let connections = Connections::new(
        7,
        vec![Connection {
            protocol: Protocol::Udp,
            client: addr("198.51.100.7:4000"),
            virtual_address: addr("192.0.2.1:53"),
            server: addr("10.0.0.1:53"),
            state: "UDP".into(),
            expires_s: 299,
            forward: Forward::Dr,
            service: Some("dns".into()),
        }],
    );
    assert_eq!(
        round_trip(&connections),
        json!({"version":1,"total":7,"connections":[{"protocol":"udp","client":"198.51.100.7:4000","virtual":"192.0.2.1:53",
            "server":"10.0.0.1:53","state":"UDP","expires_s":299,"forward":"dr","service":"dns"}]})
    );
}

#[test]
fn status_has_the_documented_shape() {
    let status = Status {
        version: VERSION,
        node: "lb1".into(),
        headgate: "0.1.0".into(),
        pid: 42,
        uptime_s: 60,
        state: NodeState::Draining,
        generation: 3,
        dataplane: Dataplane {
            workers: vec![Worker { id: 0, core: 2, ..Worker::default() }],
            interfaces: vec![Interface {
                name: "eth0".into(),
                mode: XdpMode::Native,
                queues: 4,
                mtu: 1500,
                present: true,
            }],
            connections: 10,
            capacity: 1000,
            drops: [("bad_checksum".to_string(), 2)].into(),
            frames: Frames { accounted: 8704, total: 8704 },
        },
        services: Vec::new(),
        virtual_routers: Vec::new(),
        proxy: Proxy {
            workers: vec![ProxyWorker { id: 0, core: Some(1) }],
            connections: 7,
            listeners: vec![ProxyListener {
                name: "http".into(),
                addresses: vec![addr("[::]:80")],
                connections: 6,
                requests: [1, 2, 3, 4, 5].into(),
                bytes_in: 8,
                bytes_out: 9,
                routes: vec![ProxyRoute { route: "h/".into(), bytes_out: 4, ..ProxyRoute::default() }],
            }],
            access_logs: vec![AccessLog { path: "stdout".into(), lines: 3, dropped: 1 }],
            upstreams: vec![UpstreamSummary { name: "app".into(), servers_up: 1, servers: 2, in_flight: 3 }],
        },
        last_reload: Some(LastReload {
            at: "2026-01-02T03:04:05Z".into(),
            unix_s: 1_767_323_045,
            ok: true,
            message: "nothing changed".into(),
        }),
    };
    assert_eq!(
        round_trip(&status),
        json!({"version":1,"node":"lb1","headgate":"0.1.0","pid":42,"uptime_s":60,"state":"draining","generation":3,
            "dataplane":{"workers":[{"id":0,"core":2,"received":0,"transmitted":0,"to_kernel":0}],
                "interfaces":[{"name":"eth0","mode":"native","queues":4,"mtu":1500,"present":true}],
                "connections":10,"capacity":1000,"drops":{"bad_checksum":2},"frames":{"accounted":8704,"total":8704}},
            "services":[],
            "proxy":{"workers":[{"id":0,"core":1}],"connections":7,"listeners":[{"name":"http","addresses":["[::]:80"],
                "connections":6,"requests":{"1xx":1,"2xx":2,"3xx":3,"4xx":4,"5xx":5},"bytes_in":8,"bytes_out":9,"routes":[
                    {"route":"h/","requests":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"bytes_in":0,"bytes_out":4,
                    "duration":{"count":0,"sum_s":0.0,"buckets":[]}}]}],
                "access_logs":[{"path":"stdout","lines":3,"dropped":1}],
                "upstreams":[{"name":"app","servers_up":1,"servers":2,"in_flight":3}]},
            "last_reload":{"at":"2026-01-02T03:04:05Z","unix_s":1_767_323_045,"ok":true,"message":"nothing changed"}})
    );
}

#[test]
fn upstreams_have_the_documented_shape() {
    let server = |state, latency_ms: Option<Latency>| UpstreamServer {
        address: addr("10.0.0.1:80"),
        name: latency_ms.map(|_| "app.test".to_owned()),
        backup: false,
        weight: 1,
        weight_percent: 40,
        state,
        in_flight: 2,
        requests: 30,
        failures: 4,
        retries: 5,
        latency: latency_ms.map(|_| Histogram { count: 3, sum_s: 0.25, buckets: vec![Bucket { le_s: 0.1, count: 2 }] }),
        latency_ms,
        check: None,
    };
    let servers =
        vec![server(UpstreamState::Probing, Some(Latency { p50: 0.5, p99: 12.0 })), server(UpstreamState::Down, None)];
    let upstreams = Upstreams::new(vec![Upstream {
        name: "app".into(),
        balance: "ewma".into(),
        queue: None,
        backup_below: 2,
        last_resorts: 0,
        names: vec![
            UpstreamName { name: "app.test".into(), addresses: vec!["10.0.0.1".parse().unwrap()], error: None },
            UpstreamName { name: "gone.test:81".into(), addresses: vec![], error: Some("unknown".into()) },
        ],
        servers,
    }]);
    assert_eq!(
        round_trip(&upstreams),
        json!({"version":1,"upstreams":[{"name":"app","balance":"ewma","backup_below":2,"last_resorts":0,"names":[{"name":"app.test","addresses":["10.0.0.1"]},{"name":"gone.test:81","addresses":[],"error":"unknown"}],"servers":[
            {"address":"10.0.0.1:80","name":"app.test","backup":false,"weight":1,"weight_percent":40,"state":"probing","in_flight":2,"requests":30,"failures":4,
                "retries":5,"latency_ms":{"p50":0.5,"p99":12.0},
                "latency":{"count":3,"sum_s":0.25,"buckets":[{"le_s":0.1,"count":2}]}},
            {"address":"10.0.0.1:80","backup":false,"weight":1,"weight_percent":40,"state":"down","in_flight":2,"requests":30,"failures":4,
                "retries":5,"latency_ms":null}]}]})
    );
}

#[test]
fn every_request_survives_its_line() {
    let requests = [
        (Request::Status, json!({"version":1,"request":"status"})),
        (
            Request::Services { name: Some("web".into()), rates: true, zero: false },
            json!({"version":1,"request":"services","name":"web","rates":true,"zero":false}),
        ),
        (
            Request::Connections { filter: ConnectionFilter { limit: 5, ..ConnectionFilter::default() } },
            json!({"version":1,"request":"connections",
                "filter":{"service":null,"client":null,"server":null,"state":null,"limit":5}}),
        ),
        (Request::Upstreams { name: Some("app".into()) }, json!({"version":1,"request":"upstreams","name":"app"})),
        (Request::Reload, json!({"version":1,"request":"reload"})),
        (
            Request::Server { service: "web".into(), address: addr("10.0.0.1:80"), change: ServerChange::Weight(3) },
            json!({"version":1,"request":"server","service":"web","address":"10.0.0.1:80","change":{"weight":3}}),
        ),
        (
            Request::Server { service: "web".into(), address: addr("[::1]:0"), change: ServerChange::Drain },
            json!({"version":1,"request":"server","service":"web","address":"[::1]:0","change":"drain"}),
        ),
    ];
    for (request, line) in requests {
        assert_eq!(round_trip(&RequestLine::from(request)), line);
    }
}

#[test]
fn a_short_request_gets_the_defaults() {
    let line: RequestLine = serde_json::from_str(r#"{"version":1,"request":"services"}"#).unwrap();
    assert_eq!(line.request, Request::Services { name: None, rates: false, zero: false });
    let line: RequestLine =
        serde_json::from_str(r#"{"version":1,"request":"connections","filter":{"service":"web"}}"#).unwrap();
    let filter = ConnectionFilter { service: Some("web".into()), ..ConnectionFilter::default() };
    assert_eq!(line.request, Request::Connections { filter });
}

#[test]
fn unknown_fields_of_a_newer_daemon_are_ignored() {
    let text = r#"{"response":"error","version":1,"kind":"not_found","message":"no such service","hint":"new"}"#;
    let expected = Response::error(ErrorKind::NotFound, "no such service");
    assert_eq!(serde_json::from_str::<Response>(text).unwrap(), expected);
    round_trip(&expected);
}

#[test]
fn responses_carry_their_kind() {
    let reload = Response::Reload(ReloadReport {
        version: VERSION,
        ok: false,
        generation: 4,
        changes: vec![],
        errors: vec![Problem {
            file: "a.toml".into(),
            line: 3,
            column: None,
            key: "node.nam".into(),
            message: "unknown".into(),
        }],
        warnings: vec![],
    });
    assert_eq!(round_trip(&reload)["response"], "reload");
    let server = Response::Server(ServerReport {
        version: VERSION,
        service: "web".into(),
        address: addr("10.0.0.1:80"),
        state: ServerState::Disabled,
        weight: 0,
        effective_weight: 0,
    });
    assert_eq!(round_trip(&server)["state"], "disabled");
}
