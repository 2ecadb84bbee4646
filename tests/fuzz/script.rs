//! Any text as a script: `cargo +nightly fuzz run --fuzz-dir tests/fuzz script`.
#![no_main]

mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::script(&String::from_utf8_lossy(bytes)));
