//! The steering program: which packets of a device go to the workers.
//!
//! One program (`bpf/steering.bpf.c`) with one set of maps is attached to all devices. The order of starting: load, attach (all
//! traffic still passes), bind sockets, [`register`](Steering::register) them, and last [`apply`](Steering::apply) what is to be
//! taken. Packets of a service whose queue has no socket are dropped and counted.
//!
//! Links and maps live as long as a descriptor of them: when the last process that holds one ends, in whatever way, the kernel
//! detaches the program and the machine is a plain Linux machine. [`Steering::share`] and [`Steering::adopt`] hand the descriptors to
//! another process, so that they outlive a worker process.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::bpf;
use crate::device::Device;
use crate::error::XskError;
use crate::port::Port;

mod compile;
mod load;
mod maps;
mod plan;
mod probe;

pub use maps::SteeringCounters;
pub use plan::{PortMatch, ServiceKey, SteeringMaps};
pub(crate) use probe::PROBE;
pub use probe::Verdict;

use maps::{DeviceValue, MAX_DEVICES, Maps, QUEUES_PER_DEVICE};

/// How the program runs on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// In the driver, before the kernel makes a packet buffer.
    Native,
    /// In the kernel's receive path, for drivers without XDP.
    Generic,
}

/// How the program shall run on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttachRequest {
    /// Natively or not at all.
    #[default]
    Native,
    /// Natively if the driver can, else generically.
    NativeOrGeneric,
    /// Generically.
    Generic,
}

/// What [`Steering::apply`] changed: map entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries that are new.
    pub added: usize,
    /// Entries with a new value.
    pub updated: usize,
    /// Entries that are gone.
    pub removed: usize,
}

/// The loaded program, its maps and the devices it is attached to.
#[derive(Debug)]
pub struct Steering {
    links: BTreeMap<u32, Link>,
    program: OwnedFd,
    maps: Maps,
}

/// Descriptors that keep a steering program alive, for another process.
#[derive(Debug)]
pub struct SteeringFds {
    /// The program.
    pub program: OwnedFd,
    /// The maps by name.
    pub maps: Vec<(&'static str, OwnedFd)>,
    /// The links: interface index, mode and descriptor.
    pub links: Vec<(u32, Attach, OwnedFd)>,
}

#[derive(Debug)]
struct Link {
    attach: Attach,
    base: u32,
    fd: OwnedFd,
}

impl Steering {
    /// Loads the program into the kernel; it is attached to nothing and takes nothing.
    pub fn load() -> Result<Self, XskError> {
        let (program, maps) = load::load(&[])?;
        Ok(Self { links: BTreeMap::new(), program, maps })
    }

    /// Attaches the program to a device in the network namespace of the calling thread. Some drivers reset the link or change their
    /// queues at this: ask for the device again afterwards.
    ///
    /// # Errors
    /// [`XskError::Foreign`] when the device has another program, which is left alone; [`XskError::Attach`] when driver or kernel
    /// refuse.
    pub fn attach(&mut self, device: &Device, request: AttachRequest) -> Result<Attach, XskError> {
        let index = device.index();
        if let Some(link) = self.links.get(&index) {
            return Ok(link.attach);
        }
        refuse_foreign(device)?;
        let base = self.free_base().ok_or(XskError::TooManyDevices { limit: MAX_DEVICES })?;
        self.maps.set_device(index, DeviceValue::new(device.mac(), base))?;
        match self.link(device, request) {
            Ok((attach, fd)) => {
                self.links.insert(index, Link { attach, base, fd });
                Ok(attach)
            }
            Err(error) => {
                self.maps.remove_device(index)?;
                Err(error)
            }
        }
    }

    /// Detaches the program from a device and forgets its sockets; false when it was not attached.
    pub fn detach(&mut self, device: u32) -> Result<bool, XskError> {
        let Some(link) = self.links.remove(&device) else { return Ok(false) };
        drop(link.fd);
        for queue in 0..QUEUES_PER_DEVICE {
            self.maps.remove_socket(link.base + queue)?;
        }
        self.maps.remove_device(device)?;
        Ok(true)
    }

    /// How the program runs on a device; `None` when it is not attached.
    pub fn attached(&self, device: u32) -> Option<Attach> {
        self.links.get(&device).map(|link| link.attach)
    }

    /// Tells the program a new link-layer address of a device.
    pub fn set_mac(&mut self, device: u32, mac: [u8; 6]) -> Result<(), XskError> {
        let base = self.base(device)?;
        self.maps.set_device(device, DeviceValue::new(mac, base))
    }

    /// From now on the packets of the port's queue go to its socket. A closed socket vanishes by itself.
    pub fn register(&mut self, port: &Port) -> Result<(), XskError> {
        let slot = self.slot(port.device(), port.queue())?;
        let Some(fd) = port.fd() else { return Err(XskError::NotAttached { index: port.device() }) };
        self.maps.set_socket(slot, fd.as_raw_fd())
    }

    /// From now on packets for the workers on that queue are dropped and counted.
    pub fn unregister(&mut self, device: u32, queue: u32) -> Result<(), XskError> {
        let slot = self.slot(device, queue)?;
        self.maps.remove_socket(slot)
    }

    /// Makes the maps say what `wanted` says, changing only what differs from what they hold. All new entries are there before the
    /// first old one goes.
    ///
    /// # Errors
    /// [`XskError::MapFull`] and [`XskError::TooManyRanges`] before anything is changed.
    pub fn apply(&mut self, wanted: &SteeringMaps) -> Result<Changes, XskError> {
        self.maps.apply(&compile::compile(wanted)?)
    }

    /// What the program counted since it was loaded, all devices and processors together.
    pub fn counters(&self) -> Result<SteeringCounters, XskError> {
        self.maps.counters()
    }

    /// Id of the program.
    pub fn program_id(&self) -> io::Result<u32> {
        bpf::program_id(self.program.as_fd())
    }

    /// Copies of all descriptors, for the process that shall keep the program attached.
    pub fn share(&self) -> io::Result<SteeringFds> {
        let link = |(index, link): (&u32, &Link)| Ok((*index, link.attach, link.fd.try_clone()?));
        Ok(SteeringFds {
            program: self.program.try_clone()?,
            maps: self.maps.share()?,
            links: self.links.iter().map(link).collect::<io::Result<_>>()?,
        })
    }

    /// Goes on with a program that another process loaded and attached.
    pub fn adopt(fds: SteeringFds) -> Result<Self, XskError> {
        let maps = Maps::adopt(fds.maps)?;
        let mut links = BTreeMap::new();
        for (index, attach, fd) in fds.links {
            let base = maps.device(index)?.ok_or(XskError::NotAttached { index })?.base();
            links.insert(index, Link { attach, base, fd });
        }
        Ok(Self { links, program: fds.program, maps })
    }

    fn link(&self, device: &Device, request: AttachRequest) -> Result<(Attach, OwnedFd), XskError> {
        let try_as = |attach| bpf::attach(self.program.as_fd(), device.index(), attach == Attach::Native);
        let outcome = match request {
            AttachRequest::Generic => try_as(Attach::Generic).map(|fd| (Attach::Generic, fd)),
            AttachRequest::Native => try_as(Attach::Native).map(|fd| (Attach::Native, fd)),
            AttachRequest::NativeOrGeneric => match try_as(Attach::Native) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => {
                    try_as(Attach::Generic).map(|fd| (Attach::Generic, fd))
                }
                other => other.map(|fd| (Attach::Native, fd)),
            },
        };
        outcome.map_err(|source| {
            let mode = if request == AttachRequest::Native { "native" } else { "generic" };
            XskError::Attach { device: device.name().to_string(), mode, source }
        })
    }

    fn free_base(&self) -> Option<u32> {
        (0..MAX_DEVICES)
            .map(|device| device * QUEUES_PER_DEVICE)
            .find(|base| self.links.values().all(|link| link.base != *base))
    }

    fn base(&self, device: u32) -> Result<u32, XskError> {
        self.links.get(&device).map(|link| link.base).ok_or(XskError::NotAttached { index: device })
    }

    fn slot(&self, device: u32, queue: u32) -> Result<u32, XskError> {
        let base = self.base(device)?;
        if queue >= QUEUES_PER_DEVICE {
            let device = format!("interface {device}");
            return Err(XskError::TooManyQueues { device, queue, limit: QUEUES_PER_DEVICE });
        }
        Ok(base + queue)
    }
}

fn refuse_foreign(device: &Device) -> Result<(), XskError> {
    match device.refresh()?.xdp_program() {
        None => Ok(()),
        Some(id) => Err(XskError::Foreign { device: device.name().to_string(), id, name: load::program_name(id) }),
    }
}

#[cfg(test)]
mod tests;
