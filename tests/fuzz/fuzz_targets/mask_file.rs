//! A mask file of any bytes, as they are and with a checksum that fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::masks::MaskFile;

fuzz_target!(|bytes: &[u8]| {
    let _ = MaskFile::parse(bytes);
    let mut whole = bytes.to_vec();
    whole.extend(crc32fast::hash(bytes).to_le_bytes());
    let _ = MaskFile::parse(&whole);
});
