//! Request bodies that are read whole before a server is asked, so that they can be sent again: in memory, what is more in a file without a
//! name, which goes with its descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A body without its framing.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    in_file: u64,
}

impl Spool {
    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.in_file
    }

    pub fn is_in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// The beginning, which is in memory.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Forgets the body, keeps the memory for the next one.
    pub fn clear(&mut self) {
        const KEPT: usize = 64 << 10;
        self.memory.clear();
        self.memory.shrink_to(KEPT);
        self.file = None;
        self.in_file = 0;
    }

    /// Adds data; what is beyond `most` bytes in memory goes to the file.
    ///
    /// # Errors
    /// When the file cannot be made or the disk is full.
    pub fn add(&mut self, data: &[u8], most: usize) -> io::Result<()> {
        let room = if self.file.is_some() { 0 } else { most.saturating_sub(self.memory.len()).min(data.len()) };
        self.memory.extend_from_slice(&data[..room]);
        let rest = &data[room..];
        if rest.is_empty() {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(unnamed()?),
        };
        file.write_all_at(rest, self.in_file)?;
        self.in_file += rest.len() as u64;
        Ok(())
    }

    /// Reads from `at` (counted from the beginning of the body) what is in the file, at most `space`; 0 at the end.
    pub fn read(&self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        match &self.file {
            Some(file) => file.read_at(space, at - self.memory.len() as u64),
            None => Ok(0),
        }
    }
}

fn unnamed() -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    const O_TMPFILE: i32 = 0o20_200_000;
    File::options().read(true).write(true).mode(0o600).custom_flags(O_TMPFILE).open(std::env::temp_dir())
}

#[cfg(test)]
mod tests;
