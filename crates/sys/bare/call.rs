//! What the programs without a library share: where they begin, and system calls.

use core::arch::{asm, global_asm};

// The kernel passes the words on the stack.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {}", sym super::begin);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {}", sym super::begin);
#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "mv a0, sp", "call {}", sym super::begin);

#[cfg(target_arch = "x86_64")]
const EXIT_GROUP: usize = 231;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const EXIT_GROUP: usize = 94;

/// A system call with these arguments; the negative errno if it fails.
///
/// # Safety
///
/// What the arguments point to must be as the kernel expects it.
pub unsafe fn call<const N: usize>(number: usize, arguments: [usize; N]) -> isize {
    let [mut a, mut b, mut c, mut d, mut e] = [0; 5];
    for (from, to) in arguments.iter().zip([&mut a, &mut b, &mut c, &mut d, &mut e]) {
        *to = *from;
    }
    let result;
    // SAFETY: the registers are those of the kernel's convention, and the caller vouches for the rest.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c,
            in("x3") d, in("x4") e, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "riscv64")]
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") a => result, in("a1") b, in("a2") c,
            in("a3") d, in("a4") e, options(nostack));
    }
    result
}

/// Ends the process.
pub fn exit(code: usize) -> ! {
    loop {
        // SAFETY: the argument is a plain number.
        unsafe { call(EXIT_GROUP, [code]) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(255)
}
