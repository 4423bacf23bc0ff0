use std::sync::mpsc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;

use super::*;
use crate::config::{self, Balance};
use crate::upstream::tests::{configured, key, server};
use crate::upstream::{Attempts, NoServer, Pick, Upstream};

const SIZE: usize = 3;

/// Servers with room for one request each.
fn upstream(ports: &[u16]) -> Upstream {
    let servers = ports.iter().map(|port| config::Server { max_connections: 1, ..server(*port) }).collect();
    with(servers, SIZE)
}

fn with(servers: Vec<config::Server>, size: usize) -> Upstream {
    let queue = Some(config::Queue { size, timeout: Duration::from_secs(1) });
    Upstream::new(config::Upstream { queue, ..configured(Balance::RoundRobin, servers) }, None)
}

fn pick(upstream: &Upstream) -> Result<Pick<'_>, NoServer> {
    upstream.pick(&mut Attempts::default(), &key(b""), 0)
}

fn queue_up(upstream: &Upstream) -> Ticket {
    upstream.queue_up(&Attempts::default()).unwrap()
}

fn called(ticket: &Ticket) -> Option<Called> {
    match ticket.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(called) => Some(called),
        Poll::Pending => None,
    }
}

fn take(upstream: &Upstream, called: Option<Called>) -> Option<Pick<'_>> {
    let Some(Called::Place(place)) = called else { return None };
    upstream.take(place, &mut Attempts::default())
}

#[test]
fn places_are_handed_on_in_order_and_nobody_gets_in_between() {
    let upstream = upstream(&[1]);
    let running = pick(&upstream).unwrap();
    let (first, second) = (queue_up(&upstream), queue_up(&upstream));
    assert!(called(&first).is_none() && upstream.queue().counts().waiting == 2);
    drop(running);
    assert_eq!(pick(&upstream).err(), Some(NoServer::Busy), "the place is taken already");
    let running = take(&upstream, called(&first)).expect("the first is called");
    assert!(called(&second).is_none());
    drop(running);
    assert!(take(&upstream, called(&second)).is_some());
    assert_eq!(
        (upstream.queue().counts().waiting, upstream.queue().counts().queued, upstream.servers()[0].requests()),
        (0, 2, 3)
    );
    assert!(pick(&upstream).is_ok(), "and then there is room");
}

#[test]
fn a_full_queue_refuses() {
    let upstream = upstream(&[1]);
    let _running = pick(&upstream).unwrap();
    let mut tickets: Vec<_> = (0..SIZE).map(|_| queue_up(&upstream)).collect();
    assert!(upstream.queue_up(&Attempts::default()).is_none());
    assert_eq!(upstream.queue().counts().refused, 1);
    tickets.pop();
    assert!(upstream.queue_up(&Attempts::default()).is_some());
}

#[test]
fn who_gives_up_or_goes_away_leaves_the_line() {
    let upstream = upstream(&[1]);
    let running = pick(&upstream).unwrap();
    let tickets: Vec<_> = (0..3).map(|_| queue_up(&upstream)).collect();
    assert!(upstream.give_up(&tickets[0], &mut Attempts::default()).is_none());
    assert_eq!((upstream.queue().counts().waiting, upstream.queue().counts().timed_out), (2, 1));
    drop(running);
    // Called, but gone before it heard of it: the place is free, and the next one looks.
    let mut tickets = tickets.into_iter().skip(1);
    drop(tickets.next());
    let last = tickets.next().unwrap();
    assert!(matches!(called(&last), Some(Called::Look)));
    let running = upstream.pick_in_line(&mut Attempts::default(), &key(b""), 0).unwrap();
    drop(last);
    drop(running);
    assert_eq!(upstream.servers()[0].in_flight(), 0);
}

#[test]
fn a_place_at_the_last_moment_is_taken() {
    let upstream = upstream(&[1]);
    let running = pick(&upstream).unwrap();
    let ticket = queue_up(&upstream);
    drop(running);
    assert!(upstream.give_up(&ticket, &mut Attempts::default()).is_some());
    assert_eq!(upstream.queue().counts().timed_out, 0);
}

#[test]
fn a_server_that_was_asked_in_vain_goes_to_the_next_in_line() {
    let upstream = upstream(&[1, 2]);
    let mut attempts = Attempts::default();
    let tried = upstream.pick(&mut attempts, &key(b""), 0).unwrap();
    let other = pick(&upstream).unwrap();
    let (picky, plain) = (upstream.queue_up(&attempts).unwrap(), queue_up(&upstream));
    drop(tried);
    assert!(called(&picky).is_none());
    let _tried = take(&upstream, called(&plain)).expect("the second gets what is of no use to the first");
    drop(other);
    assert!(
        upstream
            .take(
                match called(&picky) {
                    Some(Called::Place(place)) => place,
                    _ => panic!(),
                },
                &mut attempts
            )
            .is_some()
    );
}

#[test]
fn when_a_server_falls_out_or_comes_back_the_first_in_line_looks() {
    let upstream = upstream(&[1, 2]);
    let (failing, _other) = (pick(&upstream).unwrap(), pick(&upstream).unwrap());
    let (first, second) = (queue_up(&upstream), queue_up(&upstream));
    failing.failed(0);
    drop(failing);
    assert!(matches!(called(&first), Some(Called::Look)) && called(&second).is_none());
    let later = 20_000;
    let probe = upstream.pick_in_line(&mut Attempts::default(), &key(b""), later).unwrap();
    drop(first);
    assert!(matches!(called(&second), Some(Called::Look)), "there may be room for more");
    probe.succeeded(1, later);
    assert!(matches!(called(&second), Some(Called::Look)));
    upstream.servers()[0].set_checked(false, later);
    assert!(called(&second).is_none());
    upstream.servers()[0].set_checked(true, later);
    assert!(matches!(called(&second), Some(Called::Look)));
}

#[test]
fn the_line_outlives_a_configuration() {
    let before = upstream(&[1]);
    let running = pick(&before).unwrap();
    let ticket = queue_up(&before);
    let after = Upstream::new(configured(Balance::LeastConn, before.config().servers.clone()), Some(&before));
    assert_eq!(after.queue().counts().waiting, 1);
    let foreign = Upstream::new(configured(Balance::LeastConn, vec![server(9)]), None);
    drop(running);
    let Some(Called::Place(place)) = called(&ticket) else { panic!("the place is handed on") };
    assert!(foreign.take(place, &mut Attempts::default()).is_none());
    assert_eq!(before.servers()[0].in_flight(), 0, "what nobody takes is free again");
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// As `turn` does, but without a time after which it looks for itself: a call that is lost is waited for for ever.
fn wait(upstream: &Upstream) -> Pick<'_> {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut attempts = Attempts::default();
    if let Ok(pick) = upstream.pick(&mut attempts, &key(b""), 0) {
        return pick;
    }
    let ticket = upstream.queue_up(&attempts).unwrap();
    loop {
        if let Ok(pick) = upstream.pick_in_line(&mut attempts, &key(b""), 0) {
            return pick;
        }
        let called = loop {
            match ticket.poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(called) => break called,
                Poll::Pending => thread::park(),
            }
        };
        if let Called::Place(place) = called {
            return upstream.take(place, &mut attempts).unwrap();
        }
    }
}

#[test]
fn no_call_is_lost_between_many_threads() {
    const THREADS: usize = 16;
    const REQUESTS: u64 = 3000;
    let room = |port| config::Server { max_connections: 2, max_fails: 0, ..server(port) };
    let upstream = Arc::new(with(vec![room(1), room(2)], THREADS));
    let (done, wait_done) = mpsc::channel();
    for thread in 0..THREADS {
        let (upstream, done) = (Arc::clone(&upstream), done.clone());
        thread::spawn(move || {
            for request in 0..REQUESTS {
                let pick = wait(&upstream);
                assert!(pick.server().in_flight() <= 2);
                if (request + thread as u64).is_multiple_of(5) {
                    thread::yield_now();
                }
                // Every now and then somebody joins and goes away, maybe with a place.
                if request.is_multiple_of(7) {
                    drop(upstream.queue_up(&Attempts::default()));
                }
            }
            done.send(()).unwrap();
        });
    }
    drop(done);
    for _ in 0..THREADS {
        wait_done.recv_timeout(Duration::from_mins(1)).expect("a thread waits for ever, or has failed");
    }
    let requests: u64 = upstream.servers().iter().map(|server| server.requests()).sum();
    assert_eq!((requests, upstream.queue().counts().waiting), (THREADS as u64 * REQUESTS, 0));
    assert!(upstream.servers().iter().all(|server| server.in_flight() == 0));
    assert!(upstream.queue().counts().queued > 0);
}
