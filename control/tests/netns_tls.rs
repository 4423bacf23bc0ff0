//! TLS towards clients (curl, openssl) and servers (nginx).

mod common;

use std::fs;

use common::PATIENCE;
use common::nginx::nginx;
use common::proxy::{BACKUP, Bed, PRIMARY, PROXY, Server, at, good, namespace, reply, status};
use common::tls::{certificates, curl, pair};
use headgate_testbed::{Namespace, Process, privileged, wait_for};

fn listener(tls: &str, upstream: &str) -> String {
    format!(
        "[[upstream]]\nname = \"app\"\n{upstream}\n[[upstream.server]]\naddress = \"127.0.0.1:{PRIMARY}\"\n\
         [[listener]]\nname = \"https\"\naddress = [\"{PROXY}\"]\ntls = {{ {tls} }}\n[[listener.route]]\nupstream = \"app\"\n"
    )
}

#[test]
fn clients_get_the_certificate_of_the_name_they_ask_for() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlsname");
    let names = [("a", "DNS:a.test"), ("b", "DNS:b.test,DNS:*.b.test")];
    let home = certificates(topology.director(), &names);
    let large = "x".repeat(3_000_000);
    let server = Server::start(&topology, PRIMARY, move |_, request| {
        status(200, if request.line.starts_with("GET /large") { &large } else { "ok" })
    });
    let tls = format!("certificates = [{}, {}]", pair(&home, "a"), pair(&home, "b"));
    let bed = Bed::start(topology, &listener(&tls, ""));
    for name in ["a.test", "b.test", "www.b.test"] {
        for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
            assert_eq!(curl(bed.ns(), &home, name, version), "ok", "{name} {version:?}");
        }
    }
    assert!(
        curl(bed.ns(), &home, "other.test", &[]).contains("other.test"),
        "the first certificate, which is not for it"
    );
    assert!(server.requests()[0].head.contains("X-Forwarded-Proto: https\r\n"), "{}", server.requests()[0].head);
    // The same connection for a name of the same certificate, then for one of the other.
    let code = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(curl(bed.ns(), &home, "b.test", &[&code[..], &["-H", "Host: x.b.test"]].concat()), "200");
    assert_eq!(curl(bed.ns(), &home, "b.test", &[&code[..], &["-H", "Host: a.test"]].concat()), "421");
    let large = curl(bed.ns(), &home, "a.test", &["--path-as-is", "--request-target", "/large"]);
    assert_eq!(large.len(), 3_000_000);
    // Whoever speaks no TLS is not served, and harms nobody.
    let plain = bed.ns().run(&["curl", "-sS", "--max-time", "10", &format!("http://{PROXY}/")]);
    assert!(plain.is_err(), "{plain:?}");
    assert_eq!(curl(bed.ns(), &home, "a.test", &[]), "ok");
    bed.finish();
}

#[test]
fn the_log_says_which_tls_it_was() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlslog");
    let home = certificates(topology.director(), &[("a", "DNS:a.test")]);
    let _server = good(&topology, PRIMARY);
    let format = "$scheme $ssl_protocol $ssl_server_name $host $status $body_bytes_sent";
    let log = format!("access_log = {{ path = \"{home}/access.log\", format = \"{format}\" }}\n[[listener.route]]");
    let text = listener(&format!("certificates = [{}]", pair(&home, "a")), "");
    let bed = Bed::start(topology, &format!("[proxy]\nworkers = [0]\n{}", text.replace("[[listener.route]]", &log)));
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        assert_eq!(curl(bed.ns(), &home, "a.test", version), "9001");
    }
    let lines = || fs::read_to_string(format!("{home}/access.log")).unwrap();
    wait_for(PATIENCE, "the lines are written", || lines().lines().count() == 2).unwrap();
    assert_eq!(lines(), "https TLSv1.2 a.test a.test 200 4\nhttps TLSv1.3 a.test a.test 200 4\n");
    bed.finish();
}

#[test]
fn sessions_are_resumed_by_any_worker() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlsresume");
    let home = certificates(topology.director(), &[("a", "DNS:a.test")]);
    let _server = good(&topology, PRIMARY);
    let bed = Bed::start(topology, &listener(&format!("certificates = [{}]", pair(&home, "a")), ""));
    let script = format!(
        "printf 'GET / HTTP/1.1\\r\\nHost: a.test\\r\\nConnection: close\\r\\n\\r\\n' | \
         timeout 10 openssl s_client -connect {PROXY} -servername a.test -ign_eof -sess_out {home}/session $* 2>&1"
    );
    let first = bed.ns().run(&["sh", "-c", &script]).unwrap();
    assert!(first.contains("9001") && first.contains("New, TLSv1.3"), "{first}");
    for _ in 0..4 {
        let again = bed.ns().run(&["sh", "-c", &script.replace("$*", &format!("-sess_in {home}/session"))]).unwrap();
        assert!(again.contains("9001") && again.contains("Reused, TLSv1.3"), "{again}");
    }
    bed.finish();
}

#[test]
fn clients_have_to_show_a_certificate_where_the_file_says_so() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlsclient");
    let home = certificates(topology.director(), &[("a", "DNS:a.test"), ("client", "DNS:client")]);
    let _server = good(&topology, PRIMARY);
    let tls = |auth: &str| {
        let certificate = pair(&home, "a");
        listener(
            &format!("certificates = [{certificate}], client_ca = \"{home}/ca.pem\", client_auth = \"{auth}\""),
            "",
        )
    };
    let bed = Bed::start(topology, &tls("require"));
    let (cert, key) = (format!("{home}/client.pem"), format!("{home}/client.key"));
    let own = ["--cert", &cert, "--key", &key];
    assert!(curl(bed.ns(), &home, "a.test", &["--http1.1"]).contains("alert"), "without one");
    assert_eq!(curl(bed.ns(), &home, "a.test", &own), "9001");
    assert!(bed.daemon.reload(&tls("optional")).unwrap().status.success());
    assert_eq!(curl(bed.ns(), &home, "a.test", &[]), "9001");
    assert_eq!(curl(bed.ns(), &home, "a.test", &own), "9001");
    bed.finish();
}

#[test]
fn a_reload_brings_a_new_certificate_and_disturbs_nobody() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlsreload");
    let home = certificates(topology.director(), &[("a", "DNS:a.test"), ("new", "DNS:a.test,DNS:new.test")]);
    let size = 8_000_000;
    let body = "x".repeat(size);
    let _server = Server::start(&topology, PRIMARY, move |_, _| status(200, &body));
    let text = listener(&format!("certificates = [{}]", pair(&home, "a")), "");
    let bed = Bed::start(topology, &text);
    let (got, resolve) = (format!("{home}/got"), format!("a.test:{}:127.0.0.1", PROXY.port()));
    let (url, ca) = (format!("https://a.test:{}/", PROXY.port()), format!("{home}/ca.pem"));
    let slow = ["curl", "-sS", "--limit-rate", "4M", "--cacert", &ca, "--resolve", &resolve, "-o", &got, &url];
    let mut download = bed.ns().spawn(&slow).unwrap();
    wait_for(PATIENCE, "the download begins", || fs::metadata(&got).is_ok_and(|known| known.len() > 0)).unwrap();
    for kind in ["pem", "key"] {
        fs::copy(format!("{home}/new.{kind}"), format!("{home}/a.{kind}")).unwrap();
    }
    assert!(bed.daemon.reload(&text).unwrap().status.success());
    assert_eq!(curl(bed.ns(), &home, "new.test", &["-o", "/dev/null", "-w", "%{http_code}"]), "200");
    assert!(download.wait(PATIENCE).unwrap().success());
    assert_eq!(fs::metadata(&got).unwrap().len(), size as u64);
    // A key that does not belong to it is refused, and all stays as it was.
    fs::copy(format!("{home}/ca.key"), format!("{home}/a.key")).unwrap();
    let refused = bed.daemon.reload(&text).unwrap();
    let words = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && words.contains("the key does not belong to the certificate"), "{refused:?}");
    assert_eq!(curl(bed.ns(), &home, "new.test", &["-o", "/dev/null", "-w", "%{http_code}"]), "200");
    bed.finish();
}

fn with_tls(ns: &Namespace, home: &str) -> Process {
    let address = at(PRIMARY);
    let server = format!(
        "server {{ listen {address} ssl; ssl_certificate {home}/app.pem; ssl_certificate_key {home}/app.key;\n\
         ssl_verify_client optional; ssl_client_certificate {home}/ca.pem;\n\
         location / {{ return 200 \"$ssl_server_name $ssl_client_verify $ssl_session_reused $connection_requests\"; }} }}"
    );
    nginx(ns, &[address], &server)
}

#[test]
fn servers_are_spoken_to_with_tls_and_have_to_be_who_they_should() {
    if !privileged() {
        return;
    }
    let topology = namespace("tlsserver");
    let names = [("app", "DNS:app.test,DNS:localhost,IP:127.0.0.1"), ("own", "DNS:own")];
    let home = certificates(topology.director(), &names);
    let _nginx = with_tls(topology.director(), &home);
    let _backup = Server::start(&topology, BACKUP, |_, _| reply("no TLS here"));
    let text = |tls: &str| {
        format!(
            "[proxy]\nworkers = [0]\n[[upstream]]\nname = \"app\"\ntls = {{ {tls} }}\n\
             [[upstream.server]]\naddress = \"{}\"\n[[listener]]\nname = \"http\"\naddress = [\"{PROXY}\"]\n\
             [[listener.route]]\nupstream = \"app\"\n",
            at(PRIMARY)
        )
    };
    let ca = format!("ca = \"{home}/ca.pem\"");
    let bed = Bed::start(topology, &text(&ca));
    assert_eq!(bed.get("/").text(), " NONE . 1", "by its address, which is no name to ask for");
    assert_eq!(bed.get("/").text(), " NONE . 2", "on the same connection");
    let own = format!("cert = \"{home}/own.pem\", key = \"{home}/own.key\"");
    let more = text(&format!("{ca}, server_name = \"app.test\", {own}"));
    assert!(bed.daemon.reload(&more).unwrap().status.success());
    assert_eq!(bed.get("/").text(), "app.test SUCCESS . 1");
    for (tls, expected) in [
        (format!("{ca}, server_name = \"other.test\""), 502),
        (format!("ca = \"{home}/own.pem\""), 502),
        ("verify = false".to_owned(), 200),
    ] {
        assert!(bed.daemon.reload(&text(&tls)).unwrap().status.success());
        assert_eq!(bed.get("/").status, expected, "{tls}");
    }
    assert!(bed.daemon.log().contains("no TLS with this server"), "{}", bed.daemon.log());
    let named = text(&ca).replace(&at(PRIMARY).to_string(), "localhost:9001");
    assert!(bed.daemon.reload(&named).unwrap().status.success());
    assert_eq!(bed.get("/").text(), "localhost NONE . 1", "by the name that its address was found by");
    // Checks speak as requests do.
    let checked = |ca: &str| {
        let check = "check = { type = \"http\", interval = \"100ms\", fall = 1, start = \"down\", body = \" NONE \" }";
        text(&format!("ca = \"{home}/{ca}.pem\""))
            .replace("[[upstream.server]]\n", &format!("{check}\n[[upstream.server]]\n"))
    };
    assert!(bed.daemon.reload(&checked("ca")).unwrap().status.success());
    wait_for(PATIENCE, "nginx passes", || bed.state(PRIMARY) == "up").unwrap();
    assert_eq!(bed.server(PRIMARY)["check"]["state"], "up");
    assert!(bed.daemon.reload(&checked("own")).unwrap().status.success());
    wait_for(PATIENCE, "a stranger does not", || bed.state(PRIMARY) == "down").unwrap();
    let reason = bed.server(PRIMARY)["check"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    bed.finish();
}
