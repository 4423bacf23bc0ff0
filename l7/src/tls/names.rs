//! Which certificate belongs to a name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;

use super::Certificate;

/// Names of certificates, exact and `*.example.org`, the star standing for one label (RFC 9525 section 6.3).
#[derive(Debug)]
pub struct Names {
    certificates: Vec<Certificate>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Names {
    /// The first certificate is for all names that no other has.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { certificates, by_name }
    }

    fn all(&self, name: &str) -> &[usize] {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let wildcard = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        self.by_name.get(&name).or_else(wildcard).map_or(&[0], Vec::as_slice)
    }

    /// A certificate for the name whose key the client can deal with; where there is none, any for the name.
    pub fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Certificate> {
        let all = name.map_or(&[0][..], |name| self.all(name));
        let fits = |index: &&usize| self.certificates[**index].certified.key.choose_scheme(schemes).is_some();
        all.iter().find(fits).or(all.first()).and_then(|index| self.certificates.get(*index))
    }

    /// Whether the same certificate stands for both.
    fn is_same(&self, name: &str, host: &[u8]) -> bool {
        if self.certificates.len() == 1 || host.eq_ignore_ascii_case(name.as_bytes()) {
            return true;
        }
        std::str::from_utf8(host).is_ok_and(|host| self.all(name) == self.all(host))
    }
}

/// What a connection with TLS was made for.
#[derive(Debug)]
pub struct Named {
    names: Arc<Names>,
    name: Option<String>,
}

impl Named {
    /// `name`: that the client has asked for.
    pub fn new(names: Arc<Names>, name: Option<String>) -> Self {
        Self { names, name }
    }

    /// That the client has asked for.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether requests for the host may come over the connection (RFC 9110 section 7.4).
    pub fn is_for(&self, host: &[u8]) -> bool {
        self.name.as_ref().is_none_or(|name| self.names.is_same(name, host))
    }
}
