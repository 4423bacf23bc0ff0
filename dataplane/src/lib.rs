//! The data plane: pinned workers, the pipeline, the connection table, schedulers.
#![forbid(unsafe_code)]

pub mod table;
pub mod wheel;
