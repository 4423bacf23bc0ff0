//! Everything a node can have, as metrics.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::exposition::Exposition;
use headgate::admin::{Overview, metrics};
use serde_json::json;

/// Two of everything, with names that have to be escaped.
fn overview() -> Overview {
    let stats = json!({"connections": 7, "packets_in": 70, "packets_out": 60, "bytes_in": 7000, "bytes_out": 60_000,
        "rates": {"connections": 1, "packets_in": 2, "packets_out": 3, "bytes_in": 4, "bytes_out": 5}});
    let server = |address: &str, state: &str| {
        json!({"address": address, "forward": "nat", "weight": 3, "effective_weight": 0, "state": state, "active": 4,
            "inactive": 5, "persistent": 6, "stats": stats})
    };
    let service = |name: &str| {
        json!({"name": name, "protocol": "tcp", "address": "192.0.2.1:80", "forward": "nat", "scheduler": "wrr", "up": true,
            "stats": stats, "servers": [server("10.0.0.1:80", "up"), server("[fd00::1]:80", "drain")]})
    };
    let asked =
        json!({"count": 3, "sum_s": 0.75, "buckets": [{"le_s": 0.001, "count": 1}, {"le_s": 10.0, "count": 2}]});
    let upstream = |name: &str| {
        let server = |address: &str, state: &str, latency: &serde_json::Value| {
            json!({"address": address, "backup": false, "weight": 1, "state": state, "in_flight": 1, "requests": 30,
                "failures": 2, "retries": 1, "latency_ms": null, "latency": latency})
        };
        let servers = [server("10.0.0.1:8080", "up", &asked), server("10.0.0.2:8080", "probing", &json!(null))];
        let names =
            json!([{"name": "a.test", "addresses": ["10.0.0.1"]}, {"name": "b.test", "addresses": [], "error": "no"}]);
        json!({"name": name, "balance": "ewma", "names": names, "servers": servers})
    };
    let interface = |name: &str| json!({"name": name, "mode": "native", "queues": 2, "mtu": 1500, "present": true});
    let worker = |id: u32| json!({"id": id, "core": id + 2, "received": 10, "transmitted": 9, "to_kernel": 1});
    let classes = json!({"1xx": 1, "2xx": 20, "3xx": 3, "4xx": 4, "5xx": 5});
    let route =
        |name: &str| json!({"route": name, "requests": classes, "bytes_in": 100, "bytes_out": 200, "duration": asked});
    let status = json!({
        "version": 1, "node": "lb\"1\\", "headgate": "0.1.0", "pid": 1, "uptime_s": 61, "state": "draining", "generation": 4,
        "dataplane": {"workers": [worker(0), worker(1)], "interfaces": [interface("eth0"), interface("eth1")],
            "connections": 12, "capacity": 1024, "drops": {"bad_checksum": 3, "no_route": 4},
            "frames": {"accounted": 8, "total": 9}},
        "proxy": {"workers": [{"id": 0, "core": null}], "connections": 5, "upstreams": [],
            "access_logs": [{"path": "/var/log/a", "lines": 9, "dropped": 2}],
            "listeners": [{"name": "http", "addresses": ["0.0.0.0:80", "[::]:80"], "connections": 3, "bytes_in": 1, "bytes_out": 2,
                "requests": classes, "routes": [route("~ ^\\d \"x\"/"), route("-")]}]},
        "last_reload": {"at": "2026-01-02T03:04:05Z", "unix_s": 1_767_323_045, "ok": false, "message": ""}});
    let services = json!({"version": 1, "services": [service("web"), service("a:b/c@d")]});
    let upstreams = json!({"version": 1, "upstreams": [upstream("app"), upstream("other")]});
    let track =
        json!({"what": "script /a", "state": "failing", "detail": "1", "weight": -20, "priority": -20, "fault": false});
    let router = |name: &str, state: &str| {
        json!({"name": name, "id": 51, "interface": "eth0", "family": "ipv4", "vrrp_version": 3, "state": state, "priority": 100,
            "effective_priority": 80, "master": null, "advert_interval_ms": 100, "addresses": ["192.0.2.1"], "transitions": 2,
            "last_transition": null, "reason": "", "tracks": [track], "adverts_sent": 8, "adverts_received": 9,
            "discarded": {"checksum": 2}, "warnings": {"interval_differs": 1}})
    };
    let vrrp = json!({"version": 1, "unmatched": {"vrid": 6}, "virtual_routers": [router("VI_1", "master"), router("VI_2", "backup")]});
    Overview {
        vrrp: serde_json::from_value(vrrp).unwrap(),
        status: serde_json::from_value(status).unwrap(),
        services: serde_json::from_value(services).unwrap(),
        upstreams: serde_json::from_value(upstreams).unwrap(),
    }
}

#[test]
fn every_part_of_the_node_is_there() {
    let text = metrics(&overview());
    let read = Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let (web, app) = (("service", "web"), ("upstream", "app"));
    let (http, route) = (("listener", "http"), ("route", "~ ^\\d \"x\"/"));
    let (v6, asked) = (("server", "[fd00::1]:80"), ("server", "10.0.0.1:8080"));
    for (name, labels, value) in [
        ("headgate_build_info", &[("version", "0.1.0"), ("node", "lb\"1\\")][..], 1.0),
        ("headgate_uptime_seconds", &[], 61.0),
        ("headgate_node_state", &[("state", "draining")], 1.0),
        ("headgate_node_state", &[("state", "running")], 0.0),
        ("headgate_config_generation", &[], 4.0),
        ("headgate_config_last_reload_successful", &[], 0.0),
        ("headgate_config_last_reload_timestamp_seconds", &[], 1_767_323_045.0),
        ("headgate_dataplane_workers", &[], 2.0),
        ("headgate_dataplane_connections_capacity", &[], 1024.0),
        ("headgate_dataplane_dropped_packets_total", &[("reason", "no_route")], 4.0),
        ("headgate_dataplane_interface_present", &[("interface", "eth1"), ("mode", "native")], 1.0),
        ("headgate_dataplane_worker_to_kernel_packets_total", &[("worker", "1"), ("core", "3")], 1.0),
        ("headgate_service_up", &[web], 1.0),
        ("headgate_service_packets_total", &[web, ("direction", "in")], 70.0),
        ("headgate_server_up", &[web, v6], 0.0),
        ("headgate_server_effective_weight", &[web, v6], 0.0),
        ("headgate_server_inactive_connections", &[web, v6], 5.0),
        ("headgate_server_bytes_total", &[web, v6, ("direction", "out")], 60_000.0),
        ("headgate_server_packets_per_second", &[web, v6, ("direction", "out")], 3.0),
        ("headgate_proxy_client_connections", &[], 5.0),
        ("headgate_proxy_listener_info", &[("listener", "http"), ("address", "[::]:80")], 1.0),
        ("headgate_proxy_listener_connections", &[http], 3.0),
        ("headgate_proxy_requests_total", &[http, route, ("class", "2xx")], 20.0),
        ("headgate_proxy_requests_total", &[http, ("route", "-"), ("class", "5xx")], 5.0),
        ("headgate_proxy_bytes_total", &[http, route, ("direction", "out")], 200.0),
        ("headgate_proxy_request_seconds_bucket", &[http, route, ("le", "0.001")], 1.0),
        ("headgate_proxy_request_seconds_sum", &[http, route], 0.75),
        ("headgate_proxy_access_log_lines_total", &[("path", "/var/log/a")], 9.0),
        ("headgate_proxy_access_log_dropped_lines_total", &[("path", "/var/log/a")], 2.0),
        ("headgate_upstream_server_up", &[app, asked], 1.0),
        ("headgate_vrrp_state", &[("router", "VI_1"), ("state", "master")], 1.0),
        ("headgate_vrrp_effective_priority", &[("router", "VI_2")], 80.0),
        ("headgate_vrrp_adverts_discarded_total", &[("router", "VI_1"), ("reason", "checksum")], 2.0),
        ("headgate_vrrp_adverts_unmatched_total", &[("reason", "vrid")], 6.0),
        ("headgate_vrrp_track_priority", &[("router", "VI_1"), ("track", "script /a")], -20.0),
        ("headgate_upstream_name_resolved", &[app, ("name", "b.test")], 0.0),
        ("headgate_upstream_server_weight_ratio", &[app, asked], 1.0),
        ("headgate_upstream_server_state", &[app, ("server", "10.0.0.2:8080"), ("state", "probing")], 1.0),
        ("headgate_upstream_server_requests_total", &[app, asked], 30.0),
        ("headgate_upstream_server_response_seconds_bucket", &[app, asked, ("le", "10")], 2.0),
        ("headgate_upstream_server_response_seconds_sum", &[app, asked], 0.75),
    ] {
        assert_eq!(read.value(name, labels), Some(value), "{name} {labels:?}\n{text}");
    }
    let never_asked = [("upstream", "app"), ("server", "10.0.0.2:8080")];
    assert_eq!(read.value("headgate_upstream_server_response_seconds_count", &never_asked), None);
}

/// Prometheus' own linter, where it is installed.
#[test]
fn promtool_agrees() {
    let started =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = started else {
        eprintln!("skipped: promtool (Debian package prometheus) is not installed");
        return;
    };
    promtool.stdin.take().unwrap().write_all(metrics(&overview()).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_strict_reader_is_strict() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let good = format!("{head}a_total{{x=\"1\\n\\\"\\\\\"}} 1\na_total 2.5\n");
    assert_eq!(Exposition::read(&good).unwrap().value("a_total", &[("x", "1\n\"\\")]), Some(1.0));
    for (text, why) in [
        ("a_total 1\n", "not a sample of the metric above"),
        ("# HELP a A.\n# TYPE a counter\na 1\n", "a bad type"),
        ("# TYPE a gauge\na 1\n", "a bad type"),
        ("# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 1\n", "a second sample"),
        ("# HELP a_total A.\n# TYPE a_total counter\na_total{x=1} 1\n", "no sample"),
        ("# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\x\"} 1\n", "no sample"),
        ("# HELP a_total A.\n# TYPE a_total counter\na_total x\n", "no sample"),
        ("# HELP a_total A.\n# TYPE a_total counter\na_total 1", "the last line has no end"),
        ("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n", "histogram h"),
    ] {
        let error = Exposition::read(text).unwrap_err();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}
