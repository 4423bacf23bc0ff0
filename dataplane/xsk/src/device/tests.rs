use super::*;

fn device(mtu: u32, queues: (u32, u32), driver: &str) -> Device {
    let link = LinkInfo { name: "eth9".into(), mtu, ..LinkInfo::default() };
    Device { link, driver: driver.into(), rx_queues: queues.0, tx_queues: queues.1 }
}

#[test]
fn the_mtu_must_fit_a_frame_with_two_vlan_tags() {
    assert!(device(2048 - 256 - 22, (1, 1), "").check_frame_size(2048).is_ok());
    let error = device(2048 - 256 - 21, (1, 1), "").check_frame_size(2048).unwrap_err();
    assert_eq!(error.to_string(), "eth9: MTU 1771 needs frames of 2049 bytes, frame size is 2048");
    let error = device(9000, (1, 1), "").check_frame_size(4096).unwrap_err();
    assert_eq!(error.to_string(), "eth9: MTU 9000 needs frames of 9278 bytes, frame size is 4096");
    assert!(device(u32::MAX, (1, 1), "").check_frame_size(4096).is_err());
}

#[test]
fn a_queue_must_exist_in_both_directions() {
    assert!(device(1500, (2, 2), "").check_queue(1).is_ok());
    let error = device(1500, (2, 2), "").check_queue(2).unwrap_err();
    assert_eq!(error.to_string(), "eth9 has 2 receive queues, there is no queue 2");
    let error = device(1500, (2, 1), "").check_queue(1).unwrap_err();
    assert_eq!(error.to_string(), "eth9 has 1 transmit queues, there is no queue 1");
}

#[test]
fn virtual_devices_may_carry_partial_checksums() {
    assert!(device(1500, (1, 1), "veth").may_carry_partial_checksums());
    assert!(!device(1500, (1, 1), "ixgbe").may_carry_partial_checksums());
}

#[test]
fn loopback_is_described() {
    let lo = Device::find("lo").unwrap();
    assert_eq!(lo.name(), "lo");
    assert!(lo.rx_queues() >= 1 && lo.mtu() > 0);
    assert_eq!(lo.refresh().unwrap().index(), lo.index());
    let error = Device::find("hg-nothing").unwrap_err();
    assert!(error.to_string().starts_with("there is no interface hg-nothing: "), "{error}");
}
