//! The list of a set's images as a run keeps it: by it a set is known again.

use super::Part;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// One image.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    name: String,
    class: String,
    part: Part,
    bytes: u64,
    crc32: u32,
}

/// Name, class, part, size and checksum of every image of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    rows: Vec<Row>,
    fingerprint: String,
}

const HEADER: [&str; 5] = ["name", "class", "part", "bytes", "crc32"];

impl Manifest {
    /// Of the images of a set, in their order.
    pub(crate) fn of(split: &Split) -> Manifest {
        let mut rows = Vec::new();
        let mut hash = Sha256::new();
        let test_is_val = Arc::ptr_eq(&split.val, &split.test);
        for (part, set) in Part::ALL.into_iter().zip([&split.train, &split.val, &split.test]) {
            if part == Part::Test && test_is_val {
                continue;
            }
            match &set.origins {
                Some(_) => rows.extend(rows_of(part, set)),
                // Made in memory, as the embedded set: the pixels are all there is to know it by.
                None => {
                    hash.update(crc32fast::hash(set.decoded()).to_le_bytes());
                    set.labels.iter().flatten().for_each(|l| hash.update(l.to_le_bytes()));
                }
            }
        }
        for row in &rows {
            let Row { name, class, part, bytes, crc32 } = row;
            hash.update(format!("{name}\0{class}\0{}\0{bytes}\0{crc32}\n", part.word()));
        }
        split.train.classes.iter().for_each(|c| hash.update(format!("{c}\0")));
        let fingerprint = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
        Manifest { rows, fingerprint }
    }

    /// 128 bits, in hexadecimal, that differ if an image, its class or part, or the order differs.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether there is no list: the set was made in memory.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The list as a table: name, class, part, bytes, CRC-32 in hexadecimal.
    ///
    /// # Errors
    /// If it cannot be written as text, which no list of images is known to do.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let fail = |e: csv::Error| Error::Config(format!("the list of images is no table: {e}"));
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(HEADER).map_err(fail)?;
        for row in &self.rows {
            let (bytes, crc32) = (row.bytes.to_string(), format!("{:08x}", row.crc32));
            out.write_record([row.name.as_str(), &row.class, row.part.word(), &bytes, &crc32]).map_err(fail)?;
        }
        out.into_inner().map_err(|e| Error::Config(format!("the list of images is no table: {e}")))
    }

    /// Says how the images of `now` differ from those in a table that [`Manifest::to_csv`] made; `path` is what errors call
    /// that.
    ///
    /// # Errors
    /// If it is no such table.
    pub fn changes(table: &[u8], path: &Path, now: &Manifest) -> Result<String> {
        let told = Self::changes_in(table, path, now, &Part::ALL, true)?;
        Ok(told.unwrap_or_else(|| ORDER.into()))
    }

    /// As [`Manifest::changes`], of some parts, and without classes where these are not the images' own; nothing if those parts
    /// are the same.
    ///
    /// # Errors
    /// Likewise.
    pub fn changes_in(
        table: &[u8],
        path: &Path,
        now: &Manifest,
        parts: &[Part],
        with_classes: bool,
    ) -> Result<Option<String>> {
        let mut then = rows_in(table, path)?;
        let mut rows = now.rows.clone();
        if !with_classes {
            then.iter_mut().chain(&mut rows).for_each(|row| row.class.clear());
        }
        fn within<'a>(rows: &'a [Row], parts: &'a [Part]) -> impl Iterator<Item = &'a Row> {
            rows.iter().filter(|r| parts.contains(&r.part))
        }
        if within(&then, parts).eq(within(&rows, parts)) {
            return Ok(None);
        }
        let by_name =
            |rows: &[Row]| -> HashMap<String, Row> { rows.iter().map(|r| (r.name.clone(), r.clone())).collect() };
        let (old, new) = (by_name(&then), by_name(&rows));
        let differing = |what: &str, names: Vec<&str>| match names.first() {
            Some(first) => vec![format!("{} {what} (the first is {first})", names.len())],
            None => Vec::new(),
        };
        let of = |rows: &'_ [Row], is: &dyn Fn(&Row) -> bool| -> Vec<String> {
            rows.iter().filter(|r| is(r)).map(|r| r.name.clone()).collect()
        };
        let asked = |part: Part| parts.contains(&part);
        let both = |is: &dyn Fn(&Row, &Row) -> bool| {
            of(&rows, &|r| old.get(&r.name).is_some_and(|o| (asked(o.part) || asked(r.part)) && is(o, r)))
        };
        let kinds = [
            ("added", of(&rows, &|r| asked(r.part) && !old.contains_key(&r.name))),
            ("removed", of(&then, &|r| asked(r.part) && !new.contains_key(&r.name))),
            ("with other content", both(&|o, r| (o.bytes, o.crc32) != (r.bytes, r.crc32))),
            ("of another class", both(&|o, r| o.class != r.class)),
            ("in another part", both(&|o, r| o.part != r.part)),
        ];
        let told: Vec<String> = kinds
            .iter()
            .flat_map(|(what, names)| differing(what, names.iter().map(String::as_str).collect()))
            .collect();
        Ok(Some(if told.is_empty() { ORDER.into() } else { told.join(", ") }))
    }
}

/// What has changed where each image is as it was.
const ORDER: &str = "their order or the classes differ";

/// How many images of a set stand in a table that [`Manifest::to_csv`] made as images to train on: same name, size and
/// checksum.
///
/// # Errors
/// If it is no such table.
pub(crate) fn trained_on(table: &[u8], path: &Path, set: &Dataset) -> Result<usize> {
    let mut rows = rows_in(table, path)?;
    rows.retain(|row| row.part == Part::Train);
    let trained: HashSet<(&str, u64, u32)> = rows.iter().map(|r| (r.name.as_str(), r.bytes, r.crc32)).collect();
    let origins = set.origins.iter().flatten();
    Ok(origins.filter(|o| trained.contains(&(o.name.as_str(), o.bytes, o.crc32))).count())
}

fn rows_of(part: Part, set: &Dataset) -> impl Iterator<Item = Row> {
    set.origins.iter().flatten().enumerate().map(move |(i, origin)| {
        let label = set.labels.as_ref().map(|l| l[i] as usize);
        let class = label.and_then(|l| set.classes.get(l).cloned()).unwrap_or_default();
        Row { name: origin.name.clone(), class, part, bytes: origin.bytes, crc32: origin.crc32 }
    })
}

fn rows_in(table: &[u8], path: &Path) -> Result<Vec<Row>> {
    let fail = |line: usize, what: String| Error::data(path, format!("line {line}: {what}: this is no list of images"));
    let mut reader = csv::Reader::from_reader(table);
    let mut rows = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let line = i + 2;
        let record = record.map_err(|e| fail(line, e.to_string()))?;
        let field = |i: usize| record.get(i).unwrap_or_default();
        let part = Part::ALL.into_iter().find(|p| p.word() == field(2));
        let numbers = (part, field(3).parse(), u32::from_str_radix(field(4), 16));
        let (Some(part), Ok(bytes), Ok(crc32)) = numbers else {
            return Err(fail(
                line,
                format!("{:?}, {:?} and {:?} are not part, bytes and checksum", field(2), field(3), field(4)),
            ));
        };
        rows.push(Row { name: field(0).into(), class: field(1).into(), part, bytes, crc32 });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn set(names: &[&str]) -> Dataset {
        let origin = |n: &&str| Origin { name: n.to_string(), bytes: 1, crc32: crc32fast::hash(n.as_bytes()) };
        Dataset {
            name: "s".into(),
            images: vec![0; names.len()].into(),
            h: 1,
            w: 1,
            c: 1,
            labels: Some(names.iter().map(|n| n.starts_with("dog") as u32).collect()),
            classes: vec!["cat".into(), "dog, big".into()],
            origins: Some(names.iter().map(origin).collect()),
        }
    }

    #[test]
    fn what_changed_is_told() {
        let old = Split::new(set(&["cat/\"1\".png", "dog/1.png", "dog/2.png"]), set(&["cat/3.png"])).manifest();
        let table = old.to_csv().unwrap();
        assert!(String::from_utf8(table.clone()).unwrap().starts_with("name,class,part,bytes,crc32\n"));
        let path = Path::new("data.csv");
        let told = |now: &Split| {
            let now = now.manifest();
            assert_ne!(now.fingerprint(), old.fingerprint());
            Manifest::changes(&table, path, &now).unwrap()
        };
        let grown = Split::new(set(&["cat/\"1\".png", "cat/9.png", "dog/1.png"]), set(&["cat/3.png"]));
        assert_eq!(told(&grown), "1 added (the first is cat/9.png), 1 removed (the first is dog/2.png)");
        let moved = Split::new(set(&["cat/\"1\".png", "dog/1.png"]), set(&["cat/3.png", "dog/2.png"]));
        assert_eq!(told(&moved), "1 in another part (the first is dog/2.png)");
        let mut other = set(&["cat/\"1\".png", "dog/1.png", "dog/2.png"]);
        other.origins.as_mut().unwrap()[1].crc32 ^= 1;
        other.labels = Some(vec![1, 1, 1]);
        let told_other = told(&Split::new(other, set(&["cat/3.png"])));
        assert!(told_other.contains("1 with other content (the first is dog/1.png)"), "{told_other}");
        assert!(told_other.contains("1 of another class (the first is cat/\"1\".png)"), "{told_other}");
        let turned = Split::new(set(&["dog/2.png", "cat/\"1\".png", "dog/1.png"]), set(&["cat/3.png"]));
        assert_eq!(told(&turned), "their order or the classes differ");
        let seen = |names: &[&str]| trained_on(&table, path, &set(names)).unwrap();
        assert_eq!((seen(&["dog/1.png", "dog/3.png"]), seen(&["cat/3.png"])), (1, 0));
        // By part, and without classes.
        let now = Split::new(set(&["cat/\"1\".png", "dog/1.png"]), set(&["cat/3.png", "dog/2.png"])).manifest();
        let in_part = |part: Part| Manifest::changes_in(&table, path, &now, &[part], true).unwrap();
        assert_eq!(in_part(Part::Val), None);
        assert_eq!(in_part(Part::Test).unwrap(), "1 in another part (the first is dog/2.png)");
        let mut other = set(&["cat/3.png"]);
        other.labels = Some(vec![1]);
        let now = Split::new(set(&["cat/\"1\".png", "dog/1.png", "dog/2.png"]), other).manifest();
        let changes = |with_classes| Manifest::changes_in(&table, path, &now, &[Part::Test], with_classes).unwrap();
        assert_eq!(changes(true).unwrap(), "1 of another class (the first is cat/3.png)");
        assert_eq!(changes(false), None);
        assert!(Manifest::changes(b"name,class\na,b\n", path, &old).unwrap_err().to_string().contains("data.csv"));
    }

    #[test]
    fn sets_that_were_made_in_memory_are_known_by_their_pixels() {
        let made = |pixel: u8| Dataset { origins: None, images: vec![pixel; 2].into(), ..set(&["a", "b"]) };
        let of = |pixel: u8| Split::new(made(pixel), made(0)).manifest();
        assert!(of(1).is_empty());
        assert_eq!(of(1).fingerprint(), of(1).fingerprint());
        assert_ne!(of(1).fingerprint(), of(2).fingerprint());
    }
}
