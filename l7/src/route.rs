//! Which route a request takes.

use std::collections::HashMap;

use crate::config::{Host, Path, Route};
use crate::http1::target::host_of;

/// The routes of a listener, ordered for search: hosts from exact to any, in each of them paths from exact to short.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<Box<[u8]>, Paths>,
    /// Longest suffix first.
    wildcards: Vec<(Box<[u8]>, Paths)>,
    any: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<[u8]>, usize>,
    /// Longest first.
    prefixes: Vec<(Box<[u8]>, usize)>,
}

impl Router {
    /// Of several routes with the same host and path the first counts.
    pub fn new(routes: &[Route]) -> Self {
        let mut router = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let paths = match &route.host {
                Host::Any => &mut router.any,
                Host::Exact(host) => router.exact.entry(host.as_bytes().into()).or_default(),
                Host::Wildcard(suffix) => router.wildcard(suffix.as_bytes()),
            };
            match &route.path {
                Path::Exact(path) => {
                    paths.exact.entry(path.as_bytes().into()).or_insert(index);
                }
                Path::Prefix(prefix) => {
                    if !paths.prefixes.iter().any(|(known, _)| **known == *prefix.as_bytes()) {
                        paths.prefixes.push((prefix.as_bytes().into(), index));
                    }
                }
            }
        }
        router.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        let wildcards = router.wildcards.iter_mut().map(|(_, paths)| paths);
        for paths in router.exact.values_mut().chain(wildcards).chain([&mut router.any]) {
            paths.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        }
        router
    }

    fn wildcard(&mut self, suffix: &[u8]) -> &mut Paths {
        let at = self.wildcards.iter().position(|(known, _)| **known == *suffix).unwrap_or_else(|| {
            self.wildcards.push((suffix.into(), Paths::default()));
            self.wildcards.len() - 1
        });
        &mut self.wildcards[at].1
    }

    /// The index of the route for an authority as sent and a normal path.
    pub fn find(&self, authority: &[u8], path: &[u8]) -> Option<usize> {
        let exact = (!self.exact.is_empty() || !self.wildcards.is_empty()).then(|| {
            let host = host_of(authority);
            let host = host.strip_suffix(b".").unwrap_or(host);
            host.to_ascii_lowercase()
        });
        let named = exact.as_deref().and_then(|host| {
            let exact = self.exact.get(host).and_then(|paths| paths.find(path));
            exact.or_else(|| {
                let fits = |suffix: &[u8]| host.len() > suffix.len() && host.ends_with(suffix);
                self.wildcards.iter().filter(|(suffix, _)| fits(suffix)).find_map(|(_, paths)| paths.find(path))
            })
        });
        named.or_else(|| self.any.find(path))
    }
}

impl Paths {
    fn find(&self, path: &[u8]) -> Option<usize> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(path) };
        exact
            .copied()
            .or_else(|| self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, index)| *index))
    }
}

#[cfg(test)]
mod tests;
