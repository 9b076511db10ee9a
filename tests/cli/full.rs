//! A standard output that cannot be written: what takes hours goes on, what was only to be said ends with an error that says so.

use crate::program::{Outcome, Place, TINY, finish, tiny};
use image::RgbImage;
use std::fs::{self, File};

/// Runs the program with its standard output on a full disk.
fn on_full(place: &Place, args: &[&str]) -> Outcome {
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    finish(place.command(args).stdout(full).spawn().expect("the program starts"))
}

#[test]
fn a_run_is_not_lost() {
    let place = Place::new();
    for (out, more) in [("run", &[][..]), ("json", &["--json"])] {
        let args = tiny(out, more);
        let told = on_full(&place, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert!(told.err.contains("note: standard output cannot be written (No space left on device"), "{}", told.err);
        assert_eq!(told.err.lines().count(), 1, "told once: {}", told.err);
        assert!(place.path(out).join("summary.json").exists() && place.checkpoint(out).exists());
    }
    let mut mbn = vec!["train", "small-mbn", "--device", "cpu", "--out", "mbn"];
    for setting in ["data.train_images=300", "data.test_images=100", "mbn.clusterings=12", "mbn.first=150"] {
        mbn.extend(["--set", setting]);
    }
    let told = on_full(&place, &mbn);
    assert!(told.code == Some(0) && told.err.lines().count() == 1, "{}", told.err);
    assert!(place.path("mbn/summary.json").exists());
}

#[test]
fn a_sweep_is_not_lost() {
    let place = Place::new();
    let mut args = vec!["sweep", "fashion-binary", "--device", "cpu", "--out", "s", "--seeds", "0..2"];
    let settings = TINY.iter().filter(|s| !s.starts_with("epochs")).chain(&["epochs=1"]);
    settings.for_each(|s| args.extend(["--set", s]));
    for more in [&[][..], &["--json"]] {
        let told = on_full(&place, &[&args[..], more].concat());
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert!(told.err.contains("note: standard output cannot be written (No space left on device"), "{}", told.err);
        assert_eq!(told.err.lines().count(), 1, "told once: {}", told.err);
        for seed in 0..2 {
            assert!(place.path(&format!("s/fashion-binary,seed={seed}/summary.json")).exists());
        }
        fs::remove_dir_all(place.path("s")).unwrap();
    }
}

#[test]
fn what_cannot_be_said_is_an_error_that_names_standard_output() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]).ok();
    place.run(&["export", "run", "-o", "m.1bit"]).ok();
    fs::create_dir_all(place.path("set/a")).unwrap();
    RgbImage::new(28, 28).save(place.path("set/a/0.png")).unwrap();
    for args in [
        &["--help"][..],
        &["--version"],
        &["train", "--help"],
        &["devices"],
        &["devices", "--json"],
        &["recipes"],
        &["recipes", "show", "fashion-binary"],
        &["inspect", "m.1bit"],
        &["eval", "run", "--device", "cpu"],
        &["eval", "run", "--device", "cpu", "--json"],
        &["embed", "run", "--device", "cpu", "--out", "features"],
        &["export", "run", "-o", "again.1bit"],
        &["predict", "m.1bit", "set/a/0.png"],
        &["predict", "m.1bit", "set/a/0.png", "--json"],
        &["pack", "set", "set.1img"],
        &["compare", "run"],
        &["report", "run"],
    ] {
        let told = on_full(&place, args);
        assert_eq!(told.code, Some(2), "{args:?}: {}", told.err);
        let last = told.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains("standard output"), "{args:?}: {}", told.err);
    }
    assert!(place.path("set.1img").exists() && place.path("again.1bit").exists(), "what was made before is kept");
}

/// Past the limit on the size of files writes fail as they do on a full disk: the system would end the program otherwise.
#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_as_large_is_told_and_not_left_behind() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]).ok();
    // Blocks of 512 bytes.
    let limited = |blocks: u32, args: &[&str]| {
        let command = place.command(args);
        let mut shell = std::process::Command::new("sh");
        let limit = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limit]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(place.path("")).env("ONEBIT_CACHE", place.path("cache"));
        let piped = std::process::Stdio::piped;
        finish(shell.stdout(piped()).stderr(piped()).spawn().expect("a shell"))
    };
    for file in ["big.onnx", "big.1bit", "big.safetensors"] {
        limited(2, &["export", "run", "-o", file]).fails_with(&[file, "cannot write", "ulimit -f unlimited"]);
    }
    // The first files of the page are small enough.
    let told = limited(40, &["export", "run", "--to", "web", "-o", "page"]);
    told.fails_with(&["page", "model.js", "cannot write", "ulimit -f unlimited"]);
    assert!(!place.path("page").exists(), "a part of a page is left");
    let args = tiny("other", &[]);
    let told = limited(8, &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(told.code, Some(2), "{}", told.err);
    let last = told.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("other") && last.contains("ulimit -f unlimited"), "{last}");
    let mut left = vec![place.path("")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert!(!name.starts_with("big.") && !name.contains(".tmp"), "{} was left", path.display());
            if path.is_dir() {
                left.push(path);
            }
        }
    }
}
