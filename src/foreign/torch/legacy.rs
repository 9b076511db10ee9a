//! What `torch.save` wrote before PyTorch 1.6: pickles one behind the other (a magic number, a version, sizes of types, what was saved,
//! keys of storages), then each storage in the order of its key there, as `u64` count and numbers. Source of the layout:
//! `torch/serialization.py`, `_legacy_save`.

use super::super::Checked;
use super::tensor::RULES;
use crate::pickle::{Rules, Value, run_first};
use std::collections::HashMap;
use std::ops::Range;

/// A pickle of a protocol, the magic number of the format, its end.
const MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
const VERSION: i64 = 1001;

/// A file in memory, where its pickle lies, and its storages' numbers.
pub(super) struct Legacy {
    bytes: Vec<u8>,
    pickle: Range<usize>,
    /// Keys in the order in which the storages lie behind them.
    keys: Vec<String>,
    /// Where the storages begin.
    storages: usize,
    places: HashMap<String, Range<usize>>,
}

/// Whether a file that begins so is in this format.
pub(in crate::foreign) fn begins(start: &[u8]) -> bool {
    // The first pickle may be of another protocol.
    start.first() == Some(&0x80) && start.get(2..MAGIC.len()) == Some(&MAGIC[2..])
}

impl Legacy {
    /// Takes a file apart up to the storages, whose sizes only the tensors tell.
    pub(super) fn new(bytes: Vec<u8>) -> Checked<Legacy> {
        let mut at = MAGIC.len();
        let mut next = |what: &'static str| {
            let rules = Rules { pickle: what, ..RULES };
            let (pickled, used) = run_first(&bytes[at..], &rules)?;
            let place = at..at + used;
            at += used;
            Checked::Ok((pickled, place))
        };
        let (version, _) = next("the pickle of its version")?;
        if version.root != Value::Int(VERSION) {
            return Err(format!(
                "it is of version {:?} of the format before PyTorch 1.6; {VERSION} is read",
                version.root
            ));
        }
        let (system, _) = next("the pickle of its types")?;
        if system.get(system.root, "little_endian") == Some(Value::Bool(false)) {
            return Err("its numbers are stored big-endian: save it again on a machine that is little-endian".into());
        }
        let (_, pickle) = next("its pickle")?;
        let (keys, _) = next("the pickle of its storages' keys")?;
        let text = |v: &Value<'_>| v.text().map(str::to_string);
        let listed = keys.list(keys.root).and_then(|all| all.iter().map(text).collect::<Option<Vec<String>>>());
        let keys = listed.ok_or("its storages have no list of keys: the file is damaged")?;
        let storages = at;
        Ok(Legacy { bytes, pickle, keys, storages, places: HashMap::new() })
    }

    /// The pickle of what was saved.
    pub(super) fn pickle(&self) -> &[u8] {
        &self.bytes[self.pickle.clone()]
    }

    /// Finds the storages, given the bytes of a number of each.
    pub(super) fn locate(&mut self, bytes_of: &HashMap<String, usize>) -> Checked<()> {
        let mut at = self.storages;
        for key in &self.keys {
            let width = bytes_of.get(key).ok_or_else(|| format!("no tensor says of what type its storage {key} is"))?;
            let short = || format!("its storage {key} is cut short: copy or download the file again");
            let count = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(short)?;
            let count = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(*width));
            let end = count.and_then(|n| n.checked_add(at + 8)).filter(|end| *end <= self.bytes.len());
            let end = end.ok_or_else(short)?;
            self.places.insert(key.clone(), at + 8..end);
            at = end;
        }
        match self.bytes.len() - at {
            0 => Ok(()),
            more => Err(format!("{more} bytes lie behind its last storage: the file is damaged")),
        }
    }

    /// Numbers of a storage.
    pub(super) fn storage(&self, key: &str) -> Checked<&[u8]> {
        let place = self.places.get(key).ok_or_else(|| format!("its storage {key} is missing: the file is damaged"))?;
        Ok(&self.bytes[place.clone()])
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}
