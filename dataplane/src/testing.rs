//! A small balancer for unit tests: clients and servers of both families, and packets with right checksums.
//!
//! ```text
//!  clients ─ router 10.0.0.2, fd00::2 ─ FRONT [ 10.0.0.1, fd00::1, the VIPs | 10.1.0.1, fd00:1::1 ] BACK ─ 10.1.0.N, fd00:1::N
//! ```

pub mod bench;
pub mod packets;
pub mod random;
pub mod world;
