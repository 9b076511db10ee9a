//! Each bad input ends with one message that names the file and the value, and no checkpoint is lost.

use crate::program::{Place, finish, tiny, wait_for};
use std::fs;
use std::path::Path;

/// A labelled set of 8x8 images in the IDX format: `n` images, labels 0, 1, 2, 0, ...
fn idx(folder: &Path, part: &str, n: u32) {
    fs::create_dir_all(folder).unwrap();
    let header =
        |magic: u32, dims: &[u32]| -> Vec<u8> { [magic].iter().chain(dims).flat_map(|v| v.to_be_bytes()).collect() };
    let mut images = header(0x803, &[n, 8, 8]);
    images.extend((0..n * 64).map(|i| (i % 251) as u8));
    let mut labels = header(0x801, &[n]);
    labels.extend((0..n).map(|i| (i % 3) as u8));
    fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
    fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
}

fn idx_set(place: &Place) -> std::path::PathBuf {
    let folder = place.path("set");
    idx(&folder, "train", 60);
    idx(&folder, "t10k", 20);
    folder
}

const ON_SET: &[&str] = &["--data", "set", "--set", "batch=20", "--epochs", "1"];

#[test]
fn a_setting_that_is_given_twice_is_refused() {
    let place = Place::new();
    let twice = |args: &[&str], parts: &[&str]| {
        place.run(&[&["train", "--device", "cpu"], args].concat()).fails_with(parts);
    };
    twice(&["--epochs", "3", "--set", "epochs=5"], &["--epochs and --set epochs=5", "leave one"]);
    twice(&["--seed", "3", "--set", " seed = 5"], &["--seed and --set"]);
    twice(&["--data", "embedded", "--set", "data.path='x'"], &["--data and --set"]);
    for command in [&["verify", "--recipe", "fashion-binary"][..], &["profile", "fashion-binary"]] {
        let more = ["--device", "cpu", "--data", "embedded", "--set", "data.path='x'"];
        place.run(&[command, &more].concat()).fails_with(&["--data and --set data.path='x'"]);
    }
}

#[test]
fn a_set_on_disk_trains() {
    let place = Place::new();
    idx_set(&place);
    place.train("run", ON_SET).ok();
    // The path is kept from the root.
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(
        config.contains(&format!("path = \"{}\"", place.path("set").canonicalize().unwrap().display())),
        "{config}"
    );
}

#[test]
fn paths_that_hold_no_images() {
    let place = Place::new();
    place.train("run", &["--data", "no/such/path"]).fails_with(&["no/such/path"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.train("run", &["--data", "empty"]).fails_with(&["empty"]);
    assert!(!place.path("run").exists(), "no run directory for a run that cannot start");
}

#[test]
fn instructions_that_there_are_not() {
    let place = Place::new();
    let lacked = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    for (name, said) in [("sse9", "no instruction set called \"sse9\""), (lacked, "this machine has no")] {
        for args in [&["devices"][..], &["train", "--device", "cpu"], &["predict", "model.1bit", "image.png"]] {
            let mut command = place.command(args);
            command.env("ONEBIT_ISA", name);
            finish(command.spawn().unwrap()).fails_with(&["ONEBIT_ISA", said, name, "portable"]);
        }
    }
    assert!(!place.path("runs").exists(), "nothing was begun");
}

#[test]
fn a_truncated_idx_file() {
    let place = Place::new();
    let file = idx_set(&place).join("train-images-idx3-ubyte");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    place.train("run", ON_SET).fails_with(&["train-images-idx3-ubyte", &(bytes.len() - 100).to_string()]);
}

#[test]
fn labels_out_of_range() {
    let place = Place::new();
    // CIFAR-10: records of a label and 3072 bytes.
    let record = |label: u8| [vec![label], vec![9; 3072]].concat();
    fs::create_dir(place.path("set")).unwrap();
    let batch: Vec<u8> = (0..60).flat_map(|i| record(if i == 41 { 77 } else { i % 10 })).collect();
    fs::write(place.path("set/data_batch_1.bin"), batch).unwrap();
    fs::write(place.path("set/test_batch.bin"), record(1)).unwrap();
    place.train("run", ON_SET).fails_with(&["data_batch_1.bin", "77", "41"]);
}

#[test]
fn a_truncated_cifar_file() {
    let place = Place::new();
    fs::create_dir(place.path("set")).unwrap();
    fs::write(place.path("set/data_batch_1.bin"), vec![1; 3073 * 5 - 8]).unwrap();
    place.train("run", ON_SET).fails_with(&["data_batch_1.bin", &(3073 * 5 - 8).to_string()]);
}

#[test]
fn a_broken_png() {
    let place = Place::new();
    for class in ["cat", "dog"] {
        let folder = place.path("set").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..4 {
            let mut png = std::io::Cursor::new(Vec::new());
            image::GrayImage::new(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
            let mut bytes = png.into_inner();
            if class == "dog" && i == 2 {
                bytes.truncate(bytes.len() / 2);
            }
            fs::write(folder.join(format!("{i}.png")), bytes).unwrap();
        }
    }
    place.train("run", ON_SET).fails_with(&["dog", "2.png"]);
}

#[test]
fn a_recipe_with_a_typo() {
    let place = Place::new();
    let recipe = place.run(&["recipes", "show", "fashion-binary"]).ok().out;
    let write = |from: &str, to: &str| {
        assert!(recipe.contains(from), "{recipe}");
        fs::write(place.path("mine.toml"), recipe.replace(from, to)).unwrap();
    };
    let train = || place.run(&["train", "mine.toml", "--device", "cpu"]);
    write("epochs =", "epoch =");
    train().fails_with(&["mine.toml: line ", "epoch", "did you mean `epochs`?"]);
    write("kind = \"convnet\"", "kind = \"convnett\"");
    train().fails_with(&["mine.toml: line ", "convnett", "did you mean `convnet`?"]);
    write("[optimiser]", "[optimizer]");
    train().fails_with(&["mine.toml: line ", "optimizer", "did you mean `optimiser`?"]);
    write("epochs = ", "epochs = \"many\" #");
    train().fails_with(&["mine.toml: line ", "many"]);
    write("epochs = ", "epochs = 0 #");
    train().fails_with(&["mine.toml", "epochs = 0"]);
    place.run(&["train", "fashion-binari"]).fails_with(&["fashion-binari", "did you mean fashion-binary?"]);
    place.run(&["train", "absent.toml"]).fails_with(&["absent.toml"]);
    place.train("run", &["--set", "schedule.warm=1"]).fails_with(&["schedule.warm=1", "did you mean `warmup`?"]);
}

#[test]
fn a_loss_that_is_not_finite_names_the_op_and_keeps_the_checkpoint() {
    let place = Place::new();
    place.train("run", &["--set", "lr=1e30"]).fails_with(&[
        "at step 1 ",
        "learning rate ",
        "the first op whose result is not finite is",
        "no checkpoint had been written yet",
    ]);
    // The learning rate leaves all bounds in the second epoch: the first one is saved and stays.
    let leap = "schedule={kind=\"step\", milestones=[1], gamma=1e35}";
    place
        .train("late", &["--set", leap])
        .fails_with(&["the first op whose result is not finite is", "(after 6 steps) is as it was"]);
    assert!(place.run(&["eval", "late"]).code == Some(0), "the checkpoint of the first epoch is whole");
}

#[test]
fn a_device_that_does_not_exist() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]).ok();
    for device in ["radeon-9000", "99", "dx12"] {
        place.run(&["train", "--device", device]).fails_with(&[device, "there are: auto, cpu"]);
        place.run(&["eval", "run", "--device", device]).fails_with(&[device, "there are: auto, cpu"]);
    }
}

#[test]
fn a_batch_that_the_adapter_cannot_hold() {
    let place = Place::new();
    let devices = place.run(&["devices", "--json"]).ok().out;
    let devices: serde_json::Value = serde_json::from_str(&devices).unwrap();
    let usable = devices["adapters"].as_array().unwrap().iter().find(|a| a["usable"] == true).expect("an adapter");
    // Channels enough for one layer of 1,000 images to pass the adapter's largest binding.
    let limit =
        usable["max_storage_buffer_binding_size"].as_u64().unwrap().min(usable["max_buffer_size"].as_u64().unwrap());
    let width = (limit / (1000 * 28 * 28 * 4) + 1) / 32 * 32 + 32;
    let widths = format!("net.widths=[{width},8,8,8]");
    let index = usable["index"].to_string();
    let args = ["train", "--device", &index, "--set", &widths, "--set", "batch=1000"];
    let failed = place.run(&args).fails_with(&[
        "batch 1000",
        "max_storage_buffer_binding_size",
        "the largest batch that fits is",
    ]);
    let fits: u64 =
        failed.err.split("the largest batch that fits is ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((1..1000).contains(&fits), "{fits}");
    assert!(!place.path("runs").exists());
}

#[test]
fn a_batch_larger_than_the_set() {
    Place::new().train("run", &["--set", "batch=301"]).fails_with(&["301", "300 images"]);
}

/// Trains a while and stops, so that there is something to go on with.
#[cfg(unix)]
fn stopped(place: &Place) {
    let args = tiny("run", &["--set", "epochs=400"]);
    let mut child = place.command(&args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    wait_for(&place.checkpoint("run"), &mut child);
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(finish(child).code, Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_checkpoint() {
    let place = Place::new();
    stopped(&place);
    let before = place.weights("run");
    // Whatever is written for the next checkpoint goes to a device that is always full.
    for name in ["last", "best"] {
        let temporary = place.path(&format!("run/checkpoints/{name}.safetensors.tmp"));
        std::os::unix::fs::symlink("/dev/full", temporary).unwrap();
    }
    place.run(&["train", "--resume", "--out", "run"]).fails_with(&[
        "safetensors",
        "cannot write",
        "No space left on device",
    ]);
    assert!(place.weights("run") == before);
    // The run can go on when there is space again.
    for name in ["last", "best"] {
        let _ = fs::remove_file(place.path(&format!("run/checkpoints/{name}.safetensors.tmp")));
    }
    let mut child = place.command(&["train", "--resume", "--out", "run"]).spawn().unwrap();
    while place.weights("run") == before {
        assert!(child.try_wait().unwrap().is_none(), "it does not go on");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_checkpoint_cut_short_or_of_another_network() {
    let place = Place::new();
    stopped(&place);
    let whole = place.weights("run");
    fs::write(place.checkpoint("run"), &whole[..whole.len() - 7]).unwrap();
    let cut = (whole.len() - 7).to_string();
    place.run(&["train", "--resume", "--out", "run"]).fails_with(&["last.safetensors", "cut short", &cut]);
    place.run(&["eval", "run"]).fails_with(&["last.safetensors", "cut short", &cut]);
    assert_eq!(place.weights("run").len(), whole.len() - 7, "what was there is left alone");

    place.train("wide", &["--epochs", "1", "--set", "net.widths=[16,16,16,16]"]).ok();
    fs::copy(place.checkpoint("wide"), place.checkpoint("run")).unwrap();
    let eval = place.run(&["eval", "run"]);
    eval.fails_with(&["last.safetensors", "net.widths = [16, 16, 16, 16]", "[8, 8, 8, 8]", "put that back"]);
    place.run(&["train", "--resume", "--out", "run"]).fails_with(&["last.safetensors", "net.widths"]);
    fs::remove_file(place.checkpoint("run")).unwrap();
    place.run(&["eval", "run"]).fails_with(&["last.safetensors", "cannot read"]);
    place.run(&["eval", "nowhere"]).fails_with(&["nowhere", "no such run directory"]);
}
