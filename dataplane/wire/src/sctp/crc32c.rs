//! CRC32c (Castagnoli), the checksum of SCTP (RFC 9260 appendix A), eight bytes per step with tables.

const POLYNOMIAL: u32 = 0x82f6_3b78;
const STRIDE: usize = 8;

static TABLES: [[u32; 256]; STRIDE] = tables();

/// A running CRC.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(super) struct Crc(u32);

impl Crc {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn update(self, bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<STRIDE>();
        let state = blocks.iter().fold(self.0, |state, block| step_block(state, *block));
        Self(rest.iter().fold(state, |state, byte| step_byte(state, *byte)))
    }

    pub(super) const fn finish(self) -> u32 {
        !self.0
    }
}

fn step_byte(state: u32, byte: u8) -> u32 {
    (state >> 8) ^ TABLES[0][usize::from(state as u8 ^ byte)]
}

/// Each table gives what a byte contributes after it has been pushed out by the bytes behind it in the block.
fn step_block(state: u32, block: [u8; STRIDE]) -> u32 {
    let mixed = (u64::from_le_bytes(block) ^ u64::from(state)).to_le_bytes();
    mixed.iter().zip(TABLES.iter().rev()).fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)])
}

const fn tables() -> [[u32; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ POLYNOMIAL };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}
