use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

const SERVICE: &str = r#"
[dataplane]
interfaces = ["eth0"]
[[service]]
name = "web"
protocol = "tcp"
address = "192.0.2.1:80"
[[service.server]]
address = "10.0.0.11"
"#;

fn environment() -> Environment {
    Environment { hostname: "host".into(), cores: Some((0..4).collect()) }
}

fn good(text: &str) -> Loaded {
    parse("t.toml", text, &environment()).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().flat_map(|e| [e.to_string(), "\n".to_owned()]).collect()
}

/// The reference with its commented keys put to use.
fn reference_in_full() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    REFERENCE
        .lines()
        .map(uncomment)
        .collect::<Vec<_>>()
        .join("\n")
        .replace("interfaces = []", "interfaces = [\"eth0\"]")
}

/// The same, but for TLS, whose files are not there.
fn reference_without_files() -> String {
    reference_in_full().lines().filter(|line| !line.starts_with("tls = ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_holds_the_defaults() {
    let reference = good(REFERENCE);
    assert_eq!(reference.model, good("").model);
    assert!(reference.warnings.is_empty());
    assert_eq!(reference.model.node().name(), "host");
    assert_eq!(reference.model.control().socket(), Path::new(DEFAULT_SOCKET));
}

#[test]
fn the_reference_shows_the_defaults_of_services() {
    // Persistence has no default as a whole: with it the reference shows the defaults of its keys.
    // So it is with checks, scripts and a sorry server, of which the reference shows examples.
    let minimal = SERVICE.replace("[[service.server]]", "persistence = {}\nquorum = 1\n[[service.server]]");
    let full = good(&reference_without_files()).model;
    let services: Vec<_> = full.services().iter().map(model::Service::without_examples).collect();
    assert_eq!(services, good(&minimal).model.services());
    assert_eq!(full.addresses().len(), 1);
    let minimal = "[[upstream]]\nname = \"app\"\nbalance = \"round_robin\"\nqueue = {}\nsend_proxy = \"v2\"\nsticky = { cookie = \"srv_id\", domain = \"example.org\", max_age = \"1h\", same_site = \"lax\" }\n[[upstream.server]]\naddress = \"10.0.0.11:8080\"\n\
                   [[listener]]\nname = \"http\"\naddress = [\"0.0.0.0:80\"]\n[[listener.route]]\n\
                   host = \"www.example.org\"\nupstream = \"app\"\n";
    let (full, minimal) = (full.proxy().config().clone(), good(minimal).model.proxy().config().clone());
    assert_eq!(full.upstreams, minimal.upstreams);
    assert_eq!(full.listeners[0].limits, minimal.listeners[0].limits);
    assert_eq!(full.listeners[0].routes[0], minimal.listeners[0].routes[0]);
}

#[test]
fn the_reference_shows_the_defaults_of_virtual_routers() {
    let minimal = "[[virtual_router]]\nname = \"VI_1\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"192.0.2.100/24\"]\n\
                   source = \"192.0.2.1\"\n[[virtual_router.track]]\nscript = \"/etc/headgate/check.sh -v\"\nuser = \"nobody\"\n";
    let full = good(&reference_without_files()).model.virtual_routers().instances()[0].clone();
    let minimal = good(minimal).model.virtual_routers().instances()[0].clone();
    assert_eq!(full.tracks[0], minimal.tracks[0]);
    assert_eq!(full.tracks.len(), 6);
    let (tracks, notify) = (minimal.tracks.clone(), minimal.notify.clone());
    assert_eq!(crate::vrrp::Instance { tracks, notify, ..full }, minimal);
}

#[test]
fn a_server_changes_single_keys_of_its_upstreams_check() {
    let text = "[[upstream]]\nname = \"app\"\ncheck = { type = \"http\", path = \"/up\", fall = 5, interval = \"3s\" }\n\
                [[upstream.server]]\naddress = \"10.0.0.1\"\n\
                [[upstream.server]]\naddress = \"10.0.0.2\"\ncheck = { port = 81, start = \"down\", fall = 1 }\n\
                [[upstream.server]]\naddress = \"10.0.0.3\"\ncheck = { type = \"tcp\" }\n\
                [[upstream.server]]\naddress = \"10.0.0.4\"\ncheck = false\n";
    let model = good(text).model;
    let servers = &model.proxy().config().upstreams[0].servers;
    let check = |server: &headgate_l7::config::Server| {
        Some(format!("{} {}", server.address, model.proxy().checks("app", server).first()?))
    };
    let checks: Vec<_> = servers.iter().filter_map(check).collect();
    assert_eq!(
        checks,
        [
            "10.0.0.1:80 http GET /up 200-299 every 3s within 1s, rise 1, fall 5",
            "10.0.0.2:80 http GET /up 200-299 port 81 every 3s within 1s, rise 1, fall 1, down at first",
            "10.0.0.3:80 tcp every 3s within 1s, rise 1, fall 5",
        ]
    );
}

#[test]
fn the_reference_names_every_key() {
    let full = reference_in_full();
    let document = DeTable::parse(&full).unwrap();
    for (path, keys) in raw::ALL_KEYS {
        let mut tables = vec![document.get_ref().clone()];
        for part in path.split('.').filter(|p| !p.is_empty()) {
            let inner =
                tables.iter().filter_map(|table| table.get(part)).flat_map(|value| match value.get_ref().clone() {
                    DeValue::Array(array) => {
                        array.iter().map(|item| item.get_ref().as_table().unwrap().clone()).collect()
                    }
                    value => vec![value.as_table().unwrap().clone()],
                });
            tables = inner.collect();
            assert!(!tables.is_empty(), "{path} is not in the reference");
        }
        let shown: BTreeSet<String> =
            tables.iter().flat_map(|table| table.keys()).map(|k| k.get_ref().to_string()).collect();
        let known: BTreeSet<String> = keys.supported.iter().map(|k| (*k).to_owned()).collect();
        assert_eq!(shown, known, "section [{path}]");
    }
}

#[test]
fn an_empty_file_is_a_node_without_services() {
    let loaded = good("");
    assert!(loaded.model.services().is_empty());
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.model.dataplane(), &model::Dataplane::default());
}

#[test]
fn values_reach_the_model() {
    let text = r#"
[node]
name = "lb1"
[control]
socket = "/run/hg.sock"
log = { level = "debug", format = "json" }
[dataplane]
interfaces = ["eth0", "eth1"]
workers = [2, 3]
xdp = "native"
connections = 5_000
busy_poll = true
[dataplane.timeouts]
tcp = "1h30m"
[dataplane.ipvs]
expire_nodest_conn = 1
conn_reuse_mode = 3
secure_tcp = 3
pmtu_disc = false
lblc_expiration = 60
[[address]]
interface = "eth1"
address = "2001:db8::1/64"
[[service]]
name = "web"
protocol = "udp"
address = "[2001:db8::5]:8000-8099"
forward = "nat"
scheduler = "sh"
scheduler_flags = ["port", "fallback"]
one_packet = true
persistence = { timeout = "1m", netmask = 64 }
[[service.server]]
address = "[2001:db8::b]:90"
weight = 2147483647
max_connections = 4
min_connections = 2
[[service.server]]
address = "2001:db8::c"
weight = 0
[[service.server]]
address = "10.0.0.3:99"
forward = "tunnel"
"#;
    let loaded = good(text);
    let model = &loaded.model;
    assert_eq!(model.node().name(), "lb1");
    assert_eq!(model.control().log().level(), model::LogLevel::Debug);
    assert_eq!(model.control().log().format(), model::LogFormat::Json);
    let dataplane = model.dataplane();
    assert_eq!(dataplane.interfaces(), ["eth0", "eth1"]);
    assert_eq!(dataplane.workers(), &model::Workers::Cores(vec![2, 3]));
    assert_eq!(dataplane.xdp(), model::XdpMode::Native);
    assert_eq!(dataplane.connections().get(), 5000);
    assert!(dataplane.busy_poll());
    assert_eq!(dataplane.timeouts().tcp().as_secs(), 5400);
    assert_eq!(dataplane.timeouts().udp().as_secs(), 300);
    let ipvs = dataplane.ipvs();
    assert!(ipvs.expire_nodest_conn() && ipvs.secure_tcp() && !ipvs.pmtu_disc());
    assert!(ipvs.conn_reuse_mode().in_fin_wait());
    assert_eq!(ipvs.lblc_expiration().as_secs(), 60);
    assert_eq!(model.addresses()[0].prefix().to_string(), "2001:db8::1/64");

    let service = model.service("web").unwrap();
    assert_eq!(service.address().to_string(), "[2001:db8::5]:8000-8099");
    assert_eq!(service.protocol().word(), "udp");
    assert!(service.one_packet() && service.scheduler_flags().fallback() && service.scheduler_flags().port());
    let persistence = service.persistence().unwrap();
    assert_eq!((persistence.timeout().as_secs(), persistence.prefix()), (60, 64));
    let [nat, kept, tunnel] = service.servers() else { panic!("three servers") };
    assert_eq!((nat.address().to_string(), nat.port().unwrap().get()), ("[2001:db8::b]:90".into(), 90));
    assert_eq!((nat.thresholds().unwrap().max().get(), nat.thresholds().unwrap().min()), (4, 2));
    assert_eq!((kept.address().to_string(), kept.port(), kept.weight().get()), ("[2001:db8::c]:0".into(), None, 0));
    assert_eq!((tunnel.port(), tunnel.forward()), (None, model::Forward::Tunnel));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "t.toml:42: service[0].server[2].address: port 99 is ignored: forward = \"tunnel\" keeps the port the client used"
        ]
    );
}

#[test]
fn a_kept_port_is_shown_as_the_services() {
    let loaded = good(SERVICE);
    let server = &loaded.model.services()[0].servers()[0];
    assert_eq!(server.port(), None);
    assert_eq!(server.address().to_string(), "10.0.0.11:80");
}

#[test]
fn an_address_nobody_holds_is_a_warning() {
    let vip: IpAddr = "192.0.2.1".parse().unwrap();
    let loaded = good(SERVICE);
    assert_eq!(loaded.unassigned().collect::<Vec<_>>(), [vip]);
    let warnings = loaded.unheld(&BTreeSet::new());
    assert_eq!(
        warnings[0].to_string(),
        "t.toml:7: service[0].address: nobody holds 192.0.2.1: no [[address]] or [[virtual_router]] has it and the host does not hold it now"
    );
    assert!(loaded.unheld(&[vip].into()).is_empty());
    let held = good(&format!("{SERVICE}[[address]]\ninterface = \"eth0\"\naddress = \"192.0.2.1/24\"\n"));
    assert!(held.unheld(&BTreeSet::new()).is_empty());
}

#[test]
fn the_socket_is_found_in_a_file_that_is_otherwise_wrong() {
    let dir = std::env::temp_dir().join(format!("headgate-socket-of-{}", std::process::id()));
    std::fs::write(&dir, "[control]\nsocket = \"/run/x.sock\"\n[[service]]\nname = \n").unwrap();
    let found = socket_of(&dir);
    std::fs::remove_file(&dir).unwrap();
    assert_eq!(found, Some(PathBuf::from("/run/x.sock")));
    assert_eq!(socket_of(Path::new("/nonexistent")), None);
}

#[test]
fn a_file_that_is_not_text_says_where() {
    let path = std::env::temp_dir().join(format!("headgate-not-utf8-{}", std::process::id()));
    std::fs::write(&path, b"[node]\nname = \"\xff\"\n").unwrap();
    let error = load(&path, &environment()).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let LoadError::Invalid(errors) = error else { panic!("{error}") };
    assert_eq!(lines(&errors), format!("{}:2: byte 0xff is not UTF-8 text\n", path.display()));
}

/// Pieces that make mutated files reach deep into the readers.
const FRAGMENTS: [&str; 16] = [
    "[[service]]\n",
    "[[service.server]]\n",
    "[dataplane]\n",
    "name",
    "address",
    " = ",
    "\"",
    "-1",
    "99999999999999999999",
    "[",
    "]",
    "{ }",
    "\"[::1]:80-\"",
    "0x",
    "1979-05-27",
    "\n",
];

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}") {
        let _ = parse("p", &text, &environment());
    }

    #[test]
    fn mutated_files_never_panic_and_every_error_has_a_place(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..FRAGMENTS.len(), 0..12usize), 1..6),
    ) {
        let mut text = reference_in_full();
        for (at, fragment, cut) in edits {
            let mut start = at.index(text.len());
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + cut).min(text.len());
            while !text.is_char_boundary(end) { end += 1; }
            text.replace_range(start..end, FRAGMENTS[fragment]);
        }
        let count = text.lines().count() as u32 + 1;
        match parse("p", &text, &environment()) {
            Ok(loaded) => prop_assert!(loaded.model.services().iter().all(|s| loaded.model.service(s.name()) == Some(s))),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in &errors {
                    prop_assert!(error.line() <= count, "{error}");
                    prop_assert_eq!(error.to_string().lines().count(), 1);
                }
            }
        }
    }
}
