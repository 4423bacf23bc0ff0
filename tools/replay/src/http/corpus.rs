//! The files of the corpus. Their format is described in `http-corpus/README.md`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Debug)]
pub enum Cases {
    Requests(Vec<RequestCase>),
    Responses(Vec<ResponseCase>),
}

/// What the proxy must be set to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub deny_admin: bool,
    pub websocket: bool,
    pub stream_uploads: bool,
}

#[derive(Debug, Deserialize)]
pub struct RequestCase {
    pub id: String,
    #[serde(default)]
    pub needs: Needs,
    pub bytes: Option<Bytes>,
    #[serde(default)]
    pub steps: Vec<Step>,
    pub expected: RequestExpected,
}

/// Something an end does. One key of it is set.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Step {
    pub send: Option<Bytes>,
    pub send_bytewise: Option<Bytes>,
    /// Between the bytes of `send_bytewise`, or by itself.
    pub pause_ms: Option<u64>,
    pub await_status: Option<u16>,
    pub within_ms: Option<u64>,
    #[serde(default)]
    pub half_close: bool,
}

#[derive(Debug, Deserialize)]
pub struct RequestExpected {
    pub verdict: String,
    pub status: Vec<Vec<u16>>,
    pub interim: Option<Vec<u16>>,
    pub interim_optional: Option<AnyOf>,
    pub connection_closed_after: Option<bool>,
    pub requests_seen_by_backend: usize,
    #[serde(default)]
    pub partial_request_allowed: bool,
    #[serde(default)]
    pub backend: Vec<Seen>,
    #[serde(default)]
    pub client_must_have: BTreeMap<String, Values>,
    #[serde(default)]
    pub also_ok: Vec<RequestExpected>,
}

/// What a server must have seen of a request.
#[derive(Debug, Default, Deserialize)]
pub struct Seen {
    pub line: Option<String>,
    #[serde(default)]
    pub has: BTreeMap<String, Values>,
    #[serde(default)]
    pub lacks: Vec<String>,
    #[serde(default)]
    pub matches: BTreeMap<String, String>,
    #[serde(default)]
    pub count: BTreeMap<String, usize>,
    pub body: Option<Bytes>,
    pub framing: Option<String>,
    #[serde(default)]
    pub trailers_lack: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct ResponseCase {
    pub id: String,
    #[serde(default)]
    pub needs: Needs,
    pub request: Option<Bytes>,
    #[serde(default)]
    pub client_steps: Vec<Step>,
    pub upstream: Script,
    pub expected: ResponseExpected,
}

/// What the server does once it has the request.
#[derive(Debug, Clone, Deserialize)]
pub struct Script {
    pub send: Option<Bytes>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// `head`: without waiting for the body.
    pub start: Option<String>,
    pub end: ScriptEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScriptEnd {
    Keep,
    Fin,
    Rst,
}

#[derive(Debug, Deserialize)]
pub struct ResponseExpected {
    pub status: Vec<u16>,
    pub body: Option<Bytes>,
    pub body_length: Option<usize>,
    pub complete: Option<bool>,
    pub framing: Option<String>,
    pub version: Option<String>,
    #[serde(default)]
    pub has: BTreeMap<String, Values>,
    #[serde(default)]
    pub lacks: Vec<String>,
    #[serde(default)]
    pub matches: BTreeMap<String, String>,
    #[serde(default)]
    pub count: BTreeMap<String, usize>,
    #[serde(default)]
    pub has_lines: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub raw_lacks: Vec<Bytes>,
    #[serde(default)]
    pub trailers_lack: Vec<String>,
    pub client_connection: String,
    pub upstream_reusable: Option<bool>,
    pub counts_as_failure: bool,
    pub first_body_within_ms: Option<u64>,
    pub tunnel: Option<Bytes>,
    pub interim: Option<Vec<u16>>,
    pub interim_optional: Option<AnyOf>,
    #[serde(default)]
    pub also_ok: Vec<ResponseExpected>,
}

/// Bytes: a string whose characters are bytes, or a list of such strings and repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// One value or several.
#[derive(Debug, Clone)]
pub struct Values(pub Vec<String>);

/// Some statuses, or all.
#[derive(Debug, Clone)]
pub enum AnyOf {
    These(Vec<u16>),
    All,
}

/// Whether these interim responses are as a case wants them: exactly some, or some that may be; else they are not its matter.
pub fn interim_fits(got: &[u16], exactly: Option<&Vec<u16>>, optional: Option<&AnyOf>) -> bool {
    match (exactly, optional) {
        (Some(exactly), _) => exactly == got,
        (None, Some(optional)) => got.iter().all(|status| optional.allows(*status)),
        (None, None) => true,
    }
}

impl AnyOf {
    fn allows(&self, status: u16) -> bool {
        match self {
            Self::These(these) => these.contains(&status),
            Self::All => true,
        }
    }
}

impl Cases {
    /// # Errors
    /// When it is not a file of the corpus.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut file: Value = serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
        let cases = file["cases"].take();
        match (file["format"].as_u64(), file["kind"].as_str()) {
            (Some(1), Some("requests")) => Ok(Self::Requests(serde_json::from_value(cases)?)),
            (Some(1), Some("responses")) => Ok(Self::Responses(serde_json::from_value(cases)?)),
            (format, kind) => bail!("{}: format {format:?}, kind {kind:?}", path.display()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Requests(cases) => cases.len(),
            Self::Responses(cases) => cases.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut needs = Self::default();
        for need in Vec::<String>::deserialize(deserializer)? {
            match need.as_str() {
                "deny-admin" => needs.deny_admin = true,
                "websocket" => needs.websocket = true,
                "stream-uploads" => needs.stream_uploads = true,
                other => return Err(serde::de::Error::custom(format!("unknown need {other:?}"))),
            }
        }
        Ok(needs)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let mut bytes = Vec::new();
        let parts = if let Value::Array(parts) = value { parts } else { vec![value] };
        for part in parts {
            let (text, count) = match &part {
                Value::String(text) => (Some(text.as_str()), Some(1)),
                part => (part["repeat"].as_str(), part["count"].as_u64()),
            };
            let (Some(text), Some(count)) = (text, count) else {
                return Err(serde::de::Error::custom(format!("no bytes: {part}")));
            };
            let once = latin1(text).ok_or_else(|| serde::de::Error::custom("a character beyond U+00FF"))?;
            (0..count).for_each(|_| bytes.extend_from_slice(&once));
        }
        Ok(Self(bytes))
    }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(vec![text])),
            list => serde_json::from_value(list).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for AnyOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "any" => Ok(Self::All),
            list => serde_json::from_value(list).map(Self::These).map_err(serde::de::Error::custom),
        }
    }
}
