//! The addresses of `[[address]]`, which this node holds while Headgate runs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::config::model::{HeldAddress, Prefix};
use crate::netlink::Commands;
use crate::netlink::commands::{Added, Detection, Removed};

/// What we added ourselves, and so take away again. An address that was there before stays when we go.
#[derive(Debug, Default)]
pub struct Held(BTreeSet<(String, Prefix)>);

impl Held {
    /// Adds what is wanted and missing, then removes what we hold and nobody wants any more.
    pub async fn follow(&mut self, commands: &Commands, wanted: &[HeldAddress]) -> Result<()> {
        for address in wanted {
            let prefix = address.prefix();
            let entry = (address.interface().to_owned(), prefix);
            if self.0.contains(&entry) {
                continue;
            }
            let added = commands
                .add_address(address.interface(), prefix.address(), prefix.length(), Detection::Skip)
                .await
                .with_context(|| format!("cannot add {prefix} to {}", address.interface()))?;
            if added == Added::New {
                tracing::info!(interface = address.interface(), address = %prefix, "address added");
                self.0.insert(entry);
            }
        }
        let gone: Vec<_> = self
            .0
            .iter()
            .filter(|(interface, prefix)| !wanted.iter().any(|a| a.interface() == interface && a.prefix() == *prefix))
            .cloned()
            .collect();
        for entry in gone {
            remove(commands, &entry).await;
            self.0.remove(&entry);
        }
        Ok(())
    }

    /// Removes everything we added.
    pub async fn release(&mut self, commands: &Commands) {
        for entry in std::mem::take(&mut self.0) {
            remove(commands, &entry).await;
        }
    }
}

async fn remove(commands: &Commands, (interface, prefix): &(String, Prefix)) {
    match commands.del_address(interface, prefix.address(), prefix.length()).await {
        Ok(Removed::Gone) => tracing::info!(interface, address = %prefix, "address removed"),
        Ok(Removed::WasAbsent) => tracing::warn!(interface, address = %prefix, "the address was gone already"),
        Err(error) => tracing::warn!(interface, address = %prefix, %error, "cannot remove the address"),
    }
}
