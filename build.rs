//! How the linker makes the shared library and the program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Programs that were linked with LXC's library look for this name.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblxc.so.1");
}
