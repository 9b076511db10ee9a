//! An archive of any bytes, plain or compressed by us, whose headers' checksums may be made right.
#![no_main]

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use onebit::data::{Dataset, OpenOptions};
use std::io::Write;
use std::path::Path;

fuzz_target!(|input: (u8, &[u8])| {
    let (how, bytes) = input;
    let mut bytes = bytes.to_vec();
    if how & 1 == 1 {
        bytes.chunks_exact_mut(512).for_each(checksum);
    }
    if how & 2 == 2 {
        let mut packed = GzEncoder::new(Vec::new(), Compression::none());
        packed.write_all(&bytes).expect("into memory");
        bytes = packed.finish().expect("into memory");
    }
    let names = ["set.tar", "set.tar.gz", "set.tgz", "images-idx3-ubyte", "set.zip", "set.tar.zst"];
    // The upper half of the numbers is for what came later, so that what was found before still means the same.
    let name = names[if how < 128 { (how >> 2) as usize % 4 } else { 4 + (how >> 2) as usize % 2 }];
    let files = vec![(name.to_string(), bytes)];
    if let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &OpenOptions::default()) {
        split.train.check(Path::new("fuzzed")).expect("what is read fits together");
        split.test.check(Path::new("fuzzed")).expect("what is read fits together");
    }
});

/// Makes a block that calls itself a header one: eight bytes from 148 on, octal, of the sum with those as spaces.
fn checksum(block: &mut [u8]) {
    if block[257..262] == *b"ustar" {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| b as u32).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
