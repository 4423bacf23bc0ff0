//! Texts with variables, filled in for each request.

use std::fmt;

/// A text in which `$host`, `$request_uri`, `$remote_addr` and `$scheme` stand for what the request says; `$$` for a dollar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Host,
    RequestUri,
    RemoteAddr,
    Scheme,
}

const NAMES: [(&str, Variable); 4] = [
    ("request_uri", Variable::RequestUri),
    ("remote_addr", Variable::RemoteAddr),
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
];

/// What variables stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Of the request, without its port.
    pub host: &'a [u8],
    /// Path and query as sent.
    pub request_uri: &'a [u8],
    /// The client's address.
    pub remote_addr: &'a str,
    /// "http" or "https".
    pub scheme: &'a str,
}

/// A dollar that begins no variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownVariable;

impl Template {
    /// # Errors
    /// When a variable is not known.
    pub fn new(text: &str) -> Result<Self, UnknownVariable> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let (name, variable) = NAMES.iter().find(|(name, _)| after.starts_with(name)).ok_or(UnknownVariable)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Variable(*variable));
            rest = &after[name.len()..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Writes the text with its variables filled in.
    pub fn write(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            out.extend_from_slice(match part {
                Part::Text(text) => text.as_bytes(),
                Part::Variable(Variable::Host) => values.host,
                Part::Variable(Variable::RequestUri) => values.request_uri,
                Part::Variable(Variable::RemoteAddr) => values.remote_addr.as_bytes(),
                Part::Variable(Variable::Scheme) => values.scheme.as_bytes(),
            });
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(&text.replace('$', "$$"))?,
                Part::Variable(variable) => {
                    let name = NAMES.iter().find(|(_, known)| known == variable).map_or("", |(name, _)| name);
                    write!(f, "${name}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
