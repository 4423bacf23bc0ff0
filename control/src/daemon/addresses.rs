//! The addresses of `[[address]]`, which this node holds while Headgate runs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::chain::chain;
use crate::config::model::{HeldAddress, Prefix};
use crate::netlink::commands::{Added, Detection, Removed};
use crate::netlink::{Commands, NetState};

/// What we added ourselves, and so take away again. An address that was there before stays when we go.
#[derive(Debug, Default)]
pub struct Held {
    added: BTreeSet<(String, Prefix)>,
    /// The latest trouble with putting addresses back, so that it is told once.
    trouble: Option<String>,
}

impl Held {
    /// Adds what is wanted and missing, then removes what we hold and nobody wants any more.
    pub async fn follow(&mut self, commands: &Commands, wanted: &[HeldAddress]) -> Result<()> {
        for address in wanted {
            self.add(commands, address).await?;
        }
        let gone: Vec<_> = self
            .added
            .iter()
            .filter(|(interface, prefix)| !wanted.iter().any(|a| a.interface() == interface && a.prefix() == *prefix))
            .cloned()
            .collect();
        for entry in gone {
            remove(commands, &entry).await;
            self.added.remove(&entry);
        }
        Ok(())
    }

    /// Puts back what somebody else took away from an interface that is there; the kernel itself does so with the IPv6 addresses of an
    /// interface that goes down.
    pub async fn restore(&mut self, commands: &Commands, wanted: &[HeldAddress], state: &NetState) {
        for address in wanted.iter().filter(|address| lacks(state, address)) {
            let trouble = self.add(commands, address).await.err().map(|error| chain(&error));
            if let Some(trouble) = &trouble
                && self.trouble.as_ref() != Some(trouble)
            {
                tracing::error!("an address has gone and cannot be put back: {trouble}");
            }
            self.trouble = trouble;
        }
    }

    /// Removes everything we added.
    pub async fn release(&mut self, commands: &Commands) {
        for entry in std::mem::take(&mut self.added) {
            remove(commands, &entry).await;
        }
    }

    async fn add(&mut self, commands: &Commands, address: &HeldAddress) -> Result<()> {
        let (interface, prefix) = (address.interface(), address.prefix());
        let added = commands
            .add_address(interface, prefix.address(), prefix.length(), Detection::Skip)
            .await
            .with_context(|| format!("cannot add {prefix} to {interface}"))?;
        if added == Added::Existed {
            return Ok(());
        }
        if self.added.insert((interface.to_owned(), prefix)) {
            tracing::info!(interface, address = %prefix, "address added");
        } else {
            tracing::warn!(interface, address = %prefix, "the address had gone, added again");
        }
        Ok(())
    }
}

/// Whether the interface is there without the address.
fn lacks(state: &NetState, held: &HeldAddress) -> bool {
    let (address, length) = (held.prefix().address(), held.prefix().length());
    state.interface_by_name(held.interface()).is_some_and(|link| {
        !state.addresses_of(link.index).any(|known| known.ip == address && known.prefix_len == length)
    })
}

async fn remove(commands: &Commands, (interface, prefix): &(String, Prefix)) {
    match commands.del_address(interface, prefix.address(), prefix.length()).await {
        Ok(Removed::Gone) => tracing::info!(interface, address = %prefix, "address removed"),
        Ok(Removed::WasAbsent) => tracing::warn!(interface, address = %prefix, "the address was gone already"),
        Err(error) => tracing::warn!(interface, address = %prefix, %error, "cannot remove the address"),
    }
}
