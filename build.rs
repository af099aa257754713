//! How the linker makes the shared library and the program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Programs that were linked with LXC's library look for this name.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblxc.so.1");
    // A position-dependent program: its tables of pointers need no relocation, so that their pages are
    // shared by all monitors of a host instead of being private to each (140 kB of some 330).
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
