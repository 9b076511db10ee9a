//! A model of masks of any bytes on a small base: an error, or a network that is written alike. Checksums and the base's name
//! are made right, so that more than the header is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::deploy::{file, masked};
use std::path::Path;

const BASE: &[u8] = include_bytes!("../base.1bit");

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzzed.1bit");
    let base = file::decode(BASE, path).expect("a base");
    let _ = masked::decode(bytes, path, &base);
    if bytes.len() < 28 {
        return;
    }
    let mut whole = bytes.to_vec();
    whole[..8].copy_from_slice(masked::MAGIC);
    whole[8..12].copy_from_slice(&file::VERSION.to_le_bytes());
    // A base is known by the checksum in its header.
    whole[24..28].copy_from_slice(&BASE[12..16]);
    let crc = crc32fast::hash(&whole[24..]);
    whole[12..16].copy_from_slice(&crc.to_le_bytes());
    let length = (whole.len() - 24) as u64;
    whole[16..24].copy_from_slice(&length.to_le_bytes());
    let Ok(net) = masked::decode(&whole, path, &base) else { return };
    if let Ok(written) = masked::encode(&net, &base) {
        assert_eq!(masked::decode(&written, path, &base).expect("what is written is read"), net);
    }
});
