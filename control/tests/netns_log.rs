//! The access log: its lines, compared with those of nginx, and what the counters say of the same requests.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use common::PATIENCE;
use common::proxy::{BACKUP, BACKUP_KEY, Bed, Do, PRIMARY, PROXY, SECOND, Server, at, config, good, namespace, status};
use headgate_testbed::{Namespace, Process, Topology, privileged, wait_for};
use serde_json::{Value, json};

const NGINX: u16 = 8081;

/// A listener that logs to `@DIR@/access.log`; `log`: more keys of that, `listener`: more of the listener. One worker: lines of several
/// come in no order.
fn logging(config: &str, log: &str, listener: &str) -> String {
    let keys = format!("access_log = {{ path = \"@DIR@/access.log\"{log} }}\n{listener}\n[[listener.route]]");
    format!("[proxy]\nworkers = [0]\n{}", config.replacen("[[listener.route]]", &keys, 1))
}

/// The lines, once there are so many.
fn lines(bed: &Bed, count: usize) -> Vec<String> {
    let file = bed.daemon.config_file().with_file_name("access.log");
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let complete = wait_for(PATIENCE, "the lines are written", || read().lines().count() >= count);
    complete.unwrap_or_else(|error| panic!("{error}: {}", read()));
    let lines: Vec<String> = read().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// `curl` to a port; what it prints is of no interest.
fn curl(ns: &Namespace, port: u16, path: &str, arguments: &[&str]) {
    let url = format!("http://127.0.0.1:{port}{path}");
    let _ = ns.run(&[&["curl", "-sS", "--max-time", "10", "--path-as-is"], arguments, &[&url]].concat());
}

/// Requests of the listener by class.
fn classes(bed: &Bed) -> Value {
    bed.daemon.json(&["status"]).unwrap()["proxy"]["listeners"][0]["requests"].clone()
}

/// nginx in front of the same server, with this format.
fn nginx(ns: &Namespace, format: &str) -> Process {
    let home = ns.directory().display().to_string();
    let mut text = format!(
        "daemon off; master_process off; user root; pid {home}/nginx.pid; error_log {home}/nginx.log;\n\
         events {{}} http {{ log_format all '{format}'; access_log {home}/nginx-access.log all;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {home}/{kind};").unwrap();
    }
    let server = format!("proxy_pass http://127.0.0.1:{PRIMARY}; proxy_http_version 1.1;");
    writeln!(text, "server {{ listen 127.0.0.1:{NGINX}; location / {{ {server} }} }} }}").unwrap();
    let file = ns.directory().join("nginx.conf");
    fs::write(&file, text).unwrap();
    let process = ns.spawn(&["nginx", "-e", "/dev/null", "-c", file.to_str().unwrap()]).unwrap();
    wait_for(PATIENCE, "nginx listens", || ns.enter(|| TcpStream::connect(at(NGINX))).unwrap().is_ok()).unwrap();
    process
}

#[test]
fn lines_are_those_of_nginx() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-nginx");
    let _primary = Server::start(&topology, PRIMARY, |_, request| {
        let code = if request.line.contains("missing") { 404 } else { 200 };
        let body = if request.line.starts_with("HEAD") { "" } else { "hello" };
        status(code, body)
    });
    // All but the times and what depends on the way to the server.
    let format = "$remote_addr - $remote_user \"$request\" $request_method $request_uri $status $body_bytes_sent \
                  \"$http_referer\" \"$http_user_agent\" $http_x_empty $host $request_length $scheme $server_protocol \
                  $upstream_addr $upstream_status";
    let _nginx = nginx(topology.director(), format);
    let keys = format!(", format = '{format}'");
    let bed = Bed::start(topology, &logging(&config("", &[(PRIMARY, "")], ""), &keys, ""));
    let body = "x".repeat(100_000);
    let cases: [(&str, &[&str]); 10] = [
        ("/", &[]),
        ("/missing?a=%20b&c", &["-H", "Referer: http://example.org/\"quoted\""]),
        ("/a", &["-A", "back\\slash \u{e9}\u{1f600} \"", "-H", "X-Empty;"]),
        ("/user", &["-u", "some body:secret"]),
        ("/head", &["-I"]),
        ("/old", &["--http1.0"]),
        ("/post", &["-d", &body, "-H", "Expect:"]),
        ("/chunked", &["-d", "a=b", "-H", "Transfer-Encoding: chunked"]),
        ("/host", &["-H", "Host: WWW.Example.ORG:8080"]),
        ("/absolute", &["--request-target", "http://other.test/absolute?x"]),
    ];
    for (path, arguments) in cases {
        for port in [NGINX, PROXY.port()] {
            // The port is a part of the Host field and so of the length.
            let host = ["-H", "Host: example.org"];
            curl(bed.ns(), port, path, &[arguments, if path == "/host" { &[] } else { &host[..] }].concat());
        }
    }
    let ours = lines(&bed, cases.len());
    let theirs = fs::read_to_string(bed.ns().directory().join("nginx-access.log")).unwrap();
    let theirs: Vec<_> = theirs.lines().collect();
    assert_eq!(ours, theirs);
    assert_eq!(classes(&bed), json!({"1xx": 0, "2xx": 9, "3xx": 0, "4xx": 1, "5xx": 0}));
    bed.finish();
}

#[test]
fn a_combined_line_has_the_time() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-combined");
    let _primary = good(&topology, PRIMARY);
    let text = logging(&config("", &[(PRIMARY, "")], ""), "", "");
    let bed = Bed::start(topology, &text);
    let date = |bed: &Bed| bed.ns().run(&["date", "+%d/%b/%Y:%H:%M:%S %z"]).unwrap().trim().to_owned();
    let before = date(&bed);
    curl(bed.ns(), PROXY.port(), "/x", &["-A", "agent"]);
    let after = date(&bed);
    let line = lines(&bed, 1).remove(0);
    let expected = |date: &str| format!("127.0.0.1 - - [{date}] \"GET /x HTTP/1.1\" 200 4 \"-\" \"agent\"");
    // Either second, unless the machine was so slow that it is one between.
    let time = line.split(['[', ']']).nth(1).unwrap().to_owned();
    assert!((before..=after).contains(&time), "{line}");
    assert_eq!(line, expected(&time));
    bed.finish();
}

#[test]
fn json_lines_say_what_happened() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-json");
    let large = "x".repeat(3_000_000);
    let _primary = Server::start(&topology, PRIMARY, move |_, _| status(200, &large));
    let fields = "\"status\", \"bytes_sent\", \"body_bytes_sent\", \"http_user_agent\", \"request_time\", \"connection\", \
                  \"route\", \"upstream\", \"listener\", \"upstream_response_time\"";
    let keys = format!(", format = \"json\", fields = [{fields}]");
    let www = topology.director().directory().join("www");
    fs::create_dir(&www).unwrap();
    fs::write(www.join("file"), vec![b'y'; 2_000_000]).unwrap();
    let files = format!("[[listener.route]]\npath = \"= /file\"\nroot = \"{}\"\n", www.display());
    let bed = Bed::start(topology, &logging(&config("", &[(PRIMARY, "")], &files), &keys, ""));
    // Spliced, and sent by the kernel.
    curl(bed.ns(), PROXY.port(), "/large", &["-o", "/dev/null", "-A", "\u{e9}\"\\"]);
    curl(bed.ns(), PROXY.port(), "/file", &["-o", "/dev/null"]);
    curl(bed.ns(), PROXY.port(), "/*", &["-X", "OPTIONS", "-H", "Max-Forwards: 0"]);
    let read: Vec<Value> = lines(&bed, 3).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let number = |line: usize, key: &str| read[line][key].as_f64().unwrap();
    assert_eq!((number(0, "status"), number(0, "body_bytes_sent")), (200.0, 3_000_000.0));
    assert!((10.0..500.0).contains(&(number(0, "bytes_sent") - 3_000_000.0)), "{}", read[0]);
    assert_eq!(read[0]["http_user_agent"], "\u{e9}\"\\");
    assert_eq!([&read[0]["route"], &read[0]["upstream"], &read[0]["listener"]], ["/", "app", "http"]);
    let took: f64 = read[0]["upstream_response_time"].as_str().unwrap().parse().unwrap();
    assert!(took <= number(0, "request_time"), "{}", read[0]);
    assert_eq!((number(1, "body_bytes_sent"), &read[1]["route"]), (2_000_000.0, &json!("= /file")));
    assert_eq!((number(2, "status"), &read[2]["route"], &read[2]["upstream"]), (204.0, &Value::Null, &Value::Null));
    assert_ne!(read[0]["connection"], read[1]["connection"]);
    let listener = bed.daemon.json(&["status"]).unwrap()["proxy"]["listeners"][0].clone();
    let routes = listener["routes"].as_array().unwrap();
    assert_eq!(routes[1]["bytes_out"], read[1]["bytes_sent"]);
    let shown: Vec<_> =
        routes.iter().map(|route| (route["route"].as_str().unwrap(), &route["requests"]["2xx"])).collect();
    assert_eq!(shown, [("/", &json!(1)), ("= /file", &json!(1)), ("-", &json!(1))]);
    bed.finish();
}

/// A proxy that logs status, request and tries.
fn with_tries(topology: Topology, servers: &[(u16, &str)], route: &str, listener: &str) -> Bed {
    let keys = ", format = '$status \"$request\" $upstream_addr $upstream_status'";
    Bed::start(topology, &logging(&config("", servers, route), keys, listener))
}

#[test]
fn every_server_that_was_asked_is_listed() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-tries");
    // Nobody listens at PRIMARY.
    let _second = Server::start(&topology, SECOND, |_, _| Do::Close(Vec::new()));
    let _backup = good(&topology, BACKUP);
    let keys = "max_fails = 0";
    let bed = with_tries(topology, &[(PRIMARY, keys), (SECOND, keys), (BACKUP, BACKUP_KEY)], "", "");
    curl(bed.ns(), PROXY.port(), "/a", &[]);
    let tries = "127.0.0.1:9001, 127.0.0.1:9002, 127.0.0.1:9003 502, 502, 200";
    assert_eq!(lines(&bed, 1), [format!("200 \"GET /a HTTP/1.1\" {tries}")]);
    bed.finish();
}

#[test]
fn nobody_to_ask_and_nobody_who_answers() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-none");
    let bed = with_tries(topology, &[(PRIMARY, "down = true")], "", "");
    curl(bed.ns(), PROXY.port(), "/a", &[]);
    assert_eq!(lines(&bed, 1), ["502 \"GET /a HTTP/1.1\" app 502"]);
    bed.finish();
}

#[test]
fn a_client_that_goes_away_is_499() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-499");
    let primary = Server::start(&topology, PRIMARY, |_, _| Do::Hang);
    let bed = with_tries(topology, &[(PRIMARY, "max_fails = 0")], "", "");
    // curl closes after a moment, and the server never answers.
    curl(bed.ns(), PROXY.port(), "/curl", &["--max-time", "0.3"]);
    assert_eq!(lines(&bed, 1), ["499 \"GET /curl HTTP/1.1\" 127.0.0.1:9001 504"]);
    // Here the connection breaks, which is known at once; the other request is to be waited for.
    let slow = bed.raw(b"GET /reset HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(PATIENCE, "the request is there", || primary.requests().len() == 2).unwrap();
    socket2::SockRef::from(&slow).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(slow);
    assert_eq!(lines(&bed, 2)[1], "499 \"GET /reset HTTP/1.1\" 127.0.0.1:9001 -");
    // In the middle of its body.
    let mut upload = bed.raw(b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
    upload.write_all(b"12345").unwrap();
    drop(upload);
    assert_eq!(lines(&bed, 3)[2], "499 \"POST /upload HTTP/1.1\" - -");
    assert_eq!(classes(&bed)["4xx"], 3);
    bed.finish();
}

#[test]
fn refused_requests_are_logged() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-refused");
    let _primary = good(&topology, PRIMARY);
    let limits = "limits = { request_line = \"1KiB\", head = \"2KiB\", head_timeout = \"300ms\" }";
    let bed = with_tries(topology, &[(PRIMARY, "")], "", limits);
    let long = "x".repeat(1500);
    let cases = [
        (format!("GET /{long} HTTP/1.1\r\n"), format!("414 \"GET /{long} HTTP/1.1\"")),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {long}\r\nB: {long}\r\n\r\n"), "431 \"GET / HTTP/1.1\"".to_owned()),
        ("GET /no-host HTTP/1.1\r\n\r\n".to_owned(), "400 \"GET /no-host HTTP/1.1\"".to_owned()),
        ("\x16\x03\x01\x02\r\n".to_owned(), r#"400 "\x16\x03\x01\x02""#.to_owned()),
        ("GET /\"> HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n".to_owned(), r#"400 "GET /\x22> HTTP/1.1""#.to_owned()),
        ("GET /%2e%2e/../../x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), String::new()),
        ("GET /slow HTTP/1.1\r\nHost".to_owned(), "408 \"GET /slow HTTP/1.1\"".to_owned()),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "405 \"TRACE / HTTP/1.1\"".to_owned()),
    ];
    for (number, (request, expected)) in cases.iter().enumerate() {
        let mut answer = String::new();
        let mut stream = bed.raw(request.as_bytes());
        let _ = stream.read_to_string(&mut answer);
        let line = lines(&bed, number + 1).pop().unwrap();
        if expected.is_empty() {
            assert!(answer.starts_with(&format!("HTTP/1.1 {} ", &line[..3])), "{line}: {answer}");
        } else {
            assert_eq!(line, format!("{expected} - -"), "{request:?}");
        }
    }
    // It says half a line and goes.
    drop(bed.raw(b"GET /half HT"));
    assert_eq!(lines(&bed, cases.len() + 1).pop().unwrap(), "400 \"GET /half HT\" - -");
    // Who says nothing is not worth a line.
    drop(bed.raw(b""));
    drop(bed.raw(b"\r\n"));
    curl(bed.ns(), PROXY.port(), "/last", &[]);
    let last = lines(&bed, cases.len() + 2).pop().unwrap();
    assert!(last.starts_with("200 \"GET /last "), "{last}");
    bed.finish();
}

#[test]
fn routes_have_logs_of_their_own_or_none() {
    if !privileged() {
        return;
    }
    let topology = namespace("log-routes");
    let _primary = good(&topology, PRIMARY);
    let routes = "[[listener.route]]\npath = \"/silent/\"\nrespond = { status = 200 }\naccess_log = false\n\
                  [[listener.route]]\npath = \"/out/\"\nrespond = { status = 404 }\n\
                  access_log = { path = \"stdout\", format = \"<$request_uri>\" }\n";
    let bed = Bed::start(topology, &logging(&config("", &[(PRIMARY, "")], routes), ", format = \"$request_uri\"", ""));
    for path in ["/silent/1", "/out/2", "/3"] {
        curl(bed.ns(), PROXY.port(), path, &[]);
    }
    assert_eq!(lines(&bed, 1), ["/3"]);
    wait_for(PATIENCE, "the line on standard output", || bed.daemon.log().contains("</out/2>\n")).unwrap();
    assert!(!bed.daemon.log().contains("/silent/1"), "{}", bed.daemon.log());
    assert_eq!(classes(&bed), json!({"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 1, "5xx": 0}));
    bed.finish();
}
