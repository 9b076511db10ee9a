//! Pictures that are not plain: turned, transparent, cut short, of formats that are not read, or none at all.

use onebit::data::{Background, Dataset, OpenOptions, PixelError, PixelRules, Pixels, Truncated};
use std::fs;
use std::path::PathBuf;

/// A file of a handed case.
fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/field")).join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn decoded(bytes: &[u8]) -> Pixels {
    Pixels::decode(bytes, &PixelRules::default()).unwrap_or_else(|e| panic!("{e}"))
}

const KEEP: PixelRules = PixelRules { background: Background::White, truncated: Truncated::Keep };
const BLACK: PixelRules = PixelRules { background: Background::Black, truncated: Truncated::Stop };

/// Mean of one channel over some rows.
fn mean(p: &Pixels, rows: std::ops::Range<usize>, channel: usize) -> f64 {
    let of_rows = &p.data[rows.start * p.w * p.c..rows.end * p.w * p.c];
    let all = of_rows.iter().skip(channel).step_by(p.c).map(|v| f64::from(*v));
    all.sum::<f64>() / (rows.len() * p.w) as f64
}

#[test]
fn a_jpeg_with_a_scan_for_each_component_has_its_colours() {
    let p = decoded(&bytes("jpeg-noninterleaved/noninterleaved.jpg"));
    let reference = decoded(&bytes("jpeg-noninterleaved/reference.png"));
    assert_eq!((p.h, p.w, p.c), (reference.h, reference.w, 3));
    // The reference is what was compressed.
    let apart: f64 = p.data.iter().zip(&reference.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(apart / (p.data.len() as f64) < 8.0, "{} levels a sample", apart / p.data.len() as f64);
    assert!(p == decoded(&bytes("jpeg-noninterleaved/interleaved.jpg")));
    let means = [0, 1, 2].map(|c| mean(&p, 0..p.h, c) / 255.0);
    assert!(means.iter().zip([0.477, 0.476, 0.535]).all(|(a, b)| (a - b).abs() < 0.001), "{means:?}");
}

#[test]
fn pictures_of_cameras_are_turned_upright() {
    let p = decoded(&bytes("exif-orientation/phone.jpg"));
    let upright = decoded(&bytes("exif-orientation/upright.png"));
    assert!(p == upright, "{}x{}", p.h, p.w);
    assert!(mean(&p, 0..p.h / 2, 0) > 200.0 && mean(&p, p.h / 2..p.h, 0) < 40.0);
    // Stored as 48 rows of 64.
    let tiff = decoded(&bytes("exif-orientation/orientation6.tif"));
    assert_eq!((tiff.h, tiff.w), (64, 48));
}

#[test]
fn a_jpeg_cut_short_is_refused_or_kept_as_asked() {
    let whole = decoded(&bytes("jpeg-noninterleaved/interleaved.jpg"));
    // Rows and columns that are there whole.
    for (name, rows, columns) in [("90", 31, 64), ("half", 8, 8), ("zeros_tail", 8, 8), ("progressive_half", 0, 0)] {
        let bytes = bytes(&format!("jpeg-truncated/{name}.jpg"));
        let error = Pixels::decode(&bytes, &PixelRules::default()).unwrap_err();
        assert!(matches!(error, PixelError::Truncated(_)), "{name}: {error:?}");
        let said = error.to_string();
        assert!(said.contains("cut short") && said.contains("--set data.truncated=keep"), "{said}");
        let kept = Pixels::decode(&bytes, &KEEP).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((kept.h, kept.w, kept.c), (whole.h, whole.w, 3));
        let row = |p: &Pixels, y: usize| p.data[y * p.w * 3..][..columns * 3].to_vec();
        assert!((0..rows).all(|y| row(&kept, y) == row(&whole, y)), "{name}: what is there is not as it is");
        // What no scan brought is grey, what some did is coarse.
        let apart: f64 = kept.data.iter().zip(&whole.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let apart = apart / kept.data.len() as f64;
        assert!(apart > 0.0 && apart < 90.0, "{name}: {apart} levels");
    }
}

/// Every place where a file can break off.
#[test]
fn no_cut_of_a_picture_passes_for_a_whole_one() {
    for name in
        ["jpeg-noninterleaved/interleaved.jpg", "jpeg-noninterleaved/noninterleaved.jpg", "alpha-dropped/hidden.png"]
    {
        let whole = bytes(name);
        let pixels = decoded(&whole);
        for n in 0..whole.len() {
            match Pixels::decode(&whole[..n], &PixelRules::default()) {
                Err(_) => {}
                // All pixels of a PNG are there when only its end is not.
                Ok(p) => assert!(name.ends_with(".png") && p == pixels, "{name}: {n} of {} bytes", whole.len()),
            }
            if let Ok(p) = Pixels::decode(&whole[..n], &KEEP) {
                assert_eq!((p.h, p.w, p.c), (pixels.h, pixels.w, pixels.c), "{name}: {n} bytes");
            }
        }
    }
}

/// An end marker does not make data whole that breaks off before it.
#[test]
fn a_jpeg_that_ends_too_early_is_refused() {
    for name in ["interleaved", "noninterleaved"] {
        let whole = bytes(&format!("jpeg-noninterleaved/{name}.jpg"));
        for part in [60, 70, 80, 90, 95] {
            let cut = [&whole[..whole.len() * part / 100], b"\xff\xd9"].concat();
            let error = Pixels::decode(&cut, &PixelRules::default());
            assert!(
                matches!(error, Err(PixelError::Truncated(_) | PixelError::Damaged(_))),
                "{name} {part}: {error:?}"
            );
        }
    }
}

#[test]
fn transparent_pictures_lie_on_the_background_that_is_named() {
    for name in ["glyph", "glyph_la"] {
        let bytes = bytes(&format!("alpha-dropped/{name}.png"));
        let white = decoded(&bytes);
        assert!(white.data.contains(&0) && white.data.contains(&255), "{name}: a black shape on white");
        let black = Pixels::decode(&bytes, &BLACK).unwrap();
        assert!(black.data.iter().all(|v| *v == 0), "{name}: black on black");
        assert_eq!(white.c, if name == "glyph" { 3 } else { 1 });
    }
    // Half of it is seen: a browser's empty canvas has a mean of 23.4 in red.
    let hidden = Pixels::decode(&bytes("alpha-dropped/hidden.png"), &BLACK).unwrap();
    assert!((mean(&hidden, 0..hidden.h, 0) - 23.4).abs() < 0.5, "{}", mean(&hidden, 0..hidden.h, 0));
}

#[test]
fn files_that_are_whole_are_read_or_called_what_they_are() {
    let case = |name: &str| bytes(&format!("whole-files-repair-or-remove/{name}"));
    for (name, what) in [
        ("12bit.jpg", "a JPEG of 12 bits"),
        ("arithmetic.jpg", "a JPEG with arithmetic coding"),
        ("avif.jpg", "an AVIF picture"),
        ("jpeg_in.tif", "a TIFF compressed by JPEG"),
        ("float1.tif", "a TIFF of floats that does not say their range"),
    ] {
        let said = Pixels::decode(&case(name), &PixelRules::default()).unwrap_err().to_string();
        assert!(said.contains(what) && said.contains("convert it to PNG"), "{name}: {said}");
        assert!(!said.contains("repair"), "{name}: {said}");
    }
    let reference = decoded(&bytes("jpeg-noninterleaved/reference.png"));
    for name in ["noiend.png", "bigtiff.tif", "palette.tif"] {
        let p = decoded(&case(name));
        assert_eq!((p.h, p.w, p.c), (reference.h, reference.w, 3), "{name}");
    }
}

#[test]
fn what_is_no_picture_and_what_is_too_large_is_said() {
    let said = |bytes: &[u8]| Pixels::decode(bytes, &PixelRules::default()).unwrap_err().to_string();
    for (bytes, part) in [
        (&b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>"[..], "an HTML page"),
        (b"", "an empty file"),
        (b"hello", "text"),
    ] {
        let said = said(bytes);
        assert!(said.contains("is no picture") && said.contains(part) && !said.contains("repair"), "{said}");
    }
    let mut png = bytes("jpeg-noninterleaved/reference.png");
    // Its width and height, and the checksum of that.
    png[16..24].copy_from_slice(&[0, 0, 0x2e, 0xe0, 0, 0, 0x23, 0x28]);
    let crc = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let said = said(&png);
    assert!(said.contains("9000x12000") && said.contains("256") && said.contains("shrink it"), "{said}");
    let gif = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pictures/claims.gif")).unwrap();
    assert!(matches!(Pixels::decode(&gif, &PixelRules::default()), Err(PixelError::TooLarge { .. })));
}

/// A set is opened by the rules that it is given.
#[test]
fn a_set_is_read_by_its_rules() {
    let dir = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(dir.path().join(class)).unwrap();
        for i in 0..3 {
            fs::copy(file("alpha-dropped/glyph.png"), dir.path().join(format!("{class}/{i}.png"))).unwrap();
        }
    }
    let mean = |pixels: PixelRules| {
        let split = Dataset::open(dir.path(), &OpenOptions { pixels, ..Default::default() }).unwrap();
        split.train.stats().unwrap().mean[0]
    };
    assert!(mean(PixelRules::default()) > 0.3 && mean(BLACK) == 0.0);
    fs::copy(file("jpeg-truncated/half.jpg"), dir.path().join("b/1.png")).unwrap();
    let options = OpenOptions { size: Some([8, 8]), ..Default::default() };
    let said = Dataset::open(dir.path(), &options).unwrap_err().to_string();
    assert!(said.contains("1.png") && said.contains("is cut short") && said.contains("data.truncated=keep"), "{said}");
    assert_eq!(Dataset::open(dir.path(), &OpenOptions { pixels: KEEP, ..options }).unwrap().train.c, 3);
}
