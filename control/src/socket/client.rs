//! The client's end: connect, ask, wait for the answer; never for ever.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headgate_api::{Request, RequestLine, Response};

/// A reload with thousands of services takes a second or two; a daemon silent for longer than this hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Some 200 bytes for each of the most connections a listing can have in practice.
const ANSWER_MAX: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no daemon listens on {}: start one with `headgate run -c FILE`, or name its socket with --socket", .0.display())]
    NoDaemon(PathBuf),
    #[error("cannot talk to the daemon at {}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the daemon did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    #[error("the daemon closed the connection without an answer")]
    Closed,
    #[error("the connection to the daemon broke: {0}")]
    Broken(io::Error),
    #[error("the daemon's answer cannot be read (another version of Headgate?): {0}")]
    Malformed(serde_json::Error),
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => ClientError::NoDaemon(path.to_owned()),
            _ => ClientError::Connect { path: path.to_owned(), source },
        })?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(ClientError::Broken)?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(ClientError::Broken)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// One request, one answer. [`Response::Error`] is an answer like any other.
    pub fn request(&mut self, request: Request) -> Result<Response, ClientError> {
        let mut line = serde_json::to_vec(&RequestLine::from(request)).map_err(ClientError::Malformed)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(broken)?;
        let mut answer = Vec::new();
        self.stream.by_ref().take(ANSWER_MAX).read_until(b'\n', &mut answer).map_err(broken)?;
        if answer.is_empty() {
            return Err(ClientError::Closed);
        }
        serde_json::from_slice(&answer).map_err(ClientError::Malformed)
    }
}

fn broken(error: io::Error) -> ClientError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Timeout,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Closed,
        _ => ClientError::Broken(error),
    }
}
