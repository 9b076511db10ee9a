//! Which room of the sources uses which: the paths in `src` against the table of `src/README.md`.
//!
//! Read as tokens, so that comments and strings are none, and what stands in a function's body, in a macro or behind
//! `pub use` is. Modules and items for tests alone (`#[cfg(test)]`) may use every room. `lib.rs` and `main.rs` are no
//! room: they list the rooms and call `cli`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A path that leaves its room, or a macro by its name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    line: usize,
    name: String,
}

/// What a file says of rooms.
#[derive(Default)]
struct Read {
    used: Vec<Used>,
    /// Macros that are called, by bare name.
    called: Vec<Used>,
    /// Macros that it defines.
    defined: BTreeSet<String>,
    /// Modules in files of their own that are for tests alone.
    test_modules: Vec<String>,
}

impl Read {
    /// `depth`: modules from the crate's root down to the one whose tokens these are.
    fn tokens(&mut self, tokens: TokenStream, depth: usize) {
        let t: Vec<TokenTree> = tokens.into_iter().collect();
        let mut i = 0;
        while i < t.len() {
            if let Some(end) = self.test_item(&t, i) {
                i = end;
            } else if let (true, Some(TokenTree::Group(body))) = (is_ident(t.get(i), "mod"), t.get(i + 2)) {
                self.tokens(body.stream(), depth + 1);
                i += 3;
            } else if let Some((from_root, at)) = path_head(&t, i, depth) {
                if from_root {
                    self.names(t.get(at));
                }
                i = at;
            } else {
                self.macros(&t, i);
                if let TokenTree::Group(g) = &t[i] {
                    self.tokens(g.stream(), depth);
                }
                i += 1;
            }
        }
    }

    /// The name behind `crate::`, or the names in the braces there.
    fn names(&mut self, tree: Option<&TokenTree>) {
        match tree {
            Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace => {
                let trees: Vec<TokenTree> = g.stream().into_iter().collect();
                trees.split(|t| is_punct(Some(t), ',')).for_each(|part| {
                    if !part.is_empty() {
                        self.names(part.first());
                    }
                });
            }
            Some(t) => self.used.push(Used { line: t.span().start().line, name: t.to_string() }),
            None => {}
        }
    }

    fn macros(&mut self, t: &[TokenTree], i: usize) {
        let (TokenTree::Ident(name), true) = (&t[i], is_punct(t.get(i + 1), '!')) else { return };
        match (name == "macro_rules", t.get(i + 2)) {
            (true, Some(TokenTree::Ident(defined))) => {
                self.defined.insert(defined.to_string());
            }
            _ => self.called.push(Used { line: name.span().start().line, name: name.to_string() }),
        }
    }

    /// Where an item ends that begins at `i` with `#[cfg(test)]`, or such a condition among others.
    fn test_item(&mut self, t: &[TokenTree], i: usize) -> Option<usize> {
        let attribute = |i: usize| match (is_punct(t.get(i), '#'), t.get(i + 1)) {
            (true, Some(TokenTree::Group(g))) if g.delimiter() == Delimiter::Bracket => Some(g.stream().to_string()),
            _ => None,
        };
        let condition = attribute(i)?.replace(' ', "");
        if !condition.starts_with("cfg(test)") && !condition.starts_with("cfg(all(test,") {
            return None;
        }
        let mut at = i + 2;
        while attribute(at).is_some() {
            at += 2;
        }
        while let Some(tree) = t.get(at) {
            at += 1;
            match tree {
                TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => break,
                TokenTree::Punct(p) if p.as_char() == ';' => {
                    if let (true, Some(TokenTree::Ident(name))) = (is_ident(t.get(at - 3), "mod"), t.get(at - 2)) {
                        self.test_modules.push(name.to_string());
                    }
                    break;
                }
                _ => {}
            }
        }
        Some(at)
    }
}

fn is_ident(t: Option<&TokenTree>, name: &str) -> bool {
    matches!(t, Some(TokenTree::Ident(i)) if i == name)
}

fn is_punct(t: Option<&TokenTree>, c: char) -> bool {
    matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == c)
}

/// Whether a path that begins at `i` starts from the crate's root (`crate::`, or enough of `super::`), and where it goes
/// on; `None` if none of these words begins one.
fn path_head(t: &[TokenTree], i: usize, depth: usize) -> Option<(bool, usize)> {
    let step = |i: usize, word: &str| {
        (is_ident(t.get(i), word) && is_punct(t.get(i + 1), ':') && is_punct(t.get(i + 2), ':')).then_some(i + 3)
    };
    if let Some(at) = step(i, "crate") {
        return Some((true, at));
    }
    let (mut at, mut up) = (step(i, "super")?, 1);
    while let Some(next) = step(at, "super") {
        (at, up) = (next, up + 1);
    }
    Some((up == depth, at))
}

fn read(source: &str, depth: usize) -> Read {
    let tokens: TokenStream = source.parse().expect("a source file is Rust");
    let mut read = Read::default();
    read.tokens(tokens, depth);
    read
}

/// The table of rooms, top to bottom, and what each may use.
type Table = Vec<(String, Vec<String>)>;

/// Words in backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|w| w.trim_end_matches('/').to_string()).collect()
}

fn table(readme: &str) -> Table {
    let lines = readme.lines().skip_while(|l| !l.starts_with("| room | may use |")).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        (ticked(cells[1]).remove(0), ticked(cells[2]))
    };
    lines.take_while(|l| l.starts_with('|')).map(row).collect()
}

/// Arrows with the places where they stand, as `file:line`.
type Arrows = BTreeMap<(String, String), Vec<String>>;

/// What is wrong with the table, and with the arrows by it; sentences.
fn faults(table: &[(String, Vec<String>)], rooms: &BTreeSet<String>, arrows: &Arrows) -> Vec<String> {
    let mut faults = Vec::new();
    let place = |room: &str| table.iter().position(|(r, _)| r == room);
    for room in rooms.iter().filter(|r| place(r).is_none()) {
        faults.push(format!("src/{room} has no row in the table"));
    }
    for (i, (room, uses)) in table.iter().enumerate() {
        if !rooms.contains(room) {
            faults.push(format!("the table has a room {room} that is not in src"));
        }
        if place(room) != Some(i) {
            faults.push(format!("the table has {room} twice"));
        }
        for to in uses {
            match place(to) {
                None => faults.push(format!("the table lets {room} use {to}, which has no row")),
                Some(j) if j >= i => {
                    faults.push(format!("the table lets {room} use {to}, which does not stand above it: a circle"))
                }
                Some(_) if !arrows.contains_key(&(room.clone(), to.clone())) => {
                    faults.push(format!("the table lets {room} use {to}, but it does not"))
                }
                Some(_) => {}
            }
        }
    }
    for ((from, to), places) in arrows {
        if !rooms.contains(to) {
            faults.push(format!("{}: {from} -> {to}, and there is no room {to}", places.join(", ")));
            continue;
        }
        if !table.iter().any(|(room, uses)| room == from && uses.contains(to)) {
            faults.push(format!("{}: {from} -> {to} is not in the table", places.join(", ")));
        }
    }
    faults
}

/// All Rust files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => out.extend(files(&path)),
            false if path.extension().is_some_and(|e| e == "rs") => out.push(path),
            false => {}
        }
    }
    out.sort();
    out
}

/// The rooms of the sources, and who uses whom.
fn house(src: &Path) -> (BTreeSet<String>, Arrows) {
    let mut rooms = BTreeSet::new();
    let mut read_files: Vec<(String, String, Read)> = Vec::new();
    let mut for_tests: BTreeSet<PathBuf> = BTreeSet::new();
    for path in files(src) {
        let below = path.strip_prefix(src).expect("below src").with_extension("");
        let mut modules: Vec<String> = below.iter().map(|c| c.to_string_lossy().into_owned()).collect();
        modules.pop_if(|last| last == "mod");
        if modules.len() == 1 && ["lib", "main"].contains(&modules[0].as_str()) {
            continue;
        }
        rooms.insert(modules[0].clone());
        let file = format!("src/{}", path.strip_prefix(src).expect("below src").display());
        let read = read(&fs::read_to_string(&path).expect("a source file"), modules.len());
        let folder: PathBuf = src.join(modules.iter().collect::<PathBuf>());
        for_tests.extend(read.test_modules.iter().map(|m| folder.join(m)));
        read_files.push((modules[0].clone(), file, read));
    }
    read_files.retain(|(_, file, _)| {
        let path = src.join(file.trim_start_matches("src/")).with_extension("");
        !for_tests.iter().any(|t| path.starts_with(t))
    });
    let maker = |name: &str, own: &str| {
        let mut makers = read_files.iter().filter(|(_, _, r)| r.defined.contains(name)).map(|(room, _, _)| room);
        let first = makers.clone().next()?;
        (!makers.any(|room| room == own)).then(|| first.clone())
    };
    let mut arrows = Arrows::new();
    for (room, file, read) in &read_files {
        let rooms_used = read.used.iter().map(|u| (u, maker(&u.name, room).unwrap_or(u.name.clone())));
        let macros_used = read.called.iter().filter_map(|u| Some((u, maker(&u.name, room)?)));
        for (used, to) in rooms_used.chain(macros_used).filter(|(_, to)| to != room) {
            arrows.entry((room.clone(), to)).or_default().push(format!("{file}:{}", used.line));
        }
    }
    (rooms, arrows)
}

#[test]
fn arrows_between_rooms_run_as_the_map_says() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (rooms, arrows) = house(&src);
    let table = table(&fs::read_to_string(src.join("README.md")).expect("the map"));
    assert!(rooms.len() > 20 && arrows.len() > 100, "hardly anything was read: {rooms:?}");
    let faults = faults(&table, &rooms, &arrows);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let source = r##"
        //! crate::comment
        use crate::graph::{Graph, crates};
        pub use crate::{ops::pointwise, tensor as t};
        pub(crate) fn f(x: &crate::error::Error) {
            use super::near;
            use super::super::device::{self, Device};
            let s = "crate::string"; // crate::remark
            macro_rules! own { () => { $crate::kernels::f() } }
            own!(super::super::program::g());
        }
        mod inner {
            use super::super::near;
            use super::super::super::verify;
        }
        #[cfg(test)]
        mod files;
        #[cfg(test)]
        #[allow(unused)]
        mod tests { use crate::cli; }
        #[cfg(all(test, feature = "train"))]
        use crate::data;
        #[cfg(not(test))]
        use crate::web;
    "##;
    let read = read(source, 2);
    let found: Vec<(usize, &str)> = read.used.iter().map(|u| (u.line, u.name.as_str())).collect();
    let expected = [
        (3, "graph"),
        (4, "ops"),
        (4, "tensor"),
        (5, "error"),
        (7, "device"),
        (9, "kernels"),
        (10, "program"),
        (14, "verify"),
        (24, "web"),
    ];
    assert_eq!(found, expected);
    assert_eq!(read.test_modules, ["files"]);
    assert!(read.defined.contains("own") && read.called.iter().any(|u| u.name == "own"));
}

#[test]
fn every_fault_of_map_and_arrows_is_told() {
    let readme =
        "text\n\n| room | may use |\n| --- | --- |\n| `a` | |\n| `b` | `a` |\n| `c` | `a`, `b` |\n\n| no | `row` |\n";
    let good = table(readme);
    let rooms = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<BTreeSet<_>>();
    let arrows = |pairs: &[(&str, &str)]| -> Arrows {
        pairs.iter().map(|(a, b)| ((a.to_string(), b.to_string()), vec![format!("src/{a}.rs:7")])).collect()
    };
    let all = [("b", "a"), ("c", "a"), ("c", "b")];
    let told = |readme: &str, names: &[&str], pairs: &[(&str, &str)], part: &str| {
        let found = faults(&table(readme), &rooms(names), &arrows(pairs));
        assert!(found.len() == 1 && found[0].contains(part), "{part}: {found:?}");
    };
    assert_eq!(good.len(), 3);
    assert_eq!(faults(&good, &rooms(&["a", "b", "c"]), &arrows(&all)), Vec::<String>::new());

    let with = |pair| [&all[..], &[pair]].concat();
    told(readme, &["a", "b", "c"], &with(("b", "c")), "src/b.rs:7: b -> c is not in the table");
    told(readme, &["a", "b", "c"], &with(("b", "d")), "no room d");
    told(readme, &["a", "b", "c", "d"], &all, "src/d has no row");
    told(readme, &["a", "b", "c"], &all[1..], "lets b use a, but it does not");
    told(&readme.replace("| `a` | |", "| `a` | |\n| `d` | |"), &["a", "b", "c"], &all, "a room d that is not in src");
    told(&readme.replace("| `b` | `a` |", "| `b` | `a`, `c` |"), &["a", "b", "c"], &with(("b", "c")), "a circle");
    told(&readme.replace("| `a` | |", "| `a` | `d` |"), &["a", "b", "c"], &all, "use d, which has no row");
    told(&readme.replace("| `b` | `a` |", "| `b` | `a` |\n| `b` | `a` |"), &["a", "b", "c"], &all, "b twice");
}
