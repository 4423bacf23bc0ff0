//! What is known of a host name; without I/O.

use std::net::IpAddr;

/// The addresses of a host name, as far as lookups have found any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Sorted, each once: the system may give them in another order every time.
    addresses: Vec<IpAddr>,
    /// Why the last lookup has failed, if it has.
    error: Option<String>,
    asked: bool,
}

impl Answer {
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Why the last lookup has failed; the addresses are of an earlier one then.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether there was a lookup, successful or not.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// A lookup has ended. Whether the addresses are others now: a failure changes none.
    pub fn on_result(&mut self, host: &str, result: Result<Vec<IpAddr>, String>) -> bool {
        self.asked = true;
        let found = result.and_then(|found| {
            let mut fit: Vec<_> =
                found.into_iter().map(|address| address.to_canonical()).filter(is_of_a_host).collect();
            fit.sort_unstable();
            fit.dedup();
            if fit.is_empty() { Err("it has no address of a host".to_owned()) } else { Ok(fit) }
        });
        match found {
            Ok(found) => {
                if self.error.take().is_some() {
                    tracing::info!(host, "the host name can be resolved again");
                }
                if found == self.addresses {
                    return false;
                }
                tracing::info!(host, addresses = ?found, "the host name has these addresses");
                self.addresses = found;
                true
            }
            Err(error) => {
                if self.error.is_none() {
                    let kept = self.addresses.len();
                    tracing::warn!(host, "cannot resolve the host name, going on with {kept} addresses: {error}");
                }
                self.error = Some(error);
                false
            }
        }
    }
}

/// Name servers that block a name answer with 0.0.0.0, which would be ourselves.
fn is_of_a_host(address: &IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}
