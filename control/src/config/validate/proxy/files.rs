//! Routes that answer with files, and error pages.

use std::fs;
use std::sync::Arc;

use headgate_l7::config::{ErrorPage, ErrorPages, Files};

use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::raw;
use crate::config::reader::{At, Field};

/// Pages are held in memory.
const PAGE_MAX: u64 = 1 << 20;

/// `None` without a root.
pub(super) fn files(raw: raw::Files, findings: &Findings) -> Option<Files> {
    let Some(root) = raw.root.set() else {
        warn_if_set(&raw.index, findings);
        warn_if_set(&raw.follow_symlinks, findings);
        warn_if_set(&raw.precompressed, findings);
        return None;
    };
    if !root.value.is_dir() {
        findings.warning(&root.place, Advice::RootMissing(root.value.display().to_string()));
    }
    let index = raw.index.set().map_or_else(
        || vec!["index.html".to_owned()],
        |names| names.value.into_iter().map(|name| name.value).collect(),
    );
    Some(Files {
        root: root.value,
        index,
        follow_symlinks: raw.follow_symlinks.or(false),
        precompressed: raw.precompressed.or(false),
    })
}

fn warn_if_set<T>(field: &Field<T>, findings: &Findings) {
    if let Field::Set(At { place, .. }) = field {
        findings.warning(place, Advice::NoRoot);
    }
}

/// Reads the pages: what the file says now counts until the next reload.
pub(super) fn error_pages(raw: raw::ErrorPages, findings: &Findings) -> ErrorPages {
    let pages = raw.into_iter().filter_map(|(statuses, At { value: path, place })| {
        let body = read(&path, &place, findings)?;
        Some((statuses, Arc::new(ErrorPage::new(path, body))))
    });
    ErrorPages::new(pages.collect())
}

fn read(path: &std::path::Path, place: &Place, findings: &Findings) -> Option<Vec<u8>> {
    let shown = || path.display().to_string();
    let known = fs::metadata(path).and_then(|known| {
        let is_file = known.is_file();
        if is_file { Ok(known.len()) } else { Err(std::io::Error::other("it is no regular file")) }
    });
    let body = match known {
        Ok(size) if size > PAGE_MAX => {
            findings.error(place, Problem::PageTooLarge { path: shown(), size, max: PAGE_MAX });
            return None;
        }
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    body.map_err(|error| findings.error(place, Problem::Unreadable { path: shown(), why: error.to_string() })).ok()
}
