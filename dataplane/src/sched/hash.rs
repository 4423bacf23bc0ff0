//! Hash functions of `dh` and `sh`, and the addresses and ports that go into them.

use std::net::IpAddr;

use super::pool::Request;

/// The `bits` upper bits of a multiplication by the golden ratio (`include/linux/hash.h`).
#[inline]
pub fn hash_32(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(0x61c8_8647) >> (32 - bits)
}

/// An address as one host-order integer; the four words of an IPv6 address are combined by XOR.
#[inline]
pub fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits >> 96) as u32 ^ (bits >> 64) as u32 ^ (bits >> 32) as u32 ^ bits as u32
        }
    }
}

/// What `sh` and `mh` hash of a client: its folded address, plus its port if they are told to and the protocol has ports.
#[inline]
pub fn client(request: &Request, with_port: bool) -> u32 {
    const WITH_PORTS: [u8; 3] = [6, 17, 132];
    let port = if with_port && WITH_PORTS.contains(&request.protocol) { request.client_port } else { 0 };
    fold(request.client).wrapping_add(port.into())
}
