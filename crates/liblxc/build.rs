//! Gives the library the name that programs ask for which were linked with LXC's.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblxc.so.1");
}
