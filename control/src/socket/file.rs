//! The socket in the file system: made, made private, and removed again, also when an earlier daemon died without doing so.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The owner and its group may talk to the daemon, which can do what the daemon can.
const MODE: u32 = 0o660;
const DIRECTORY_MODE: u32 = 0o755;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("another daemon listens on {}", .0.display())]
    InUse(PathBuf),
    #[error("{} is in the way: it is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot make the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot listen on {}: {source}", path.display())]
    Listen { path: PathBuf, source: io::Error },
}

/// Removes the socket when dropped, and the directory if it was made for it and is empty.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    made: Option<PathBuf>,
}

/// Listens on `path`; non-blocking.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    let made = make_directory(path)?;
    remove_stale(path)?;
    let failed = |source| BindError::Listen { path: path.to_owned(), source };
    let listener = UnixListener::bind(path).map_err(failed)?;
    let identity = identity(path).map_err(failed)?;
    let file = SocketFile { path: path.to_owned(), identity, made };
    fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((listener, file))
}

/// The directory, if it had to be made.
fn make_directory(path: &Path) -> Result<Option<PathBuf>, BindError> {
    let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty() && !d.exists()) else { return Ok(None) };
    let made = fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
    made.map_err(|source| BindError::Directory { path: directory.to_owned(), source })?;
    Ok(Some(directory.to_owned()))
}

/// A socket nobody listens on is what a dead daemon left behind.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        // A full queue is a living daemon too.
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(BindError::InUse(path.to_owned())),
        Err(e) => Err(failed(e)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another daemon may have put its own socket there since; that one stays.
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
        if let Some(directory) = &self.made {
            let _ = fs::remove_dir(directory);
        }
    }
}
