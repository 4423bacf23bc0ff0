//! Classic pcap files, as far as the recordings need them.

use anyhow::{Context, Result, ensure};

const MAGIC: u32 = 0xa1b2_c3d4;
const HEADER: usize = 24;
const RECORD: usize = 16;

/// The frames of a file, in order.
///
/// # Errors
/// When it is not a little-endian pcap file, or is cut short.
pub fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    ensure!(bytes.len() >= HEADER && word(bytes, 0)? == MAGIC, "not a classic little-endian pcap file");
    let (mut frames, mut at) = (Vec::new(), HEADER);
    while at < bytes.len() {
        let length = word(bytes, at + 8)? as usize;
        let start = at + RECORD;
        let frame = bytes.get(start..start + length).context("the pcap file is cut short")?;
        frames.push(frame.to_vec());
        at = start + length;
    }
    Ok(frames)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("the pcap file is cut short")?;
    Ok(u32::from_le_bytes(word.try_into()?))
}
