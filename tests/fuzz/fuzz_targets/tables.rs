//! Of any bytes: `targets/tables.rs`.
#![no_main]

#[path = "../targets/tables.rs"]
mod tables;

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    tables::run(input.0, input.1, input.2);
});
