//! How the linker makes the shared library and the program, and the program that it contains.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Programs that were linked with LXC's library look for this name.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblxc.so.1");
    // A position-dependent program: its tables of pointers need no relocation, so that their pages are
    // shared by all monitors of a host instead of being private to each (140 kB of some 330).
    println!("cargo:rustc-link-arg-bins=-no-pie");
    unwind_statically();
    compile_pid1();
}

/// Links the program with GCC's unwinder as a part of it: to load and start `libgcc_s.so.1` is a seventh
/// of the time that `lxc-info` takes, and is spent again for each monitor.
fn unwind_statically() {
    if var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu") {
        return;
    }
    // The standard library asks for `-lgcc_s`; the first file of that name is a script for the linker.
    let dir = var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(format!("{dir}/libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")
        .expect("OUT_DIR can be written");
    println!("cargo:rustc-link-arg-bins=-L{dir}");
}

/// Compiles pid 1 of lxc-execute, which is static and has no library: in a container there may be none.
fn compile_pid1() {
    const SOURCE: &str = "src/sys/pid1.rs";
    println!("cargo:rerun-if-changed={SOURCE}");
    let set = |name: &str| var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let mut command = Command::new(set("RUSTC"));
    command.args(["--edition=2024", "--crate-type=bin", "--crate-name=pid1", "-Dwarnings", SOURCE]);
    command.args(["--target", &set("TARGET"), "-o", &format!("{}/pid1", set("OUT_DIR"))]);
    command.args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"]);
    command.args(["-Crelocation-model=static", "-Ctarget-feature=+crt-static"]);
    for argument in ["-nostdlib", "-nostartfiles", "-static", "-Wl,--build-id=none"] {
        command.arg(format!("-Clink-arg={argument}"));
    }
    if let Ok(linker) = var("RUSTC_LINKER") {
        command.arg(format!("-Clinker={linker}"));
    }
    let status = command.status().expect("rustc can be executed");
    assert!(status.success(), "{SOURCE} cannot be compiled");
}
