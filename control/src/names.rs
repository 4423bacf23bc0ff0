//! Host names of servers: looked up by the system (getaddrinfo), again and again, in threads of their own.
//!
//! The system does not say how long an answer is good for, so the time between two lookups is configured.

mod answer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

pub use answer::Answer;

/// Lookups at a time: each holds a thread, for many seconds if name servers are silent.
const LOOKUPS: usize = 8;
/// A name without any address is looked up this often at least: nothing is served before.
const UNKNOWN_EVERY: Duration = Duration::from_secs(2);

/// All names that are looked up.
#[derive(Debug)]
pub struct Names {
    known: HashMap<String, Name>,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Told when addresses have changed.
    changed: Notify,
    /// Told when a name was looked up for the first time.
    asked: Notify,
    lookups: Semaphore,
}

#[derive(Debug)]
struct Name {
    interval: Duration,
    answer: Rc<RefCell<Answer>>,
    task: AbortHandle,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Default for Names {
    fn default() -> Self {
        let shared = Shared { changed: Notify::new(), asked: Notify::new(), lookups: Semaphore::new(LOOKUPS) };
        Self { known: HashMap::new(), shared: Rc::new(shared) }
    }
}

impl Names {
    /// Looks these names up, and no others; what is known of them stays. To be called within a [`tokio::task::LocalSet`].
    pub fn follow(&mut self, wanted: HashMap<String, Duration>) {
        self.known.retain(|host, _| wanted.contains_key(host));
        for (host, interval) in wanted {
            let answer = match self.known.get(&host) {
                Some(known) if known.interval == interval => continue,
                Some(known) => Rc::clone(&known.answer),
                None => Rc::default(),
            };
            let looking_up = look_up(host.clone(), interval, Rc::clone(&answer), Rc::clone(&self.shared));
            let task = tokio::task::spawn_local(looking_up).abort_handle();
            self.known.insert(host, Name { interval, answer, task });
        }
    }

    /// Waits until every name has been looked up once, or for so long.
    pub async fn settle(&self, longest: Duration) {
        let settled = async {
            while self.known.values().any(|name| !name.answer.borrow().is_asked()) {
                self.shared.asked.notified().await;
            }
        };
        let _ = tokio::time::timeout(longest, settled).await;
    }

    /// Waits until the addresses of a name change.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// What is known of a name.
    pub fn answer(&self, host: &str) -> Answer {
        self.known.get(host).map_or_else(Answer::default, |name| name.answer.borrow().clone())
    }
}

/// Looks a name up until it is ended.
async fn look_up(host: String, interval: Duration, answer: Rc<RefCell<Answer>>, shared: Rc<Shared>) {
    loop {
        let result = match shared.lookups.acquire().await {
            Ok(_turn) => addresses(&host).await,
            Err(_) => return,
        };
        let changed = answer.borrow_mut().on_result(&host, result);
        shared.asked.notify_one();
        if changed {
            shared.changed.notify_one();
        }
        let is_unknown = answer.borrow().addresses().is_empty();
        tokio::time::sleep(if is_unknown { interval.min(UNKNOWN_EVERY) } else { interval }).await;
    }
}

/// # Errors
/// In words: why there are none.
async fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| {
        let text = error.to_string();
        text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_lowercase()
    })?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests;
