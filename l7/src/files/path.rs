//! The path below the root.

/// What is to be opened below the root for a normal path; empty for the root itself. `None` when the path could lead elsewhere, or to
/// nothing.
///
/// [`crate::http1::target::normal_path`] has resolved dot segments already; nothing relies on that here.
pub fn below(path: &[u8]) -> Option<&[u8]> {
    let below = path.strip_prefix(b"/")?;
    if below.contains(&0) {
        return None;
    }
    let segments = below.strip_suffix(b"/").unwrap_or(below);
    let is_plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    (below.is_empty() || segments.split(|byte| *byte == b'/').all(is_plain)).then_some(below)
}

#[cfg(test)]
mod tests;
