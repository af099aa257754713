//! Compiles pid 1 of lxc-execute, which is a program of its own.

use std::env::var;
use std::process::Command;

/// Compiles pid 1 of lxc-execute, which is static and has no library: in a container there may be none.
fn main() {
    const SOURCE: &str = "pid1.rs";
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SOURCE}");
    let set = |name: &str| var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let mut command = Command::new(set("RUSTC"));
    command.args(["--edition=2024", "--crate-type=bin", "--crate-name=pid1", "-Dwarnings", SOURCE]);
    command.args(["--target", &set("TARGET"), "-o", &format!("{}/pid1", set("OUT_DIR"))]);
    command.args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"]);
    command.args(["-Crelocation-model=static", "-Ctarget-feature=+crt-static"]);
    if set("CARGO_CFG_TARGET_ENV") == "musl" {
        // Its start files come with Rust.
        command.arg("-Clink-self-contained=no");
    }
    for argument in ["-nostdlib", "-nostartfiles", "-static", "-Wl,--build-id=none"] {
        command.arg(format!("-Clink-arg={argument}"));
    }
    if let Ok(linker) = var("RUSTC_LINKER") {
        command.arg(format!("-Clinker={linker}"));
    }
    let status = command.status().expect("rustc can be executed");
    assert!(status.success(), "{SOURCE} cannot be compiled");
}
