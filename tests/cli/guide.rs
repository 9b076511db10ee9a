//! The guide (`src/guide`) as a newcomer reads it: blocks marked `sh test` are run, chapter by chapter, each chapter in a folder of
//! its own that begins empty, on the images that come along.
//!
//! * `sh test`: a shell runs it and must end well; with `sh test fails` it must not.
//! * `text output`: lines that the block before it must have printed, in this order; `...` stands for anything in a line, and a line
//!   of it alone for any lines.
//! * `toml file NAME`: what stands in the file NAME from there on.
//!
//! What is shown and not run has commands and options that there are, and links lead to files.

use crate::program::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What stands between two fences, with the line that it begins in and what the first fence says.
struct Block<'a> {
    line: usize,
    says: Vec<&'a str>,
    text: Vec<&'a str>,
}

/// The blocks of a text, first to last.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(says), false) => {
                out.push(Block { line: i + 2, says: says.split_whitespace().collect(), text: Vec::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => out.last_mut().expect("a block is open").text.push(line),
            (None, false) => {}
        }
    }
    assert!(!open, "a block has no end");
    out
}

/// Whether a line is what is promised, `...` being anything.
fn is_like(line: &str, promised: &str) -> bool {
    let (line, promised) = (line.trim_end(), promised.trim_end());
    let Some((start, rest)) = promised.split_once("...") else { return line == promised };
    let Some(mut left) = line.strip_prefix(start) else { return false };
    let parts: Vec<&str> = rest.split("...").collect();
    let (end, between) = parts.split_last().expect("there is one");
    for part in between {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

/// The first promised line that is not there behind those before it.
fn missing<'a>(output: &str, promised: &[&'a str]) -> Option<&'a str> {
    let mut lines = output.lines();
    promised.iter().find(|p| p.trim() != "..." && !p.trim().is_empty() && !lines.any(|line| is_like(line, p))).copied()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Runs what a chapter marks.
#[cfg(unix)]
fn run_chapter(name: &str) {
    use std::process::Command;

    let file = format!("src/guide/{name}.md");
    let text = read(&file);
    let place = Place::new();
    let (bin, here) = (place.path("bin"), place.path("here"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&here).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_onebit"), bin.join("onebit")).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut printed: Option<String> = None;
    for block in blocks(&text) {
        let at = format!("{file}:{}", block.line);
        match block.says[..] {
            ["sh", "test"] | ["sh", "test", "fails"] => {
                let mut shell = Command::new("sh");
                shell.args(["-euc", &format!("exec 2>&1\n{}", block.text.join("\n"))]).current_dir(&here);
                shell.env("PATH", format!("{}:{path}", bin.display())).env("ONEBIT_CACHE", place.path("cache"));
                // No drivers: beside other tests a software adapter may look faster than the CPU, and is not.
                for list in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "__EGL_VENDOR_LIBRARY_FILENAMES"] {
                    shell.env(list, place.path("none"));
                }
                let o = shell.output().expect("a shell starts");
                let output = String::from_utf8_lossy(&o.stdout).into_owned();
                assert_eq!(
                    o.status.success(),
                    block.says.len() == 2,
                    "{at}: {}, after this output:\n{output}",
                    o.status
                );
                printed = Some(output);
            }
            ["text", "output"] => {
                let output = printed.as_ref().unwrap_or_else(|| panic!("{at}: no block before it is run"));
                if let Some(line) = missing(output, &block.text) {
                    panic!("{at}: promised, and not printed: {line}\nthe output:\n{output}");
                }
            }
            [_, "file", name] => fs::write(here.join(name), block.text.join("\n") + "\n").unwrap(),
            [_] | [] => {}
            _ => panic!("{at}: no such mark: {}", block.says.join(" ")),
        }
    }
    assert!(printed.is_some() || NOT_RUN.contains(&name), "{file}: nothing of it is run");
}

/// Chapters whose commands are other tests', which they name.
const NOT_RUN: [&str; 2] = ["extend", "python"];

macro_rules! chapters {
    ($($name:ident)*) => {
        const CHAPTERS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[cfg(unix)]
            #[test]
            fn $name() {
                run_chapter(stringify!($name));
            }
        )*
    };
}

chapters! {
    clusters errors extend machines masks methods own_network own_pictures profiling prove python shipping stored without_labels
}

/// The texts for users: the front page, the guide, the numbers.
fn texts() -> BTreeMap<String, String> {
    let chapters = CHAPTERS.iter().map(|c| format!("src/guide/{c}.md"));
    let others = ["README.md", "src/guide/README.md", "benches/RESULTS.md"].map(String::from);
    chapters.chain(others).map(|file| (file.clone(), read(&file))).collect()
}

#[test]
fn every_chapter_is_in_the_list_of_chapters_and_in_the_documentation() {
    let files = fs::read_dir(root().join("src/guide")).unwrap().map(|e| e.unwrap().path());
    let names = files.filter(|f| f.extension().is_some_and(|e| e == "md"));
    let names: BTreeSet<String> = names.map(|f| f.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let listed: BTreeSet<String> = CHAPTERS.iter().chain(&["README"]).map(|c| c.to_string()).collect();
    assert_eq!(names, listed);
    let (module, index) = (read("src/guide/mod.rs"), read("src/guide/README.md"));
    for c in CHAPTERS {
        assert!(module.contains(&format!("{c} \"")), "src/guide/mod.rs has no {c}");
        assert!(index.contains(&format!("({c}.md)")) || index.contains(&format!("]: {c}.md")), "README.md has no {c}");
    }
}

#[test]
fn links_lead_to_files() {
    for (file, text) in texts() {
        let folder = root().join(&file).parent().unwrap().to_path_buf();
        let inline = text.split("](").skip(1).filter_map(|t| t.split_once(')')).map(|(link, _)| link);
        let defined = text.lines().filter_map(|l| l.strip_prefix('[')?.split_once("]: ")).map(|(_, link)| link);
        let sources = text.split("src=\"").skip(1).filter_map(|t| t.split_once('"')).map(|(link, _)| link);
        for link in inline.chain(defined).chain(sources).filter(|l| !l.contains("://") && !l.starts_with('#')) {
            let to: PathBuf = folder.join(link.split('#').next().unwrap());
            assert!(to.exists(), "{file}: {link} leads nowhere");
        }
    }
}

/// The words of a command, without comments.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().take_while(|w| !w.starts_with('#')).collect()
}

#[test]
fn commands_and_options_that_are_shown_are_there() {
    let place = Place::new();
    let mut help: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for (file, text) in texts() {
        for block in blocks(&text).into_iter().filter(|b| b.says.first() == Some(&"sh")) {
            for line in &block.text {
                let words = words(line.trim_start());
                let ["onebit", command, rest @ ..] = &words[..] else { continue };
                let nested = match (*command, rest.first()) {
                    ("mask", Some(which)) => Some(*which),
                    ("recipes", Some(which)) if !which.starts_with('-') => Some(*which),
                    _ => None,
                };
                let key = format!("{command} {}", nested.unwrap_or_default());
                let told = help.entry(key).or_insert_with(|| {
                    let args = [&[*command][..], nested.as_slice(), &["--help"]].concat();
                    place.run(&args).ok().out
                });
                for option in rest.iter().filter(|w| w.starts_with('-') && w.len() > 1) {
                    let option = option.split('=').next().unwrap();
                    let is_there = |w: &str| w.trim_end_matches(',') == option;
                    assert!(told.split_whitespace().any(is_there), "{file}: {command} has no {option}: {line}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 80, "{seen} commands");
}

#[test]
fn a_promise_is_kept_in_order_and_with_gaps() {
    assert!(is_like("a 12 b", "a ... b") && is_like("a 12 b", "...12...") && is_like("a ", "a"));
    assert!(!is_like("a 12 b", "a ... c") && !is_like("a 12", "a") && !is_like("ab", "ab...b"));
    let output = "one\ntwo 2\nthree\n";
    assert_eq!(missing(output, &["one", "...", "th...e"]), None);
    assert_eq!(missing(output, &["two ...", "one"]), Some("one"));
    let text = "a\n```sh test\nx\n```\n```text output\ny\n```\n";
    let found: Vec<(usize, Vec<&str>)> = blocks(text).into_iter().map(|b| (b.line, b.text)).collect();
    assert_eq!(found, [(3, vec!["x"]), (6, vec!["y"])]);
}
