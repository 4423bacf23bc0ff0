//! Opening files below a root without leaving it. The kernel sees to that (openat2, `RESOLVE_BENEATH`): nobody can swap a link in between.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::config::Files;

/// How long a root stays open, in milliseconds: it may be a link that is turned to another folder, which then counts from there on.
const ROOT_FOR: u64 = 1000;
/// A rename elsewhere can make the kernel unsure whether a path left the root.
const ATTEMPTS: usize = 4;

thread_local! {
    static ROOTS: RefCell<Vec<Root>> = const { RefCell::new(Vec::new()) };
}

struct Root {
    path: PathBuf,
    folder: OwnedFd,
    until: u64,
}

/// Something that is there.
#[derive(Debug)]
pub struct Opened {
    pub file: File,
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    /// A device or the like.
    Other,
}

/// Opens `path`, relative to the root, for reading. `now`: of [`crate::clock::millis`].
///
/// # Errors
/// The status to answer with: 404, 403 for what may not be read or lies outside, 500 for trouble of our own.
pub fn open_below(files: &Files, path: &[u8], now: u64) -> Result<Opened, u16> {
    let path = if path.is_empty() { b".".as_slice() } else { path };
    let opened = with_root(&files.root, now, |root| {
        let beneath = if files.follow_symlinks { ResolveFlag::empty() } else { ResolveFlag::RESOLVE_BENEATH };
        let how = OpenHow::new()
            // Not blocking: a pipe would wait for a writer.
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(beneath | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let mut result = Err(Errno::EAGAIN);
        for _ in 0..ATTEMPTS {
            result = openat2(root, path, how);
            if !matches!(result, Err(Errno::EAGAIN | Errno::EINTR)) {
                break;
            }
        }
        result
    });
    let file = opened.map(File::from).map_err(status)?;
    let known = file.metadata().map_err(|error| status(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    let kind = match known.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    };
    Ok(Opened { file, kind, size: known.size(), modified: u64::try_from(known.mtime()).unwrap_or(0) })
}

fn with_root<T>(path: &Path, now: u64, action: impl FnOnce(&OwnedFd) -> Result<T, Errno>) -> Result<T, Errno> {
    ROOTS.with_borrow_mut(|roots| {
        if let Some(root) = roots.iter().find(|root| root.until > now && root.path == path) {
            return action(&root.folder);
        }
        roots.retain(|root| root.until > now);
        let folder = open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let result = action(&folder);
        roots.push(Root { path: path.to_owned(), folder, until: now + ROOT_FOR });
        result
    })
}

fn status(error: Errno) -> u16 {
    match error {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ENXIO | Errno::ENODEV => 404,
        Errno::EACCES | Errno::EPERM | Errno::ELOOP | Errno::EXDEV => 403,
        _ => {
            tracing::error!("cannot open a file: {}", io::Error::from(error));
            500
        }
    }
}

#[cfg(test)]
mod tests;
