//! CIFAR-10 and CIFAR-100 in the Python version: pickled dictionaries, written by Python 2 with protocol 2 (or again by
//! whoever changed them).
//!
//! `data` is an array `[n, 3072]` of bytes, each row the red, green and blue plane of an image; `labels`, or `fine_labels`
//! and `coarse_labels`, are lists. Class names lie in `batches.meta` or `meta`. Source: the authors' page of the data set.

use super::super::index::{Found, Item, LeftOut, Part};
use super::super::open::OpenOptions;
use super::super::source::{Entry, Source};
use super::Set;
use super::array::{Array, Dtype};
use super::cifar::{CIFAR10_CLASSES, CODING, IMAGE, missing_of_five};
use super::labels::outside;
use super::words::part;
use crate::error::{Error, Result};
use crate::pickle::{self, Pickled, Rules, Value};
use std::collections::BTreeMap;

const RULES: Rules = Rules {
    pickle: "its pickle",
    names: &[
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
    ],
    refusal: "CIFAR needs only dictionaries, lists, texts and arrays of NumPy, and nothing that a file asks for is run. \
              Download the set again, or write it with pickle.dump(batch, file, protocol=4)",
    remedy: "download the set again, or write it with pickle.dump(batch, file, protocol=4)",
};

/// The files of one folder.
#[derive(Default)]
struct Files<'a> {
    data: Vec<&'a Entry>,
    meta: Option<&'a Entry>,
}

/// Files by folder. Their names are common words, so that the first bytes must be a pickle's.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let mut folders: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for entry in &source.files {
        let name = entry.file_name();
        let meta = matches!(name.as_str(), "batches.meta" | "meta");
        let data = matches!(name.as_str(), "train" | "test" | "test_batch")
            || name.strip_prefix("data_batch_").is_some_and(|n| !n.is_empty() && !n.contains('.'));
        if !(meta || data) || !matches!(entry.unpacked()?.head(2)?[..], [0x80, 2..=5]) {
            continue;
        }
        let files = folders.entry(entry.folder()).or_default();
        if meta { files.meta = Some(entry) } else { files.data.push(entry) }
    }
    folders.retain(|_, files| !files.data.is_empty());
    let sets = folders.into_iter().map(|(folder, files)| {
        let all: Vec<&Entry> = files.data.iter().copied().chain(files.meta).collect();
        Set::new("CIFAR files of Python", folder, all, move |options| read(source, &files, options))
    });
    Ok(sets.collect())
}

fn read(source: &Source, files: &Files<'_>, options: &OpenOptions) -> Result<Found> {
    let mut batches = Vec::new();
    for entry in &files.data {
        batches.push((part(&entry.file_name()).unwrap_or(Part::Train), Batch::read(entry)?));
    }
    let hundred = batches[0].1.fine.is_some();
    if let Some((_, other)) = batches.iter().find(|(_, batch)| batch.fine.is_some() != hundred) {
        return Err(Error::data(
            &source.path,
            format!(
                "holds files of CIFAR-10 and of CIFAR-100 side by side ({}, {}): keep each in a folder of its own",
                batches[0].1.data.entry.name, other.data.entry.name
            ),
        ));
    }
    let (key, count) = match (hundred, options.coarse_labels) {
        (false, _) => ("label_names", 10),
        (true, false) => ("fine_label_names", 100),
        (true, true) => ("coarse_label_names", 20),
    };
    let classes = match files.meta {
        Some(meta) => class_names(meta, key, count)?,
        None if hundred => (0..count).map(|i| i.to_string()).collect(),
        None => CIFAR10_CLASSES.map(String::from).to_vec(),
    };
    let mut parts = [None, None, None];
    for (part, batch) in batches {
        let items: &mut Vec<Item> = parts[part as usize].get_or_insert_default();
        batch.append(hundred && options.coarse_labels, classes.len(), items)?;
    }
    let there: Vec<String> = files.data.iter().map(|e| e.file_name()).collect();
    let trains = parts[Part::Train as usize].is_some();
    let notes = if hundred || !trains { Vec::new() } else { missing_of_five(&there, "") };
    let name = if hundred { "CIFAR-100" } else { "CIFAR-10" };
    Ok(Found { name: name.into(), classes, parts, notes, left_out: LeftOut::default() })
}

/// One file.
struct Batch {
    data: Array,
    /// CIFAR-10's.
    labels: Option<Vec<i64>>,
    fine: Option<Vec<i64>>,
    coarse: Option<Vec<i64>>,
}

impl Batch {
    fn read(entry: &Entry) -> Result<Batch> {
        let entry = entry.unpacked()?;
        let bytes = entry.read()?;
        let fail = |message: String| Error::data(&entry.path, message);
        let pickled = pickle::run(&bytes, &RULES).map_err(fail)?;
        let whole = pickled.dict(pickled.root).is_some();
        let data = pickled.get(pickled.root, "data").filter(|_| whole).ok_or_else(|| {
            fail(format!(
                "holds {} without \"data\", and is no batch of CIFAR: download it again",
                pickled.what(pickled.root)
            ))
        })?;
        let data = array(&pickled, data, &entry)?.ok_or_else(|| {
            fail(format!("its \"data\" is {} and no array of NumPy: download it again", pickled.what(data)))
        })?;
        let labels = |key: &str| pickled.get(pickled.root, key).map(|v| labels(&pickled, v, key, &entry)).transpose();
        let (plain, fine, coarse) = (labels("labels")?, labels("fine_labels")?, labels("coarse_labels")?);
        if plain.is_none() && fine.is_none() {
            return Err(fail("has neither \"labels\" nor \"fine_labels\": download it again".into()));
        }
        let labels = if fine.is_some() { None } else { plain };
        Ok(Batch { data, labels, fine, coarse })
    }

    /// Adds its images.
    fn append(self, coarse: bool, classes: usize, items: &mut Vec<Item>) -> Result<()> {
        let path = self.data.entry.path.clone();
        let fail = |message: String| Err(Error::data(&path, message));
        let labels = match (coarse, self.labels.or(self.fine), self.coarse) {
            (true, _, Some(labels)) | (false, Some(labels), _) => labels,
            _ => return fail("has no \"coarse_labels\": set data.coarse_labels to false".into()),
        };
        let shape = self.data.shape.clone();
        if shape.get(1..) != Some(&[IMAGE as u64]) || !self.data.dtype.is_byte() {
            return fail(format!("its \"data\" is an array of {shape:?}: expected [images, {IMAGE}] bytes"));
        }
        let data = self.data.in_c_order()?;
        if labels.len() as u64 != shape[0] {
            return fail(format!("holds {} labels for {} images: it is damaged", labels.len(), shape[0]));
        }
        if let Some(wrong) = outside(&labels, classes) {
            return fail(wrong);
        }
        for (i, label) in labels.into_iter().enumerate() {
            let at = data.start + (i * IMAGE) as u64;
            let entry = data.entry.part(format!("{}#{i}", data.entry.name), at, IMAGE as u64);
            items.push(Item { entry, class: Some(label as u32), coding: CODING });
        }
        Ok(())
    }
}

/// Class names of a file beside the batches.
fn class_names(entry: &Entry, key: &str, count: usize) -> Result<Vec<String>> {
    let bytes = entry.read_unpacked()?;
    let fail = |message: String| Error::data(&entry.path, message);
    let pickled = pickle::run(&bytes, &RULES).map_err(fail)?;
    let names = pickled.get(pickled.root, key).and_then(|v| pickled.list(v));
    let names = names.and_then(|names| names.iter().map(|n| n.text().map(String::from)).collect::<Option<Vec<_>>>());
    match names {
        Some(names) if names.len() == count => Ok(names),
        Some(names) => {
            Err(fail(format!("holds {} class names as \"{key}\", and there are {count} classes", names.len())))
        }
        None => Err(fail(format!("has no list of class names \"{key}\": download it again, or remove it"))),
    }
}

/// A list of whole numbers, or an array of them.
fn labels<'a>(pickled: &Pickled<'a>, v: Value<'a>, key: &str, entry: &Entry) -> Result<Vec<i64>> {
    if let Some(array) = array(pickled, v, entry)? {
        return array.labels();
    }
    let number = |v: &Value<'_>| if let Value::Int(n) = v { Some(*n) } else { None };
    let numbers = pickled.list(v).and_then(|list| list.iter().map(number).collect());
    numbers.ok_or_else(|| Error::data(&entry.path, format!("its \"{key}\" are no list of numbers: download it again")))
}

/// An array of NumPy, or `None` if the value is something else. Its bytes are those of the file.
fn array<'a>(pickled: &Pickled<'a>, v: Value<'a>, entry: &Entry) -> Result<Option<Array>> {
    let fail = |message: &str| Err(Error::data(&entry.path, format!("an array of it {message}: download it again")));
    let Some((call, arguments)) = pickled.call(v) else { return Ok(None) };
    // (version, shape, type, whether in Fortran order, bytes) as a state, or (bytes, type, shape, order) of a call.
    let (shape, dtype, fortran, bytes) = match (call.callee.1, call.state.and_then(|s| pickled.tuple(s)), arguments) {
        ("_reconstruct", Some(&[_, shape, dtype, Value::Bool(fortran), Value::Bytes(bytes)]), _) => {
            (shape, dtype, fortran, bytes)
        }
        ("_frombuffer", None, &[Value::Bytes(bytes), dtype, shape, order]) => match order.text() {
            Some(order @ ("C" | "F")) => (shape, dtype, order == "F", bytes),
            _ => return fail("has an order that is not known"),
        },
        _ => return fail("is not written as NumPy does"),
    };
    let code = pickled.call(dtype).filter(|(call, _)| call.callee == ("numpy", "dtype"));
    let Some((code, state)) = code.and_then(|(call, args)| Some((args.first()?.text()?, call.state))) else {
        return fail("has no type");
    };
    // The order of bytes is in the type's state: (version, order, ...).
    let order = state.and_then(|s| pickled.tuple(s)?.get(1)?.text()).unwrap_or("|");
    let dtype = Dtype::parse(&format!("{order}{}", code.trim_start_matches(['<', '>', '|', '='])));
    let dtype = dtype.map_err(|m| Error::data(&entry.path, format!("an array of it {m}")))?;
    let size = |v: &Value<'_>| if let Value::Int(n) = v { u64::try_from(*n).ok() } else { None };
    let shape = pickled.tuple(shape).and_then(|shape| shape.iter().map(size).collect::<Option<Vec<_>>>());
    let Some(shape) = shape else { return fail("has no shape") };
    match Array::bytes(&shape, &dtype) {
        Ok(n) if n == bytes.bytes.len() as u64 => {}
        _ => return fail("has more or fewer bytes than its shape asks for"),
    }
    Ok(Some(Array { entry: entry.clone(), start: bytes.at as u64, dtype, shape, fortran }))
}
