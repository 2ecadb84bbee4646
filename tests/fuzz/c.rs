//! Any text as C definitions: `cargo +nightly fuzz run --fuzz-dir tests/fuzz c`.
#![no_main]

mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::c(&String::from_utf8_lossy(bytes)));
