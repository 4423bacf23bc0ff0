//! Response bodies both ends can compute: pseudo-random, so that a lost, doubled or swapped byte shows.

/// The first `length` bytes of the test pattern.
pub fn body(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut counter = 0u64;
    while bytes.len() < length {
        bytes.extend_from_slice(&mix(counter).to_le_bytes());
        counter += 1;
    }
    bytes.truncate(length);
    bytes
}

/// FNV-1a, 64 bits: detects what goes wrong in transit, needs no dependency.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The output function of SplitMix64.
fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_prefixes_of_one_pattern() {
        assert_eq!(body(5), body(100)[..5]);
        assert_eq!(body(0).len(), 0);
        assert_ne!(body(16)[..8], body(16)[8..]);
    }

    #[test]
    fn checksum_is_fnv1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_ne!(checksum(b"ab"), checksum(b"ba"));
    }
}
