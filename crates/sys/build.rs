//! Compiles the programs that have no library.

use std::env::var;
use std::process::Command;

/// Compiles pid 1 of lxc-execute and the launcher, which are static and have no library: in a container there may
/// be none, and to load one takes time.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=bare");
    compile("pid1");
    compile("launcher");
}

fn compile(name: &str) {
    let set = |name: &str| var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let source = format!("bare/{name}.rs");
    let mut command = Command::new(set("RUSTC"));
    command.args([
        "--edition=2024",
        "--crate-type=bin",
        "--crate-name",
        name,
        "-Dwarnings",
        &source,
    ]);
    command.args(["--target", &set("TARGET"), "-o", &format!("{}/{name}", set("OUT_DIR"))]);
    command.args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"]);
    command.args(["-Crelocation-model=pic", "-Ctarget-feature=+crt-static"]);
    if set("CARGO_CFG_TARGET_ENV") == "musl" {
        // Its start files come with Rust.
        command.arg("-Clink-self-contained=no");
    }
    for argument in ["-nostdlib", "-nostartfiles", "-static-pie", "-Wl,--build-id"] {
        command.arg(format!("-Clink-arg={argument}"));
    }
    if let Ok(linker) = var("RUSTC_LINKER") {
        command.arg(format!("-Clinker={linker}"));
    }
    let status = command.status().expect("rustc can be executed");
    assert!(status.success(), "{source} cannot be compiled");
}
