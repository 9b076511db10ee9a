//! Which image a row of a table means: by its name, with or without folders and ending.

use super::super::super::index::Part;
use super::super::super::source::Entry;
use super::super::words::part_of_word;
use std::collections::HashMap;

/// Images by their names.
pub(super) struct Images<'a> {
    all: Vec<&'a Entry>,
    /// By name without folders.
    by_name: HashMap<&'a str, Vec<usize>>,
    /// By name without folders and ending.
    by_stem: HashMap<&'a str, Vec<usize>>,
}

/// What a row's name is found to mean.
pub(super) enum Match<'a> {
    None,
    One(&'a Entry),
    /// Two of several.
    Several(&'a Entry, &'a Entry),
}

impl<'a> Images<'a> {
    pub fn new(all: Vec<&'a Entry>) -> Images<'a> {
        let (mut by_name, mut by_stem) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (i, entry) in all.iter().enumerate() {
            let name = last(&entry.name);
            by_name.entry(name).or_default().push(i);
            by_stem.entry(name.rsplit_once('.').map_or(name, |(stem, _)| stem)).or_default().push(i);
        }
        Images { all, by_name, by_stem }
    }

    pub fn all(&self) -> &[&'a Entry] {
        &self.all
    }

    /// Whether there is any image of that name.
    pub fn has(&self, name: &str) -> bool {
        !self.named(&clean(name)).is_empty()
    }

    fn named(&self, name: &str) -> &[usize] {
        let name = last(name);
        self.by_name.get(name).or_else(|| self.by_stem.get(name)).map_or(&[], |found| found)
    }

    /// The image that a table in `folder` calls `name`. Of several of that name those count whose folders fit best, then those
    /// below the table's own folder, then those of the part that the table is of; without one, those for training.
    pub fn find(&self, name: &str, folder: &str, of: Option<Part>) -> Match<'a> {
        let name = clean(name);
        let mut found: Vec<&'a Entry> = self.named(&name).iter().map(|i| self.all[*i]).collect();
        if found.len() > 1 {
            let wanted: Vec<&str> = name.rsplit('/').skip(1).collect();
            let fit = |e: &&Entry| e.folder().rsplit('/').zip(&wanted).take_while(|(a, b)| a == *b).count();
            let best = found.iter().map(fit).max().unwrap_or(0);
            found.retain(|e| fit(e) == best);
        }
        let mut narrow = |test: &dyn Fn(&Entry) -> bool| {
            if found.len() > 1 && found.iter().any(|e| test(e)) {
                found.retain(|e| test(e));
            }
        };
        narrow(&|e| folder.is_empty() || e.folder() == folder || e.folder().starts_with(&format!("{folder}/")));
        narrow(&|e| part_of_folders(e.folder()) == of.or(Some(Part::Train)));
        match found[..] {
            [] => Match::None,
            [one] => Match::One(one),
            [a, b, ..] => Match::Several(a, b),
        }
    }
}

/// A name with one kind of separator, and without what only says "here".
fn clean(name: &str) -> String {
    name.trim().replace('\\', "/").trim_start_matches("./").trim_matches('/').to_string()
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// The part that the folders of an image say, the innermost first: folders that are called by it alone.
pub(super) fn part_of_folders(folder: &str) -> Option<Part> {
    folder.rsplit('/').find_map(|name| {
        let word: String = name.to_lowercase();
        word.split(['_', '-', ' ']).find_map(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_image_that_fits_best() {
        let names = ["train/1.jpg", "test/1.jpg", "a/x.png", "b/x.png", "only.jpeg", "a.b.png"];
        let entries = names.map(|n| Entry::in_memory(n.into(), n.into(), Vec::new()));
        let images = Images::new(entries.iter().collect());
        let find = |name: &str, folder: &str, of: Option<Part>| match images.find(name, folder, of) {
            Match::None => "none".to_string(),
            Match::One(entry) => entry.name.clone(),
            Match::Several(a, b) => format!("{}|{}", a.name, b.name),
        };
        assert_eq!(find("only", "", None), "only.jpeg");
        assert_eq!(find("only.jpeg", "", None), "only.jpeg");
        assert_eq!(find("C:\\data\\only.jpeg", "", None), "only.jpeg");
        assert_eq!(find("./b/x.png", "", None), "b/x.png");
        assert_eq!(find("/elsewhere/a/x.png", "", None), "a/x.png");
        assert_eq!(find("x", "b", None), "b/x.png");
        assert_eq!(find("x", "", None), "a/x.png|b/x.png");
        assert_eq!(find("1", "", None), "train/1.jpg");
        assert_eq!(find("1", "", Some(Part::Test)), "test/1.jpg");
        assert_eq!(find("a.b", "", None), "a.b.png");
        assert_eq!(find("2", "", None), "none");
        assert_eq!(find("", "", None), "none");
    }
}
