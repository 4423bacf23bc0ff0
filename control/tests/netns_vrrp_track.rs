//! What virtual routers track, whom they notify, and sync groups.

mod common;

use std::path::Path;

use common::PATIENCE;
use common::vrrp::{SHARED, await_address, await_state, config, has, headgate, keepalived, peer, router, topology};
use headgate_testbed::{Daemon, privileged, wait_for};
use serde_json::Value;

const FAST: &str = "advert_interval = \"100ms\"\n";

/// A script that succeeds while there is a file.
fn script(directory: &Path) -> (String, std::path::PathBuf) {
    let flag = directory.join("well");
    std::fs::write(&flag, "").unwrap();
    (format!("script = [\"/bin/sh\", \"-c\", \"test -e {}\"]", flag.display()), flag)
}

fn await_priority(daemon: &Daemon, priority: u64) {
    let mut last = Value::Null;
    let reached = wait_for(PATIENCE, "the priority", || {
        last = router(daemon);
        last["effective_priority"] == priority
    });
    reached.unwrap_or_else(|error| panic!("{error}: {last}"));
}

#[test]
fn a_script_that_fails_hands_the_addresses_to_the_peer_and_takes_them_back() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-script");
    let (script, flag) = script(topology.director().directory());
    let track = format!("[[virtual_router.track]]\n{script}\ninterval = \"100ms\"\nweight = -20\nfall = 2\n");
    let mut daemon = headgate(&topology, &format!("{FAST}priority = 100\n{track}"));
    await_state(&daemon, "master");
    let other = peer(&topology);
    let _keepalived = keepalived(other, "priority 90\nversion 3\nadvert_int 0.1");
    std::fs::remove_file(&flag).unwrap();
    await_priority(&daemon, 80);
    await_state(&daemon, "backup");
    await_address(other, SHARED, true);
    let seen = router(&daemon)["tracks"][0].clone();
    assert_eq!(
        (&seen["state"], &seen["detail"], &seen["priority"]),
        (&"failing".into(), &"exit status: 1".into(), &(-20).into())
    );
    let text = daemon.run(&["vrrp"]).unwrap();
    assert!(text.contains("failing: exit status: 1 (priority -20)") && text.contains("80 (100)"), "{text}");
    std::fs::write(&flag, "").unwrap();
    await_state(&daemon, "master");
    await_address(topology.director(), SHARED, true);
    assert!(daemon.stop().unwrap().success());
}

#[test]
fn what_is_tracked_without_weight_is_a_fault() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-fault");
    let ns = topology.director();
    ns.ip("link add extra type veth peer name extra2\nlink set extra up\nlink set extra2 up").unwrap();
    let number = ns.directory().join("number");
    let track = format!(
        "[[virtual_router.track]]\ninterface = \"extra\"\n\
         [[virtual_router.track]]\nfile = \"{}\"\ninterval = \"100ms\"\n\
         [[virtual_router.track]]\nprocess = \"no-such-process\"\nreverse = true\ninterval = \"100ms\"\n\
         [[virtual_router.track]]\nscript = [\"/bin/sh\", \"-c\", \"sleep 100\"]\nweight = 3\ninterval = \"200ms\"\n\
         [[virtual_router.track]]\nupstream = \"app\"\nweight = 10\n",
        number.display()
    );
    let app = "[[upstream]]\nname = \"app\"\n[[upstream.server]]\naddress = \"127.0.0.1:9000\"\n\
               [[listener]]\nname = \"http\"\naddress = [\"127.0.0.1:8000\"]\n[[listener.route]]\nupstream = \"app\"\n";
    let mut daemon = headgate(&topology, &format!("{FAST}{track}{app}"));
    await_state(&daemon, "master");
    // The script hangs: its weight is not added. The upstream is up.
    await_priority(&daemon, 110);
    std::fs::write(&number, "7\n").unwrap();
    await_priority(&daemon, 117);
    ns.ip("link set extra down").unwrap();
    await_state(&daemon, "fault");
    assert_eq!(router(&daemon)["fault"], "interface extra: it is down");
    ns.ip("link set extra up").unwrap();
    await_state(&daemon, "master");
    std::fs::write(&number, "-300").unwrap();
    await_state(&daemon, "fault");
    daemon.run(&["server", "app", "127.0.0.1:9000", "drain"]).unwrap();
    await_priority(&daemon, 100);
    std::fs::write(&number, "0").unwrap();
    await_state(&daemon, "master");
    let hung = router(&daemon)["tracks"][3]["detail"].clone();
    assert_eq!(hung, "did not end within 200 ms");
    assert!(daemon.stop().unwrap().success());
}

#[test]
fn scripts_are_notified_in_order() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-notify");
    let ns = topology.director();
    let told = ns.directory().join("told");
    let notify = |state: &str, word: &str| {
        // Slow ones must not be overtaken.
        format!("{state} = [\"/bin/sh\", \"-c\", \"sleep 0.2; echo {word} $* >> {}\", \"x\"]\n", told.display())
    };
    let notify = format!(
        "[virtual_router.notify]\n{}{}{}{}",
        notify("master", "to-master"),
        notify("backup", "to-backup"),
        notify("stop", "to-stop"),
        notify("any", "any")
    );
    let mut daemon = headgate(&topology, &format!("{FAST}priority = 150\n{notify}"));
    let expected = "to-backup\nany INSTANCE VI_1 BACKUP 150\nto-master\nany INSTANCE VI_1 MASTER 150\n";
    let text = || std::fs::read_to_string(&told).unwrap_or_default();
    wait_for(PATIENCE, "the scripts", || text() == expected).unwrap_or_else(|error| panic!("{error}: {}", text()));
    assert!(daemon.stop().unwrap().success());
    assert_eq!(text(), format!("{expected}to-stop\nany INSTANCE VI_1 STOP 150\n"));
}

#[test]
fn a_sync_group_moves_as_one() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-group");
    let ns = topology.director();
    let router = |number: u8, keys: &str| {
        format!(
            "[[virtual_router]]\nname = \"VI_{number}\"\ninterface = \"front\"\nid = {number}\naddresses = [\"10.0.0.20{number}/24\"]\n{FAST}{keys}"
        )
    };
    ns.ip("link add extra type veth peer name extra2\nlink set extra up\nlink set extra2 up").unwrap();
    let track = "[[virtual_router.track]]\ninterface = \"extra\"\n";
    let group = "[[sync_group]]\nname = \"G1\"\nmembers = [\"VI_1\", \"VI_2\"]\n";
    let text = router(1, "priority = 100\n") + &router(2, &format!("priority = 200\n{track}")) + group;
    let mut daemon = Daemon::start(ns, common::BINARY, &text).unwrap();
    let states = || -> Vec<String> {
        let answer = daemon.json(&["vrrp"]).unwrap();
        let routers = answer["virtual_routers"].as_array().unwrap().iter();
        routers.map(|router| router["state"].as_str().unwrap().to_owned()).collect()
    };
    let both = |state: &str| {
        let mut last = Vec::new();
        let reached = wait_for(PATIENCE, state, || {
            last = states();
            last == [state, state]
        });
        reached.unwrap_or_else(|error| panic!("{error}: {last:?}"));
    };
    both("master");
    ns.ip("link set extra down").unwrap();
    both("fault");
    await_address(ns, "10.0.0.201", false);
    ns.ip("link set extra up").unwrap();
    both("master");
    await_address(ns, "10.0.0.201", true);
    assert!(has(ns, "10.0.0.202"));
    assert_eq!(daemon.json(&["vrrp"]).unwrap()["virtual_routers"][0]["group"], "G1");
    let refused = daemon.reload(&config("front", "version = 2\nadvert_interval = \"100ms\"")).unwrap();
    assert!(!refused.status.success());
    both("master");
    assert!(daemon.stop().unwrap().success());
}
