//! Images whose classes lie in a text of any bytes beside them: tables, ImageNet's lists, shards of WebDataset that were
//! unpacked, lists of classes.

use onebit::data::{Dataset, OpenOptions};
use std::path::Path;

/// A picture of one pixel (PPM).
const PICTURE: &[u8] = b"P6 1 1 255 abc";

const IMAGES: [&str; 5] = ["a.ppm", "b.ppm", "train/c.ppm", "images/d.ppm", "e f.ppm"];
const TABLES: [&str; 6] =
    ["labels.csv", "train.csv", "labels.tsv", "metadata.jsonl", "labels.txt", "train/metadata.csv"];
const TINY: [&str; 4] =
    ["train/n1/images/n1_0.ppm", "train/n2/images/n2_0.ppm", "val/images/val_0.ppm", "test/images/test_0.ppm"];

/// Whether that is a set; how it is made of the bytes, the numbers say.
pub fn run(how: u8, cut: u8, bytes: &[u8]) -> bool {
    let (one, two) = bytes.split_at(bytes.len() * cut as usize / 255);
    let pictures = |names: &[&str]| names.iter().map(|n| (n.to_string(), PICTURE.to_vec())).collect::<Vec<_>>();
    let text = |name: &str, bytes: &[u8]| (name.to_string(), bytes.to_vec());
    let mut files;
    match how % 4 {
        0 | 1 => {
            files = pictures(&IMAGES);
            files.push(text(TABLES[(how >> 2) as usize % 6], one));
            if how % 4 == 1 {
                files.push(text(TABLES[(how >> 3) as usize % 6], two));
            }
        }
        2 => {
            files = pictures(&TINY);
            files.push(text("wnids.txt", b"n1\nn2\n"));
            files.push(text("words.txt", one));
            files.push(text("val/val_annotations.txt", two));
        }
        _ => {
            files = pictures(&["set-train-0/000000.ppm", "set-train-0/000001.ppm"]);
            let ending = ["cls", "json"][(how >> 2) as usize % 2];
            files.push(text(&format!("set-train-0/000000.{ending}"), one));
            files.push(text(&format!("set-train-0/000001.{ending}"), two));
        }
    }
    let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &OpenOptions::default()) else { return false };
    [split.train, split.val, split.test].iter().for_each(|part| {
        part.check(Path::new("fuzzed")).expect("what is read fits together");
    });
    true
}
