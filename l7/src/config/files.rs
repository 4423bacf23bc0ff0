//! Files that we answer with: those of a route, and the pages for errors.

use std::fmt;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::content;

/// Files below a folder, as nginx's `root` and `index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// An absolute path. The whole path of a request is looked up below it.
    pub root: PathBuf,
    /// What is sent for a folder: the first of these names that is a file in it.
    pub index: Vec<String>,
    /// Whether a symbolic link may lead out of the root.
    pub follow_symlinks: bool,
    /// Send `name.br` or `name.gz` in place of `name` to clients that take it.
    pub precompressed: bool,
}

/// Pages for answers of our own, by status; the first that fits is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorPages(Vec<(RangeInclusive<u16>, Arc<ErrorPage>)>);

#[derive(PartialEq, Eq)]
pub struct ErrorPage {
    /// Where it was read from.
    pub path: PathBuf,
    /// With its character set.
    pub content_type: String,
    pub body: Vec<u8>,
}

impl ErrorPage {
    /// A page with this content, its type by the name of its file.
    pub fn new(path: PathBuf, body: Vec<u8>) -> Self {
        let mut content_type = Vec::new();
        content::write(content::type_of(path.as_os_str().as_bytes()), &mut content_type);
        let content_type = String::from_utf8_lossy(&content_type).into_owned();
        Self { path, content_type, body }
    }
}

impl ErrorPages {
    /// A page for fewer statuses comes before one for more.
    pub fn new(mut pages: Vec<(RangeInclusive<u16>, Arc<ErrorPage>)>) -> Self {
        pages.sort_by_key(|(statuses, _)| statuses.len());
        Self(pages)
    }

    /// These, and for what they lack those of `outer`.
    pub fn within(&self, outer: &Self) -> Self {
        Self([self.0.as_slice(), outer.0.as_slice()].concat())
    }

    pub fn of(&self, status: u16) -> Option<&ErrorPage> {
        self.0.iter().find(|(statuses, _)| statuses.contains(&status)).map(|(_, page)| &**page)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&RangeInclusive<u16>, &ErrorPage)> {
        self.0.iter().map(|(statuses, page)| (statuses, &**page))
    }
}

impl fmt::Debug for ErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path.display(), self.body.len())
    }
}
