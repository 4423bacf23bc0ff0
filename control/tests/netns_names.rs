//! Servers with host names, which come and go in the `/etc/hosts` of a namespace.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use common::PATIENCE;
use common::proxy::{Bed, PRIMARY, PROXY, Server, namespace, status};
use headgate_testbed::{Topology, privileged, wait_for};

/// What processes in the namespace see under `/etc`; gone with it.
struct Etc(PathBuf);

impl Etc {
    fn new(topology: &Topology, hosts: &str) -> Self {
        let folder = PathBuf::from("/etc/netns").join(topology.director().name());
        fs::create_dir_all(&folder).unwrap();
        let etc = Self(folder);
        fs::write(etc.0.join("nsswitch.conf"), "hosts: files\n").unwrap();
        etc.hosts(hosts);
        etc
    }

    /// Written in place: the file is mounted where it is used.
    fn hosts(&self, hosts: &str) {
        fs::write(self.0.join("hosts"), hosts).unwrap();
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that answers with its address.
fn says_where(topology: &Topology, ip: &str) -> Server {
    let address = SocketAddr::new(ip.parse().unwrap(), PRIMARY);
    let ip = ip.to_owned();
    Server::start_at(topology, address, move |_, _| status(200, &ip))
}

fn config(upstream: &str) -> String {
    format!(
        "[proxy]\nworkers = [0]\n[[upstream]]\nname = \"app\"\nresolve_interval = \"1s\"\n{upstream}\n\
         [[upstream.server]]\naddress = \"app.test:{PRIMARY}\"\n\
         [[listener]]\nname = \"http\"\naddress = [\"{PROXY}\"]\n[[listener.route]]\nupstream = \"app\"\n"
    )
}

/// The servers as they are shown: address, name, requests.
fn servers(bed: &Bed) -> Vec<(String, String, u64)> {
    let answer = bed.daemon.json(&["upstreams", "app"]).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let server = |server: &serde_json::Value| {
        (text(&server["address"]), text(&server["name"]), server["requests"].as_u64().unwrap())
    };
    answer["upstreams"][0]["servers"].as_array().unwrap().iter().map(server).collect()
}

#[test]
fn traffic_follows_the_addresses_of_a_name() {
    if !privileged() {
        return;
    }
    let topology = namespace("names");
    let etc = Etc::new(&topology, "127.0.0.1 app.test\n::1 app.test\n");
    let _servers = ["127.0.0.1", "127.0.0.2", "::1"].map(|ip| says_where(&topology, ip));
    let bed = Bed::start(topology, &config(""));
    let name = format!("app.test:{PRIMARY}");
    let shown = |address: &str, requests| (address.to_owned(), name.clone(), requests);
    assert_eq!([bed.get("/").text(), bed.get("/").text()], ["127.0.0.1", "::1"], "each address is a server");
    assert_eq!(servers(&bed), [shown("127.0.0.1:9001", 1), shown("[::1]:9001", 1)]);
    etc.hosts("127.0.0.2 app.test\n::1 app.test\n");
    wait_for(PATIENCE, "the change is seen", || servers(&bed)[0].0 == "127.0.0.2:9001").unwrap();
    assert_eq!(servers(&bed), [shown("127.0.0.2:9001", 0), shown("[::1]:9001", 1)], "who stays is still known");
    let mut answers = [bed.get("/").text(), bed.get("/").text()];
    answers.sort();
    assert_eq!(answers, ["127.0.0.2", "::1"]);
    // What fails to be looked up stays as it was, and is told.
    etc.hosts("");
    let table = || bed.daemon.run(&["upstreams"]).unwrap();
    wait_for(PATIENCE, "it is told", || table().contains("app.test:9001: cannot be resolved, 2 addresses")).unwrap();
    assert_eq!((servers(&bed).len(), bed.get("/").status), (2, 200));
    assert!(table().contains("127.0.0.2:9001 app.test:9001"), "{}", table());
    let log = bed.daemon.log();
    assert!(log.contains("cannot resolve the host name, going on with 2 addresses"), "{log}");
    bed.finish();
}

#[test]
fn a_name_that_is_unknown_at_the_start_has_servers_once_it_is_known() {
    if !privileged() {
        return;
    }
    let topology = namespace("names-late");
    let etc = Etc::new(&topology, "");
    let server = says_where(&topology, "127.0.0.1");
    let check = "check = { type = \"http\", path = \"/up\", interval = \"100ms\" }";
    let bed = Bed::start(topology, &config(check));
    assert_eq!((servers(&bed).len(), bed.get("/").status), (0, 502));
    let log = bed.daemon.log();
    assert!(log.contains("cannot resolve the host name, going on with 0 addresses"), "{log}");
    etc.hosts("127.0.0.1 app.test\n");
    wait_for(PATIENCE, "it is found", || bed.get("/").text() == "127.0.0.1").unwrap();
    // It is checked by its name.
    let asked = || server.requests().into_iter().find(|request| request.line == "GET /up HTTP/1.1");
    wait_for(PATIENCE, "it is checked", || asked().is_some()).unwrap();
    let head = asked().unwrap().head;
    assert!(head.contains("Host: app.test:9001\r\n"), "{head}");
    // A reload keeps it, and says what has changed.
    let report = bed.daemon.reload(&config(check).replace("\"1s\"", "\"2s\"")).unwrap();
    let said = String::from_utf8_lossy(&report.stdout);
    assert!(said.contains("upstream app: resolve_interval: 1s -> 2s"), "{said}");
    let other = config(check).replace("app.test:9001", "127.0.0.1:9001");
    let said = String::from_utf8_lossy(&bed.daemon.reload(&other).unwrap().stdout).into_owned();
    assert!(said.contains("server app.test:9001 removed") && said.contains("server 127.0.0.1:9001 added"), "{said}");
    assert_eq!(bed.get("/").text(), "127.0.0.1");
    bed.finish();
}
