//! Two pictures of any bytes in class folders, as they are, or brought to a size and to channels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::data::{Dataset, OpenOptions};
use std::path::Path;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (how, cut, bytes) = input;
    let (one, two) = if how & 1 == 1 { bytes.split_at(bytes.len() * cut as usize / 255) } else { (bytes, bytes) };
    let folder = if how & 2 == 2 { "train/" } else { "" };
    let files = vec![(format!("{folder}a/1.png"), one.to_vec()), (format!("{folder}b/2.png"), two.to_vec())];
    let options = OpenOptions {
        size: (how & 4 == 4).then_some([3, 5]),
        channels: [None, Some(1), Some(3), None][(how >> 3) as usize % 4],
        ..OpenOptions::default()
    };
    if let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &options) {
        split.train.check(Path::new("fuzzed")).expect("what is read fits together");
        split.test.check(Path::new("fuzzed")).expect("what is read fits together");
    }
});
