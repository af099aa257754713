//! The C interface: the functions of `liblxc.so.1`, and the methods of `struct lxc_container`.
//!
//! Names, arguments and who owns what are those of `lxc/lxccontainer.h` (Debian's lxc-dev); the layout is that
//! of LXC 7.0, of which the first part is that of LXC 5.0. Each function is a few lines: it takes C's
//! arguments, calls the library's [`Container`](lxc_rs::Container), and gives back C's values (`entry`).
//!
//! Pointers mean what the header says: a text ends in NUL, a list in a null pointer, a container comes from
//! `lxc_container_new` and was not freed. That is what each function's section
//! on safety refers to as *the header's rules*. A null container is no error in C: such a call fails.
#![allow(unsafe_code)]

mod attach;
mod checkpoint;
mod configuration;
mod console;
mod container;
mod copy;
mod entry;
mod global;
mod helper;
mod inspect;
mod layout;
mod lifecycle;
mod list;
mod log;
mod mount;
mod strings;
mod variadic;
