//! `replay http FILE.json`: the HTTP corpus through the proxy, over real sockets on loopback.
//!
//! * [`corpus`]: the files
//! * [`wire`]: HTTP/1 messages read strictly, by both ends
//! * [`client`]: the client of a case
//! * [`recorder`], [`scripted`]: the servers behind the proxy
//! * [`requests`], [`responses`]: what is done for a case and what must come of it
//! * [`bed`]: the proxy in this process

pub mod bed;
pub mod client;
pub mod corpus;
pub mod recorder;
pub mod requests;
pub mod responses;
pub mod scripted;
pub mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;
use corpus::{Cases, Needs};

/// A case ends when its result is there, or after this long.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The proxy as the driver sees it: a lane is used by one case at a time.
pub trait Lane: Send {
    /// Where the proxy listens that fulfils these needs.
    fn proxy(&self, needs: &Needs) -> SocketAddr;
    /// Where the server is expected.
    fn server(&self) -> SocketAddr;
    /// How often the server has failed so far.
    fn failures(&self) -> Result<u64>;
}

/// What came of a case: nothing when it passed.
#[derive(Debug)]
pub struct Verdict {
    pub id: String,
    pub differences: Vec<String>,
}

/// Plays all cases, a lane at a time each; tells each verdict as it comes.
///
/// # Errors
/// When a server cannot be set up.
pub fn play<L: Lane>(cases: &Cases, lanes: Vec<L>, mut tell: impl FnMut(Verdict)) -> Result<()> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (verdicts, told) = mpsc::channel();
        let mut threads = Vec::new();
        for lane in lanes {
            let (verdicts, next) = (verdicts.clone(), &next);
            threads.push(scope.spawn(move || match cases {
                Cases::Requests(cases) => requests::run(cases, next, &lane, &verdicts),
                Cases::Responses(cases) => responses::run(cases, next, &lane, &verdicts),
            }));
        }
        drop(verdicts);
        told.into_iter().for_each(&mut tell);
        threads.into_iter().try_for_each(|thread| thread.join().expect("a lane does not panic"))
    })
}

/// Passed when the result is as expected, or as one of the others that are accepted too. `always`: what is wrong in any case.
fn judge<E>(
    id: &str,
    expected: &E,
    also_ok: &[E],
    always: Vec<String>,
    compare: impl Fn(&E) -> Vec<String>,
) -> Verdict {
    let mut differences = compare(expected);
    if also_ok.iter().any(|other| compare(other).is_empty()) {
        differences.clear();
    }
    differences.extend(always);
    Verdict { id: id.to_owned(), differences }
}

/// A pause that a case is about: no wait for anything.
#[allow(clippy::disallowed_methods, reason = "the corpus says so")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// The index of the next case, if there is one.
fn take(next: &AtomicUsize, count: usize) -> Option<usize> {
    Some(next.fetch_add(1, Relaxed)).filter(|index| *index < count)
}
