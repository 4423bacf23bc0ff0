//! Compiles the steering program, and the generator for those who ask for it, with clang.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const STEERING: &str = "steering";
const GENERATOR: &str = "generator";
const HEADER: &str = "bpf/maps.h";

fn main() -> ExitCode {
    for input in [&source(STEERING), &source(GENERATOR), HEADER, "build.rs"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=BPF_CLANG");
    let generator = env::var_os("CARGO_FEATURE_GENERATOR").map(|_| GENERATOR);
    if let Err(reason) = [STEERING].into_iter().chain(generator).try_for_each(compile) {
        eprintln!("{reason}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn source(name: &str) -> String {
    format!("bpf/{name}.bpf.c")
}

fn compile(name: &str) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join(format!("{name}.bpf.o"));
    let clang = clang().ok_or(
        "the steering program needs clang 14 or later, but there is none: `apt install clang libbpf-dev linux-libc-dev`, or set \
         BPF_CLANG to its path",
    )?;
    // `-g` for the map definitions, which are read from BTF.
    let output = Command::new(&clang)
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-fno-stack-protector"])
        .args(multiarch_include())
        .args(["-c", &source(name), "-o"])
        .arg(&out)
        .output()
        .map_err(|error| format!("{clang} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    if messages.contains("file not found") {
        return Err(format!(
            "{messages}the steering program needs the headers of libbpf and Linux: `apt install clang libbpf-dev linux-libc-dev`"
        ));
    }
    Err(messages)
}

/// The compiler named by the environment, else the first that runs.
fn clang() -> Option<String> {
    if let Ok(clang) = env::var("BPF_CLANG") {
        return Some(clang);
    }
    let versioned = (14..=25).rev().map(|version| format!("clang-{version}"));
    std::iter::once("clang".to_string())
        .chain(versioned)
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// Where Debian keeps `asm/types.h` of the build machine.
fn multiarch_include() -> Option<String> {
    let arch = env::var("HOST").ok()?.split('-').next()?.to_string();
    let directory = format!("/usr/include/{arch}-linux-gnu");
    Path::new(&directory).is_dir().then(|| format!("-I{directory}"))
}
