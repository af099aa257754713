//! How the linker makes the program.

use std::env::var;

fn main() {
    // Not a file: this is the script of lxc-user-nic as well, from another directory.
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_ENV");
    if var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        // The unwinder becomes a part of the program, as gcc's -static-libgcc does it: to load
        // libgcc_s.so.1 is a part of the time of every command.
        for argument in ["-Wl,--whole-archive", "-lgcc_eh", "-Wl,--no-whole-archive"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
