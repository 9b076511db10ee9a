//! `onebit predict` on pictures as people have them: some bad, in folders, beside files that are none.

use crate::program::{Outcome, Place};
use std::fs;
use std::path::Path;

fn field(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field").join(name)
}

/// A model of the embedded images, `m.1bit`.
fn with_model() -> Place {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]).ok();
    place.run(&["export", "run", "-o", "m.1bit"]).ok();
    place
}

fn put(place: &Place, case: &str, name: &str) {
    let to = place.path(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(field(case), to).unwrap();
}

fn lines(o: &Outcome) -> Vec<String> {
    o.out.lines().map(String::from).collect()
}

#[test]
fn a_bad_picture_is_named_and_the_others_are_gone_on_with() {
    let place = with_model();
    for name in ["good.png", "broken.jpg", "good2.jpg"] {
        put(&place, &format!("predict-stops-and-hangs/{name}"), name);
    }
    put(&place, "jpeg-truncated/half.jpg", "half.jpg");
    let o = place.run(&["predict", "m.1bit", "good.png", "broken.jpg", "half.jpg", "absent.png", "good2.jpg"]);
    assert_eq!(o.code, Some(1), "{}{}", o.out, o.err);
    let out = lines(&o);
    assert!(out.len() == 2 && out[0].starts_with("good.png: ") && out[1].starts_with("good2.jpg: "), "{}", o.out);
    let err: Vec<&str> = o.err.lines().collect();
    assert_eq!(err.len(), 4, "{}", o.err);
    assert!(err[0].starts_with("error: broken.jpg: is no picture: it is an HTML page"), "{}", err[0]);
    assert!(err[1].starts_with("error: half.jpg: is cut short") && err[1].contains("--keep-truncated"), "{}", err[1]);
    assert!(err[2].starts_with("error: absent.png: cannot read"), "{}", err[2]);
    assert_eq!(err[3], "3 of 5 pictures could not be read");
    let o = place.run(&["predict", "m.1bit", "half.jpg", "--keep-truncated"]).ok();
    assert_eq!(lines(&o).len(), 1);
    // One object a line, and nothing else.
    let o = place.run(&["predict", "m.1bit", "good.png", "broken.jpg", "good2.jpg", "--json", "--top", "2"]);
    assert_eq!(o.code, Some(1));
    for (line, name) in lines(&o).iter().zip(["good.png", "good2.jpg"]) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&value["image"], value["top"].as_array().unwrap().len()), (&serde_json::json!(name), 2));
    }
    assert_eq!(lines(&o).len(), 2);
}

#[test]
fn a_folder_gives_a_table_in_order_of_names() {
    let place = with_model();
    for name in ["b/2.png", "b/10.PNG", "a/deep, er/x", "c.png"] {
        put(&place, "predict-stops-and-hangs/good.png", &format!("all/{name}"));
    }
    for (name, text) in [("notes.txt", "words"), ("b/list.csv", "a,b"), ("b/more.txt", ""), (".hidden.png", "x")] {
        fs::write(place.path("all").join(name), text).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", place.path("all/a/up")).unwrap();
    let o = place.run(&["predict", "m.1bit", "all", "--csv"]);
    assert_eq!(o.code, Some(0), "{}{}", o.out, o.err);
    let out = lines(&o);
    assert_eq!(out[0], "file,class,probability");
    let files: Vec<&str> = out[1..].iter().map(|l| l.rsplitn(3, ',').nth(2).unwrap()).collect();
    assert_eq!(files, ["\"all/a/deep, er/x\"", "all/b/10.PNG", "all/b/2.png", "all/c.png"]);
    // The same picture four times.
    let answer = |line: &String| line.rsplitn(3, ',').take(2).map(String::from).collect::<Vec<String>>();
    assert!(out[1..].iter().all(|line| answer(line) == answer(&out[1])), "{}", o.out);
    let share: f64 = out[1].rsplit(',').next().unwrap().parse().unwrap();
    assert!(share > 0.0 && share <= 1.0);
    assert!(o.err.starts_with("note: left out as no pictures: "), "{}", o.err);
    for part in ["1 .csv (all/b/list.csv)", "2 .txt (all/b/more.txt, ...)", "1 hidden (all/.hidden.png)"] {
        assert!(o.err.contains(part), "{part} is not in: {}", o.err);
    }
    #[cfg(unix)]
    assert!(o.err.contains("1 a link to a folder above it (all/a/up)"), "{}", o.err);
    let two = place.run(&["predict", "m.1bit", "all/c.png", "--csv", "--top", "3"]).ok();
    assert_eq!(lines(&two).len(), 4);
    fs::create_dir(place.path("none")).unwrap();
    place.run(&["predict", "m.1bit", "none"]).fails_with(&["none", "no picture"]);
}

/// A pipe that nobody writes to would be waited for, for ever.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let place = with_model();
    put(&place, "predict-stops-and-hangs/good.png", "all/good.png");
    let mkfifo = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(place.path(name)).status().unwrap();
        assert!(made.success());
    };
    mkfifo("pipe.png");
    mkfifo("all/pipe.png");
    let o = place.run(&["predict", "m.1bit", "pipe.png", "all/good.png", "/dev/null"]);
    assert_eq!(o.code, Some(1), "{}{}", o.out, o.err);
    assert!(
        o.err.contains("pipe.png: is a named pipe, not a file") && o.err.contains("/dev/null: is a device"),
        "{}",
        o.err
    );
    assert!(lines(&o).len() == 1 && o.out.starts_with("all/good.png: "), "{}", o.out);
    let o = place.run(&["predict", "m.1bit", "all"]);
    assert_eq!(o.code, Some(0), "{}{}", o.out, o.err);
    assert!(o.err.contains("1 a named pipe (all/pipe.png)"), "{}", o.err);
    place.run(&["predict", "pipe.png", "all/good.png"]).fails_with(&["pipe.png", "not a file"]);
    place.run(&["inspect", "pipe.png"]).fails_with(&["pipe.png", "not a file"]);
}

/// A folder that cannot be read stands for its pictures; the others are gone on with.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named_and_the_others_are_gone_on_with() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_model();
    for name in ["all/cat/good.png", "all/dog/good.png", "good.png"] {
        put(&place, "predict-stops-and-hangs/good.png", name);
    }
    let set = |mode| fs::set_permissions(place.path("all/cat"), fs::Permissions::from_mode(mode)).unwrap();
    set(0o000);
    // Whoever may read everything, as the administrator, cannot be refused.
    if fs::read_dir(place.path("all/cat")).is_err() {
        let o = place.run(&["predict", "m.1bit", "good.png", "all", "--csv"]);
        assert_eq!(o.code, Some(1), "{}{}", o.out, o.err);
        let out = lines(&o);
        assert!(
            out.len() == 3 && out[1].starts_with("good.png,") && out[2].starts_with("all/dog/good.png,"),
            "{out:?}"
        );
        assert!(o.err.starts_with("error: all/cat: cannot read the folder: "), "{}", o.err);
    }
    set(0o755);
}

/// Which way is up, and what lies behind, is the same in training and in the model that ships.
#[test]
fn the_model_sees_pictures_as_training_did() {
    let place = Place::new();
    for (class, case) in [("glyph", "alpha-dropped/glyph.png"), ("hidden", "alpha-dropped/hidden.png")] {
        (0..4).for_each(|i| put(&place, case, &format!("set/{class}/{i}.png")));
    }
    let train = |out: &str, background: &str| {
        let background = format!("data.background={background}");
        let more = [
            "--data",
            "set",
            "--set",
            "batch=2",
            "--set",
            "data.train_images=6",
            "--epochs",
            "1",
            "--set",
            &background,
        ];
        place.train(out, &more).ok();
        place.run(&["export", out, "-o", &format!("{out}.1bit")]).ok();
        let model = onebit::deploy::file::load(&place.path(&format!("{out}.1bit"))).unwrap();
        assert!(fs::read_to_string(place.path(out).join("config.toml")).unwrap().contains("background"));
        model.background
    };
    assert_eq!((train("white", "white"), train("black", "black")), (255, 0));
    let o = place.run(&["train", "--set", "data.background=grey", "--device", "cpu"]);
    o.fails_with(&["data.background", "white", "black"]);
    // Turned, and upright: one answer.
    put(&place, "exif-orientation/phone.jpg", "phone.jpg");
    put(&place, "exif-orientation/upright.png", "upright.png");
    let o = place.run(&["predict", "white.1bit", "phone.jpg", "upright.png", "--csv"]).ok();
    let answers: Vec<String> = lines(&o)[1..].iter().map(|l| l.split_once(',').unwrap().1.to_string()).collect();
    assert_eq!(answers[0], answers[1]);
}
