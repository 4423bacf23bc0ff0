//! Suites of others, driven by `cargo xtask suites`, which installs what they need and names the folder of the Python programs in
//! `HEADGATE_SUITES`.

mod common;

use common::PATIENCE;
use common::proxy::{BACKUP, BACKUP_KEY, Bed, PRIMARY, PROXY, at, config, good, namespace};
use common::tls::{certificates, pair};
use headgate_testbed::wait_for;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suites");

/// A Python program of the suites.
fn python(name: &str) -> String {
    let folder = std::env::var("HEADGATE_SUITES").expect("HEADGATE_SUITES; run cargo xtask suites");
    format!("{folder}/bin/{name}")
}

fn script(name: &str) -> String {
    format!("{SCRIPTS}/{name}")
}

#[test]
#[ignore = "cargo xtask suites"]
fn varnishtest_scripts() {
    for name in ["framing.vtc", "failover.vtc"] {
        let servers = [(PRIMARY, ""), (BACKUP, BACKUP_KEY)];
        let bed = Bed::start(namespace("vtc"), &config("", &servers, ""));
        let proxy = format!("-Dproxy={PROXY}");
        println!("{}", bed.ns().run(&["varnishtest", "-t", "20", &proxy, &script(name)]).unwrap());
        bed.finish();
    }
}

#[test]
#[ignore = "cargo xtask suites"]
fn websocket_by_the_autobahn_cases() {
    let topology = namespace("autobahn");
    let echo = topology.director().spawn(&[&python("python3"), &script("echo.py"), &PRIMARY.to_string()]).unwrap();
    let listens = || topology.director().enter(|| std::net::TcpStream::connect(at(PRIMARY))).unwrap().is_ok();
    wait_for(PATIENCE, "the echo server listens", listens).unwrap();
    let text = config("", &[(PRIMARY, "")], "").replace("\"1s\"", "\"10s\"");
    let bed = Bed::start(topology, &text);
    let failed = |address: String| {
        let out = bed.ns().directory().join(address.replace(':', "-"));
        let kosoku = [&python("kosoku"), "-m", "fuzzingclient", "-x", "9.*", "-x", "12.*", "-x", "13.*", "-o"];
        let output = bed.ns().output(&[&kosoku[..], &[out.to_str().unwrap(), &address]].concat()).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let lines: Vec<String> = text.lines().filter(|line| line.contains("FAIL")).map(str::to_owned).collect();
        println!("{address}: {text}");
        assert!(text.contains(" 247 cases"), "not all of them ran");
        lines
    };
    let direct = failed(at(PRIMARY).to_string());
    assert_eq!(failed(PROXY.to_string()), direct, "as without the proxy");
    drop(echo);
    bed.finish();
}

#[test]
#[ignore = "cargo xtask suites"]
fn slow_clients_by_slowhttptest() {
    let topology = namespace("slowhttp");
    let _server = good(&topology, PRIMARY);
    let limits = "head_timeout = \"5s\", body_timeout = \"5s\", send_timeout = \"5s\"";
    let limits = format!("[[listener]]\nlimits = {{ {limits} }}\n");
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "")], "").replace("[[listener]]\n", &limits));
    let url = format!("http://{PROXY}/");
    for attack in ["-H", "-B", "-X"] {
        let slow = ["slowhttptest", "-c", "200", attack, "-i", "1", "-r", "100", "-l", "20", "-u", &url];
        let said = bed.ns().run(&slow).unwrap();
        let last = said.rsplit("slow HTTP test status").next().unwrap_or_default().to_owned();
        assert!(last.contains("YES"), "{attack}: {last}");
        println!("{attack}: available to the end");
    }
    bed.finish();
}

#[test]
#[ignore = "cargo xtask suites"]
fn tls_by_sslyze_and_load_by_h2load() {
    let topology = namespace("sslyze");
    let _server = good(&topology, PRIMARY);
    let home = certificates(topology.director(), &[("a", "DNS:a.test")]);
    let hsts = "response_headers = { set = { Strict-Transport-Security = \"max-age=63072000\" } }";
    let tls = format!("[[listener]]\ntls = {{ certificates = [{}] }}\n", pair(&home, "a"));
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "")], hsts).replace("[[listener]]\n", &tls));
    let port = PROXY.port();
    let address = format!("a.test:{port}{{127.0.0.1}}");
    let said = bed.ns().output(&[&python("sslyze"), "--mozilla_config", "intermediate", &address]).unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let verdict = said.split("COMPLIANCE AGAINST").nth(1).unwrap_or(&said).to_owned();
    println!("{verdict}");
    // The certificate of a test is signed by nobody known, and lives for two days.
    let complaints = verdict.lines().filter(|line| line.trim_start().starts_with('*'));
    let complaints: Vec<_> = complaints.filter(|line| !line.contains("certificate")).collect();
    assert!(complaints.is_empty() && verdict.contains("a.test"), "{said}");
    let url = format!("https://127.0.0.1:{port}/");
    let load = bed.ns().run(&["h2load", "-n", "20000", "-c", "10", "-m", "10", &url]).unwrap();
    assert!(load.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "{load}");
    bed.finish();
}

#[test]
#[ignore = "cargo xtask suites"]
fn rules_of_http2() {
    let topology = namespace("h2rules");
    let _server = good(&topology, PRIMARY);
    let text = config("", &[(PRIMARY, "")], "").replace("[[listener]]\n", "[[listener]]\nhttp2 = true\n");
    let bed = Bed::start(topology, &text);
    let said = bed.ns().run(&[&python("python3"), &script("http2.py"), &PROXY.port().to_string()]).unwrap();
    println!("{said}");
    bed.finish();
}
