//! Tests that need root say so: they fail without it, unless the environment allows to leave them out, and then they tell it.

/// Whether privileged parts of a test may run.
///
/// # Panics
/// Without root, unless HEADGATE_UNPRIVILEGED=1.
pub(crate) fn is_root() -> bool {
    // SAFETY: this call cannot fail and touches no memory of ours.
    if unsafe { libc::geteuid() } == 0 {
        return true;
    }
    let allowed = std::env::var("HEADGATE_UNPRIVILEGED").is_ok_and(|value| value == "1");
    assert!(allowed, "this test loads BPF programs: run it as root, or set HEADGATE_UNPRIVILEGED=1 to leave it out");
    eprintln!("left out: needs root (HEADGATE_UNPRIVILEGED=1)");
    false
}
