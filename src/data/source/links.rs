//! What an archive holds, as the tree of files that it would be when unpacked, links within it resolved.

use super::entry::Entry;
use super::{Source, names};
use crate::data::index::LeftOut;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// Links that may stand behind one name, as for Linux.
const MOST_LINKS: usize = 40;

/// How many times as many names as it has members links may make of an archive, beyond [`SOME_NAMES`]: a few links to
/// folders of links are enough for any number.
const MOST_TIMES: usize = 16;
const SOME_NAMES: usize = 100_000;

/// The members of an archive by name.
pub(super) struct Tree {
    /// Path of the archive.
    path: PathBuf,
    nodes: BTreeMap<String, Node>,
    folders: BTreeSet<String>,
    left_out: LeftOut,
    notes: Vec<String>,
}

#[derive(Clone)]
enum Node {
    File(Entry),
    /// A symbolic link, with where it points.
    Link(Vec<u8>),
}

/// What a name leads to, by the name of what is really there.
enum Target {
    File(Entry),
    Folder(String),
    Outside,
    Nothing,
    Circle,
}

impl Tree {
    pub fn new(path: &Path) -> Tree {
        let (nodes, folders, left_out) = (BTreeMap::new(), BTreeSet::new(), LeftOut::default());
        Tree { path: path.into(), nodes, folders, left_out, notes: Vec::new() }
    }

    /// Adds a file.
    pub fn file(&mut self, name: String, entry: Entry) {
        self.put(name, Node::File(entry));
    }

    /// Adds a folder, which may stay empty.
    pub fn folder(&mut self, name: String) {
        self.folders.insert(name);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: String, target: &[u8]) {
        self.put(name, Node::Link(target.into()));
    }

    /// Adds a second name of an earlier member: a hard link.
    pub fn hard_link(&mut self, name: String, target: &[u8]) {
        match self.nodes.get(&names::of_member(target)).cloned() {
            Some(node) => self.put(name, node),
            None => self.left_out.add("a hard link to what is not before it in the archive", name),
        }
    }

    /// Counts a member that is no file.
    pub fn left_out(&mut self, reason: &str, name: impl Into<String>) {
        self.left_out.add(reason, name);
    }

    /// Notes what a user should know of the archive.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Of two members of one name the last counts: it would overwrite the first.
    fn put(&mut self, name: String, node: Node) {
        if name.is_empty() {
            return self.left_out.add("without a name", "(no name)");
        }
        if self.nodes.insert(name.clone(), node).is_some() {
            self.left_out.add("an older version of a file that comes again", name);
        }
    }

    /// All files, under every name that leads to them.
    ///
    /// # Errors
    /// If links go in circles.
    pub fn list(mut self, is_archive: bool) -> Result<Source> {
        let mut listing = Listing::default();
        let at = &mut vec![String::new()];
        self.expand("", "", at, &mut listing)?;
        listing.files.sort_by(|a, b| a.name.cmp(&b.name));
        let hidden = |name: &str| name.split('/').any(|part| names::not_data(part).is_some());
        let holds_any = |folder: &str| {
            let below = format!("{folder}/");
            let file = listing.files.binary_search_by(|e| e.name.as_str().cmp(&below)).unwrap_or_else(|i| i);
            listing.files.get(file).is_some_and(|e| e.name.starts_with(&below))
        };
        let nested = |folder: &str| {
            let below = format!("{folder}/");
            self.folders.range(below.clone()..).next().is_some_and(|f| f.starts_with(&below))
        };
        let empty = self.folders.iter().filter(|f| !f.is_empty() && !hidden(f) && !nested(f) && !holds_any(f));
        let empty_folders = empty.cloned().collect();
        self.left_out.extend(listing.left_out);
        let Tree { path, left_out, notes, .. } = self;
        Ok(Source { path, files: listing.files, empty_folders, is_archive, left_out, notes })
    }

    /// Adds what lies below the folder `real`, under names that begin with `shown`. `at` are the folders that are being
    /// listed.
    fn expand(&self, real: &str, shown: &str, at: &mut Vec<String>, listing: &mut Listing) -> Result<()> {
        let below = if real.is_empty() { String::new() } else { format!("{real}/") };
        for (name, node) in self.nodes.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below)) {
            let name_here = format!("{shown}{}", &name[below.len()..]);
            listing.seen += 1;
            if listing.seen > SOME_NAMES + MOST_TIMES * self.nodes.len() || at.len() > MOST_LINKS {
                return Err(Error::data(
                    self.path.join(&name_here),
                    "the archive's links to folders lead through one another too often: unpack it, and remove them",
                ));
            }
            if listing.hidden(&name_here) {
                continue;
            }
            match node {
                Node::File(entry) => listing.add(entry.linked(name_here, &self.path)),
                Node::Link(_) => match self.resolve(name) {
                    Target::File(entry) => listing.add(entry.linked(name_here, &self.path)),
                    Target::Folder(folder) => {
                        let within =
                            |f: &String| *f == folder || folder.is_empty() || f.starts_with(&format!("{folder}/"));
                        let here = name.rsplit_once('/').map_or("", |(f, _)| f).to_string();
                        if within(&here) || at.iter().skip(1).any(within) {
                            return Err(self.circle(&name_here));
                        }
                        at.push(here);
                        self.expand(&folder, &format!("{name_here}/"), at, listing)?;
                        at.pop();
                    }
                    Target::Outside => listing.left_out.add("a link that leaves the archive", name_here),
                    Target::Nothing => listing.left_out.add("a link to nothing", name_here),
                    Target::Circle => return Err(self.circle(&name_here)),
                },
            }
        }
        Ok(())
    }

    fn circle(&self, name: &str) -> Error {
        Error::data(
            self.path.join(name),
            "is a link that leads back to itself or to a folder that it lies in, so that there is no end: pack the \
             archive without it",
        )
    }

    /// Where a name leads, part by part, through all links.
    fn resolve(&self, name: &str) -> Target {
        let mut left: Vec<String> = name.split('/').rev().map(String::from).collect();
        let (mut done, mut links) = (Vec::<String>::new(), 0);
        while let Some(part) = left.pop() {
            if part == ".." {
                if done.pop().is_none() {
                    return Target::Outside;
                }
                continue;
            }
            done.push(part);
            if let Some(Node::Link(target)) = self.nodes.get(&done.join("/")) {
                links += 1;
                if links > MOST_LINKS {
                    return Target::Circle;
                }
                if target.starts_with(b"/") {
                    return Target::Outside;
                }
                done.pop();
                left.extend(names::parts_of(target).into_iter().rev());
            }
        }
        let name = done.join("/");
        let below = format!("{name}/");
        let is_folder = |names: Option<&String>| names.is_some_and(|n| n.starts_with(&below));
        match self.nodes.get(&name) {
            Some(Node::File(entry)) => Target::File(entry.clone()),
            _ if name.is_empty() || self.folders.contains(&name) => Target::Folder(name),
            _ if is_folder(self.nodes.range(below.clone()..).next().map(|(n, _)| n)) => Target::Folder(name),
            _ => Target::Nothing,
        }
    }
}

#[derive(Default)]
struct Listing {
    /// Names that were looked at.
    seen: usize,
    files: Vec<Entry>,
    /// Names there are; a link to a folder may give one that is there already.
    taken: HashSet<String>,
    /// Folders and files that were counted as no data.
    counted: HashSet<String>,
    left_out: LeftOut,
}

impl Listing {
    fn add(&mut self, entry: Entry) {
        if self.taken.insert(entry.name.clone()) {
            self.files.push(entry);
        }
    }

    /// Whether a file, or a folder that it lies in, is no data. Each such folder is counted once.
    fn hidden(&mut self, name: &str) -> bool {
        let mut end = 0;
        for part in name.split('/') {
            end += part.len();
            if let Some(reason) = names::not_data(part) {
                if self.counted.insert(name[..end].to_string()) {
                    self.left_out.add(reason, &name[..end]);
                }
                return true;
            }
            end += 1;
        }
        false
    }
}
