use super::*;
use crate::steering::plan::ServiceKey;

fn service(ports: PortMatch) -> ServiceKey {
    ServiceKey { addr: "192.0.2.1".parse().unwrap(), protocol: 6, ports }
}

fn plan(ports: &[PortMatch]) -> SteeringMaps {
    SteeringMaps { services: ports.iter().map(|ports| service(*ports)).collect(), ..SteeringMaps::default() }
}

fn wildcard_of(ports: &[PortMatch]) -> Wildcard {
    let tables = compile(&plan(ports)).unwrap();
    assert_eq!(tables.wildcards.len(), 1);
    tables.wildcards.into_values().next().unwrap()
}

#[test]
fn ranges_are_merged() {
    use PortMatch::Range;
    let merged = wildcard_of(&[Range(10, 20), Range(15, 30), Range(31, 40), Range(50, 60), Range(9, 3)]);
    assert_eq!(Some(merged), Wildcard::of(&[(10, 40), (50, 60)]));
    assert_eq!(wildcard_of(&[Range(0, 40), Range(41, 65535)]), Wildcard::any());
    assert_eq!(wildcard_of(&[Range(100, 200), PortMatch::Any]), Wildcard::any());
}

#[test]
fn too_many_ranges_are_refused_with_their_number() {
    let ranges: Vec<_> = (0..17).map(|n| PortMatch::Range(n * 10, n * 10 + 1)).collect();
    let error = compile(&plan(&ranges)).unwrap_err();
    assert_eq!(error.to_string(), "192.0.2.1 protocol 6: 17 separate port ranges, 16 is the limit");
    assert!(compile(&plan(&ranges[..16])).is_ok());
}

#[test]
fn an_address_is_known_for_all_it_is() {
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let mut plan = plan(&[PortMatch::One(80)]);
    plan.nat_servers.insert((address, 6, 80));
    plan.tunnel_servers.insert(address);
    plan.local.insert("::ffff:192.0.2.1".parse().unwrap());
    let tables = compile(&plan).unwrap();
    let all = flag::VIP | flag::NAT_SERVER | flag::TUNNEL_SERVER | flag::LOCAL;
    assert_eq!(tables.addresses, [(AddressKey::new(address), all)].into());
}
