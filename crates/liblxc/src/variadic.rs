//! The methods with as many arguments as the caller likes, which Rust cannot define: a few instructions put
//! the arguments that came in registers into memory, where [`Arguments`] finds them and those on the stack.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("these methods are written for x86-64 and aarch64");

use std::arch::naked_asm;
use std::ffi::{c_char, c_int};

use crate::attach::attach_run_wait;
use crate::layout::{AttachOptions, BdevSpecs, LxcContainer};
use crate::lifecycle::{create, start};

/// How many arguments come in registers.
#[cfg(target_arch = "x86_64")]
const REGISTERS: usize = 6;
#[cfg(target_arch = "aarch64")]
const REGISTERS: usize = 8;

/// The arguments of a call, none of which is a floating point number.
struct Arguments {
    registers: *const usize,
    stack: *const usize,
    taken: usize,
}

impl Arguments {
    /// # Safety
    ///
    /// There is another argument.
    unsafe fn word(&mut self) -> usize {
        let index = self.taken;
        self.taken += 1;
        // SAFETY: the first are in the copy of the registers, the others one by one on the stack; as the caller
        // promises there is one more.
        unsafe {
            if index < REGISTERS {
                *self.registers.add(index)
            } else {
                *self.stack.add(index - REGISTERS)
            }
        }
    }

    /// # Safety
    ///
    /// There is another argument, and it is a pointer.
    unsafe fn pointer<T>(&mut self) -> *mut T {
        // SAFETY: as the caller promises.
        std::ptr::with_exposed_provenance_mut(unsafe { self.word() })
    }

    /// An `int`: the upper half of its word says nothing.
    ///
    /// # Safety
    ///
    /// There is another argument, and it is an `int`.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the argument")]
    #[expect(clippy::cast_possible_wrap, reason = "these are the bits of an int")]
    unsafe fn int(&mut self) -> c_int {
        // SAFETY: as the caller promises.
        unsafe { self.word() as u32 as c_int }
    }

    /// The other arguments, up to a null pointer and with it.
    ///
    /// # Safety
    ///
    /// They are pointers, and one of them is null.
    unsafe fn list(&mut self) -> Vec<*const c_char> {
        let mut list = Vec::new();
        loop {
            // SAFETY: there was no null pointer so far, so there is another one.
            let pointer = unsafe { self.pointer::<c_char>() }.cast_const();
            list.push(pointer);
            if pointer.is_null() {
                return list;
            }
        }
    }
}

/// A function `$name` that calls `$list` with where its arguments are.
macro_rules! variadic {
    ($name:ident, $list:ident, $result:ty) => {
        /// # Safety
        ///
        /// The header's rules; the last argument is a null pointer.
        #[unsafe(naked)]
        // SAFETY: it calls a function as the platform's C convention says (stack aligned to 16 bytes), and the
        // result of that, in its register, is this function's own.
        pub unsafe extern "C" fn $name(c: *mut LxcContainer) -> $result {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                "lea rax, [rsp + 8]",
                "sub rsp, 56",
                "mov [rsp], rdi",
                "mov [rsp + 8], rsi",
                "mov [rsp + 16], rdx",
                "mov [rsp + 24], rcx",
                "mov [rsp + 32], r8",
                "mov [rsp + 40], r9",
                "mov rdi, rsp",
                "mov rsi, rax",
                "call {list}",
                "add rsp, 56",
                "ret",
                list = sym $list,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                "stp x29, x30, [sp, #-80]!",
                "mov x29, sp",
                "stp x0, x1, [sp, #16]",
                "stp x2, x3, [sp, #32]",
                "stp x4, x5, [sp, #48]",
                "stp x6, x7, [sp, #64]",
                "add x0, sp, #16",
                "add x1, sp, #80",
                "bl {list}",
                "ldp x29, x30, [sp], #80",
                "ret",
                list = sym $list,
            );
        }
    };
}

variadic!(startl, startl_list, bool);
variadic!(createl, createl_list, bool);
variadic!(attach_run_waitl, attach_run_waitl_list, c_int);

/// # Safety
///
/// The arguments are those of `startl`.
unsafe extern "C" fn startl_list(registers: *const usize, stack: *const usize) -> bool {
    let mut arguments = Arguments { registers, stack, taken: 0 };
    // SAFETY: as the caller promises.
    unsafe {
        let (c, useinit) = (arguments.pointer::<LxcContainer>(), arguments.int());
        let list = arguments.list();
        start(c, useinit, list.as_ptr())
    }
}

/// # Safety
///
/// The arguments are those of `createl`.
unsafe extern "C" fn createl_list(registers: *const usize, stack: *const usize) -> bool {
    let mut arguments = Arguments { registers, stack, taken: 0 };
    // SAFETY: as the caller promises.
    unsafe {
        let c = arguments.pointer::<LxcContainer>();
        let (template, bdevtype) = (arguments.pointer(), arguments.pointer());
        let (specs, flags) = (arguments.pointer::<BdevSpecs>(), arguments.int());
        let list = arguments.list();
        create(c, template, bdevtype, specs, flags, list.as_ptr())
    }
}

/// # Safety
///
/// The arguments are those of `attach_run_waitl`.
unsafe extern "C" fn attach_run_waitl_list(registers: *const usize, stack: *const usize) -> c_int {
    let mut arguments = Arguments { registers, stack, taken: 0 };
    // SAFETY: as the caller promises.
    unsafe {
        let c = arguments.pointer::<LxcContainer>();
        let (options, program) = (arguments.pointer::<AttachOptions>(), arguments.pointer());
        let list = arguments.list();
        attach_run_wait(c, options, program, list.as_ptr())
    }
}
