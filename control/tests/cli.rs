//! The real program against a daemon that answers from a script: exit codes, output, and what goes over the socket.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use headgate::socket::{Server, serve};
use headgate_api::{
    ConnectionFilter, ErrorKind, Forward, Protocol, ReloadReport, Request, Response, ServerChange, Service, Services,
    Stats,
};
use serde_json::{Value, json};

/// A directory that is gone at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("headgate-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers every request with one response and keeps the requests.
struct Daemon {
    directory: Directory,
    requests: mpsc::Receiver<Request>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    fn answering(response: Response) -> Self {
        let directory = Directory::new();
        let path = directory.0.join("headgate.sock");
        let (seen, requests) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(&path).unwrap();
                ready.send(()).unwrap();
                let answer = |request| {
                    let _ = seen.send(request);
                    response.clone()
                };
                tokio::select! {
                    () = serve(server, answer) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { directory, requests, stop: Some(stop), thread: Some(thread) }
    }

    fn socket(&self) -> String {
        self.directory.0.join("headgate.sock").to_str().unwrap().to_owned()
    }

    /// Runs a client command with `--socket` behind it.
    fn run(&self, args: &[&str]) -> Output {
        let socket = self.socket();
        run(&[args, &["--socket", &socket]].concat())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().unwrap().join();
    }
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("killed: {output:?}"))
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

const BAD: &str = "[node]\nnam = 1\n[dataplane]\nconnections = 1\n";

#[test]
fn check_reports_everything_and_exits_78() {
    let directory = Directory::new();
    let file = directory.file("bad.toml", BAD);
    let output = run(&["check", &file]);
    assert_eq!(code(&output), 78);
    let expected = format!(
        "{file}:2: node.nam: unknown key; did you mean `name`?\n\
         {file}:4: dataplane.connections: 1 is out of range (1024 to 1073741824 connections)\n\
         2 errors\n"
    );
    assert_eq!(out(&output), expected);
    assert_eq!(err(&output), "");
}

#[test]
fn check_as_json() {
    let directory = Directory::new();
    let file = directory.file("bad.toml", BAD);
    let output = run(&["check", "--json", &file]);
    assert_eq!(code(&output), 78);
    let report = json(&output);
    assert_eq!((&report["version"], &report["ok"]), (&json!(1), &json!(false)));
    let error = json!({"file": file, "line": 2, "key": "node.nam", "message": "unknown key; did you mean `name`?"});
    assert_eq!(report["errors"][0], error);

    let good = run(&["check", "--json", &directory.file("good.toml", "")]);
    assert_eq!(code(&good), 0);
    assert_eq!(json(&good), json!({"version": 1, "ok": true, "errors": [], "warnings": []}));
}

#[test]
fn check_warns_of_an_address_nobody_holds() {
    let directory = Directory::new();
    let service = "[dataplane]\ninterfaces = [\"eth0\"]\n[[service]]\nname = \"a\"\nprotocol = \"tcp\"\n\
                   address = \"0.0.0.1:80\"\n[[service.server]]\naddress = \"10.0.0.1\"\n";
    // Nothing can bind to an address in 0.0.0.0/8, whatever the host holds.
    let output = run(&["check", &directory.file("a.toml", service)]);
    assert_eq!(code(&output), 0);
    assert!(out(&output).contains("a.toml:6: service[0].address: nobody holds 0.0.0.1"), "{}", out(&output));
    assert!(out(&output).ends_with("the configuration is good, with 1 warning\n"), "{}", out(&output));
}

#[test]
fn the_reference_is_a_good_file() {
    let directory = Directory::new();
    let reference = run(&["check", "--reference"]);
    assert_eq!(code(&reference), 0);
    let output = run(&["check", &directory.file("reference.toml", out(&reference))]);
    assert_eq!((code(&output), out(&output)), (0, "the configuration is good\n"));
}

#[test]
fn a_missing_file_is_a_bad_configuration() {
    let output = run(&["check", "/nonexistent/headgate.toml"]);
    assert_eq!(code(&output), 78);
    assert!(out(&output).contains("/nonexistent/headgate.toml: cannot read the file"), "{}", out(&output));
}

#[test]
fn run_refuses_a_bad_file_and_says_why() {
    let directory = Directory::new();
    let file = directory.file("bad.toml", BAD);
    let output = run(&["run", "-c", &file]);
    assert_eq!(code(&output), 78);
    assert!(err(&output).contains("bad.toml:2: node.nam: unknown key"), "{}", err(&output));
    assert!(err(&output).contains("not started: 2 errors in the configuration"), "{}", err(&output));
    assert_eq!(code(&run(&["run"])), 2);
}

#[test]
fn usage_errors_exit_2_and_help_exits_0() {
    for args in [
        &["fly"][..],
        &[],
        &["check"],
        &["status", "--colour"],
        &["server", "web", "10.0.0.1", "weight"],
        &["server", "web", "10.0.0.1", "drain", "5"],
        &["server", "web", "10.0.0.1", "weight", "2147483648"],
        &["server", "web", "host:80", "drain"],
        &["connections", "--client", "x"],
    ] {
        let output = run(args);
        assert_eq!(code(&output), 2, "{args:?}: {output:?}");
        assert!(!err(&output).is_empty());
    }
    for command in ["run", "check", "reload", "status", "services", "connections", "server"] {
        let output = run(&[command, "--help"]);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains(&format!("headgate {command}")), "{}", out(&output));
    }
    assert_eq!(code(&run(&["--version"])), 0);
}

#[test]
fn without_a_daemon_clients_exit_2_and_name_the_socket() {
    let directory = Directory::new();
    let socket = directory.0.join("none.sock");
    for args in [&["status"][..], &["services"], &["connections"], &["reload"], &["server", "web", "10.0.0.1", "drain"]]
    {
        let output = run(&[args, &["--socket", socket.to_str().unwrap()]].concat());
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(
            err(&output).contains("no daemon listens on") && err(&output).contains("none.sock"),
            "{}",
            err(&output)
        );
        assert_eq!(out(&output), "");
    }
}

#[test]
fn the_socket_option_goes_anywhere_and_the_file_names_it_too() {
    let daemon = Daemon::answering(Response::Services(Services::new(vec![])));
    let socket = daemon.socket();
    let file = daemon.directory.file("h.toml", &format!("[control]\nsocket = \"{socket}\"\nbroken = true\n"));
    for args in [
        &["--socket", &socket, "services"][..],
        &["services", "--socket", &socket],
        &["-c", &file, "services"],
        &["services", "--config", &file],
        &["--socket", &socket, "services", "-c", "/nonexistent"],
    ] {
        let output = run(args);
        assert_eq!((code(&output), out(&output)), (0, "there are no services\n"), "{args:?}: {output:?}");
    }
}

#[test]
fn requests_carry_the_arguments() {
    let daemon = Daemon::answering(Response::error(ErrorKind::NotFound, "there is no service \"web\""));
    let server = |text: &str, change| Request::Server { service: "web".into(), address: text.parse().unwrap(), change };
    let filter = ConnectionFilter {
        service: Some("web".into()),
        client: Some("198.51.100.7".parse().unwrap()),
        server: Some("2001:db8::1".parse().unwrap()),
        state: Some("SYN_RECV".into()),
        limit: 5,
    };
    let connections = "connections --service web --client 198.51.100.7 --server 2001:db8::1 --state SYN_RECV --limit 5";
    for (args, request) in [
        ("status", Request::Status),
        ("services", Request::Services { name: None, rates: false, zero: false }),
        ("services web --rates --zero", Request::Services { name: Some("web".into()), rates: true, zero: true }),
        (connections, Request::Connections { filter }),
        ("reload", Request::Reload),
        ("server web 10.0.0.1:80 drain", server("10.0.0.1:80", ServerChange::Drain)),
        ("server web 10.0.0.1 enable", server("10.0.0.1:0", ServerChange::Enable)),
        ("server web [2001:db8::1]:80 weight 0", server("[2001:db8::1]:80", ServerChange::Weight(0))),
    ] {
        let output = daemon.run(&args.split(' ').collect::<Vec<_>>());
        assert_eq!(daemon.requests.recv().unwrap(), request);
        assert_eq!((code(&output), err(&output)), (1, "headgate: there is no service \"web\"\n"), "{args}");
    }
}

#[test]
fn json_is_the_daemons_answer_and_text_is_plain_in_a_pipe() {
    let service = Service {
        name: "web".into(),
        protocol: Protocol::Tcp,
        address: "192.0.2.1:80".into(),
        forward: Forward::Nat,
        scheduler: "rr".into(),
        up: true,
        since_s: 1,
        quorum: 1,
        sorry_server: None,
        stats: Stats::default(),
        servers: vec![],
    };
    let services = Services::new(vec![service]);
    let daemon = Daemon::answering(Response::Services(services.clone()));
    assert_eq!(json(&daemon.run(&["services", "--json"])), serde_json::to_value(&services).unwrap());
    let text = daemon.run(&["services"]);
    assert!(out(&text).starts_with("web: up, tcp 192.0.2.1:80, nat, rr\n"), "{}", out(&text));
    assert_eq!(code(&daemon.run(&["status"])), 1, "an answer of the wrong kind");
}

#[test]
fn a_refused_reload_exits_78() {
    let report = |ok| ReloadReport { version: 1, ok, generation: 2, changes: vec![], errors: vec![], warnings: vec![] };
    for (ok, expected) in [(true, 0), (false, 78)] {
        let daemon = Daemon::answering(Response::Reload(report(ok)));
        let output = daemon.run(&["reload", "--json"]);
        assert_eq!(code(&output), expected);
        assert_eq!(json(&output)["ok"], ok);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = Directory::new();
    let bad = directory.file("bad.toml", BAD);
    for args in [&["check", "--reference"][..], &["check", &bad], &["--help"], &["check", "--json", &bad]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!((code(&output), err(&output)), (0, ""), "{args:?}");
    }
}
