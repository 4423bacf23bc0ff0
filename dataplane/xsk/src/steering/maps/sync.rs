//! Bringing one map from what it holds to what is wanted.

use std::collections::BTreeMap;

use aya::maps::MapError;

use super::{Changes, Hash, Pod, XskError, failed};

/// The difference between a map in the kernel and its wanted entries.
pub(super) struct Difference<K, V> {
    name: &'static str,
    set: Vec<(K, V)>,
    gone: Vec<K>,
    updated: usize,
    /// Old and new entries together do not fit, so the old ones have to go first.
    tight: bool,
}

impl<K: Pod + Ord, V: Pod + Eq> Difference<K, V> {
    /// Reads the map and compares. What the kernel holds counts, not what was written there once.
    pub(super) fn of(
        map: &Hash<K, V>,
        (name, limit): (&'static str, u32),
        wanted: &BTreeMap<K, V>,
    ) -> Result<Self, XskError> {
        if wanted.len() > limit as usize {
            return Err(XskError::MapFull { map: name, wanted: wanted.len(), limit });
        }
        let held: BTreeMap<K, V> = map.iter().collect::<Result<_, _>>().map_err(|error| failed(name, error))?;
        let changed = |(key, value): &(&K, &V)| held.get(key) != Some(*value);
        let set: Vec<_> = wanted.iter().filter(changed).map(|(key, value)| (*key, *value)).collect();
        let gone: Vec<_> = held.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        let updated = set.iter().filter(|(key, _)| held.contains_key(key)).count();
        let tight = held.len() + set.len() - updated > limit as usize;
        Ok(Self { name, set, gone, updated, tight })
    }

    pub(super) fn add(&self, map: &mut Hash<K, V>) -> Result<(), XskError> {
        if self.tight {
            self.drop_gone(map)?;
        }
        for (key, value) in &self.set {
            map.insert(key, value, 0).map_err(|error| failed(self.name, error))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, map: &mut Hash<K, V>) -> Result<(), XskError> {
        if self.tight { Ok(()) } else { self.drop_gone(map) }
    }

    pub(super) fn size(&self) -> Changes {
        Changes { added: self.set.len() - self.updated, updated: self.updated, removed: self.gone.len() }
    }

    fn drop_gone(&self, map: &mut Hash<K, V>) -> Result<(), XskError> {
        for key in &self.gone {
            forgive_missing(map.remove(key)).map_err(|error| failed(self.name, error))?;
        }
        Ok(())
    }
}

/// Removing what is not there is no error.
pub(super) fn forgive_missing(outcome: Result<(), MapError>) -> Result<(), MapError> {
    match outcome {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}
