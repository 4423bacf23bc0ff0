//! Raw frames on an interface, and the packets of the tests.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use headgate_xsk::Device;

/// A packet socket on one interface; it sees what comes in and sends whole frames.
pub struct Raw {
    fd: OwnedFd,
}

impl Raw {
    /// In the namespace of the calling thread.
    pub fn open(device: &str) -> Self {
        let index = Device::find(device).unwrap().index();
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain system call.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol.into()) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the descriptor was just made.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: plain data for which zeroes are valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol;
        address.sll_ifindex = index as i32;
        let len = size_of_val(&address) as u32;
        // SAFETY: the address is live and as long as stated.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
        assert_eq!(bound, 0, "{}", io::Error::last_os_error());
        Self { fd }
    }

    pub fn send(&self, frame: &[u8]) {
        // SAFETY: the buffer is live and as long as stated.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }

    /// A frame that is there already.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 4096];
        // SAFETY: the buffer is live and as long as stated.
        let len =
            unsafe { libc::recv(self.fd.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), libc::MSG_DONTWAIT) };
        frame.truncate(usize::try_from(len).ok()?);
        Some(frame)
    }
}

/// A UDP packet from 198.51.100.5 to 192.0.2.10.
pub fn udp(to: [u8; 6], from: [u8; 6], source: u16, destination: u16) -> Vec<u8> {
    let payload = format!("packet of port {source}");
    let udp_len = 8 + payload.len() as u16;
    let mut frame = [&to[..], &from, &[8, 0, 0x45, 0]].concat();
    frame.extend((20 + udp_len).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 198, 51, 100, 5, 192, 0, 2, 10]);
    let sum = checksum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&sum);
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload.as_bytes());
    frame
}

/// A UDP packet from 2001:db8:c::5 to 2001:db8::10 with the payload "hello".
pub fn udp6(to: [u8; 6], from: [u8; 6], source: u16, destination: u16) -> Vec<u8> {
    let (client, vip): (Ipv6Addr, Ipv6Addr) = ("2001:db8:c::5".parse().unwrap(), "2001:db8::10".parse().unwrap());
    let mut frame = [&to[..], &from, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 13, 17, 64]].concat();
    frame.extend(client.octets());
    frame.extend(vip.octets());
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend([0, 13, 0, 0]);
    frame.extend(b"hello");
    // Addresses, ports and payload, and the rest of the pseudo header: length and protocol.
    let sum = checksum(&frame[22..], 13 + 17);
    frame[60..62].copy_from_slice(&sum);
    frame
}

fn checksum(bytes: &[u8], start: u32) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum = start + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!sum as u16).to_be_bytes()
}
