use super::*;

#[test]
fn loopback_is_found_by_name_and_by_index() {
    let by_name = link(Which::Name("lo")).unwrap();
    assert_eq!((by_name.name.as_str(), by_name.mac), ("lo", [0; 6]));
    assert!(by_name.rx_queues >= 1 && by_name.tx_queues >= 1 && by_name.mtu > 0);
    assert_eq!(link(Which::Index(by_name.index)).unwrap(), by_name);
}

#[test]
fn an_unknown_interface_is_enodev() {
    for which in
        [Which::Name("hg-nothing"), Which::Name(""), Which::Name("a-name-that-is-too-long"), Which::Index(0x7fff_fff0)]
    {
        assert_eq!(link(which).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{which:?}");
    }
}

#[test]
fn cut_answers_are_errors_or_shorter_but_never_panic() {
    let mut message = vec![0; HEADER + IFINFO];
    message.extend([8, 0, 4, 0, 0xdc, 5, 0, 0]);
    message.extend([20, 0, IFLA_XDP as u8, 0x80, 5, 0, 2, 0, 1, 0, 0, 0, 8, 0, 4, 0, 77, 0, 0, 0]);
    let len = message.len() as u32;
    message[0..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
    let parsed = parse(&message).unwrap();
    assert_eq!((parsed.mtu, parsed.xdp), (1500, 77));
    for cut in 0..message.len() {
        assert!(parse(&message[..cut]).is_err(), "cut at {cut}");
        let mut lying = message[..cut].to_vec();
        if cut >= 4 {
            lying[0..4].copy_from_slice(&(cut as u32).to_ne_bytes());
        }
        let _ = parse(&lying);
    }
}
