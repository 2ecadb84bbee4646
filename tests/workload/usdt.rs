//! Statically defined user probes, written as `sys/sdt.h` writes them: a `nop` in the code, and a note that tells
//! where it stands and where its arguments lie.
//!
//! Always holds: the operands in the notes are these and no others, whatever the compiler does, because each
//! value is put where its note says.

use std::arch::asm;
use std::hint::black_box;
use std::sync::atomic::{AtomicI32, AtomicU16, Ordering};

use crate::{Work, number};

/// Counted up by whoever listens to `awl:gated`. A page of its own: where the file's page is mapped twice, as the end
/// of one writable segment and the start of the next, the kernel may count in the other (valid_ref_ctr_vma in
/// kernel/events/uprobes.c takes the first mapping).
#[unsafe(no_mangle)]
#[unsafe(link_section = ".probes")]
static WORK_SEMAPHORE: Page = Page(AtomicU16::new(0));

#[repr(align(4096))]
struct Page(AtomicU16);

/// What a note of `awl:memory` says by its name.
#[unsafe(no_mangle)]
static WORK_COUNTER: AtomicI32 = AtomicI32::new(0);

/// A probe: provider, name, semaphore (0: none), operands of its arguments; then what lies in them.
macro_rules! probe {
    ($provider:literal, $name:literal, $semaphore:literal, $args:literal; $($operands:tt)*) => {
        // SAFETY: the code is a `nop`; the rest is a note beside it.
        unsafe {
            asm!(
                "990: nop",
                ".pushsection .note.stapsdt,\"\",\"note\"",
                ".balign 4",
                ".4byte 992f-991f, 994f-993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b",
                ".8byte _.stapsdt.base",
                concat!(".8byte ", $semaphore),
                concat!(".asciz \"", $provider, "\""),
                concat!(".asciz \"", $name, "\""),
                concat!(".asciz \"", $args, "\""),
                "994: .balign 4",
                ".popsection",
                ".ifndef _.stapsdt.base",
                ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat",
                ".weak _.stapsdt.base",
                ".hidden _.stapsdt.base",
                "_.stapsdt.base: .space 1",
                ".size _.stapsdt.base, 1",
                ".popsection",
                ".endif",
                $($operands)*
                options(att_syntax, nostack, preserves_flags)
            )
        }
    };
}

/// Fires each probe `N` times.
pub fn usdt(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        let mut gated = 0;
        for i in 0..n {
            fire(i);
            if WORK_SEMAPHORE.0.load(Ordering::Relaxed) > 0 {
                gated += 1;
                probe!("awl", "gated", "WORK_SEMAPHORE", "8@%rdi"; in("rdi") i,);
            }
        }
        Ok(vec![("gated", gated.to_string())])
    }))
}

/// All but the one that waits to be listened to.
#[inline(never)]
fn fire(i: u64) {
    let minus = -(i as i64);
    probe!("awl", "plain", "0", "";);
    probe!("other", "plain", "0", "8@$1";);
    probe!("awl", "args", "0", "8@%rdi -4@%esi 2@%dx -1@%cl 1@%ah 8@$42 -4@$-7";
        in("rdi") i, in("rsi") minus, in("rdx") 0x1_ffffu64, in("rcx") 0x1ffu64, in("rax") 0x12_3456u64,);
    let memory = [10 + i, 20 + i, (-5i64) as u64];
    WORK_COUNTER.store(i as i32 - 100, Ordering::Relaxed);
    probe!("awl", "memory", "0", "8@8(%rsi) -4@(%rsi,%rcx,8) -4@WORK_COUNTER(%rip) 8f@%xmm0";
        in("rsi") black_box(&memory).as_ptr(), in("rcx") 2u64,);
    probe!("awl", "text", "0", "8@%r8"; in("r8") c"a text".as_ptr(),);
    probe!("awl", "places", "0", "-4@%edi 8@%r9"; in("rdi") 1000 + i, in("r9") 1u64,);
    probe!("awl", "places", "0", "-4@%esi 8@%r9"; in("rsi") 2000 + i, in("r9") 2u64,);
    probe!("awl", "places", "0", "8@%rdx 8@%r9"; in("rdx") 3000 + i, in("r9") 3u64,);
}
