//! Functions that keep no frame pointers: what `ustack` cannot follow, and unwind tables can.
//!
//! Always holds: they use `rbp` as any other register, as compilers do; the tables say where the caller's frame is.

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::functions::{work_middle, work_spin};
use crate::{Work, c, number};

unsafe extern "C" {
    /// `bare_outer` calls `bare_middle`, that calls `bare_aligned`, which aligns its stack and calls `f` with `arg`.
    fn bare_outer(f: extern "C" fn(u64) -> u64, arg: u64) -> u64;
    /// Calls `f` with `arg`, and has no unwind information.
    fn bare_untold(f: extern "C" fn(u64) -> u64, arg: u64) -> u64;
}

// bare_outer has its frame pointer saved and overwritten, bare_middle uses a part of the stack, bare_aligned is what
// GCC makes of a function that wants more than the usual alignment.
std::arch::global_asm!(
    ".text",
    ".macro bare_begin name",
    ".globl \\name",
    ".type \\name, @function",
    "\\name:",
    ".endm",
    ".macro bare_end name",
    ".size \\name, . - \\name",
    ".endm",
    "bare_begin bare_outer",
    ".cfi_startproc",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_offset rbp, -16",
    "mov ebp, 0x1234",
    "call bare_middle",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    "bare_end bare_outer",
    "bare_begin bare_middle",
    ".cfi_startproc",
    "sub rsp, 72",
    ".cfi_adjust_cfa_offset 72",
    "mov qword ptr [rsp + 64], 0",
    "call bare_aligned",
    "add rsp, 72",
    ".cfi_adjust_cfa_offset -72",
    "ret",
    ".cfi_endproc",
    "bare_end bare_middle",
    "bare_begin bare_aligned",
    ".cfi_startproc",
    "lea r10, [rsp + 8]",
    ".cfi_def_cfa r10, 0",
    "and rsp, -64",
    "push qword ptr [r10 - 8]",
    "push rbp",
    "mov rbp, rsp",
    ".cfi_escape 0x10, 0x06, 0x02, 0x76, 0x00",
    "push r10",
    ".cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06",
    "sub rsp, 40",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "add rsp, 40",
    "pop r10",
    ".cfi_def_cfa r10, 0",
    "pop rbp",
    ".cfi_restore rbp",
    "lea rsp, [r10 - 8]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    "bare_end bare_aligned",
    "bare_begin bare_untold",
    "push rbp",
    "mov ebp, 0x1234",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "pop rbp",
    "ret",
    "bare_end bare_untold",
);

/// Where they lead to.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn bare_inner(i: u64) -> u64 {
    black_box(work_middle(black_box(i), 1)) + 1
}

extern "C" fn spin(ms: u64) -> u64 {
    black_box(work_spin(ms)) + 1
}

pub fn bare(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        // SAFETY: they call what they are handed.
        let sum: u64 = (0..n).map(|i| unsafe { bare_outer(bare_inner, i) }).sum();
        Ok(vec![("sum", sum.to_string())])
    }))
}

pub fn bare_busy(args: &[String]) -> Result<Work, String> {
    let ms = number(args, 0)?;
    Ok(Box::new(move || {
        // SAFETY: it calls what it is handed.
        let n = unsafe { bare_outer(spin, ms) };
        Ok(vec![("n", n.to_string())])
    }))
}

pub fn untold(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        // SAFETY: it calls what it is handed.
        let sum: u64 = (0..n).map(|i| unsafe { bare_untold(bare_inner, i) }).sum();
        Ok(vec![("sum", sum.to_string())])
    }))
}

/// What the handler has summed up.
static SIGNALLED: AtomicU64 = AtomicU64::new(0);

/// The handler of `signalled`.
#[unsafe(no_mangle)]
pub extern "C" fn bare_handler(_: i32) {
    SIGNALLED.fetch_add(bare_inner(1), Ordering::Relaxed);
}

pub fn signalled(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        // SAFETY: the handler calls nothing that must not be called there.
        unsafe { c::signal(c::SIGUSR2, bare_handler as extern "C" fn(i32) as *const c_void) };
        for _ in 0..n {
            // SAFETY: no memory is involved.
            unsafe { c::raise(c::SIGUSR2) };
        }
        Ok(vec![("sum", SIGNALLED.load(Ordering::Relaxed).to_string())])
    }))
}
