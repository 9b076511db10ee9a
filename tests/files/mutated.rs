//! The files that the fuzz targets of records and tables start from, and these changed here and there: a set or an error.
//!
//!     ONEBIT_MUTATIONS=100000 cargo test --test files mutated        more of them

use onebit::deploy::{file, masked};
use onebit::rng::Philox;
use rayon::prelude::*;
use std::fs;
use std::path::Path;

#[path = "../fuzz/targets/records.rs"]
mod records;
#[path = "../fuzz/targets/tables.rs"]
mod tables;

/// Bytes at which parsers go wrong.
const ODD: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b','];

/// Changes a file in one to four places: bytes replaced, left out, doubled, or cut off.
fn changed(bytes: &[u8], random: &Philox, number: u64) -> Vec<u8> {
    let draw = |i: u64, below: usize| (random.uniform(number, i) as f64 * below as f64) as usize;
    let mut out = bytes.to_vec();
    for place in 0..1 + draw(0, 4) as u64 {
        if out.len() < 4 {
            break;
        }
        // The first two say how a set is made of the others.
        let at = if out.len() > 2 && draw(8 * place + 1, 16) > 0 { 2 + draw(8 * place + 2, out.len() - 2) } else { 0 };
        let length = (1 + draw(8 * place + 3, 8)).min(out.len() - at);
        match draw(8 * place + 4, 8) {
            0 | 1 => out[at] = ODD[draw(8 * place + 5, ODD.len())],
            2 | 3 => out[at] ^= 1 << draw(8 * place + 5, 8),
            4 => out[at..at + length].fill(ODD[draw(8 * place + 5, ODD.len())]),
            5 => drop(out.drain(at..at + length)),
            6 => {
                let twice = out[at..at + length].to_vec();
                out.splice(at..at, twice);
            }
            _ => out.truncate(at.max(2)),
        }
    }
    out
}

#[test]
fn what_is_changed_is_a_set_or_an_error() {
    let count: u64 = std::env::var("ONEBIT_MUTATIONS").map_or(40, |n| n.parse().expect("a number"));
    for (target, run) in [("records", records::run as fn(u8, u8, &[u8]) -> bool), ("tables", tables::run)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for (i, file) in (0..).zip(&files) {
            let bytes = fs::read(file).unwrap();
            assert!(run(bytes[0], bytes[1], &bytes[2..]), "{}: is no set", file.display());
            let random = Philox::new(18, i);
            (0..count).into_par_iter().for_each(|number| {
                let other = changed(&bytes, &random, number);
                let [how, cut, rest @ ..] = &other[..] else { return };
                let read = std::panic::catch_unwind(|| run(*how, *cut, rest));
                assert!(read.is_ok(), "{} number {number}: {:?}", file.display(), String::from_utf8_lossy(&other));
            });
        }
    }
}

/// What the targets of models start from is read, and one of them is of the newest version: without it they would reach little of
/// what it adds.
#[test]
fn models_to_start_from_are_of_this_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let version = |bytes: &[u8]| u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    let base = file::decode(&read("base.1bit"), Path::new("base.1bit")).unwrap();
    let mask = read("corpus/masked_model/small-smn.1bit");
    assert!(masked::decode(&mask, Path::new("mask"), &base).is_ok());
    let versions = ["fashion-binary", "small-siman", "layers", "transformer"].map(|name| {
        let model = read(&format!("corpus/packed_model/{name}.1bit"));
        file::decode(&model, Path::new(name)).unwrap_or_else(|e| panic!("{e}"));
        version(&model)
    });
    assert!(versions.contains(&3) && versions.contains(&file::VERSION), "{versions:?}");
}
