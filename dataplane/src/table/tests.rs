//! Behaviour of the table as one user sees it; many users are in the submodules.

mod basics;
mod model;

mod stress;
mod support;
