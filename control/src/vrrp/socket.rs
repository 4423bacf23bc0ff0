//! The socket of an interface for adverts of a family: a raw socket of IP protocol 112, so that the kernel passes nothing else through here.

use std::collections::BTreeSet;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use headgate_vrrp::Router;
use headgate_vrrp::datagram::{Datagram, of_ipv4};
use headgate_vrrp::message::{Ends, PROTOCOL};
use headgate_vrrp::reason::Reason;
use headgate_vrrp::router::Family;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

/// Internetwork control (RFC 2474), as keepalived.
const TRAFFIC_CLASS: u32 = 0xc0;
const HOPS: u32 = 255;
/// The largest message with its header, and more than that.
pub const LARGEST: usize = 9216;

#[derive(Debug)]
pub struct AdvertSocket {
    socket: Socket,
    interface: String,
    family: Family,
    ifindex: u32,
    joined: BTreeSet<IpAddr>,
}

impl AdvertSocket {
    /// # Errors
    /// Without `CAP_NET_RAW`, or when the interface is gone.
    pub fn open(interface: &str, ifindex: u32, family: Family) -> io::Result<Self> {
        let domain = if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL.0))))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        match family {
            Family::V4 => {
                socket.set_ttl_v4(HOPS)?;
                socket.set_multicast_ttl_v4(HOPS)?;
                socket.set_multicast_loop_v4(false)?;
                socket.set_tos_v4(TRAFFIC_CLASS)?;
            }
            Family::V6 => {
                socket.set_unicast_hops_v6(HOPS)?;
                socket.set_multicast_hops_v6(HOPS)?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_if_v6(ifindex)?;
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        Ok(Self { socket, interface: interface.to_owned(), family, ifindex, joined: BTreeSet::new() })
    }

    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Whether the adverts of a virtual router come in here.
    pub fn is_of(&self, router: &Router) -> bool {
        self.family == router.family && self.interface == router.interface
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Listens to a group from now on.
    ///
    /// # Errors
    /// When the interface takes no more groups.
    pub fn join(&mut self, group: IpAddr) -> io::Result<()> {
        if self.joined.contains(&group) {
            return Ok(());
        }
        match group {
            IpAddr::V4(v4) => self.socket.join_multicast_v4_n(&v4, &InterfaceIndexOrAddress::Index(self.ifindex))?,
            IpAddr::V6(v6) => self.socket.join_multicast_v6(&v6, self.ifindex)?,
        }
        self.joined.insert(group);
        Ok(())
    }

    /// # Errors
    /// Those of `sendmsg(2)`; it never waits.
    pub fn send(&self, ends: Ends, message: &[u8]) -> io::Result<()> {
        let (fd, parts, flags) = (self.socket.as_raw_fd(), [IoSlice::new(message)], MsgFlags::MSG_DONTWAIT);
        match (ends.source, ends.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let from = libc::in_pktinfo {
                    ipi_ifindex: self.ifindex as i32,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(std::net::SocketAddrV4::new(destination, 0));
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&from)], flags, Some(&to))?;
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let from = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: self.ifindex,
                };
                let to = SockaddrIn6::from(std::net::SocketAddrV6::new(destination, 0, 0, self.ifindex));
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&from)], flags, Some(&to))?;
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// The next packet, if one has come.
    ///
    /// # Errors
    /// Those of `recvmsg(2)`.
    pub fn receive<'b>(&self, buffer: &'b mut [u8; LARGEST]) -> io::Result<Option<Result<Datagram<'b>, Reason>>> {
        let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let (length, source, destination, ttl) = {
            let mut parts = [IoSliceMut::new(&mut buffer[..])];
            let fd = self.socket.as_raw_fd();
            let got = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
                Ok(got) => got,
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let (mut destination, mut ttl) = (Ipv6Addr::UNSPECIFIED, 0);
            for message in got.cmsgs()? {
                match message {
                    ControlMessageOwned::Ipv6PacketInfo(info) => destination = info.ipi6_addr.s6_addr.into(),
                    ControlMessageOwned::Ipv6HopLimit(hops) => ttl = hops as u8,
                    _ => {}
                }
            }
            let source = got.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6).map(SockaddrIn6::ip);
            (got.bytes, source.unwrap_or(Ipv6Addr::UNSPECIFIED), destination, ttl)
        };
        let bytes = &buffer[..length];
        Ok(Some(match self.family {
            // With its header.
            Family::V4 => of_ipv4(bytes),
            Family::V6 => Ok(Datagram { source: source.into(), destination: destination.into(), ttl, message: bytes }),
        }))
    }
}
