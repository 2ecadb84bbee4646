//! Functions whose arguments have types, for probes that go by debug information.

use std::ffi::c_char;
use std::hint::black_box;

use crate::{Facts, Work, number};

#[repr(C)]
pub struct Point {
    pub x: i32,
    pub y: i16,
    pub flag: bool,
}

#[repr(u32)]
#[derive(Clone, Copy)]
pub enum Color {
    Red = 1,
    Blue = 7,
}

#[repr(C)]
pub union Either {
    pub word: u64,
    pub low: u8,
}

#[repr(C)]
pub struct Record {
    pub id: u64,
    pub name: [c_char; 8],
    pub text: *const c_char,
    pub at: Point,
    pub color: Color,
    pub either: Either,
    pub scores: [u16; 3],
    pub next: *const Record,
}

/// Returns the ids of a record and of the one behind it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_record(record: &Record, delta: i8, color: Color, wanted: bool) -> u64 {
    black_box((delta, color as u32, wanted));
    // SAFETY: it points to a record.
    black_box(record.id + unsafe { (*record.next).id })
}

/// More arguments than registers, with numbers and structs among them that lie elsewhere.
#[unsafe(no_mangle)]
#[inline(never)]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn work_many(a: u8, x: f64, b: i64, c: i32, d: u16, e: u32, f: u64, g: i32, h: u64) -> u64 {
    black_box((a, x, b, c, d, e, f));
    black_box(h + g as u64)
}

pub fn records(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        for i in 0..n {
            call(i);
        }
        Ok(Facts::new())
    }))
}

#[inline(never)]
fn call(i: u64) {
    let name = |text: &[u8; 8]| text.map(|b| b as c_char);
    let record = |id, next: *const Record| Record {
        id,
        name: name(b"record\0\0"),
        text: c"some text".as_ptr(),
        at: Point { x: -5, y: 300, flag: true },
        color: if id % 2 == 0 { Color::Red } else { Color::Blue },
        either: Either { word: 0x1_0203 },
        scores: [10, 20, 30],
        next,
    };
    let last = record(1000 + i, std::ptr::null());
    let first = record(i, &last);
    work_record(black_box(&first), -3, Color::Blue, true);
    work_many(1, 0.5, -2, -3, 4, 5, 6, black_box(-7), black_box(8));
}
