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

/// Images of a Parquet file lie in pages that are compressed, of which few are in memory at once.
#[cfg(target_os = "linux")]
#[test]
fn a_parquet_set_that_is_larger_than_the_memory_is_packed() {
    use crate::program::finish;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    const SIDE: usize = 768;
    const IMAGES: usize = 400;
    let place = Place::new();
    let mut file = fs::File::create(place.path("train.parquet")).unwrap();
    let schema = Arc::new(parse_message_type("message m { required binary image; }").unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let properties = properties.set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None);
    let properties = properties.set_write_batch_size(2).set_data_page_row_count_limit(2).build();
    let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(properties)).unwrap();
    for rows in (0..IMAGES).collect::<Vec<_>>().chunks(20) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let head = format!("P6 {SIDE} {SIDE} 255\n").into_bytes();
        let picture = |i: &usize| ByteArray::from([&head[..], &vec![*i as u8; SIDE * SIDE * 3]].concat());
        let pictures: Vec<ByteArray> = rows.iter().map(picture).collect();
        column.typed::<ByteArrayType>().write_batch(&pictures, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    let all = (IMAGES * SIDE * SIDE * 3) as u64;
    let allowed = 450_000 << 10;
    assert!(fs::metadata(place.path("train.parquet")).unwrap().len() < all / 100 && allowed < all * 2 / 3);
    let mut limited = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_onebit");
    limited.arg("-c").arg(format!("ulimit -v {}; exec {program} pack train.parquet set.1img", allowed >> 10));
    limited.current_dir(place.path(".")).stdout(Stdio::piped()).stderr(Stdio::piped());
    limited.env("ONEBIT_CACHE", place.path("cache")).env("RAYON_NUM_THREADS", "2");
    let told = finish(limited.spawn().unwrap());
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.out.contains("400 images"), "{}", told.out);
}
