//! Pictures of every format that is read, beside what Pillow makes of them, pixel by pixel. `tests/pictures/write.py` writes them.

use crate::python::python;
use libjpeg_turbo_rs::{Encoder, PixelFormat, ScanScript, Subsampling};
use onebit::data::{PixelError, PixelRules, Pixels, Truncated};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Lets Python write pictures beside those that are in `folder`, and the pixels of all; its list of them.
pub fn pictures(folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/write.py");
    let made = Command::new(python("Pillow")).arg("-B").arg(script).arg(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// The largest difference of two rows of bytes.
fn apart(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// JPEGs that Pillow cannot write: chroma sampled in other ways, scans in other orders.
fn more_jpegs(folder: &Path) {
    use Subsampling::{S24, S410, S411, S440, S441};
    let pixel = |x: usize, y: usize, c: usize| ((5 + c) * x + (9 - 2 * c) * y + 60 * (x / 5 % 2)) as u8;
    for (w, h) in [(1, 1), (9, 17), (37, 23), (64, 48)] {
        let pixels: Vec<u8> = (0..w * h * 3).map(|i| pixel(i / 3 % w, i / 3 / w, i % 3)).collect();
        let encoder = || Encoder::new(&pixels, w, h, PixelFormat::Rgb).quality(90);
        let write = |name: &str, encoder: Encoder<'_>| {
            fs::write(folder.join(format!("own-{w}x{h}-{name}.jpg")), encoder.encode().unwrap()).unwrap();
        };
        for sampling in [S440, S411, S441, S410, S24] {
            write(&format!("{sampling:?}-baseline"), encoder().subsampling(sampling));
            write(&format!("{sampling:?}-progressive"), encoder().subsampling(sampling).progressive(true));
        }
        let scan = |components: &[u8], ss, se, ah, al| ScanScript { components: components.into(), ss, se, ah, al };
        let apart = vec![
            scan(&[2], 0, 0, 0, 1),
            scan(&[0], 0, 0, 0, 1),
            scan(&[1], 0, 0, 0, 1),
            scan(&[1], 1, 63, 0, 0),
            scan(&[0], 1, 5, 0, 2),
            scan(&[0], 6, 63, 0, 2),
            scan(&[2], 1, 63, 0, 0),
            scan(&[0], 1, 63, 2, 1),
            scan(&[0, 1, 2], 0, 0, 1, 0),
            scan(&[0], 1, 63, 1, 0),
        ];
        write("apart", encoder().subsampling(Subsampling::S420).progressive(true).scan_script(apart));
    }
}

#[test]
fn every_format_gives_the_pixels_that_pillow_gives() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    more_jpegs(folder);
    let manifest = pictures(folder);
    let number = |v: &Value| v.as_u64().unwrap() as usize;
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for picture in manifest["pictures"].as_array().unwrap() {
        let name = picture["name"].as_str().unwrap();
        let (h, w, c) = (number(&picture["h"]), number(&picture["w"]), number(&picture["c"]));
        let expected = fs::read(folder.join(format!("{name}.pixels"))).unwrap();
        *endings.entry(name.rsplit('.').next().unwrap().into()).or_default() += 1;
        match Pixels::decode(&fs::read(folder.join(name)).unwrap(), &PixelRules::default()) {
            Ok(p) => {
                // A grey palette is colour here, and may be grey there.
                let expected = Pixels { h, w, c, data: expected }.with_channels(p.c);
                let levels = apart(&p.data, &expected.data);
                if (p.h, p.w, p.c) != (h, w, c.max(p.c)) {
                    wrong.push(format!("{name}: {}x{}x{}, not {h}x{w}x{c}", p.h, p.w, p.c));
                } else if levels as usize > number(&picture["levels"]) {
                    wrong.push(format!("{name}: {levels} levels apart"));
                }
            }
            Err(PixelError::Unsupported(_)) if name.starts_with("refused-") => {}
            Err(e) => wrong.push(format!("{name}: {e}")),
        }
    }
    assert!(wrong.is_empty(), "Pillow {}: {} wrong\n{}", manifest["about"], wrong.len(), wrong.join("\n"));
    for (ending, least) in [("jpg", 250), ("png", 40), ("tif", 60), ("bmp", 11), ("gif", 5), ("webp", 10), ("pnm", 12)]
    {
        assert!(endings.get(ending).is_some_and(|n| *n >= least), "{ending}: {endings:?}");
    }
}

/// A file of every format, cut anywhere: never a picture, unless that is asked for.
#[test]
fn no_format_passes_when_it_is_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let keep = PixelRules { truncated: Truncated::Keep, ..PixelRules::default() };
    let names = [
        "RGB.png",
        "palette-4-alpha-interlaced.png",
        "RGB.bmp",
        "plain.gif",
        "interlaced.gif",
        "RGB-lossless.webp",
        "RGBA-lossy.webp",
        "RGB.ppm",
        "words.pgm",
        "RGB-raw.tif",
        "RGB-tiff_lzw.tif",
        "RGB-packbits.tif",
        "group4.tif",
        "RGB-tiff_adobe_deflate.tif",
        "little-bigtiff.tif",
        "strips.tif",
        "37x23-420-baseline.jpg",
        "37x23-422-progressive.jpg",
    ];
    for name in names {
        let whole = fs::read(dir.path().join(name)).unwrap();
        let pixels = Pixels::decode(&whole, &PixelRules::default()).unwrap();
        let mut kept = 0;
        for part in [20, 40, 60, 80, 95] {
            let cut = &whole[..whole.len() * part / 100];
            let error = Pixels::decode(cut, &PixelRules::default());
            assert!(
                matches!(error, Err(PixelError::Truncated(_) | PixelError::Damaged(_))),
                "{name} {part}: {error:?}"
            );
            if part == 80 {
                assert!(matches!(error, Err(PixelError::Truncated(_))), "{name} {part}: {error:?}");
            }
            if let Ok(p) = Pixels::decode(cut, &keep) {
                assert_eq!((p.h, p.w, p.c), (pixels.h, pixels.w, pixels.c), "{name} {part}");
                kept += 1;
            }
        }
        // Scans that refine what is there are missing, though the end marker is not.
        if name.ends_with("progressive.jpg") {
            let last = whole.windows(2).rposition(|m| m == b"\xff\xda").unwrap();
            let coarse = [&whole[..last], b"\xff\xd9"].concat();
            let error = Pixels::decode(&coarse, &PixelRules::default());
            assert!(matches!(error, Err(PixelError::Truncated(_))), "{error:?}");
            assert!(Pixels::decode(&coarse, &keep).is_ok_and(|p| p != pixels));
        }
        // These give their rows or strips one after the other; others give nothing before all of it is there.
        let gradual = ["RGB.png", "RGB.bmp", "plain.gif", "words.pgm", "strips.tif"];
        if gradual.contains(&name) || name.ends_with(".jpg") {
            assert!(kept > 0, "{name}");
        }
    }
}

#[test]
fn pictures_are_scaled_as_pillow_scales_them() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = pictures(dir.path());
    let all = manifest["resized"].as_array().unwrap();
    assert!(all.len() >= 12);
    for one in all {
        let read = |key: &str| fs::read(dir.path().join(one[key].as_str().unwrap())).unwrap();
        let side = |i: usize| one["to"][i].as_u64().unwrap() as usize;
        let p = Pixels::decode(&read("name"), &PixelRules::default()).unwrap().cover(side(0), side(1)).unwrap();
        let expected = read("resized");
        assert_eq!(p.data.len(), expected.len(), "{one}");
        assert!(apart(&p.data, &expected) <= 1, "{one}: {} levels apart", apart(&p.data, &expected));
    }
}

/// A bit of a JPEG's headers that was turned over: refused, or the picture that Pillow sees.
#[test]
fn no_damage_to_the_headers_of_a_jpeg_gives_a_picture_that_pillow_does_not_see() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path());
    let names = [
        "17x33-420-baseline.jpg",
        "17x33-422-progressive.jpg",
        "grey-progressive.jpg",
        "16x16-grey.jpg",
        "restart.jpg",
        "optimised.jpg",
        "rgb.jpg",
        "cmyk-False.jpg",
    ];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/flips.py");
    let made = Command::new(python("Pillow")).arg("-B").arg(script).arg(dir.path()).args(names).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let flips: Value = serde_json::from_slice(&fs::read(dir.path().join("flips.json")).unwrap()).unwrap();
    let wrong: Vec<String> =
        names.par_iter().flat_map_iter(|name| flips_read_wrong(dir.path(), name, &flips[*name])).collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Flips of one file that give a picture, and not the one that Python names by its checksum.
fn flips_read_wrong(folder: &Path, name: &str, flips: &Value) -> Vec<String> {
    let whole = fs::read(folder.join(name)).unwrap();
    let flips = flips.as_array().unwrap();
    let (mut wrong, mut refused, mut read) = (Vec::new(), 0, 0);
    for flip in flips {
        let (at, bit) = (flip[0].as_u64().unwrap() as usize, flip[1].as_u64().unwrap());
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        let Ok(p) = Pixels::decode(&changed, &PixelRules::default()) else {
            refused += 1;
            continue;
        };
        read += 1;
        let size: Vec<u8> = [p.h, p.w, p.c].iter().flat_map(|n| (*n as u32).to_le_bytes()).collect();
        let mut crc = crc32fast::Hasher::new();
        crc.update(&size);
        crc.update(&p.data);
        if flip[2].as_u64() != Some(crc.finalize().into()) {
            let pillow = if flip[2].is_null() { "refused by Pillow" } else { "another picture than Pillow's" };
            wrong.push(format!("{name}: byte {at}, bit {bit}: {}x{}x{}, {pillow}", p.h, p.w, p.c));
        }
    }
    // Densities and the like change nothing, and steps of quantization the same as there.
    assert!(refused > 500 && read > 100, "{name}: {refused} refused, {read} read");
    wrong
}
