//! Images that stay in their files, and packed sets: what comes out is what comes out of memory.

use image::RgbImage;
use onebit::data::augment::{Flip, RandomResizedCrop};
use onebit::data::{
    AugmentSpec, Background, Batch, Dataset, Images, Loader, LoaderOptions, OnError, OpenOptions, PackOptions,
    PixelRules, Split, pack,
};
use onebit::tensor::columns;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Pictures of several sizes in two classes: colours that change from place to place.
fn pictures() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        for part in ["train", "test"] {
            let folder = dir.path().join(part).join(name);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..6u32 {
                let (w, h) = (24 + 7 * i, 40 - 3 * i);
                let colour = |x: u32, y: u32| image::Rgb([(5 * x) as u8, (6 * y) as u8, (40 * i) as u8 + class as u8]);
                RgbImage::from_fn(w, h, colour).save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
    dir
}

fn options(memory: Option<u64>, crops: bool) -> OpenOptions {
    OpenOptions { size: Some([16, 16]), memory, crops, ..OpenOptions::default() }
}

fn open(path: &Path, options: &OpenOptions) -> Split {
    Dataset::open(path, options).unwrap_or_else(|e| panic!("{e}"))
}

fn is_encoded(set: &Dataset) -> bool {
    matches!(set.images, Images::Encoded(_))
}

/// A random crop brought to a square, mirrored or not.
fn crop(size: usize) -> AugmentSpec {
    AugmentSpec {
        random_resized_crop: Some(RandomResizedCrop { size: Some([size; 2]), ..Default::default() }),
        flip: Some(Flip::default()),
        ..Default::default()
    }
}

fn loader(split: &Split, views: Vec<AugmentSpec>) -> Loader {
    let options = LoaderOptions { views, ..LoaderOptions::train(4, 5, AugmentSpec::default()) };
    Loader::new(split.train.clone(), options).unwrap()
}

#[test]
fn without_memory_the_same_images_come_from_their_files() {
    let dir = pictures();
    let (kept, none) = (open(dir.path(), &options(None, false)), open(dir.path(), &options(Some(0), false)));
    assert!(!is_encoded(&kept.train) && is_encoded(&none.train) && is_encoded(&none.test));
    assert!(none.notes.iter().any(|n| n.contains("24 images are decoded as they are needed")), "{:?}", none.notes);
    assert_eq!(kept.manifest(), none.manifest());
    for (a, b) in [(&kept.train, &none.train), (&kept.test, &none.test)] {
        assert_eq!((a.len(), &a.labels, &a.classes), (b.len(), &b.labels, &b.classes));
        assert_eq!(a.pixels().unwrap(), b.pixels().unwrap());
        assert_eq!(a.stats().unwrap(), b.stats().unwrap());
        let some = [3, 0, 5];
        assert_eq!(a.select(&some).pixels().unwrap(), b.select(&some).pixels().unwrap());
        assert_eq!(a.image(2).unwrap(), b.image(2).unwrap());
    }
    let all = |split: &Split| -> Vec<Batch> { loader(split, vec![]).epoch(1).map(Result::unwrap).collect() };
    assert_eq!(all(&kept), all(&none));
}

#[test]
fn crops_of_whole_pictures_are_functions_of_seed_epoch_and_step() {
    let dir = pictures();
    // With room for all originals, with none, and read again from another step on.
    let (kept, none) = (open(dir.path(), &options(None, true)), open(dir.path(), &options(Some(0), true)));
    assert!(kept.train.crops_originals() && none.train.crops_originals());
    assert!(!is_encoded(&kept.test), "what is tested on fits");
    let views = vec![crop(12), crop(6)];
    let (a, b) = (loader(&kept, views.clone()), loader(&none, views));
    let all: Vec<Batch> = a.start_at(0, 0).take(7).map(Result::unwrap).collect();
    for (k, batch) in all.iter().enumerate() {
        assert_eq!(*batch, b.batch(k as u64 / 3, k % 3).unwrap());
        assert_eq!(*batch, a.batch(k as u64 / 3, k % 3).unwrap());
        let extents: Vec<&[usize]> = batch.images.iter().map(|t| &t.shape()[..]).collect();
        assert_eq!(extents, [[4, 12 * 12 * 3], [4, 6 * 6 * 3]]);
        for (parameters, side) in batch.augment.iter().zip([12.0, 6.0]) {
            for row in parameters.f32s().chunks(columns::COUNT) {
                assert_eq!(row[..4], [0.0, 0.0, side, side], "the device crops nothing more");
            }
        }
    }
    assert_ne!(all[0].images[0], all[3].images[0]);
    let again: Vec<Batch> = b.start_at(1, 2).take(2).map(Result::unwrap).collect();
    assert_eq!(again, all[5..]);
}

#[test]
fn a_crop_reaches_what_a_square_has_lost() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let folder = dir.path().join("train").join(name);
        fs::create_dir_all(&folder).unwrap();
        // 16 x 64: white but for the first and the last 16 columns, which the middle square does not have.
        let colour = |x: u32, _| if (16..48).contains(&x) { image::Rgb([255; 3]) } else { image::Rgb([0; 3]) };
        (0..8).for_each(|i| RgbImage::from_fn(64, 16, colour).save(folder.join(format!("{i}.png"))).unwrap());
    }
    let spec = AugmentSpec { flip: None, ..crop(8) };
    let darkest = |crops: bool| {
        let batches = loader(&open(dir.path(), &options(None, crops)), vec![spec.clone()]);
        let pixels = (0..12).flat_map(|k| batches.batch(k, 0).unwrap().images[0].to_f64());
        pixels.fold(f64::INFINITY, f64::min)
    };
    assert_eq!((darkest(false), darkest(true)), (255.0, 0.0));
}

#[test]
fn pictures_of_the_size_asked_for_are_cropped_on_the_device() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let folder = dir.path().join("train").join(name);
        fs::create_dir_all(&folder).unwrap();
        (0..4).for_each(|i| {
            RgbImage::from_pixel(16, 16, image::Rgb([i; 3])).save(folder.join(format!("{i}.png"))).unwrap()
        });
    }
    for memory in [None, Some(0)] {
        let split = open(dir.path(), &options(memory, true));
        assert!(!split.train.crops_originals(), "what is cropped does not depend on the memory");
        assert_eq!(is_encoded(&split.train), memory.is_some());
        let batch = loader(&split, vec![crop(12)]).batch(0, 0).unwrap();
        assert_eq!(batch.images.len(), 1);
        assert_eq!(batch.images[0].shape()[..], [4, 16 * 16 * 3]);
    }
}

#[test]
fn a_file_that_goes_bad_is_named_or_another_takes_its_place() {
    let dir = pictures();
    let stop = open(dir.path(), &options(Some(0), true));
    let skip = OpenOptions { on_error: OnError::Skip, most_skipped: 0.1, ..options(Some(0), true) };
    let skip = open(dir.path(), &skip);
    let bad = dir.path().join("train/ant/2.png");
    fs::write(&bad, b"\x89PNG\r\n\x1a\n and no more").unwrap();
    let message = |split: &Split| loader(split, vec![crop(12)]).epoch(0).find_map(Result::err).map(|e| e.to_string());
    let told = message(&stop).expect("the file is bad");
    assert!(told.contains("ant/2.png") && told.contains("data.on_error=skip"), "{told}");
    assert_eq!(message(&skip), None);
    let batches: Vec<Batch> = loader(&skip, vec![crop(12)]).epoch(0).map(Result::unwrap).collect();
    for batch in &batches {
        let labels = batch.labels.as_ref().unwrap().words();
        assert!(!batch.indices.contains(&2));
        batch
            .indices
            .iter()
            .zip(labels)
            .for_each(|(i, l)| assert_eq!(skip.train.labels.as_ref().unwrap()[*i as usize], *l));
    }
    let Images::Encoded(files) = &skip.train.images else { panic!("the images are in files") };
    let [(path, reason)] = &files.skipped()[..] else { panic!("{:?}", files.skipped()) };
    assert!(path.ends_with("2.png") && !reason.is_empty());
    // Two more are too many: a tenth of 24 images is two.
    fs::write(dir.path().join("train/ant/3.png"), b"").unwrap();
    fs::write(dir.path().join("train/bee/3.png"), b"").unwrap();
    let told = message(&skip).expect("too many files are bad");
    assert!(told.contains("at most 2") && told.contains("data.most_skipped"), "{told}");
}

/// All batches of the training part of an epoch, or the first error.
fn epoch(split: &Split) -> Result<Vec<Batch>, String> {
    loader(split, vec![]).epoch(0).collect::<Result<_, _>>().map_err(|e| e.to_string())
}

#[test]
fn a_set_that_changes_while_it_is_read_is_noticed() {
    const CHANGED: &str = "the set changed while it was read";
    let source = pictures();
    let packed = |name: &str| {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join(name);
        let of = |part: &str, i: usize| source.path().join(format!("{part}/{}/{i}.png", ["ant", "bee"][i % 2]));
        let all = ["train", "test"].into_iter().flat_map(|part| (0..6).map(move |i| (part, i)));
        let names = all.map(|(part, i)| (format!("{part}/{}/{i}.png", ["ant", "bee"][i % 2]), of(part, i)));
        if name.ends_with(".tar") {
            let mut tar = tar::Builder::new(fs::File::create(&to).unwrap());
            names.for_each(|(name, path)| tar.append_path_with_name(path, name).unwrap());
            tar.finish().unwrap();
        } else {
            let mut zip = zip::ZipWriter::new(fs::File::create(&to).unwrap());
            for (name, path) in names {
                zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
                std::io::Write::write_all(&mut zip, &fs::read(path).unwrap()).unwrap();
            }
            zip.finish().unwrap();
        }
        (dir, to)
    };
    // Other bytes in the place of an archive's: no picture any more, and no damage of the archive either.
    for name in ["set.tar", "set.zip"] {
        let (_dir, archive) = packed(name);
        let split = open(&archive, &options(Some(0), false));
        assert!(epoch(&split).is_ok());
        let size = fs::metadata(&archive).unwrap().len() as usize;
        fs::write(&archive, vec![0x55; size + 1]).unwrap();
        let told = epoch(&split).unwrap_err();
        assert!(told.contains(name) && told.contains(CHANGED), "{told}");
        fs::write(&archive, b"short").unwrap();
        let told = epoch(&split).unwrap_err();
        assert!(told.contains(name) && told.contains(CHANGED), "{told}");
    }
    // A file in the place of another one, as good a picture as that; one that is gone; and a pipe.
    let one = source.path().join("train/ant/1.png");
    let kept = fs::read(&one).unwrap();
    let split = open(source.path(), &options(Some(0), false));
    let skip = OpenOptions { on_error: OnError::Skip, most_skipped: 0.1, ..options(Some(0), false) };
    let skip = open(source.path(), &skip);
    let mut ways: Vec<fn(&Path)> =
        vec![|one| assert!(fs::copy(one.with_file_name("2.png"), one).is_ok()), |one| fs::remove_file(one).unwrap()];
    if cfg!(unix) {
        ways.push(|one| {
            assert!(std::process::Command::new("mkfifo").arg(one).status().unwrap().success());
        });
    }
    for change in ways {
        change(&one);
        let told = epoch(&split).unwrap_err();
        assert!(told.contains("ant/1.png") && told.contains(CHANGED), "{told}");
        assert!(epoch(&skip).is_ok());
        let Images::Encoded(files) = &skip.train.images else { panic!("the images are in files") };
        let [(path, reason)] = &files.skipped()[..] else { panic!("{:?}", files.skipped()) };
        assert!(path.ends_with("1.png") && reason.contains(CHANGED), "{reason}");
    }
    fs::remove_file(&one).unwrap();
    fs::write(&one, &kept).unwrap();
    assert!(epoch(&split).is_ok(), "the bytes count, and not their time");
    // Another one with the time of the first.
    let time = fs::metadata(&one).unwrap().modified().unwrap();
    let mut other = kept.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&one, &other).unwrap();
    fs::File::options().write(true).open(&one).unwrap().set_modified(time).unwrap();
    let split = open(source.path(), &options(Some(0), false));
    fs::write(&one, &kept).unwrap();
    fs::File::options().write(true).open(&one).unwrap().set_modified(time).unwrap();
    let told = epoch(&split).unwrap_err();
    assert!(told.contains("the time and the size of its file are the same") && !told.contains(CHANGED), "{told}");
}

/// Records of a file that is written anew while they are read.
#[test]
fn records_that_change_while_they_are_read_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let idx = |extents: &[u32], data: Vec<u8>| {
        let head =
            [&[0, 0, 8, extents.len() as u8][..], &extents.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>()];
        [head.concat(), data].concat()
    };
    let images = |first: u8| idx(&[8, 4, 4], (0..128).map(|i| i as u8 ^ first).collect());
    let at = dir.path().join("train-images-idx3-ubyte");
    fs::write(&at, images(0)).unwrap();
    fs::write(dir.path().join("train-labels-idx1-ubyte"), idx(&[8], (0..8).map(|i| i % 2).collect())).unwrap();
    let options = OpenOptions { memory: Some(0), test_share: 0.0, ..OpenOptions::default() };
    let split = open(dir.path(), &options);
    assert!(epoch(&split).is_ok());
    fs::write(&at, images(1)).unwrap();
    let told = epoch(&split).unwrap_err();
    assert!(told.contains("train-images-idx3-ubyte#") && told.contains("it is not what it was"), "{told}");
}

/// A picture whose header can be read and whose pixels cannot.
#[test]
fn what_is_skipped_does_not_depend_on_the_memory() {
    let dir = pictures();
    let path = dir.path().join("train/bee/4.png");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20].fill(0xaa);
    fs::write(&path, bytes).unwrap();
    let skip = |memory| OpenOptions { on_error: OnError::Skip, most_skipped: 0.1, ..options(memory, false) };
    let (kept, none) = (open(dir.path(), &skip(None)), open(dir.path(), &skip(Some(0))));
    assert_eq!((kept.train.len(), kept.skipped.len()), (11, 1));
    assert_eq!((&kept.skipped, kept.manifest()), (&none.skipped, none.manifest()));
    assert_eq!(kept.train.pixels().unwrap(), none.train.pixels().unwrap());
}

#[test]
fn what_is_known_of_a_file_holds_as_long_as_its_size_and_time() {
    let dir = pictures();
    let first = open(dir.path(), &options(Some(0), true)).manifest();
    assert_eq!(open(dir.path(), &options(Some(0), true)).manifest(), first);
    let changed = dir.path().join("train/bee/1.png");
    RgbImage::from_pixel(9, 9, image::Rgb([1, 2, 3])).save(&changed).unwrap();
    let second = open(dir.path(), &options(Some(0), true)).manifest();
    assert_ne!(second.fingerprint(), first.fingerprint());
    assert_eq!(second, open(dir.path(), &options(None, false)).manifest());
}

fn packed(dir: &Path, name: &str, size: Option<usize>) -> PathBuf {
    let to = dir.join(name);
    let options = PackOptions { size, quality: 90, open: OpenOptions::default() };
    let mut told = Vec::new();
    let summary = pack(&dir.join("set"), &to, &options, &mut |done, all| {
        told.push((done, all));
        Ok(())
    })
    .unwrap();
    assert_eq!((summary.images, summary.bytes), (24, fs::metadata(&to).unwrap().len()));
    assert_eq!(told.last(), Some(&(24, 24)));
    to
}

#[test]
fn a_packed_set_is_the_set() {
    let (dir, source) = (tempfile::tempdir().unwrap(), pictures());
    fs::rename(source.path(), dir.path().join("set")).unwrap();
    let whole = packed(dir.path(), "whole.1img", None);
    let (folder, file) = (open(&dir.path().join("set"), &options(None, false)), open(&whole, &options(None, false)));
    for (a, b) in [(&folder.train, &file.train), (&folder.test, &file.test)] {
        assert_eq!((&a.name, &a.labels, &a.classes, &a.origins), (&b.name, &b.labels, &b.classes, &b.origins));
        assert_eq!(a.pixels().unwrap(), b.pixels().unwrap());
    }
    assert_eq!(folder.manifest().fingerprint(), file.manifest().fingerprint());
    let black = OpenOptions {
        pixels: PixelRules { background: Background::Black, ..Default::default() },
        ..options(None, false)
    };
    assert!(Dataset::open(&whole, &black).is_ok());
    let on_white = packed(dir.path(), "white.1img", Some(20));
    let told = Dataset::open(&on_white, &black).unwrap_err().to_string();
    assert!(told.contains("white.1img") && told.contains("data.background=black"), "{told}");
    // Made smaller: the shorter side is 20, JPEG changes little.
    let small = open(&packed(dir.path(), "small.1img", Some(20)), &options(Some(0), false));
    assert_eq!(small.train.labels, folder.train.labels);
    let (a, b) = (folder.train.pixels().unwrap(), small.train.pixels().unwrap());
    let apart: f64 = a.iter().zip(b.iter()).map(|(x, y)| x.abs_diff(*y) as f64).sum::<f64>() / a.len() as f64;
    assert!(apart > 0.0 && apart < 8.0, "{apart} levels on average");
}

#[test]
fn records_are_packed_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    fs::create_dir(&set).unwrap();
    let idx = |extents: &[u32], data: Vec<u8>| {
        let mut out = vec![0, 0, 8, extents.len() as u8];
        extents.iter().for_each(|e| out.extend(e.to_be_bytes()));
        out.extend(data);
        out
    };
    for (part, n) in [("train", 20u32), ("t10k", 4)] {
        let pixels = (0..n * 9).map(|i| (i * 7 % 251) as u8).collect();
        fs::write(set.join(format!("{part}-images-idx3-ubyte")), idx(&[n, 3, 3], pixels)).unwrap();
        fs::write(set.join(format!("{part}-labels-idx1-ubyte")), idx(&[n], (0..n).map(|i| (i % 2) as u8).collect()))
            .unwrap();
    }
    let plain = OpenOptions::default();
    let (a, b) = (open(&set, &plain), open(&packed(dir.path(), "a.1img", Some(256)), &plain));
    assert_eq!((a.train.pixels().unwrap(), &a.train.labels), (b.train.pixels().unwrap(), &b.train.labels));
    assert_eq!((a.test.pixels().unwrap(), &a.test.labels), (b.test.pixels().unwrap(), &b.test.labels));
}

#[test]
fn a_packed_set_that_is_cut_or_changed_is_refused() {
    let (dir, source) = (tempfile::tempdir().unwrap(), pictures());
    fs::rename(source.path(), dir.path().join("set")).unwrap();
    let path = packed(dir.path(), "a.1img", None);
    let bytes = fs::read(&path).unwrap();
    let opened = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Dataset::open(&path, &options(None, false)).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(opened(&bytes), Ok(()));
    for cut in [0, 3, 4, 20, 31, 32, bytes.len() / 2, bytes.len() - 1] {
        let m = opened(&bytes[..cut]).unwrap_err();
        assert!(m.contains("a.1img"), "{cut}: {m}");
    }
    // A bit of everything: header, images, index.
    for at in (0..32).chain((32..bytes.len()).step_by(97)) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let m = opened(&changed).expect_err(&format!("byte {at} of {} is changed", bytes.len()));
        assert!(m.contains("a.1img"), "{at}: {m}");
    }
    let m = pack(
        &dir.path().join("set"),
        &dir.path().join("no/a.1img"),
        &PackOptions { size: None, quality: 90, open: OpenOptions::default() },
        &mut |_, _| Ok(()),
    )
    .unwrap_err()
    .to_string();
    assert!(m.contains("no/a.1img"), "{m}");
}

/// Image files that were unpacked into memory count there, and that is said.
#[test]
fn files_that_lie_compressed_together_take_their_share_of_the_memory() {
    let dir = pictures();
    let mut packed = Vec::new();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast()));
    tar.append_dir_all(".", dir.path()).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let archive = dir.path().join("set.tar.gz");
    fs::write(&archive, &packed).unwrap();
    // Room for all pixels of 24 images of 16 x 16, and not for their files too.
    let room = Some(24 * 16 * 16 * 3 + 100);
    let (plain, packed) =
        (open(&dir.path().join("train"), &options(room, false)), open(&archive, &options(room, false)));
    assert!(!is_encoded(&plain.train) && is_encoded(&packed.test));
    assert!(packed.notes.iter().any(|n| n.contains("are kept in memory") && n.contains("onebit pack")), "{packed}");
    let whole = open(&archive, &options(None, false));
    assert!(!is_encoded(&whole.test) && !whole.notes.iter().any(|n| n.contains("onebit pack")), "{whole}");
    assert_eq!(whole.test.pixels().unwrap(), packed.test.pixels().unwrap());
}
