//! A run and its images: the list that it keeps of them, and what it says where they changed or do not fit.

use crate::program::{Place, finish, tiny, wait_for};
use image::RgbImage;
use onebit::train::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn png(path: &Path, h: u32, w: u32, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(w, h, |x, y| image::Rgb([value, x as u8, y as u8])).save(path).unwrap();
}

/// `n` pictures of 12 x 12 in each of two classes.
fn pictures(place: &Place, n: usize) {
    for (class, name) in ["cat", "dog"].iter().enumerate() {
        (0..n).for_each(|i| png(&place.path(&format!("set/{name}/{i:02}.png")), 12, 12, (100 * class + i) as u8));
    }
}

const ON_SET: &[&str] = &["--data", "set", "--set", "batch=8", "--set", "eval.batch=8", "--set", "data.test=0.2"];

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(String::from).collect()
}

#[test]
fn a_run_keeps_the_list_of_its_images_and_goes_on_with_these_alone() {
    let place = Place::new();
    pictures(&place, 30);
    let more = [ON_SET, &["--set", "checkpoint.every_steps=1"]].concat();
    place.train("run", &more).ok();
    let list = lines(&place.path("run/data.csv"));
    assert_eq!((list[0].as_str(), list.len()), ("name,class,part,bytes,crc32", 61));
    assert!(list[1..].iter().any(|l| l.contains(",test,")) && list[1].starts_with("cat/"), "{}", list[1]);
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    let fingerprint = config.lines().find(|l| l.starts_with("data = \"")).expect("a fingerprint").to_string();

    // Evaluation does not mind new pictures: none that was trained on comes to be tested on.
    let tested = |list: &[String]| list.iter().filter(|l| l.contains(",test,")).cloned().collect::<Vec<_>>();
    png(&place.path("set/cat/new.png"), 12, 12, 200);
    fs::remove_file(place.path("set/dog/07.png")).unwrap();
    fs::write(place.path("set/dog/08.png"), fs::read(place.path("set/cat/08.png")).unwrap()).unwrap();
    place.run(&["eval", "run", "--device", "cpu"]).ok();
    // A run that goes on does.
    fs::remove_file(place.path("run/summary.json")).unwrap();
    let resume = ["train", "--resume", "--out", "run"];
    place.run(&resume).fails_with(&[
        "set",
        "1 added (the first is cat/new.png)",
        "1 removed (the first is dog/07.png)",
        "1 with other content (the first is dog/08.png)",
        "start a new run",
    ]);
    place.train("again", ON_SET).ok();
    let (before, after) = (tested(&list), tested(&lines(&place.path("again/data.csv"))));
    let old = |l: &&String| !l.contains("new.png") && !l.contains("dog/08.png");
    let kept: Vec<&String> = before.iter().filter(|l| !l.contains("dog/07.png")).filter(old).collect();
    assert_eq!(after.iter().filter(old).collect::<Vec<_>>(), kept);

    // Other parts are not the run's; of the same images named on purpose it is said that some were trained on.
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    fs::write(place.path("run/config.toml"), config.replace("split_seed = 0", "split_seed = 1")).unwrap();
    place.run(&["eval", "run", "--device", "cpu"]).fails_with(&[
        "not the test images",
        "in another part",
        "--data PATH",
    ]);
    let told = place.run(&["eval", "run", "--device", "cpu", "--data", "set"]);
    assert!(told.code == Some(0) && told.err.contains("are among those that the run learned from"), "{}", told.err);
    fs::write(place.path("run/config.toml"), config).unwrap();
    fs::remove_file(place.path("set/cat/new.png")).unwrap();
    png(&place.path("set/dog/07.png"), 12, 12, 107);
    png(&place.path("set/dog/08.png"), 12, 12, 108);
    place.run(&resume).ok();
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains(&fingerprint));
}

/// The runs that were there before images were listed.
#[test]
fn older_runs_are_read_and_go_on_where_that_is_right() {
    let place = Place::new();
    let older = |out: &str| {
        let path = place.path(out).join("config.toml");
        let config = fs::read_to_string(&path).unwrap();
        let [val, stop, most] = ["val = 0.0\n", "on_error = \"stop\"\n", "most_skipped = 0.01\n"];
        let before_run = config.replace(val, "").replace(stop, "").replace(most, "");
        let old = before_run.replace("\ntest = ", "\ntest_share = ");
        let at = old.find("\ndata = \"").unwrap() + 1;
        let end = at + old[at..].find('\n').unwrap();
        fs::write(&path, format!("{}{}", &old[..at], &old[end + 1..])).unwrap();
        fs::remove_file(place.path(out).join("summary.json")).unwrap();
        let last = place.path(out).join("checkpoints/last.safetensors");
        let mut checkpoint = Checkpoint::load(&last).unwrap();
        checkpoint.position.record = None;
        checkpoint.save(&last).unwrap();
    };
    place.train("embedded", &[]).ok();
    older("embedded");
    place.run(&["train", "--resume", "--out", "embedded"]).ok();
    // Parts that were drawn are drawn in another way now.
    pictures(&place, 30);
    place.train("drawn", ON_SET).ok();
    older("drawn");
    place.run(&["train", "--resume", "--out", "drawn"]).fails_with(&["set", "older", "start a new run"]);
    let told = place.run(&["eval", "drawn", "--device", "cpu"]);
    assert!(told.code == Some(0) && told.err.contains("older than the list of images"), "{}", told.err);
}

#[test]
fn sets_that_cannot_be_learned_say_what_was_found_and_what_to_do() {
    let place = Place::new();
    (0..4).for_each(|i| png(&place.path(&format!("one/cat/{i}.png")), 12, 12, i));
    let path = place.path("one");
    let there = path.to_str().unwrap();
    let missing = [there, "at least 2 classes", "no labels", "one folder (cat)", "folder of its own"];
    place.train("run", &["--data", "one", "--set", "batch=2"]).fails_with(&missing);
    // Others than the training images have labels.
    (0..8).for_each(|i| png(&place.path(&format!("flat/train/{i}.png")), 12, 12, i));
    let classes = ["ant", "bee"];
    classes.iter().for_each(|c| (0..2).for_each(|i| png(&place.path(&format!("flat/test/{c}/{i}.png")), 12, 12, i)));
    let flat = ["flat", "training images have none", "training part unlabelled", "folder of its own below train"];
    place.train("run", &["--data", "flat", "--set", "batch=2"]).fails_with(&flat);
    place.run(&["pack", "flat", "flat.1img"]).ok();
    // Without labels it is trained on, and not tested: neighbours could not answer.
    let swav = [
        "train",
        "small-swav",
        "--data",
        "flat",
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--set",
        "batch=4",
        "--out",
        "swav",
    ];
    let out =
        place.run(&[&swav[..], &["--set", "net.widths=[4,4,8,8]", "--set", "swav.prototypes=6"]].concat()).ok().out;
    assert!(place.path("swav/summary.json").is_file() && !out.contains("top-5"), "{out}");
    place.run(&["eval", "swav", "--device", "cpu"]).fails_with(&["training images have none", "--data PATH"]);
    place.train("run", &["--data", "flat.1img", "--set", "batch=2"]).fails_with(&flat[1..]);
    pictures(&place, 10);
    png(&place.path("set/cat/big.png"), 20, 12, 0);
    place.train("run", &["--data", "set"]).fails_with(&["big.png", "20x12", "--set data.size=[12,12]"]);
    fs::remove_file(place.path("set/cat/big.png")).unwrap();
    place.train("run", &["--data", "set", "--set", "batch=100"]).fails_with(&["batch size 100", "--set batch="]);
    fs::create_dir_all(place.path("set/train/cat")).unwrap();
    fs::copy(place.path("set/cat/00.png"), place.path("set/train/cat/0.png")).unwrap();
    place.train("run", &["--data", "set"]).fails_with(&["\"cat\"", "beside parts of a set (train)"]);
    assert!(!place.path("run").exists(), "no run directory for a run that cannot start");
}

#[test]
fn images_that_are_skipped_are_listed_in_the_run() {
    let place = Place::new();
    pictures(&place, 30);
    fs::write(place.path("set/cat/05.png"), "no picture").unwrap();
    place.train("run", ON_SET).fails_with(&["cat/05.png", "data.on_error=skip"]);
    let skip = [ON_SET, &["--set", "data.on_error=skip", "--set", "data.most_skipped=0.05"]].concat();
    let told = place.train("run", &skip).ok().out;
    assert!(told.contains("1 images skipped"), "{told}");
    let list = lines(&place.path("run/skipped.csv"));
    assert_eq!((list[0].as_str(), list.len()), ("path,reason", 2));
    assert!(list[1].contains("cat/05.png") && list[1].contains("is no picture"), "{}", list[1]);
    assert!(!lines(&place.path("run/data.csv")).iter().any(|l| l.starts_with("cat/05.png")));
}

/// The images fit, the plan of the training step does not.
#[cfg(target_os = "linux")]
#[test]
fn a_plan_that_the_memory_there_is_cannot_hold_is_refused() {
    let place = Place::new();
    (0..3)
        .for_each(|i| ["cat", "dog"].iter().for_each(|c| png(&place.path(&format!("set/{c}/{i}.png")), 1500, 2000, i)));
    let args = "train fashion-binary --data set --epochs 1 --device cpu --set batch=2 --set data.test=0 --out run";
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -v 2000000; exec {} {args}", env!("CARGO_BIN_EXE_onebit")));
    limited.current_dir(place.path(".")).stdout(Stdio::piped()).stderr(Stdio::piped());
    limited.env("ONEBIT_CACHE", place.path("cache"));
    let told = finish(limited.spawn().unwrap()).fails_with(&["batch 2", "needs", "data.size=[H,W]"]);
    assert!(told.err.contains("not even a batch of 1 fits") || told.err.contains("--set batch=1"), "{}", told.err);
    assert!(!place.path("run").exists(), "no run directory for a run that cannot start");
}

/// Pictures that change while a run reads them: it stops, or lists them.
#[test]
fn a_picture_that_changes_in_training_is_named_or_listed() {
    let place = Place::new();
    // More than data.memory takes.
    let whole = |class: &str, i: u32| png(&place.path(&format!("set/{class}/{i:03}.png")), 64, 64, i as u8);
    (0..200).for_each(|i| ["cat", "dog"].iter().for_each(|class| whole(class, i)));
    let more = ["--set", "data.memory=1", "--set", "data.train_images=1000", "--set", "epochs=200"];
    let on_set = [ON_SET, &more].concat();
    let begun = |out: &str, more: &[&str]| {
        let args = tiny(out, &[&on_set[..], more].concat());
        let mut child = place.command(&args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
        wait_for(&place.checkpoint(out), &mut child);
        child
    };
    let run = begun("run", &[]);
    for i in 0..200 {
        fs::copy(place.path("set/cat/000.png"), place.path(&format!("set/dog/{i:03}.png"))).unwrap();
    }
    finish(run).fails_with(&["set/dog/", "the set changed while it was read"]);
    (0..200).for_each(|i| whole("dog", i));
    let skip = ["--set", "data.on_error=skip", "--set", "data.most_skipped=0.5", "--set", "epochs=3"];
    let run = begun("skip", &skip);
    let list = lines(&place.path("skip/data.csv"));
    let trained = |l: &&String| l.starts_with("dog/") && l.contains(",train,");
    let first = list.iter().rfind(trained).unwrap().split(',').next().unwrap().to_string();
    fs::remove_file(place.path("set").join(&first)).unwrap();
    let told = finish(run);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let list = lines(&place.path("skip/skipped.csv"));
    assert_eq!((list[0].as_str(), list.len()), ("path,reason", 2));
    assert!(list[1].contains(&first) && list[1].contains("No such file"), "{}", list[1]);
}

/// A checkpoint is written from where its tensors are, and a run that has no room for it is refused before it begins.
#[cfg(target_os = "linux")]
#[test]
fn a_run_with_little_memory_is_made_or_refused() {
    let place = Place::new();
    pictures(&place, 6);
    let (mut made, mut refused) = (0, 0);
    for kib in [250_000, 350_000, 450_000, 600_000, 1_000_000, 3_000_000] {
        let args = "train fashion-binary --data set --epochs 1 --device cpu --set batch=4 --set eval.batch=4 --set data.test=0.2 \
                    --set net.widths=[256,512,512,1024]";
        let mut limited = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_onebit");
        limited.arg("-c").arg(format!("ulimit -v {kib}; exec {program} {args} --out run-{kib}"));
        limited.current_dir(place.path(".")).stdout(Stdio::piped()).stderr(Stdio::piped());
        limited.env("ONEBIT_CACHE", place.path("cache")).env("RAYON_NUM_THREADS", "2");
        let told = finish(limited.spawn().unwrap());
        match told.code {
            Some(0) => made += 1,
            _ => {
                refused += 1;
                told.fails_with(&["memory"]);
            }
        }
    }
    assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
}
