//! One program for all tools: behaves as `lxc-start` when called so, and `lxc-rs start` is the same.
#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]

fn main_of_tools() -> i32 {
    lxc_rs::cli::main().number()
}

lxc_sys::entry!(main_of_tools);
