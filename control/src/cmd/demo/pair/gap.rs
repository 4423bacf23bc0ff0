//! How long a client gets no answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use headgate_testbed::{Namespace, wait_for};

/// For one request: who does not answer by then is gone.
const ANSWER: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest time between two answers, from before the event until a while after this server answers.
pub fn during(
    client: &Namespace,
    target: SocketAddr,
    next: &str,
    event: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let (arrived, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.enter(|| ask_until(&over, target, next, &arrived)));
        let done =
            event().and_then(|()| wait_for(PATIENCE, &format!("{next} to answer"), || arrived.load(Ordering::Relaxed)));
        over.store(true, Ordering::Relaxed);
        let gap = asking.join().map_err(|_| anyhow!("the client's thread ended"))??;
        done.map(|()| gap)
    })
}

fn ask_until(over: &AtomicBool, target: SocketAddr, next: &str, arrived: &AtomicBool) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        if let Ok(server) = ask(target) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            arrived.store(server.contains(next), Ordering::Relaxed);
        }
        std::thread::park_timeout(PAUSE);
    }
    longest
}

fn ask(target: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer)?;
    let text = String::from_utf8_lossy(&answer[..length]);
    let server = text.lines().find_map(|line| line.strip_prefix("X-Server: ")).context("an answer without a server")?;
    Ok(server.to_owned())
}
