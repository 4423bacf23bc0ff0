//! `cargo xtask setup`: what building and testing need from the system. Silent when all is there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo_command, run, succeeds};

/// Answers 101 ("forbidden") when a package's installer wants to start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A Debian package and what shows that its content is here: a program in `PATH`, or a file.
struct Need {
    package: &'static str,
    shown_by: &'static str,
}

const NEEDS: [Need; 25] = [
    need("build-essential", "cc"),
    need("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    need("clang", "clang"),
    need("curl", "curl"),
    need("dnsmasq-base", "dnsmasq"),
    need("ethtool", "ethtool"),
    need("haproxy", "haproxy"),
    need("iperf3", "iperf3"),
    need("iproute2", "ip"),
    need("iputils-ping", "ping"),
    need("keepalived", "keepalived"),
    need("libbpf-dev", "/usr/include/bpf/bpf_helpers.h"),
    need("linux-libc-dev", "/usr/include/linux/if_xdp.h"),
    need("llvm", "llvm-strip"),
    need("make", "make"),
    need("nftables", "nft"),
    need("nginx-light", "nginx"),
    need("openssl", "openssl"),
    need("pkg-config", "pkg-config"),
    need("procps", "ps"),
    need("python3", "python3"),
    need("python3-aiosmtpd", "aiosmtpd"),
    need("tcpdump", "tcpdump"),
    need("valgrind", "valgrind"),
    need("wrk", "wrk"),
];

const SUITE_NEEDS: [Need; 4] = [
    need("nghttp2-client", "h2load"),
    need("python3-venv", "/usr/share/doc/python3-venv"),
    need("slowhttptest", "slowhttptest"),
    need("varnish", "varnishtest"),
];

const fn need(package: &'static str, shown_by: &'static str) -> Need {
    Need { package, shown_by }
}

/// System packages and cargo's tools.
pub fn everything() -> Result<()> {
    system_packages()?;
    if !succeeds(&mut cargo_command("nextest --version")) {
        println!("cargo-nextest is missing: building it");
        run(&mut cargo_command("install --locked cargo-nextest"))?;
    }
    Ok(())
}

/// Installs the missing system packages.
///
/// # Errors
/// Where that is not possible: the message says what to install.
pub fn system_packages() -> Result<()> {
    packages(&NEEDS)
}

/// Installs what the suites of others need besides.
///
/// # Errors
/// As [`system_packages`].
pub fn suite_packages() -> Result<()> {
    system_packages()?;
    packages(&SUITE_NEEDS)
}

fn packages(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs.iter().filter(|need| !is_here(need.shown_by)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !find_program("apt-get") {
        bail!("missing: {list} (names of Debian packages); install them with this system's package manager");
    }
    if fs::metadata("/proc/self")?.uid() != 0 {
        bail!("missing: {list}; as root: apt-get install --no-install-recommends {list}");
    }
    println!("missing: {list}; installing");
    install(&missing)?;
    let still: Vec<&str> = needs.iter().filter(|need| !is_here(need.shown_by)).map(|need| need.package).collect();
    ensure!(still.is_empty(), "installed, but not found afterwards: {}", still.join(" "));
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let _policy = ServicePolicy::deny()?;
    run(apt().arg("update"))?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))?;
    // Not started now, and not at the next boot either: the tests bring their own configurations.
    if Path::new("/run/systemd/system").exists() {
        let services =
            [("keepalived", "keepalived"), ("nginx-light", "nginx"), ("haproxy", "haproxy"), ("varnish", "varnish")];
        for (_, service) in services.iter().filter(|(package, _)| packages.contains(package)) {
            run(Command::new("systemctl").args(["disable", "--quiet", service]))?;
        }
    }
    Ok(())
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Keeps package installers from starting services; an own policy of the machine is left as it is.
struct ServicePolicy {
    ours: bool,
}

impl ServicePolicy {
    fn deny() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("write {POLICY}"))?;
        let policy = Self { ours: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(policy)
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("warning: {POLICY} denies all service starts and could not be removed: {error}");
        }
    }
}

fn is_here(shown_by: &str) -> bool {
    if shown_by.starts_with('/') { Path::new(shown_by).exists() } else { find_program(shown_by) }
}

/// `/usr/sbin` is not in everybody's `PATH`.
fn find_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(extra).any(|folder| folder.join(name).is_file())
}
