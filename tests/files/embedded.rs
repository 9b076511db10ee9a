//! The embedded set is what it says it is.

use onebit::data::{Dataset, OpenOptions, Split, Stats};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

const SIDE: usize = 28;

#[test]
fn counts_classes_checksums_and_statistics() {
    let set = Dataset::embedded();
    assert_eq!(set.to_string(), "Fashion-MNIST (embedded): 6000 train, 1000 test, 28x28x1, 10 classes");
    assert_eq!(set.train.class_counts(), [600; 10]);
    assert_eq!(set.test.class_counts(), [100; 10]);
    assert_eq!(set.train.classes[9], "Ankle boot");
    set.train.check(Path::new("train")).unwrap();
    set.test.check(Path::new("test")).unwrap();
    assert_eq!(checksum(&set), [TRAIN_CRC, TEST_CRC]);
    // The whole training part has mean 0.2860 and deviation 0.3530; a tenth of it is close to that.
    let Stats { mean, std } = set.train.stats().unwrap();
    assert!((mean[0] - 0.2860).abs() < 0.005 && (std[0] - 0.3530).abs() < 0.005, "{mean:?} {std:?}");
    assert_eq!(set.normalization().unwrap(), Stats { mean: vec![0.2860], std: vec![0.3530] });
    // The checksums above stand for the official files; where those are at hand, they are compared byte by byte.
    if let Some(path) = std::env::var_os("ONEBIT_FASHION_MNIST") {
        assert_official(&set, &path);
    }
}

const TRAIN_CRC: u32 = 0xcd7b_43c9;
const TEST_CRC: u32 = 0xaaad_9082;

/// CRC-32 of pixels and labels of both parts.
fn checksum(set: &Split) -> [u32; 2] {
    [&set.train, &set.test].map(|part| {
        let mut crc = flate2::Crc::new();
        crc.update(&part.pixels().unwrap());
        part.labels.iter().flatten().for_each(|&l| crc.update(&[l as u8]));
        crc.sum()
    })
}

/// The bytes are those of the official files at `path`.
fn assert_official(set: &Split, path: &OsStr) {
    let official = Dataset::open(path, &OpenOptions::default()).unwrap();
    assert_eq!(official.to_string(), "Fashion-MNIST: 60000 train, 10000 test, 28x28x1, 10 classes");
    let (train, test) = (first_of_each_class(&official.train, 600), first_of_each_class(&official.test, 100));
    if let Some(out) = std::env::var_os("ONEBIT_WRITE_EMBEDDED") {
        write(Path::new(&out), [&train, &test]);
    }
    for (ours, official) in [(&set.train, &train), (&set.test, &test)] {
        assert!(ours.images == official.images && ours.labels == official.labels && ours.classes == official.classes);
    }
}

fn first_of_each_class(d: &Dataset, n: usize) -> Dataset {
    let mut taken = [0; 10];
    let labels = d.labels.as_ref().unwrap();
    let wanted = |i: &u32| {
        let count = &mut taken[labels[*i as usize] as usize];
        *count += 1;
        *count <= n
    };
    d.select(&(0..d.len() as u32).filter(wanted).collect::<Vec<u32>>())
}

/// Writes the file that is embedded.
fn write(out: &Path, parts: [&Dataset; 2]) {
    let mut bytes: Vec<u8> = parts.iter().flat_map(|d| d.labels.iter().flatten().map(|&l| l as u8)).collect();
    for d in parts {
        (0..d.len()).for_each(|i| bytes.extend(filtered(&d.image(i).unwrap())));
    }
    let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes).unwrap();
    std::fs::write(out, gzip.finish().unwrap()).unwrap();
}

/// Differences from the Paeth predictor.
fn filtered(image: &[u8]) -> Vec<u8> {
    let at = |y: isize, x: isize| if y < 0 || x < 0 { 0 } else { image[y as usize * SIDE + x as usize] as i32 };
    let difference = |i: usize| {
        let (y, x) = ((i / SIDE) as isize, (i % SIDE) as isize);
        let (left, up, corner) = (at(y, x - 1), at(y - 1, x), at(y - 1, x - 1));
        let guess = left + up - corner;
        let (a, b, c) = ((guess - left).abs(), (guess - up).abs(), (guess - corner).abs());
        let predictor = if a <= b && a <= c {
            left
        } else if b <= c {
            up
        } else {
            corner
        };
        image[i].wrapping_sub(predictor as u8)
    };
    (0..SIDE * SIDE).map(difference).collect()
}
