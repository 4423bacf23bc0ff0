use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{Topology, privileged};

/// Plays the daemon: `run` announces itself and waits for its end, `services` answers JSON, `reload` refuses.
const SCRIPT: &str = r#"#!/usr/bin/env python3
import os, signal, socket, sys
if "run" in sys.argv:
    text = open(sys.argv[sys.argv.index("-c") + 1]).read()
    if "broken" in text:
        print("bad configuration", flush=True)
        sys.exit(78)
    print("serving", os.environ.get("EXTRA", ""), sys.argv[4:], flush=True)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    notify.sendto(b"STATUS=up\nREADY=1\n", os.environ["NOTIFY_SOCKET"])
    while True:
        signal.pause()
elif "services" in sys.argv:
    print('{"version": 1, "socket": "%s"}' % sys.argv[2])
else:
    print("refused")
    sys.exit(78)
"#;

fn script(topology: &Topology) -> PathBuf {
    let path = topology.directory().join("fake-headgate");
    std::fs::write(&path, SCRIPT).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn configuration_gets_its_control_socket() {
    let directory = Path::new("/run/x");
    assert_eq!(complete("[node]", directory).unwrap(), "[node]\n[control]\nsocket = \"/run/x/headgate.sock\"\n");
    let own = "[control]\nsocket = \"@DIR@/headgate.sock\"\nadmin = \"127.0.0.1:1\"";
    assert_eq!(complete(own, directory).unwrap(), own.replace("@DIR@", "/run/x"));
    assert!(complete("[control]\nsocket = \"/elsewhere\"", directory).is_err());
}

#[test]
fn netns_daemon_starts_answers_and_stops() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("daemon").build().unwrap();
    let binary = script(&topology);
    let mut daemon =
        Daemon::start_with(topology.director(), &binary, "[node]\n", &["--drain", "1"], &[("EXTRA", "more")]).unwrap();
    assert!(daemon.log().contains("serving more ['--drain', '1']"), "{}", daemon.log());
    assert_eq!(daemon.json(&["services"]).unwrap()["socket"], daemon.control_socket().to_str().unwrap());
    assert_eq!(daemon.reload("[node]\nname = \"new\"").unwrap().status.code(), Some(78));
    assert!(std::fs::read_to_string(daemon.config_file()).unwrap().contains("new"));
    assert_eq!(daemon.stop().unwrap().code(), Some(0));

    let mut killed = Daemon::start(topology.director(), &binary, "[node]\n").unwrap();
    assert!(!killed.kill().unwrap().success());
}

#[test]
fn netns_daemon_that_fails_shows_its_log() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("broken").build().unwrap();
    let binary = script(&topology);
    let error = Daemon::start(topology.director(), &binary, "broken").unwrap_err().to_string();
    assert!(error.contains("ended before it was ready"), "{error}");
    assert!(error.contains("bad configuration"), "{error}");
}
