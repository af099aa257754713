//! How the linker makes the program.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A position-dependent program: its tables of pointers need no relocation, so that their pages are
    // shared by all monitors of a host instead of being private to each (140 kB of some 330).
    println!("cargo:rustc-link-arg-bins=-no-pie");
    unwind_statically();
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
