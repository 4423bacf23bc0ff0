//! Which route a request takes.

use std::collections::HashMap;

use crate::config::{Host, Path, Pattern, Route};
use crate::http1::target::host_of;

/// The routes of a listener, ordered for search: hosts from exact to any, in each of them paths from exact to short.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<Box<[u8]>, Paths>,
    /// Longest suffix first.
    wildcards: Vec<(Box<[u8]>, Paths)>,
    patterns: Vec<(Pattern, Paths)>,
    any: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<[u8]>, Vec<usize>>,
    patterns: Vec<(Pattern, usize)>,
    /// Longest first.
    prefixes: Vec<(Box<[u8]>, usize)>,
}

impl Router {
    /// Of several routes that fit equally well the first counts.
    pub fn new(routes: &[Route]) -> Self {
        let mut router = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let paths = match &route.host {
                Host::Any => &mut router.any,
                Host::Exact(host) => router.exact.entry(host.as_bytes().into()).or_default(),
                Host::Wildcard(suffix) => entry(&mut router.wildcards, &suffix.as_bytes().into()),
                Host::Pattern(pattern) => entry(&mut router.patterns, pattern),
            };
            match &route.path {
                Path::Exact(path) => {
                    paths.exact.entry(path.as_bytes().into()).or_default().push(index);
                }
                Path::Pattern(pattern) => paths.patterns.push((pattern.clone(), index)),
                Path::Prefix(prefix) => paths.prefixes.push((prefix.as_bytes().into(), index)),
            }
        }
        router.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        let named = router.wildcards.iter_mut().map(|(_, paths)| paths);
        let named = named.chain(router.patterns.iter_mut().map(|(_, paths)| paths));
        for paths in router.exact.values_mut().chain(named).chain([&mut router.any]) {
            // Stable: of equal ones the first stays in front.
            paths.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        }
        router
    }

    /// Whether any route looks at the host.
    pub fn has_hosts(&self) -> bool {
        !self.exact.is_empty() || !self.wildcards.is_empty() || !self.patterns.is_empty()
    }

    /// The index of the route for an authority as sent and a normal path. `fits`: whether the conditions of a route hold.
    pub fn find(&self, authority: &[u8], path: &[u8], fits: &dyn Fn(usize) -> bool) -> Option<usize> {
        let named = if self.has_hosts() { self.find_by_host(authority, path, fits) } else { None };
        named.or_else(|| self.any.find(path, fits))
    }

    fn find_by_host(&self, authority: &[u8], path: &[u8], also: &dyn Fn(usize) -> bool) -> Option<usize> {
        let host = host_of(authority);
        let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        let exact = || self.exact.get(&*host).and_then(|paths| paths.find(path, also));
        let fits = |suffix: &[u8]| host.len() > suffix.len() && host.ends_with(suffix);
        let wildcard =
            || self.wildcards.iter().filter(|(suffix, _)| fits(suffix)).find_map(|(_, paths)| paths.find(path, also));
        let pattern = || {
            self.patterns
                .iter()
                .filter(|(pattern, _)| pattern.is_match(&host))
                .find_map(|(_, paths)| paths.find(path, also))
        };
        exact().or_else(wildcard).or_else(pattern)
    }
}

impl Paths {
    fn find(&self, path: &[u8], fits: &dyn Fn(usize) -> bool) -> Option<usize> {
        let exact = || {
            let exact = if self.exact.is_empty() { None } else { self.exact.get(path) };
            exact?.iter().copied().find(|index| fits(*index))
        };
        let pattern = || {
            let mut all = self.patterns.iter().filter(|(pattern, _)| pattern.is_match(path)).map(|(_, index)| *index);
            all.find(|index| fits(*index))
        };
        let prefix = || {
            let mut all = self.prefixes.iter().filter(|(prefix, _)| path.starts_with(prefix)).map(|(_, index)| *index);
            all.find(|index| fits(*index))
        };
        exact().or_else(pattern).or_else(prefix)
    }
}

/// The paths of a host, which come to the list with its first route.
fn entry<'a, K: PartialEq + Clone>(list: &'a mut Vec<(K, Paths)>, key: &K) -> &'a mut Paths {
    let at = list.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        list.push((key.clone(), Paths::default()));
        list.len() - 1
    });
    &mut list[at].1
}

#[cfg(test)]
mod tests;
