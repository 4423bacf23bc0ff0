//! Where access logs go: rotation, reloads, what cannot be opened, syslog; and the metrics of the same requests.

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::proxy::{Bed, PRIMARY, PROXY, at, config, good, namespace};
use common::{BINARY, PATIENCE};
use headgate_testbed::traffic::{Load, http_get};
use headgate_testbed::{Daemon, privileged, wait_for};
use nix::sys::signal::Signal;

/// `config` with a log of this name in the folder of the daemon.
fn logging(config: &str, name: &str) -> String {
    let keys = format!("access_log = {{ path = \"@DIR@/{name}\" }}\n[[listener.route]]");
    config.replacen("[[listener.route]]", &keys, 1)
}

fn text() -> String {
    config("", &[(PRIMARY, "")], "")
}

fn file(daemon: &Daemon, name: &str) -> PathBuf {
    daemon.config_file().with_file_name(name)
}

fn count(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn no_line_is_lost_while_files_are_renamed_under_load() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-rotate");
    let _primary = good(&topology, PRIMARY);
    let mut bed = Bed::start(topology, &logging(&text(), "access.log"));
    let current = file(&bed.daemon, "access.log");
    let load = Load { clients: 8, duration: Duration::from_mins(1), timeout: PATIENCE, ..Load::new(PROXY) };
    let load = load.start(bed.ns()).unwrap();
    let old = |round: usize| file(&bed.daemon, &format!("access.log.{round}"));
    let olds: Vec<PathBuf> = (0..5).map(old).collect();
    for old in &olds {
        let begun = load.requests();
        wait_for(PATIENCE, "requests are served", || load.requests() > begun + 300).unwrap();
        wait_for(PATIENCE, "lines are written", || count(&current) > 0).unwrap();
        fs::rename(&current, old).unwrap();
        bed.daemon.signal(Signal::SIGUSR1).unwrap();
        wait_for(PATIENCE, "the file is there again", || current.exists()).unwrap();
    }
    let report = load.stop().unwrap();
    assert_eq!(report.errors, 0, "{:?}", report.first_error);
    let status = bed.daemon.json(&["status"]).unwrap();
    let served = status["proxy"]["listeners"][0]["requests"]["2xx"].as_u64().unwrap();
    assert!(served >= report.requests, "{served} of {}", report.requests);
    assert_eq!(status["proxy"]["access_logs"][0]["dropped"], 0);
    // The end writes what is left.
    assert!(bed.daemon.stop().unwrap().success(), "{}", bed.daemon.log());
    let mut lines = 0;
    for path in olds.iter().chain([&current]) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'), "{}", path.display());
        for line in text.lines() {
            assert!(line.starts_with("127.0.0.1 - - [") && line.ends_with("\" 200 4 \"-\" \"-\""), "{line}");
            lines += 1;
        }
    }
    assert_eq!(lines, served);
}

#[test]
fn what_cannot_be_opened_is_said_and_a_reload_to_it_changes_nothing() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-open");
    let _primary = good(&topology, PRIMARY);
    let nowhere = logging(&text(), "gone/access.log");
    let refused = Daemon::start(topology.director(), BINARY, &nowhere).unwrap_err().to_string();
    let why = "gone/access.log: No such file or directory";
    assert!(refused.contains("proxy: cannot open the access log ") && refused.contains(why), "{refused}");
    let bed = Bed::start(topology, &logging(&text(), "a.log"));
    let output = bed.daemon.reload(&nowhere).unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stdout).contains(why), "{output:?}");
    bed.get("/");
    wait_for(PATIENCE, "the line is written", || count(&file(&bed.daemon, "a.log")) == 1).unwrap();
    bed.finish();
}

#[test]
fn a_reload_changes_where_lines_go_and_keeps_the_counters() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-reload");
    let _primary = good(&topology, PRIMARY);
    let bed = Bed::start(topology, &logging(&text(), "a.log"));
    let [a, b] = ["a.log", "b.log"].map(|name| file(&bed.daemon, name));
    let is_open = |path: &Path| {
        let files = fs::read_dir(format!("/proc/{}/fd", bed.daemon.pid())).unwrap();
        files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
    };
    bed.get("/");
    let output = bed.daemon.reload(&logging(&text(), "b.log")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let change = format!("listener http: access_log: {} (combined) -> {} (combined)", a.display(), b.display());
    assert!(output.status.success() && said.contains(&change), "{said}");
    bed.get("/");
    wait_for(PATIENCE, "lines are written", || (count(&a), count(&b)) == (1, 1)).unwrap();
    wait_for(PATIENCE, "the old file is closed", || !is_open(&a)).unwrap();
    assert!(is_open(&b));
    assert!(bed.daemon.reload(&text()).unwrap().status.success());
    bed.get("/");
    wait_for(PATIENCE, "the other file is closed", || !is_open(&b)).unwrap();
    assert_eq!((count(&a), count(&b)), (1, 1));
    let status = bed.daemon.json(&["status"]).unwrap();
    assert_eq!(status["proxy"]["listeners"][0]["requests"]["2xx"], 3);
    assert_eq!(status["proxy"]["access_logs"], serde_json::json!([]));
    bed.finish();
}

#[test]
fn syslog_gets_lines_and_metrics_count_them() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-syslog");
    let _primary = good(&topology, PRIMARY);
    let socket = topology.director().directory().join("syslog");
    let server = UnixDatagram::bind(&socket).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let log = format!("access_log = {{ path = \"syslog:{}\", format = \"$status $route\" }}", socket.display());
    let control = "[control]\nsocket = \"@DIR@/headgate.sock\"\nadmin = \"127.0.0.1:9180\"\n";
    let routes = "[[listener.route]]\npath = \"= /no\"\nrespond = { status = 403 }\n";
    let text = config("", &[(PRIMARY, "")], routes);
    let text = text.replacen("[[listener.route]]", &format!("{log}\n[[listener.route]]"), 1);
    let bed = Bed::start(topology, &(text + control));
    for path in ["/", "/no"] {
        bed.get(path);
        let mut datagram = [0; 512];
        let length = server.recv(&mut datagram).unwrap();
        let line = String::from_utf8_lossy(&datagram[..length]);
        let expected = if path == "/" { "200 /" } else { "403 = /no" };
        assert!(line.starts_with("<190>") && line.ends_with(&format!(" headgate: {expected}")), "{line}");
    }
    let text = http_get(bed.ns(), at(9180), "/metrics").unwrap().text();
    let read = common::exposition::Exposition::read(&text).unwrap();
    let (http, no) = (("listener", "http"), ("route", "= /no"));
    let path = format!("syslog:{}", socket.display());
    for (name, labels, value) in [
        ("headgate_proxy_requests_total", &[http, ("route", "/"), ("class", "2xx")][..], 1.0),
        ("headgate_proxy_requests_total", &[http, no, ("class", "4xx")], 1.0),
        ("headgate_proxy_requests_total", &[http, no, ("class", "2xx")], 0.0),
        ("headgate_proxy_request_seconds_count", &[http, no], 1.0),
        ("headgate_proxy_request_seconds_bucket", &[http, no, ("le", "10")], 1.0),
        ("headgate_proxy_access_log_lines_total", &[("path", &path)], 2.0),
        ("headgate_proxy_access_log_dropped_lines_total", &[("path", &path)], 0.0),
    ] {
        assert_eq!(read.value(name, labels), Some(value), "{name} {labels:?}\n{text}");
    }
    for direction in ["in", "out"] {
        let bytes = read.value("headgate_proxy_bytes_total", &[http, no, ("direction", direction)]);
        assert!(bytes.is_some_and(|bytes| bytes > 20.0), "{direction}\n{text}");
    }
    assert!(bed.daemon.run(&["status"]).unwrap().contains("LISTENER  CONNECTIONS  1xx  2xx  3xx  4xx  5xx"));
    bed.finish();
}
