//! Formats of lines, taken apart once.

use super::variable::{Asked, Fact, Variable};

/// How a line looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// As an operator writes it.
    text: String,
    pub(super) json: bool,
    pub(super) parts: Vec<Part>,
    /// What has to be kept of a request's head: parts refer to it by index.
    pub(super) kept: Vec<Asked>,
    /// It names servers that were asked.
    pub(super) tries: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Box<[u8]>),
    Kept(usize),
    Fact(Fact),
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadFormat {
    /// There is no variable of this name.
    Unknown(String),
    Malformed(&'static str),
}

/// What a JSON line has when nothing else is asked for.
const FIELDS: [&str; 17] = [
    "time_iso8601",
    "remote_addr",
    "remote_user",
    "request_method",
    "scheme",
    "host",
    "request_uri",
    "server_protocol",
    "status",
    "body_bytes_sent",
    "request_time",
    "http_referer",
    "http_user_agent",
    "upstream_addr",
    "upstream_status",
    "upstream_response_time",
    "listener",
];

impl Format {
    /// The format of that name of nginx and Apache.
    pub fn combined() -> Self {
        let parts = [
            ("", Variable::Fact(Fact::RemoteAddr)),
            (" - ", Variable::Asked(Asked::User)),
            (" [", Variable::Fact(Fact::TimeLocal)),
            ("] \"", Variable::Asked(Asked::Line)),
            ("\" ", Variable::Fact(Fact::Status)),
            (" ", Variable::Fact(Fact::BodyBytesSent)),
            (" \"", Variable::field("referer")),
            ("\" \"", Variable::field("user_agent")),
        ];
        let mut format = Self::empty("combined".to_owned(), false);
        for (text, variable) in parts {
            format.text(text);
            format.variable(variable);
        }
        format.text("\"");
        format
    }

    /// A JSON object with these members; without any, with the usual ones.
    pub fn json(fields: &[Variable]) -> Self {
        let usual: Vec<Variable>;
        let (text, fields) = if fields.is_empty() {
            usual = FIELDS.iter().filter_map(|name| Variable::parse(name)).collect();
            ("json".to_owned(), usual.as_slice())
        } else {
            (format!("json: {}", fields.iter().map(Variable::name).collect::<Vec<_>>().join(" ")), fields)
        };
        let mut format = Self::empty(text, true);
        for (index, field) in fields.iter().enumerate() {
            format.text(&format!("{}\"{}\":", if index == 0 { "{" } else { "," }, field.name()));
            format.variable(field.clone());
        }
        format.text("}");
        format
    }

    /// A text with `$variables` or `${variables}`.
    ///
    /// # Errors
    /// See [`BadFormat`].
    pub fn template(text: &str) -> Result<Self, BadFormat> {
        if text.is_empty() {
            return Err(BadFormat::Malformed("it is empty"));
        }
        if text.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            return Err(BadFormat::Malformed("a line cannot contain the end of one"));
        }
        let mut format = Self::empty(text.to_owned(), false);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            format.text(before);
            let braced = after.strip_prefix('{');
            let name = braced.unwrap_or(after);
            let end = name.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_').unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if name.is_empty() {
                return Err(BadFormat::Malformed("after a dollar sign it needs the name of a variable"));
            }
            format.variable(Variable::parse(name).ok_or_else(|| BadFormat::Unknown(name.to_owned()))?);
            rest = match braced {
                Some(_) => after.strip_prefix('}').ok_or(BadFormat::Malformed("a brace is not closed"))?,
                None => after,
            };
        }
        format.text(rest);
        Ok(format)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn empty(text: String, json: bool) -> Self {
        Self { text, json, parts: Vec::new(), kept: Vec::new(), tries: false }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Part::Text(text.as_bytes().into()));
        }
    }

    fn variable(&mut self, variable: Variable) {
        let part = match variable {
            Variable::Fact(fact) => {
                self.tries |= matches!(fact, Fact::UpstreamAddr | Fact::UpstreamStatus | Fact::UpstreamResponseTime);
                Part::Fact(fact)
            }
            Variable::Asked(asked) => {
                Part::Kept(self.kept.iter().position(|known| *known == asked).unwrap_or_else(|| {
                    self.kept.push(asked);
                    self.kept.len() - 1
                }))
            }
        };
        self.parts.push(part);
    }
}

#[cfg(test)]
mod tests;
