//! The crate against a real kernel, in network namespaces that each test makes and removes. Needs root.

mod refusals;
mod support;
mod tap;
mod veth;
