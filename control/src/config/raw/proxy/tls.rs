//! `tls` of a listener and of an upstream.

use std::path::PathBuf;

use headgate_l7::tls::MinVersion;

use crate::config::error::Place;
use crate::config::reader::{Field, Keys, Section, Value};

pub(in crate::config) static LISTENER_TLS: Keys =
    Keys { supported: &["certificates", "min_version", "client_ca", "client_auth", "http2"], later: &[] };
pub(in crate::config) static CERTIFICATE: Keys = Keys { supported: &["cert", "key"], later: &[] };
pub(in crate::config) static UPSTREAM_TLS: Keys =
    Keys { supported: &["ca", "verify", "server_name", "cert", "key"], later: &[] };

pub(in crate::config) struct ListenerTls {
    pub place: Place,
    pub certificates: Vec<Certificate>,
    pub min_version: Field<MinVersion>,
    pub client_ca: Field<PathBuf>,
    /// Whether a certificate is required.
    pub client_auth: Field<bool>,
    pub http2: Field<bool>,
}

#[derive(Clone)]
pub(in crate::config) struct Certificate {
    pub cert: Field<PathBuf>,
    pub key: Field<PathBuf>,
}

#[derive(Clone)]
pub(in crate::config) struct UpstreamTls {
    pub place: Place,
    pub ca: Field<PathBuf>,
    pub verify: Field<bool>,
    pub server_name: Field<String>,
    pub own: Certificate,
}

impl ListenerTls {
    pub fn read(section: &Section<'_, '_>) -> Self {
        const VERSIONS: [(&str, Option<MinVersion>); 2] =
            [("1.2", Some(MinVersion::Tls12)), ("1.3", Some(MinVersion::Tls13))];
        Self {
            place: section.place().clone(),
            certificates: section.sections("certificates", &CERTIFICATE).iter().map(Certificate::read).collect(),
            min_version: section.field("min_version", |v| v.choice(&VERSIONS)),
            client_ca: section.field("client_ca", file),
            client_auth: section
                .field("client_auth", |v| v.choice(&[("require", Some(true)), ("optional", Some(false))])),
            http2: section.field("http2", Value::boolean),
        }
    }
}

impl Certificate {
    fn read(section: &Section<'_, '_>) -> Self {
        Self { cert: section.field("cert", file), key: section.field("key", file) }
    }
}

impl UpstreamTls {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self {
            place: section.place().clone(),
            ca: section.field("ca", file),
            verify: section.field("verify", Value::boolean),
            server_name: section.field("server_name", |v| v.string("a name").map(str::to_owned)),
            own: Certificate::read(section),
        }
    }
}

fn file(value: &Value<'_, '_>) -> Option<PathBuf> {
    value.parse("the path of a file", |text| match text {
        "" => Err("it is empty"),
        _ if text.contains('\0') => Err("it contains a zero byte"),
        _ => Ok(PathBuf::from(text)),
    })
}
