//! What has to be asked of the kernel, or told to it, over rtnetlink: what is this interface, and give it an address.
//!
//! Netlink rather than /sys, because it follows the network namespace of the calling thread; /sys follows whoever mounted it.

use std::io;
use std::net::Ipv4Addr;
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

/// Gives an interface an IPv4 address of its own (/32) that is never chosen as the source of a packet (host scope).
pub(crate) fn add_host_address(index: u32, address: Ipv4Addr) -> io::Result<()> {
    const HOST_SCOPE: u8 = 254;
    let mut message = vec![0; HEADER];
    message.extend([libc::AF_INET as u8, 32, 0, HOST_SCOPE]);
    message.extend(index.to_ne_bytes());
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        attribute(&mut message, kind, &address.octets());
    }
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    let answer = ask(message, libc::RTM_NEWADDR, flags)?;
    match (word16(&answer, 4), word32(&answer, HEADER)) {
        (Some(kind), Some(0)) if kind == libc::NLMSG_ERROR as u16 => Ok(()),
        (Some(kind), Some(errno)) if kind == libc::NLMSG_ERROR as u16 => {
            Err(io::Error::from_raw_os_error((errno as i32).wrapping_neg()))
        }
        _ => Err(malformed()),
    }
}

/// Asks for one interface of the calling thread's network namespace.
pub(crate) fn link(which: Which<'_>) -> io::Result<LinkInfo> {
    let mut message = vec![0; HEADER + IFINFO];
    match which {
        Which::Index(index) => message[HEADER + 4..HEADER + 8].copy_from_slice(&index.to_ne_bytes()),
        Which::Name(name) => {
            if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            attribute(&mut message, libc::IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        }
    }
    parse(&ask(message, libc::RTM_GETLINK, libc::NLM_F_REQUEST)?)
}

/// Completes the header of a message, sends it, and returns the answer.
fn ask(mut message: Vec<u8>, kind: u16, flags: libc::c_int) -> io::Result<Vec<u8>> {
    let len = message.len() as u32;
    message[0..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
    let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    sys::send(socket.as_fd(), &message)?;
    let mut answer = vec![0; 32 * 1024];
    let len = sys::receive(socket.as_fd(), &mut answer)?;
    answer.truncate(len);
    Ok(answer)
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend((4 + value.len() as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn parse(message: &[u8]) -> io::Result<LinkInfo> {
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

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer over netlink makes no sense")
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
