//! `cargo xtask`: every chore of the project in one place.

fn main() {}
