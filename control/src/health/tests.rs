use std::cell::Cell;
use std::net::TcpListener;

use super::*;

/// What it was told last.
#[derive(Debug)]
struct Somebody {
    name: &'static str,
    address: SocketAddr,
    up: Cell<Option<bool>>,
}

impl Subject for Somebody {
    fn id(&self) -> String {
        self.name.to_owned()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn tell(&self, up: bool, _: u64) {
        self.up.set(Some(up));
    }
}

fn somebody(name: &'static str, address: SocketAddr) -> Rc<Somebody> {
    Rc::new(Somebody { name, address, up: Cell::default() })
}

fn tcp() -> Check {
    let (interval, timeout) = (Duration::from_millis(10), Duration::from_secs(5));
    Check {
        kind: Kind::Tcp,
        interval,
        timeout,
        rise: 1,
        fall: 1,
        delay_before_retry: None,
        port: None,
        starts_up: true,
    }
}

fn wanted(subject: &Rc<Somebody>, check: &Check) -> Wanted {
    Wanted { subject: Rc::clone(subject) as Rc<dyn Subject>, checks: vec![Arc::new(check.clone())] }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it comes true in time");
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn equal_checks_are_one_and_all_who_want_to_know_are_told() {
    run(async {
        let (address, check, mut health) = (nowhere(), tcp(), Health::default());
        let [a, b, c] = ["a", "b", "c"].map(|name| somebody(name, address));
        let other = Check { fall: 1000, ..check.clone() };
        health.apply(vec![wanted(&a, &check), wanted(&b, &check), wanted(&c, &other)]);
        assert_eq!(health.running[&address].len(), 2);
        until(|| a.up.get() == Some(false)).await;
        assert_eq!((b.up.get(), c.up.get()), (Some(false), Some(true)));
        assert_eq!(health.status("b")[0].1.reason.as_deref(), Some("connection refused"));
        assert_eq!(health.status("d"), []);
    });
}

#[test]
fn a_server_works_while_it_passes_all_its_checks() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, mut health) = (listener.local_addr().unwrap(), Health::default());
        let elsewhere = Check { port: Some(nowhere().port()), ..tcp() };
        let a = somebody("a", address);
        let checks = vec![Arc::new(tcp()), Arc::new(elsewhere)];
        health.apply(vec![Wanted { subject: Rc::clone(&a) as Rc<dyn Subject>, checks }]);
        until(|| health.status("a").iter().all(|(_, status)| status.known)).await;
        let verdicts: Vec<_> = health.status("a").iter().map(|(_, status)| status.verdict).collect();
        assert_eq!((verdicts, a.up.get()), (vec![Verdict::Up, Verdict::Down], Some(false)));
        let a = somebody("a", address);
        health.apply(vec![wanted(&a, &tcp())]);
        assert_eq!(a.up.get(), Some(true));
    });
}

#[test]
fn what_is_known_outlives_a_reload_and_who_is_left_is_well() {
    run(async {
        let (address, check, mut health) = (nowhere(), tcp(), Health::default());
        let [a, b] = ["a", "b"].map(|name| somebody(name, address));
        health.apply(vec![wanted(&a, &check), wanted(&b, &check)]);
        until(|| a.up.get() == Some(false)).await;
        let since = health.status("a")[0].1.since;
        // The one has the same check, the other is the same server with another check.
        let slow = Check { interval: Duration::from_hours(1), ..check.clone() };
        let [a, again] = ["a", "b"].map(|name| somebody(name, address));
        health.apply(vec![wanted(&a, &check), wanted(&again, &slow)]);
        assert_eq!((a.up.get(), again.up.get()), (Some(false), Some(false)));
        assert_eq!(health.status("a")[0].1.since, since);
        health.apply(vec![wanted(&a, &check)]);
        assert_eq!((a.up.get(), again.up.get()), (Some(false), Some(true)));
    });
}

#[test]
fn who_starts_down_gets_nothing_before_it_has_passed() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (check, mut health) = (Check { starts_up: false, ..tcp() }, Health::default());
        let a = somebody("a", listener.local_addr().unwrap());
        health.apply(vec![wanted(&a, &check)]);
        assert_eq!(a.up.get(), Some(false));
        assert_eq!(health.status("a")[0].1.reason.as_deref(), Some("not checked so far"));
        until(|| a.up.get() == Some(true)).await;
        assert!(health.status("a")[0].1.known);
    });
}
