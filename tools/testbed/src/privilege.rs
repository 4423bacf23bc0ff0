//! Namespaces need root. A test that silently skips proves nothing, so the default without root is a failure.

/// Set to `1`, it turns the failure without root into a printed skip.
pub const UNPRIVILEGED: &str = "HEADGATE_UNPRIVILEGED";

/// Whether this process may create namespaces; the first line of every namespace test:
/// `if !privileged() { return; }`.
///
/// # Panics
/// Without root, unless `HEADGATE_UNPRIVILEGED=1` says that skipping is intended; the reason is printed then.
pub fn privileged() -> bool {
    if is_root() {
        return true;
    }
    assert!(
        std::env::var_os(UNPRIVILEGED).is_some_and(|value| value == "1"),
        "network namespaces need root: run this test as root, or set {UNPRIVILEGED}=1 to skip it"
    );
    eprintln!("skipped: network namespaces need root ({UNPRIVILEGED}=1 is set)");
    false
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
