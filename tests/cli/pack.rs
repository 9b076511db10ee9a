//! `onebit pack`, and runs whose images stay in their files.

use crate::program::Place;
use image::RgbImage;
use std::fs;
use std::path::Path;

/// Pictures of several sizes in two classes, 30 to train on and 10 to test on of each.
fn pictures(dir: &Path) {
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        for (part, n) in [("train", 30), ("test", 10)] {
            let folder = dir.join(part).join(name);
            fs::create_dir_all(&folder).expect("a folder");
            for i in 0..n {
                let (w, h) = (40 + i % 7, 36 + i % 5);
                let colour = |x: u32, y: u32| image::Rgb([(5 * x) as u8, (6 * y + i) as u8, 200 * class as u8]);
                RgbImage::from_fn(w, h, colour).save(folder.join(format!("{i}.png"))).expect("a file");
            }
        }
    }
}

/// A small network on random crops of `data`.
fn cropped<'a>(out: &'a str, data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "fashion-binary", "--device", "cpu", "--out", out, "--data", data];
    for setting in [
        "data.size=[32,32]",
        "augment.random_resized_crop={ size = [24, 24] }",
        "net.widths=[8,8,8,8]",
        "batch=8",
        "epochs=4",
        "eval.batch=10",
        "checkpoint.every_steps=3",
    ] {
        args.extend(["--set", setting]);
    }
    args.extend(more);
    args
}

#[test]
fn a_set_is_packed_and_trains_as_its_folder_does() {
    let place = Place::new();
    pictures(&place.path("set"));
    fs::write(place.path("set/train/ant/notes.txt"), "no picture").expect("a file");
    let said = place.run(&["pack", "set", "whole.1img", "--as-is"]).ok().out;
    assert!(said.contains("80 images") && said.contains("notes.txt"), "{said}");
    let small = place.run(&["pack", "set", "small.1img", "--size", "34", "--json"]).ok().out;
    let small: serde_json::Value = serde_json::from_str(&small).expect("JSON");
    assert_eq!((small["images"].as_u64(), small["scaled"].as_u64()), (Some(80), Some(80)));

    place.run(&cropped("folder", "set", &[])).ok();
    place.run(&cropped("packed", "whole.1img", &[])).ok();
    place.run(&cropped("disk", "whole.1img", &["--set", "data.memory=0"])).ok();
    assert!(place.weights("folder") == place.weights("packed") && place.weights("packed") == place.weights("disk"));
    place.run(&cropped("small", "small.1img", &[])).ok();
    assert!(place.weights("small") != place.weights("packed"), "pixels that were made smaller are others");
    place.run(&cropped("resized", "set", &["--set", "data.crops=resized"])).ok();
    assert!(place.weights("resized") != place.weights("folder"), "crops of less are others");
    place.run(&["eval", "packed"]).ok();
    place.run(&["eval", "packed", "--data", "set"]).ok();
}

#[test]
fn a_run_from_files_goes_on_where_it_was() {
    let place = Place::new();
    pictures(&place.path("set"));
    let disk = ["--set", "data.memory=0"];
    place.run(&cropped("whole", "set", &disk)).ok();
    let mut child = place.command(&cropped("killed", "set", &disk)).spawn().expect("the program starts");
    crate::program::wait_for(&place.checkpoint("killed"), &mut child);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    place.run(&["train", "--resume", "--out", "killed"]).ok();
    assert!(place.weights("whole") == place.weights("killed"), "the weights differ");
}

#[test]
fn wrong_use() {
    let place = Place::new();
    pictures(&place.path("set"));
    place.run(&["pack", "set", "a.zip"]).fails_with(&["a.zip", ".1img"]);
    place.run(&["pack", "nowhere", "a.1img"]).fails_with(&["nowhere"]);
    place.run(&["pack", "set", "a.1img", "--size", "1"]).fails_with(&["size 1"]);
    place.run(&["pack", "set", "a.1img", "--quality", "0"]).fails_with(&["quality 0"]);
    place.run(&["pack", "set", "a.1img", "--set", "data.on_eror=skip"]).fails_with(&["on_eror", "on_error"]);
    place.run(&["pack", "set", "a.1img", "--set", "data.size=[8,8]"]).fails_with(&["data.size", "packed whole"]);
    fs::write(place.path("set/train/bee/3.png"), "no picture").expect("a file");
    place.run(&["pack", "set", "a.1img"]).fails_with(&["bee/3.png", "data.on_error=skip"]);
    assert!(!place.path("a.1img").exists() && !place.path("a.1img.tmp").exists());
    let said = place.run(&["pack", "set", "a.1img", "--set", "data.on_error=skip", "--set", "data.most_skipped=0.1"]);
    assert!(said.ok().out.contains("skipped set/train/bee/3.png"));
}
