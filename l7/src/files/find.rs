//! The file that a request means.

use super::asked::{Asked, Tag};
use super::content::{self, accepts};
use super::open::{Kind, Opened, open_below};
use super::path::below;
use crate::config::Files;

/// A file in the form that goes to the client.
#[derive(Debug)]
pub struct Representation {
    pub opened: Opened,
    pub content_type: &'static str,
    /// Of a compressed sibling.
    pub coding: Option<&'static str>,
}

#[derive(Debug)]
pub enum Found {
    File(Representation),
    /// A folder, asked for without the slash at its end.
    Folder,
    /// Nothing to send.
    Status(u16),
}

/// Codings with the ending of their files, the better one first.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Looks for it. `now`: of [`crate::clock::millis`].
pub fn find(files: &Files, asked: &Asked<'_>, now: u64) -> Found {
    let Some(path) = below(asked.path()) else { return Found::Status(404) };
    if path.is_empty() || path.ends_with(b"/") {
        return index(files, asked, path, now);
    }
    match open_below(files, path, now) {
        Ok(opened) if opened.kind == Kind::File => Found::File(represent(files, asked, path, opened, now)),
        Ok(opened) if opened.kind == Kind::Folder => Found::Folder,
        Ok(_) => Found::Status(404),
        Err(status) => Found::Status(status),
    }
}

/// The index of a folder; its content is shown to nobody.
fn index(files: &Files, asked: &Asked<'_>, folder: &[u8], now: u64) -> Found {
    let mut path = Vec::with_capacity(folder.len() + 16);
    for name in &files.index {
        path.clear();
        path.extend_from_slice(folder);
        path.extend_from_slice(name.as_bytes());
        match open_below(files, &path, now) {
            Ok(opened) if opened.kind == Kind::File => return Found::File(represent(files, asked, &path, opened, now)),
            Ok(_) | Err(404) => {}
            Err(status) => return Found::Status(status),
        }
    }
    // With its slash a file is not found.
    Found::Status(open_below(files, folder, now).map_or_else(|status| status, |_| 403))
}

fn represent(files: &Files, asked: &Asked<'_>, path: &[u8], opened: Opened, now: u64) -> Representation {
    let content_type = content::type_of(path);
    if files.precompressed {
        let wanted = |coding| asked.all(Tag::AcceptEncoding).any(|field| accepts(field, coding));
        for (coding, ending) in CODINGS.iter().filter(|(coding, _)| wanted(coding)) {
            if let Ok(sibling) = open_below(files, &[path, ending.as_bytes()].concat(), now)
                && sibling.kind == Kind::File
            {
                return Representation { opened: sibling, content_type, coding: Some(coding) };
            }
        }
    }
    Representation { opened, content_type, coding: None }
}
