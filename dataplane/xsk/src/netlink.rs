//! One question to the kernel over rtnetlink: what is this interface?
//!
//! Netlink rather than /sys, because it follows the network namespace of the calling thread; /sys follows whoever mounted it.

use std::io;
use std::os::fd::AsFd;

use crate::sys;

/// What `RTM_GETLINK` told about one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LinkInfo {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u32,
    /// `IFF_*` flags.
    pub(crate) flags: u32,
    pub(crate) rx_queues: u32,
    pub(crate) tx_queues: u32,
    /// Id of the attached XDP program, 0 when there is none.
    pub(crate) xdp: u32,
}

/// By what an interface is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    Index(u32),
    Name(&'a str),
}

const HEADER: usize = 16;
const IFINFO: usize = 16;

const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;

/// Asks for one interface of the calling thread's network namespace.
pub(crate) fn link(which: Which<'_>) -> io::Result<LinkInfo> {
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    sys::send(socket.as_fd(), &request(which)?)?;
    let mut answer = vec![0; 32 * 1024];
    let len = sys::receive(socket.as_fd(), &mut answer)?;
    parse(&answer[..len.min(answer.len())])
}

fn request(which: Which<'_>) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEADER + IFINFO];
    match which {
        Which::Index(index) => message[HEADER + 4..HEADER + 8].copy_from_slice(&index.to_ne_bytes()),
        Which::Name(name) => {
            if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            message.extend((4 + name.len() as u16 + 1).to_ne_bytes());
            message.extend(libc::IFLA_IFNAME.to_ne_bytes());
            message.extend(name.as_bytes());
            message.push(0);
            message.resize(message.len().next_multiple_of(4), 0);
        }
    }
    let len = message.len() as u32;
    message[0..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    Ok(message)
}

fn parse(message: &[u8]) -> io::Result<LinkInfo> {
    let malformed =
        || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer about an interface makes no sense");
    match word16(message, 4).ok_or_else(malformed)? {
        kind if kind == libc::NLMSG_ERROR as u16 => {
            let errno = word32(message, HEADER).ok_or_else(malformed)? as i32;
            return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
        }
        libc::RTM_NEWLINK => {}
        _ => return Err(malformed()),
    }
    let len = word32(message, 0).ok_or_else(malformed)? as usize;
    let message = message.get(..len).ok_or_else(malformed)?;
    let mut link = LinkInfo {
        index: word32(message, HEADER + 4).ok_or_else(malformed)?,
        flags: word32(message, HEADER + 8).ok_or_else(malformed)?,
        ..LinkInfo::default()
    };
    for (kind, value) in attributes(message.get(HEADER + IFINFO..).unwrap_or_default()) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => link.mac = value.try_into().unwrap_or_default(),
            libc::IFLA_MTU => link.mtu = word32(value, 0).ok_or_else(malformed)?,
            libc::IFLA_NUM_RX_QUEUES => link.rx_queues = word32(value, 0).ok_or_else(malformed)?,
            libc::IFLA_NUM_TX_QUEUES => link.tx_queues = word32(value, 0).ok_or_else(malformed)?,
            IFLA_XDP => link.xdp = xdp_program(value),
            _ => {}
        }
    }
    Ok(link)
}

/// The attached program; the specific attributes are there when several modes are in use at once.
fn xdp_program(nested: &[u8]) -> u32 {
    let of = |wanted: u16| {
        let mut all = attributes(nested);
        all.find(|(kind, _)| *kind == wanted).and_then(|(_, value)| word32(value, 0)).filter(|id| *id != 0)
    };
    of(IFLA_XDP_PROG_ID).or_else(|| of(IFLA_XDP_DRV_PROG_ID)).or_else(|| of(IFLA_XDP_SKB_PROG_ID)).unwrap_or(0)
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(word16(rest, 0)?);
        // The two highest bits are flags (nested, byte order).
        let kind = word16(rest, 2)? & 0x3fff;
        let value = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn word16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
