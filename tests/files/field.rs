//! Inputs from the field: on each a user was once told the wrong thing, or nothing. Small ones lie in `tests/data/field`.

use image::RgbImage;
use onebit::data::{Dataset, OnError, OpenOptions, Split};
use std::fs;
use std::path::{Path, PathBuf};

fn field(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field").join(name)
}

fn all_for_training() -> OpenOptions {
    OpenOptions { test_share: 0.0, ..OpenOptions::default() }
}

fn open(path: &Path) -> Split {
    Dataset::open(path, &all_for_training()).unwrap()
}

fn refused(path: &Path, words: &[&str]) -> String {
    let message = Dataset::open(path, &all_for_training()).expect_err("an error").to_string();
    assert!(message.contains(path.to_str().unwrap()), "the path is not in: {message}");
    words.iter().for_each(|word| assert!(message.contains(word), "{word:?} is not in: {message}"));
    message
}

fn png(path: &Path, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(4, 4, image::Rgb([value, 0, 0])).save_with_format(path, image::ImageFormat::Png).unwrap();
}

// ---- labels and test images that change meaning --------------------------------------------------------------------

#[test]
fn a_folder_beside_the_parts_that_is_none_stops() {
    refused(&field("extra-folder-beside-train/extra_top"), &["\"pred\"", "test, train"]);
    refused(&field("extra-folder-beside-train/mvtec"), &["\"ground_truth\"", "test, train"]);
    refused(&field("extra-folder-beside-train/dev"), &["\"dev\"", "train"]);
    refused(&field("extra-folder-beside-train/intel"), &["seg_test, seg_train"]);
    for stranger in ["eval", "holdout", "test1", "all", "Ground Truth", "unlabeled"] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train/cat/0.png", "train/dog/0.png", "Test/cat/1.png", &format!("{stranger}/x/0.png")] {
            png(&folder.path().join(name), 1);
        }
        refused(folder.path(), &[&format!("{stranger:?}"), "Test, train", "rename"]);
    }
}

#[test]
fn parts_within_classes_stop() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["bottle", "cable"] {
        for part in ["train", "test"] {
            png(&folder.path().join(format!("{class}/{part}/0.png")), 1);
        }
    }
    refused(folder.path(), &["test, train", "within bottle"]);
    // A vehicle among others is a class.
    let folder = tempfile::tempdir().unwrap();
    for class in ["car/a", "car/b", "vehicle/train", "vehicle/bus"] {
        png(&folder.path().join(format!("{class}/0.png")), 1);
    }
    assert_eq!(open(folder.path()).train.classes, ["car", "vehicle"]);
    let folder = tempfile::tempdir().unwrap();
    for class in ["bike", "boat", "bus", "bullet_train", "car", "ferry", "plane", "ship", "tram"] {
        png(&folder.path().join(format!("{class}/0.png")), 1);
    }
    assert_eq!(open(folder.path()).train.classes.len(), 9);
}

#[test]
fn three_parts_are_told_apart_whatever_their_case() {
    let folder = tempfile::tempdir().unwrap();
    for (i, part) in ["Training", "VALID", "Testing"].iter().enumerate() {
        for class in ["cat", "dog"] {
            (0..=i).for_each(|k| png(&folder.path().join(format!("{part}/{class}/{k}.png")), k as u8));
        }
    }
    let split = open(folder.path());
    assert_eq!((split.train.len(), split.val.len(), split.test.len()), (2, 4, 6));
    assert!(!split.drawn && split.to_string().contains("2 train, 4 val, 6 test"), "{split}");
    fs::rename(folder.path().join("Testing"), folder.path().join("val")).unwrap();
    refused(folder.path(), &["VALID", "val", "keep one"]);
    fs::remove_dir_all(folder.path().join("val")).unwrap();
    // Without a test part the validation part is the one that is tested on, and it is said.
    let split = open(folder.path());
    assert_eq!((split.train.len(), split.val.len(), split.test.len()), (2, 4, 4));
    assert!(split.to_string().contains("no test part: tested on val"), "{split}");
    assert_eq!(split.manifest().to_csv().unwrap().iter().filter(|b| **b == b'\n').count(), 1 + 6);
}

#[test]
fn classes_that_are_numbers_sort_by_number() {
    let folder = tempfile::tempdir().unwrap();
    (0..12).for_each(|class| png(&folder.path().join(format!("{class}/0.png")), 20 * class));
    let split = open(folder.path());
    assert_eq!(split.train.classes, (0..12).map(|c| c.to_string()).collect::<Vec<_>>());
    for (i, label) in split.train.labels.as_ref().unwrap().iter().enumerate() {
        assert_eq!(split.train.image(i).unwrap()[0] as u32, 20 * label);
    }
}

#[test]
fn pictures_that_are_added_leave_the_old_ones_in_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let add = |class: &str, i: usize| png(&folder.path().join(format!("set/{class}/{i:03}.png")), i as u8);
    let path = folder.path().join("set");
    ["a", "b"].iter().for_each(|class| (0..100).for_each(|i| add(class, i)));
    let options = OpenOptions { test_share: 0.1, val_share: 0.2, ..OpenOptions::default() };
    let parts = |path: &Path| {
        let split = Dataset::open(path, &options).unwrap();
        assert!(split.drawn && split.to_string().contains("drawn by names with seed 0"), "{split}");
        let names = |d: &Dataset| d.origins.as_ref().unwrap().iter().map(|o| o.name.clone()).collect::<Vec<_>>();
        [names(&split.train), names(&split.val), names(&split.test)]
    };
    let before = parts(&path);
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 200);
    // Shares of 0.1 and 0.2 of 200, within five standard deviations.
    assert!((1..=41).contains(&before[2].len()) && (12..=68).contains(&before[1].len()), "{before:?}");
    add("a", 100);
    add("b", 100);
    (0..5).for_each(|i| add("c", i));
    let after = parts(&path);
    for (before, after) in before.iter().zip(&after) {
        let old: Vec<&String> = after.iter().filter(|n| !n.ends_with("100.png") && !n.starts_with("c/")).collect();
        assert_eq!(old, before.iter().collect::<Vec<_>>());
    }
    // The same set in an archive, below other folders, is divided in the same way.
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("some/where", &path).unwrap();
    let archive = folder.path().join("set.tar");
    fs::write(&archive, tar.into_inner().unwrap()).unwrap();
    let unwrapped =
        |p: &[String]| p.iter().map(|n| n.trim_start_matches("some/where/").to_string()).collect::<Vec<_>>();
    assert_eq!(parts(&archive).map(|p| unwrapped(&p)), after);
}

#[test]
fn small_classes_without_a_test_image_are_named() {
    let folder = tempfile::tempdir().unwrap();
    (0..60).for_each(|i| png(&folder.path().join(format!("cat/{i}.png")), i));
    png(&folder.path().join("emu/only.png"), 9);
    let seeds =
        (0..20).map(|seed| Dataset::open(folder.path(), &OpenOptions { seed, ..OpenOptions::default() }).unwrap());
    let told = seeds.filter(|s| s.test.class_counts()[1] == 0).map(|s| s.to_string()).collect::<Vec<_>>();
    assert!(told.len() > 5, "{}", told.len());
    told.iter().for_each(|t| assert!(t.contains("1 of 2 classes are so small") && t.contains("emu (1)"), "{t}"));
}

// ---- files that vanished -------------------------------------------------------------------------------------------

#[test]
fn links_in_archives_are_images_too() {
    let split = open(&field("tar-hardlinks-dropped/t_hard.tar"));
    assert_eq!((split.train.len(), split.train.classes.len()), (12, 3));
    let of = |class: usize| {
        let labels = split.train.labels.as_ref().unwrap();
        (0..12)
            .filter(|i| labels[*i] as usize == class)
            .flat_map(|i| split.train.image(i).unwrap().to_vec())
            .collect::<Vec<u8>>()
    };
    assert_eq!(of(0), of(2), "cat and emu are the same files");
    assert_ne!(of(0), of(1));
    assert_eq!(open(&field("tar-hardlinks-dropped/t_mixlink.tar")).train.class_counts(), [7, 4]);
}

#[test]
fn archives_that_were_appended_to_are_read_to_their_end() {
    let split = open(&field("tar-concatenated-updated/concat.tar"));
    assert_eq!((split.train.classes.as_slice(), split.train.len()), (&["cat", "dog", "emu"].map(String::from)[..], 18));
    let split = open(&field("tar-concatenated-updated/updated.tar"));
    assert_eq!(split.train.len(), 12);
    let told = split.to_string();
    assert!(told.contains("1 an older version of a file that comes again (a/cat/0.png)"), "{told}");
}

#[test]
fn endings_are_read_counted_or_an_error() {
    let split = open(&field("unread-endings-vanish/jfif"));
    assert_eq!(split.train.len(), 14);
    let told = split.to_string();
    assert!(told.contains("2 an image of a kind that is not read (.avif) (cat/x.avif, dog/x.avif)"), "{told}");
    refused(&field("unread-endings-vanish/heic"), &["class folder emu", "4 .heic", "emu/0.HEIC", "JPEG or PNG"]);
    // Images under names that are none are noticed as well, and a folder of texts is counted.
    let folder = tempfile::tempdir().unwrap();
    for name in ["cat/0.png", "dog/0.png", "emu/0.jpg_large"] {
        png(&folder.path().join(name), 1);
    }
    refused(folder.path(), &["class folder emu", "1 .jpg_large", "by their content"]);
    fs::write(folder.path().join("emu/0.jpg_large"), "words").unwrap();
    fs::create_dir(folder.path().join("fox")).unwrap();
    fs::create_dir_all(folder.path().join("cat/@eaDir/0.png")).unwrap();
    fs::write(folder.path().join("cat/Thumbs.db"), "x").unwrap();
    fs::write(folder.path().join("dog/.DS_Store"), "x").unwrap();
    let told = open(folder.path()).to_string();
    for part in [
        "a folder without images (emu)",
        "an empty folder (fox)",
        "a service folder (cat/@eaDir)",
        "a service file (cat/Thumbs.db)",
        "hidden (dog/.DS_Store)",
        "not an image (.jpg_large) (emu/0.jpg_large)",
    ] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
}

#[test]
fn a_part_without_images_that_are_read_stops() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/cat/0.png", "train/dog/0.png", "test/cat/0.heic"] {
        png(&folder.path().join(name), 1);
    }
    refused(folder.path(), &["test", ".heic"]);
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    refused(folder.path(), &["1 .heic", "of a kind that is not read", "JPEG or PNG"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf_8_stay_apart() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for name in [&b"caf\xe9"[..], b"caf\xe8", b"tea", b"caf\\xe9"] {
        png(&folder.path().join(std::ffi::OsStr::from_bytes(name)).join("0.png"), 1);
    }
    let split = open(folder.path());
    assert_eq!(split.train.classes, ["caf\\\\xe9", "caf\\xe8", "caf\\xe9", "tea"]);
    assert_eq!(split.train.class_counts(), [1; 4]);
}

#[cfg(unix)]
#[test]
fn links_in_folders_are_followed_and_circles_named() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    for name in ["set/cat/0.png", "set/dog/0.png", "elsewhere/0.png", "elsewhere/1.png"] {
        png(&folder.path().join(name), 1);
    }
    let set = folder.path().join("set");
    symlink(folder.path().join("elsewhere"), set.join("emu")).unwrap();
    symlink("emu", set.join("fox")).unwrap();
    symlink("../dog/0.png", set.join("cat/1.png")).unwrap();
    symlink("nothing.png", set.join("cat/2.png")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(set.join("cat/pipe.png")).status().unwrap();
    assert!(made.success());
    let split = open(&set);
    assert_eq!(split.train.class_counts(), [2, 1, 2, 2]);
    let told = split.to_string();
    assert!(told.contains("1 a link to nothing (cat/2.png)"), "{told}");
    assert!(told.contains("1 neither a file nor a folder (cat/pipe.png)"), "{told}");
    symlink("..", set.join("dog/up")).unwrap();
    let message = refused(&set, &["dog/up", "no end"]);
    assert!(message.contains("remove the link"), "{message}");
    fs::remove_file(set.join("dog/up")).unwrap();
    symlink("b", set.join("a")).unwrap();
    symlink("a", set.join("b")).unwrap();
    refused(&set, &["cannot follow the link"]);
}

/// Lists are kept for the next time: they count only as long as nothing changed.
#[cfg(unix)]
#[test]
fn a_large_folder_is_listed_once() {
    use std::time::{Duration, SystemTime};
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    let cache = folder.path().join("cache");
    png(&set.join("cat/0.png"), 1);
    png(&set.join("dog/0.png"), 2);
    (1..600).for_each(|i| {
        let link =
            |class: &str| fs::hard_link(set.join(class).join("0.png"), set.join(format!("{class}/{i}.png"))).unwrap();
        link("cat");
        link("dog");
    });
    fs::write(set.join("cat/notes.txt"), "words").unwrap();
    fs::create_dir(set.join("emu")).unwrap();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let settle = |at: SystemTime| {
        ["", "cat", "dog", "emu"].iter().for_each(|f| fs::File::open(set.join(f)).unwrap().set_modified(at).unwrap());
    };
    // For the whole process; no other test has so many files for so long.
    onebit::cache::use_folder(&cache);
    let listed = || match Dataset::open(&set, &all_for_training()) {
        Ok(split) => (split.train.class_counts(), crc32fast::hash(&split.train.pixels().unwrap()), split.to_string()),
        Err(e) => (Vec::new(), 0, e.to_string()),
    };
    // Not settled, so not kept.
    let first = listed();
    assert!(first.0 == [600, 600] && first.2.contains("an empty folder (emu)"), "{first:?}");
    assert!(!cache.exists());
    settle(hour_ago);
    assert_eq!(listed(), first);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    assert_eq!(listed(), first);
    // A file that goes without a trace in its folder's time: the list is what is read.
    fs::rename(set.join("cat/7.png"), folder.path().join("7.png")).unwrap();
    settle(hour_ago);
    assert!(listed().2.contains("cat/7.png: cannot read"));
    // With the trace it is listed anew.
    settle(hour_ago + Duration::from_secs(1));
    assert_eq!(listed().0, [599, 600]);
    // A list that is broken is none.
    let list = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let text = fs::read(&list).unwrap();
    for cut in [0, 10, text.len() / 2, text.len() - 5] {
        fs::write(&list, &text[..cut]).unwrap();
        assert_eq!(listed().0, [599, 600]);
    }
    // An archive's members are kept as well; here in place of the folder's list, because the path is the same.
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", &set).unwrap();
    let bytes = tar.into_inner().unwrap();
    let elsewhere = folder.path().join("set.tar");
    fs::write(&elsewhere, &bytes).unwrap();
    let direct = open(&elsewhere);
    fs::rename(&set, folder.path().join("moved")).unwrap();
    fs::rename(&elsewhere, &set).unwrap();
    fs::File::options().write(true).open(&set).unwrap().set_modified(hour_ago).unwrap();
    let pixels = crc32fast::hash(&direct.train.pixels().unwrap());
    assert_eq!((listed().0, listed().1), (direct.train.class_counts(), pixels));
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    // The list says where the bytes are: of other bytes of the same size and time it is the same list.
    let zeros = vec![0; bytes.len()];
    fs::write(&set, zeros).unwrap();
    fs::File::options().write(true).open(&set).unwrap().set_modified(hour_ago).unwrap();
    assert!(listed().2.contains("cat/0.png: is "));
}

// ---- messages ------------------------------------------------------------------------------------------------------

#[test]
fn images_of_two_sizes_name_the_setting_that_mends_it() {
    let message = refused(&field("mixed-sizes-no-remedy/mixed"), &["cat/big.png", "40x20", "cat/0.png", "16x16"]);
    assert!(message.contains("--set data.size=[16,16]"), "{message}");
    let options = OpenOptions { size: Some([16, 16]), ..all_for_training() };
    assert_eq!(Dataset::open(field("mixed-sizes-no-remedy/mixed"), &options).unwrap().train.len(), 10);
}

#[test]
fn sets_without_labels_say_why() {
    let split = open(&field("unlabelled-says-0-classes/oneclass"));
    assert!(split.train.labels.is_none());
    assert!(split.to_string().contains("no labels: all images lie in one folder (cat)"), "{split}");
    let folder = tempfile::tempdir().unwrap();
    ["train/cat/0.png", "val/cat/0.png"].iter().for_each(|name| png(&folder.path().join(name), 1));
    assert!(open(folder.path()).to_string().contains("one folder a part (train/cat)"));
    let split = open(&field("unlabelled-says-0-classes/backslashes.tar"));
    assert_eq!((split.train.class_counts(), split.train.classes[1].as_str()), (vec![6, 6], "dog"));
}

#[test]
fn images_that_cannot_be_read_are_skipped_if_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["cat", "dog"] {
        (0..10).for_each(|i| png(&folder.path().join(format!("{class}/{i}.png")), i));
    }
    let broken = folder.path().join("cat/3.png");
    fs::write(&broken, "no picture").unwrap();
    refused(folder.path(), &["cat/3.png", "--set data.on_error=skip"]);
    let skip = |most: f64| {
        let options = OpenOptions { on_error: OnError::Skip, most_skipped: most, ..all_for_training() };
        Dataset::open(folder.path(), &options)
    };
    let split = skip(0.1).unwrap();
    assert_eq!((split.train.class_counts(), split.train.labels.as_ref().unwrap()[9]), (vec![9, 10], 1));
    assert_eq!(split.skipped.len(), 1);
    assert!(
        split.skipped[0].0.contains("cat/3.png")
            && split.skipped[0].1.contains("is no picture")
            && !split.skipped[0].1.contains("on_error"),
        "{:?}",
        split.skipped
    );
    assert!(split.to_string().contains("1 images skipped"), "{split}");
    let message = skip(0.01).unwrap_err().to_string();
    assert!(
        message.contains("0.01") && message.contains("cat/3.png") && message.contains("data.most_skipped"),
        "{message}"
    );
    (0..10).for_each(|i| fs::write(folder.path().join(format!("cat/{i}.png")), "no picture").unwrap());
    assert!(skip(1.0).unwrap_err().to_string().contains("all images of class cat"));
}

#[test]
fn more_images_than_there_is_memory_for_stay_in_their_files() {
    let folder = tempfile::tempdir().unwrap();
    png(&folder.path().join("cat/0.png"), 1);
    png(&folder.path().join("dog/0.png"), 1);
    for i in 0..40_000 {
        let class = ["cat", "dog"][i % 2];
        fs::hard_link(folder.path().join(class).join("0.png"), folder.path().join(format!("{class}/{}.png", i + 1)))
            .unwrap();
    }
    let options = OpenOptions { size: Some([4096, 4096]), ..all_for_training() };
    let split = Dataset::open(folder.path(), &options).unwrap();
    assert!(split.notes.iter().any(|n| n.contains("40002 images are decoded as they are needed")), "{:?}", split.notes);
    assert_eq!(split.train.image(7).unwrap().len(), 4096 * 4096 * 3);
    // What needs all of them at once is told.
    let message = split.train.pixels().unwrap_err().to_string();
    assert!(message.contains("4096x4096x3") && message.contains("40002"), "{message}");
    assert!(message.contains("memory") && message.contains("--set data.size=[H,W]"), "{message}");
}
