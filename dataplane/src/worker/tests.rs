//! The real loop on rings in memory: frames in, frames out, and after every round each frame in exactly one place.

mod held;
mod refusals;
mod rig;
mod rounds;
mod several;
mod snapshots;
