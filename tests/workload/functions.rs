//! Commands whose user functions have known names, arguments and results, for user probes and stacks.
//!
//! Always holds: each `work_*` function keeps its frame (the build has frame pointers), is never inlined,
//! and has its name in the symbol table.

use std::ffi::{CString, c_char, c_void};
use std::hint::black_box;

use crate::{Facts, Work, c, c_text, number};

/// Words that a tracer can find by their names.
#[unsafe(no_mangle)]
#[used]
pub static WORK_NUMBER: u32 = 0x1234;
#[unsafe(no_mangle)]
#[used]
pub static WORK_WORD: u64 = 0x5678;

/// Calls down to `work_inner`; returns what that returned, plus 1.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_outer(i: u64) -> u64 {
    black_box(work_middle(black_box(i), black_box(2 * i))) + 1
}

/// Between the two; returns ten times what `work_inner` returned.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_middle(a: u64, b: u64) -> u64 {
    black_box(work_inner(black_box(a), black_box(b), 3, 4, 5, 6)) * 10
}

/// Returns `a + b`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_inner(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
    black_box((c, d, e, f));
    black_box(a + b)
}

/// Returns the length of a C string.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_string(text: *const c_char) -> usize {
    // SAFETY: callers hand in a C string.
    black_box(unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes().len())
}

/// Calls itself down to 0; returns the sum of all numbers up to `n`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_recurse(n: u64) -> u64 {
    if black_box(n) == 0 {
        return 0;
    }
    black_box(work_recurse(black_box(n - 1))) + n
}

/// Counts until the time is over.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_spin(ms: u64) -> u64 {
    let start = std::time::Instant::now();
    let mut n = 0u64;
    while start.elapsed().as_millis() < u128::from(ms) {
        for _ in 0..100_000 {
            n = black_box(n + 1);
        }
    }
    n
}

pub fn chain(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        let sum: u64 = (0..n).map(|i| work_outer(black_box(i))).sum();
        Ok(vec![("sum", sum.to_string())])
    }))
}

pub fn recurse(args: &[String]) -> Result<Work, String> {
    let (n_threads, depth, n) = (number(args, 0)?, number(args, 1)?, number(args, 2)?);
    let calls = move || (0..n).map(|_| work_recurse(black_box(depth))).sum::<u64>();
    Ok(Box::new(move || {
        if n_threads == 0 {
            return Ok(vec![("sum", calls().to_string())]);
        }
        let threads: Vec<_> = (0..n_threads).map(|_| std::thread::spawn(calls)).collect();
        let sums: Result<Vec<u64>, _> = threads.into_iter().map(|t| t.join()).collect();
        let sums = sums.map_err(|_| "a thread failed".to_owned())?;
        Ok(vec![("sum", sums.iter().sum::<u64>().to_string())])
    }))
}

pub fn string(args: &[String]) -> Result<Work, String> {
    let (text, n): (CString, u64) = (c_text(args, 0)?, number(args, 1)?);
    Ok(Box::new(move || {
        for _ in 0..n {
            work_string(black_box(text.as_ptr()));
        }
        Ok(Facts::new())
    }))
}

pub fn spin(args: &[String]) -> Result<Work, String> {
    let ms = number(args, 0)?;
    Ok(Box::new(move || Ok(vec![("spins", work_spin(black_box(ms)).to_string())])))
}

pub fn malloc(args: &[String]) -> Result<Work, String> {
    let (size, n) = (number(args, 0)? as usize, number(args, 1)?);
    Ok(Box::new(move || {
        for _ in 0..n {
            // SAFETY: what malloc returns, null included, is freed once.
            unsafe {
                let at: *mut c_void = black_box(c::malloc(black_box(size)));
                c::free(at);
            }
        }
        Ok(Facts::new())
    }))
}
