//! Archives, against what Python's own modules unpack from them, and layouts that those do not make.

use flate2::Compression;
use flate2::write::GzEncoder;
use onebit::data::{Dataset, OpenOptions, Split};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;
use tar::{Builder, EntryType, Header};

const SEEDS: u64 = 6;

fn open(path: &Path) -> Result<Split, String> {
    let options = OpenOptions { test_share: 0.0, ..OpenOptions::default() };
    Dataset::open(path, &options).map_err(|e| e.to_string())
}

/// Names, sizes and checksums of all images.
fn listed(split: &Split) -> Vec<(String, u64, u32)> {
    let mut all: Vec<_> =
        split.train.origins.as_ref().unwrap().iter().map(|o| (o.name.clone(), o.bytes, o.crc32)).collect();
    all.sort();
    all
}

fn names(split: &Split) -> Vec<String> {
    listed(split).into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn random_archives_hold_what_python_unpacks() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/archives.py");
    let mut images = 0;
    for seed in 0..SEEDS {
        let folder = tempfile::tempdir().unwrap();
        let python = Command::new("python3").arg(script).arg(seed.to_string()).arg(folder.path()).output();
        let python = python.expect("this test needs python3");
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        let text = fs::read_to_string(folder.path().join("expected.json")).unwrap();
        let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(expected.len() > 20);
        for (archive, files) in expected {
            let of = |v: &serde_json::Value| {
                let (bytes, crc) = (v[1].as_u64().unwrap(), v[2].as_u64().unwrap() as u32);
                (v[0].as_str().unwrap().to_string(), bytes, crc)
            };
            let mut files: Vec<_> = files.as_array().unwrap().iter().map(of).collect();
            files.sort();
            let split = open(&folder.path().join(&archive)).unwrap_or_else(|e| panic!("seed {seed}, {archive}: {e}"));
            assert_eq!(listed(&split), files, "seed {seed}, {archive}");
            images += files.len();
        }
    }
    assert!(images > 1000, "{images}");
}

// ---- members made by hand -------------------------------------------------------------------------------------------

fn png(value: u8) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(4, 4, image::Rgb([value, 0, 0])).write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

fn file(tar: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, name, bytes).unwrap();
}

fn link(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, target: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    tar.append_link(&mut header, name, target).unwrap();
}

/// Two classes of two images each, and what `more` adds.
fn tar(more: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (i, name) in ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"].iter().enumerate() {
        file(&mut tar, name, &png(i as u8));
    }
    more(&mut tar);
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Opens bytes as a file of that name; and, if it is a tar, the same compressed, which must give the same.
fn opened(name: &str, bytes: &[u8]) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        open(&path)
    };
    let plain = at(name, bytes);
    if name.ends_with(".tar") {
        let packed = at(&format!("{name}.gz"), &gzip(bytes));
        let zstd = at(&format!("{name}.zst"), &zstd::encode_all(bytes, 1).unwrap());
        assert_eq!(plain.is_ok(), packed.is_ok());
        if let (Ok(plain), Ok(packed)) = (&plain, packed) {
            assert_eq!(listed(plain), listed(&packed));
            assert_eq!(listed(plain), listed(&zstd.unwrap()));
            assert_eq!(plain.left_out.count(), packed.left_out.count());
        }
    }
    plain
}

#[test]
fn links_that_lead_nowhere_or_outside_are_named() {
    let bytes = tar(|tar| {
        link(tar, EntryType::Symlink, "cat/out.png", "../../secret.png");
        link(tar, EntryType::Symlink, "cat/root.png", "/etc/secret.png");
        link(tar, EntryType::Symlink, "cat/gone.png", "none.png");
        link(tar, EntryType::Link, "cat/hard.png", "dog/none.png");
        link(tar, EntryType::Fifo, "cat/pipe.png", "x");
    });
    let split = opened("a.tar", &bytes).unwrap();
    assert_eq!(names(&split), ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]);
    let told = split.left_out.to_string();
    for part in [
        "2 a link that leaves the archive (cat/out.png, cat/root.png)",
        "1 a link to nothing (cat/gone.png)",
        "cat/hard.png",
        "1 neither a file nor a folder (cat/pipe.png)",
    ] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    assert!(split.to_string().contains("5 left out"), "{split}");
}

#[test]
fn links_to_folders_are_followed_and_circles_refused() {
    let bytes = tar(|tar| {
        link(tar, EntryType::Symlink, "eel", "dog");
        link(tar, EntryType::Symlink, "cat/more", "../dog");
    });
    let split = opened("a.tar", &bytes).unwrap();
    let expected =
        ["cat/0.png", "cat/1.png", "cat/more/0.png", "cat/more/1.png", "dog/0.png", "dog/1.png", "eel/0.png"];
    assert_eq!(names(&split)[..7], expected);
    assert_eq!(split.train.classes, ["cat", "dog", "eel"]);
    for (name, target) in [("cat/up", ".."), ("cat/self", "."), ("a", "a"), ("cat/x/y", "../../cat")] {
        let error = opened("a.tar", &tar(|tar| link(tar, EntryType::Symlink, name, target))).unwrap_err();
        assert!(error.contains(name) && error.contains("no end"), "{error}");
    }
    // Folders of links to folders of links: two to the power of thirty names, none of a file.
    let many = tar(|tar| {
        for i in 0..30 {
            link(tar, EntryType::Symlink, &format!("f{i}/a"), &format!("../f{}", i + 1));
            link(tar, EntryType::Symlink, &format!("f{i}/b"), &format!("../f{}", i + 1));
        }
        link(tar, EntryType::Symlink, "f30/a", "nothing");
    });
    assert!(opened("a.tar", &many).unwrap_err().contains("too often"));
    let two = tar(|tar| {
        link(tar, EntryType::Symlink, "cat/to-dog", "../dog");
        link(tar, EntryType::Symlink, "dog/to-cat", "../cat");
    });
    assert!(opened("a.tar", &two).unwrap_err().contains("no end"));
}

#[test]
fn a_file_with_holes_is_read_with_them() {
    let picture = png(9);
    let mut header = Header::new_gnu();
    header.set_path("cat/holes.png").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(picture.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |n: usize| -> [u8; 12] { format!("{n:011o}\0").into_bytes().try_into().unwrap() };
    // The picture, then a hole of 700 bytes, which ends with the file.
    gnu.sparse[0].offset = octal(0);
    gnu.sparse[0].numbytes = octal(picture.len());
    gnu.sparse[1].offset = octal(picture.len() + 700);
    gnu.sparse[1].numbytes = octal(0);
    gnu.realsize = octal(picture.len() + 700);
    header.set_cksum();
    let bytes = tar(|tar| {
        tar.append(&header, &picture[..]).unwrap();
        file(tar, "cat/9.png", &png(8));
    });
    let split = opened("a.tar", &bytes).unwrap();
    let at = split.train.origins.as_ref().unwrap().iter().position(|o| o.name == "cat/holes.png").unwrap();
    let whole = [&picture[..], &[0; 700]].concat();
    let origin = &split.train.origins.as_ref().unwrap()[at];
    assert_eq!((origin.bytes, origin.crc32), (whole.len() as u64, crc32fast::hash(&whole)));
    assert_eq!(split.train.image(at).unwrap()[..3], [9, 0, 0]);
    assert_eq!(split.train.len(), 6);

    let pax = tar(|tar| {
        tar.append_pax_extensions([("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.name", b"cat/real.png")]).unwrap();
        file(tar, "GNUSparseFile.0/real.png", &png(1));
    });
    let error = opened("a.tar", &pax).unwrap_err();
    assert!(error.contains("cat/real.png") && error.contains("sparse"), "{error}");
}

#[test]
fn bytes_after_the_end_are_counted_and_more_archives_read() {
    let bytes = [tar(|_| {}), b"what is this".repeat(100)].concat();
    let split = opened("a.tar", &bytes).unwrap();
    assert_eq!(split.train.len(), 4);
    assert!(split.left_out.to_string().contains("after the end of the tar, and no tar (1200 bytes"), "{split}");

    let mut second = Builder::new(Vec::new());
    file(&mut second, "emu/0.png", &png(50));
    file(&mut second, "cat/0.png", &png(60));
    // One block of zeros, no block at all, or many between them.
    let first = tar(|_| {});
    let end = first.len() - 1024;
    let second = second.into_inner().unwrap();
    for zeros in [0, 512, 1024, 10_240] {
        let both = [&first[..end], &vec![0; zeros], &second].concat();
        let split = opened("a.tar", &both).unwrap();
        assert_eq!(split.train.classes, ["cat", "dog", "emu"], "{zeros}");
        assert_eq!(split.train.image(0).unwrap()[0], 60, "the last of a name counts");
        assert!(split.left_out.to_string().contains("1 an older version of a file that comes again (cat/0.png)"));
    }
}

#[test]
fn names_are_only_names() {
    let mut header = Header::new_gnu();
    header.set_size(png(1).len() as u64);
    let raw = |header: &mut Header, name: &[u8]| {
        header.as_old_mut().name.fill(0);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_cksum();
    };
    let bytes = tar(|tar| {
        for name in [&b"../../cat/2.png"[..], b"/abs/cat/3.png", b"caf\xe9/0.png", b"caf\xe8/0.png"] {
            raw(&mut header, name);
            tar.append(&header, &png(1)[..]).unwrap();
        }
    });
    let split = opened("a.tar", &bytes).unwrap();
    assert_eq!(names(&split)[..4], ["../../cat/2.png", "abs/cat/3.png", "caf\\xe8/0.png", "caf\\xe9/0.png"]);
    assert_eq!(split.train.classes, ["..", "abs", "caf\\xe8", "caf\\xe9", "cat", "dog"]);
}

#[test]
fn archives_that_are_not_read_say_what_they_are() {
    for (head, what) in [
        (&b"\xfd7zXZ\0\0\0"[..], "xz"),
        (b"BZh91AY&SY", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (b"Rar!\x1a\x07\x01\0", "rar"),
    ] {
        let error = opened("a.bin", head).unwrap_err();
        assert!(error.contains(what) && error.contains("unpack it first"), "{error}");
    }
}

// ---- zip -----------------------------------------------------------------------------------------------------------

fn zip_of(more: impl FnOnce(&mut zip::ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, method)) in [
        ("cat/0.png", zip::CompressionMethod::Stored),
        ("cat/1.png", zip::CompressionMethod::Deflated),
        ("dog/0.png", zip::CompressionMethod::Zstd),
    ]
    .into_iter()
    .enumerate()
    {
        zip.start_file(name, options().compression_method(method)).unwrap();
        zip.write_all(&png(i as u8)).unwrap();
    }
    more(&mut zip);
    zip.finish().unwrap().into_inner()
}

fn options() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default()
}

#[test]
fn zips_of_every_method_with_links_and_large_fields() {
    let bytes = zip_of(|zip| {
        zip.add_symlink("dog/1.png", "../cat/0.png", options()).unwrap();
        zip.add_symlink("emu", "cat", options()).unwrap();
        zip.start_file("dog/2.png", options().large_file(true)).unwrap();
        zip.write_all(&png(7)).unwrap();
        zip.start_file("__MACOSX/dog/._2.png", options()).unwrap();
        zip.write_all(b"resource").unwrap();
        zip.add_directory("empty", options()).unwrap();
    });
    let split = opened("a.zip", &bytes).unwrap();
    let all = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "dog/2.png", "emu/0.png", "emu/1.png"];
    assert_eq!(names(&split), all);
    let values: Vec<u8> = (0..7).map(|i| split.train.image(i).unwrap()[0]).collect();
    assert_eq!(values, [0, 1, 2, 0, 7, 0, 1]);
    let told = split.left_out.to_string();
    assert!(told.contains("a service folder (__MACOSX)") && told.contains("an empty folder (empty)"), "{told}");
}

#[test]
fn a_damaged_zip_is_named() {
    let bytes = zip_of(|_| {});
    let error = opened("a.zip", &bytes[..bytes.len() - 30]).unwrap_err();
    assert!(error.contains("a.zip") && error.contains("cut short or damaged"), "{error}");
    // A byte of a picture's data that is stored as it is: its checksum tells.
    let at = bytes.windows(4).position(|w| w == b"IDAT").unwrap() + 6;
    let mut wrong = bytes.clone();
    wrong[at] ^= 1;
    let error = opened("a.zip", &wrong).unwrap_err();
    assert!(error.contains("cat/0.png") && error.contains("checksum"), "{error}");
    // The flag of encryption, in the list at the end.
    let mut locked = bytes;
    let entry = locked.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    locked[entry + 8] |= 1;
    let error = opened("a.zip", &locked).unwrap_err();
    assert!(error.contains("dog/0.png") && error.contains("encrypted"), "{error}");
    assert!(opened("a.zip", b"no zip at all").unwrap_err().contains("a.zip"));
}

#[test]
fn a_tar_without_its_end_is_told() {
    const NOTE: &str = "the tar has no mark at its end";
    let whole = tar(|_| ());
    let noted = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let noted = [("a.tar", bytes.to_vec()), ("a.tar.gz", gzip(bytes))].map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            open(&path).unwrap().notes.iter().any(|n| n.contains(NOTE))
        });
        assert_eq!(noted[0], noted[1]);
        noted[0]
    };
    assert!(!noted(&whole));
    // One block of zeros is an end as well.
    assert!(!noted(&whole[..whole.len() - 512]));
    assert!(noted(&whole[..whole.len() - 1024]));
    // Two archives, one after the other: the first has no end, and goes on.
    assert!(!noted(&[&whole[..whole.len() - 1024], &whole].concat()));
    assert!(noted(&[&whole[..], &whole[..whole.len() - 1024]].concat()));
}

#[test]
fn what_lies_at_one_place_counts_once() {
    let mut all = Builder::new(Vec::new());
    for (i, name) in ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "cat/xxx/0.png"].iter().enumerate() {
        file(&mut all, name, &png(i as u8));
    }
    let mut bytes = all.into_inner().unwrap();
    // A library that writes archives refuses such names.
    let at = bytes.windows(13).position(|w| w == b"cat/xxx/0.png").unwrap();
    bytes[at..at + 16].copy_from_slice(b"cat/x/../0.png\0\0");
    let header = at;
    bytes[header + 148..header + 156].fill(b' ');
    let sum: u32 = bytes[header..header + 512].iter().map(|b| u32::from(*b)).sum();
    bytes[header + 148..header + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let split = opened("a.tar", &bytes).unwrap();
    assert_eq!(names(&split), ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]);
    assert!(split.left_out.to_string().contains("an older version of a file that comes again (cat/0.png)"));
}
