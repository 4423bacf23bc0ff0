//! Changes to the fields of messages.

use super::template::{Template, Values};
use crate::http1::write::write_name;

/// What is taken away and what is added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Names in lower case: of fields that are removed, and of those that are set.
    removed: Vec<String>,
    added: Vec<(String, Template)>,
}

impl Edits {
    /// `set` fields replace what the message has, `added` ones stand beside it.
    pub fn new(set: Vec<(String, Template)>, added: Vec<(String, Template)>, removed: Vec<String>) -> Self {
        let mut all: Vec<String> = removed.iter().map(|name| name.to_ascii_lowercase()).collect();
        all.extend(set.iter().map(|(name, _)| name.to_ascii_lowercase()));
        Self { removed: all, added: set.into_iter().chain(added).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// Whether a field of the message is left out.
    pub fn removes(&self, name: &[u8]) -> bool {
        self.removed.iter().any(|removed| name.eq_ignore_ascii_case(removed.as_bytes()))
    }

    /// Writes the fields that are added. One without a value is left out, as nginx does.
    pub fn write(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        for (name, value) in &self.added {
            let begin = out.len();
            write_name(name.as_bytes(), out);
            let value_begin = out.len();
            value.write(values, out);
            if out.len() == value_begin {
                out.truncate(begin);
            } else {
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Fields that are removed or set, in lower case.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.removed.iter().map(String::as_str)
    }

    pub fn added(&self) -> impl Iterator<Item = (&str, &Template)> {
        self.added.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(test)]
mod tests;
