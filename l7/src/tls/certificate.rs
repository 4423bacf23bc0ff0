//! A certificate with its key.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::sign::CertifiedKey;

use super::{Error, chain, provider};

/// A chain of certificates, the own one first, and the key of that.
#[derive(Clone)]
pub struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) key: Arc<PrivateKeyDer<'static>>,
    names: Vec<String>,
}

impl Certificate {
    /// From the contents of the two PEM files, which may be the same.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = chain(certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            PemError::NoItemsFound => Error::NoKey,
            error => Error::Pem(error),
        })?;
        let refused = |error: &dyn fmt::Display| Error::Refused(error.to_string());
        let signer = provider().key_provider.load_private_key(key.clone_key()).map_err(|error| refused(&error))?;
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(Error::OtherKey),
            Err(error) => return Err(refused(&error)),
        }
        let own = certified.end_entity_cert().map_err(|error| refused(&error))?;
        let own = webpki::EndEntityCert::try_from(own).map_err(|error| refused(&error))?;
        let names = own.valid_dns_names().map(str::to_ascii_lowercase).collect();
        Ok(Self { certified: Arc::new(certified), key: Arc::new(key), names })
    }

    /// DNS names in it, in lower case, the first label of which may be `*`.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert && self.key == other.key
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.names).finish()
    }
}
