use super::*;

fn package(name: &str, folder: &str, dependencies: &[(&str, bool)]) -> Package {
    let dependency = |&(name, is_dev): &(&str, bool)| Dependency { name: name.to_owned(), is_dev };
    Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
        ..Package::default()
    }
}

fn check(package: &Package) -> Vec<String> {
    let others = [
        self::package("headgate-wire", "dataplane/wire", &[]),
        self::package("headgate-xsk", "dataplane/xsk", &[]),
        self::package("headgate", "control", &[]),
        self::package("headgate-testbed", "tools/testbed", &[]),
    ];
    let members: Vec<&Package> = others.iter().collect();
    dependencies(package, &members)
}

#[test]
fn lower_tiers_do_not_see_higher_ones() {
    assert_eq!(check(&package("headgate-xsk", "dataplane/xsk", &[("headgate-wire", false)])), Vec::<String>::new());
    assert_eq!(
        check(&package("headgate-wire", "dataplane/wire", &[("headgate-xsk", false)])),
        ["headgate-wire must not depend on headgate-xsk"]
    );
}

#[test]
fn nothing_of_the_product_depends_on_control_not_even_for_tests() {
    for is_dev in [false, true] {
        let l7 = package("headgate-l7", "l7", &[("headgate", is_dev)]);
        assert_eq!(check(&l7), ["headgate-l7 must not depend on headgate"]);
    }
    assert_eq!(check(&package("headgate-replay", "tools/replay", &[("headgate", false)])), Vec::<String>::new());
    assert_eq!(check(&package("headgate-perf", "perf", &[("headgate", false)])), Vec::<String>::new());
}

#[test]
fn fixtures_are_for_tests_and_for_control() {
    assert_eq!(check(&package("headgate-xsk", "dataplane/xsk", &[("headgate-testbed", true)])), Vec::<String>::new());
    assert_eq!(check(&package("headgate-xsk", "dataplane/xsk", &[("headgate-testbed", false)])).len(), 1);
    assert_eq!(check(&package("headgate", "control", &[("headgate-testbed", false)])), Vec::<String>::new());
}

#[test]
fn dependencies_from_outside_are_not_a_matter_of_tiers() {
    assert_eq!(check(&package("headgate-wire", "dataplane/wire", &[("zerocopy", false)])), Vec::<String>::new());
}

#[test]
fn a_package_without_a_tier_is_refused() {
    assert_eq!(check(&package("new", "new", &[])), ["new (new) has no tier in tiers.rs"]);
}
