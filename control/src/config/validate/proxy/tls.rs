//! TLS of listeners and upstreams: all files are read now, so that what is wrong with them is known before anybody connects.

use std::path::{Path, PathBuf};

use headgate_l7::config::Protocol;
use headgate_l7::tls::{Acceptor, Alpn, Certificate, ClientAuth, Connector, Error, MinVersion, Trust};

use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::raw;
use crate::config::reader::{At, Field};

/// Longer files are no certificates.
const FILE_MAX: u64 = 4 << 20;

pub(super) fn acceptor(raw: raw::ListenerTls, protocol: Protocol, findings: &Findings) -> Option<Acceptor> {
    if raw.certificates.is_empty() {
        let expected = "at least one certificate: certificates = [{ cert = \"site.pem\", key = \"site.key\" }]";
        findings.error(&raw.place, Problem::Missing(expected));
        return None;
    }
    if let (Field::Absent(_), Field::Set(auth)) = (&raw.client_ca, &raw.client_auth) {
        findings.error(&auth.place, Problem::ClientAuthWithoutCa);
    }
    let count = raw.certificates.len();
    let certificates: Vec<_> = raw.certificates.into_iter().filter_map(|raw| certificate(raw, findings)).collect();
    let required = raw.client_auth.or(true);
    let ca = raw.client_ca.set().map(|at| (at.place.clone(), read(&at, findings)));
    let (ca_place, client_auth) = match ca {
        Some((_, None)) => return None,
        Some((place, Some(ca))) => (Some(place), Some(ClientAuth { ca, required })),
        None => (None, None),
    };
    if certificates.len() < count {
        return None;
    }
    let place = ca_place.unwrap_or(raw.place);
    let min_version = raw.min_version.or(MinVersion::default());
    let alpn = match (protocol, raw.http2.or(true)) {
        (Protocol::Tcp, _) => Alpn::Nothing,
        (Protocol::Http, true) => Alpn::Http2,
        (Protocol::Http, false) => Alpn::Http1,
    };
    checked(Acceptor::new(certificates, min_version, client_auth, alpn), &place, findings)
}

pub(in crate::config::validate) fn connector(
    raw: raw::UpstreamTls,
    http2: bool,
    findings: &Findings,
) -> Option<Connector> {
    let verify = raw.verify.or(true);
    let own = match (&raw.own.cert, &raw.own.key) {
        (Field::Absent(_), Field::Absent(_)) => None,
        _ => Some(certificate(raw.own, findings)?),
    };
    let (place, trust) = match raw.ca.set() {
        Some(at) if verify => (at.place.clone(), Trust::Authorities(read(&at, findings)?)),
        Some(at) => {
            findings.warning(&at.place, Advice::CaIgnored);
            (raw.place, Trust::Anyone)
        }
        None => (raw.place, if verify { Trust::System } else { Trust::Anyone }),
    };
    checked(Connector::new(trust, raw.server_name.set().map(|at| at.value), own, http2), &place, findings)
}

/// Over TLS, as whoever asks without settings of his own.
pub(in crate::config::validate) fn plain(place: &Place, findings: &Findings) -> Option<Connector> {
    checked(Connector::new(Trust::System, None, None, false), place, findings)
}

fn certificate(raw: raw::Certificate, findings: &Findings) -> Option<Certificate> {
    let cert = raw.cert.required("the path of a PEM file with a certificate", findings);
    let key = raw.key.required("the path of a PEM file with the key of the certificate", findings);
    let (cert, key) = (cert?, key?);
    let (chain, secret) = (read(&cert, findings), read(&key, findings));
    let place = cert.place;
    let result = Certificate::new(&chain?, &secret?);
    let at_fault = if matches!(result, Err(Error::NoKey | Error::OtherKey)) { &key.place } else { &place };
    checked(result, at_fault, findings)
}

fn checked<T>(result: Result<T, Error>, place: &Place, findings: &Findings) -> Option<T> {
    result.map_err(|error| findings.error(place, Problem::Tls(error.to_string()))).ok()
}

/// A path that is not absolute begins at the folder of the configuration.
fn read(at: &At<PathBuf>, findings: &Findings) -> Option<Vec<u8>> {
    let path = Path::new(findings.file()).parent().unwrap_or(Path::new("")).join(&at.value);
    let content = std::fs::metadata(&path).and_then(|known| match known.is_file() {
        true if known.len() <= FILE_MAX => std::fs::read(&path),
        true => Err(std::io::Error::other("it is too large for a certificate")),
        false => Err(std::io::Error::other("it is no regular file")),
    });
    let unreadable =
        |why: std::io::Error| Problem::Unreadable { path: path.display().to_string(), why: why.to_string() };
    content.map_err(|error| findings.error(&at.place, unreadable(error))).ok()
}
