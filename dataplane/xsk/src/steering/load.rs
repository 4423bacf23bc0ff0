//! From the compiled object to a program in the kernel and its maps.

use std::os::fd::{AsFd, OwnedFd};

use aya::EbpfLoader;
use aya::programs::{Xdp, loaded_programs};

use super::maps::Maps;
use crate::error::XskError;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/steering.bpf.o"));

/// Loads the program; `sizes` overrides the number of entries of single maps.
pub(super) fn load(sizes: &[(&'static str, u32)]) -> Result<(OwnedFd, Maps), XskError> {
    let mut loader = EbpfLoader::new();
    for (map, entries) in sizes {
        loader.map_max_entries(map, *entries);
    }
    let mut object = loader.load(OBJECT).map_err(failed)?;
    let program = object.program_mut("headgate_steer").ok_or_else(|| failed("it is not in its object"))?;
    let program: &mut Xdp = program.try_into().map_err(failed)?;
    program.load().map_err(failed)?;
    let fd = program.fd().map_err(failed)?.as_fd().try_clone_to_owned().map_err(failed)?;
    Ok((fd, Maps::take(&mut object)?))
}

/// Name of any program in the kernel.
pub(super) fn program_name(id: u32) -> String {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_string))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "without a name".to_string())
}

fn failed(reason: impl ToString) -> XskError {
    XskError::Load { reason: reason.to_string() }
}
