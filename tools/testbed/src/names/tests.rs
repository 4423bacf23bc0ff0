use super::*;

#[test]
fn owner_is_read_from_our_names_only() {
    assert_eq!(owner("hg1234-0-lb"), Some(1234));
    assert_eq!(owner("hgk1234-0-lb"), None, "kept topologies have no owner");
    assert_eq!(owner("hg-0-lb"), None);
    assert_eq!(owner("hgate"), None);
    assert_eq!(owner("other12-1"), None);
}

#[test]
fn prefixes_are_unique_and_owned_by_this_process() {
    let (first, second) = (unique_prefix(false), unique_prefix(false));
    assert_ne!(first, second);
    assert_eq!(owner(&format!("{first}-lb")), Some(std::process::id()));
    assert!(is_alive(std::process::id()));
}

#[test]
fn only_names_of_dead_processes_are_stale() {
    let directory = std::env::temp_dir().join(format!("names-test-{}", std::process::id()));
    let own = unique_prefix(false);
    // Above the kernel's largest pid (2^22), so nobody can be alive under it.
    for name in [own.as_str(), "hg4194305-0", "hgk4194305-0", "unrelated"] {
        std::fs::create_dir_all(directory.join(name)).unwrap();
    }
    let found = owned_by(&directory, &|pid| !is_alive(pid));
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(found, ["hg4194305-0"]);
}
