//! Of any bytes: `targets/records.rs`.
#![no_main]

#[path = "../targets/records.rs"]
mod records;

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    records::run(input.0, input.1, input.2);
});
