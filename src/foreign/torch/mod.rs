//! What `torch.save` writes: a zip archive ([`archive`]) since PyTorch 1.6, pickles with numbers behind them before it ([`legacy`]).
//! The pickle holds a state dict ([`state_dict`]) of tensors ([`tensor`]); here as a list of them.

mod archive;
mod legacy;
mod state_dict;
mod tensor;

pub(super) use legacy::begins as is_legacy;

use super::floats::{Float, Numbers};
use super::{Checked, Info, Weights};
use crate::pickle::{self, Pickled};
use crate::tensor::strides::offsets;
use archive::Archive;
use legacy::Legacy;
use std::io::Read;
use tensor::{RULES, Storage, View, widths};

/// A pickle of a state dict has some 200 bytes a tensor.
const LONGEST_PICKLE: u64 = 64 << 20;

pub(super) struct File {
    records: Records,
    infos: Vec<Info>,
    ignored: Vec<String>,
    /// The storage and the elements in it, of tensors of floats.
    places: Vec<Option<Place>>,
    /// The storage that was read last: some files have all tensors in one.
    last: Option<(String, Vec<u8>)>,
}

/// Where storages lie.
enum Records {
    Zip(Archive),
    Legacy(Legacy),
}

struct Place {
    key: String,
    float: Float,
    view: View,
}

/// Lists the tensors of a file and checks that each lies within its storage.
pub(super) fn open(file: std::fs::File) -> Checked<File> {
    let mut archive = Archive::open(file)?;
    let length = archive.size("data.pkl")?;
    if length > LONGEST_PICKLE {
        return Err(format!("its pickle data.pkl has {length} bytes: a state dict's has at most {LONGEST_PICKLE}"));
    }
    let pickle = archive.read("data.pkl")?;
    listed(&pickle::run(&pickle, &RULES)?, Records::Zip(archive))
}

/// As [`open`], of the format before PyTorch 1.6.
pub(super) fn open_legacy(mut file: std::fs::File) -> Checked<File> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| format!("it cannot be read: {e}"))?;
    let mut legacy = Legacy::new(bytes)?;
    let pickle = legacy.pickle().to_vec();
    let pickled = pickle::run(&pickle, &RULES)?;
    legacy.locate(&widths(&pickled)?)?;
    listed(&pickled, Records::Legacy(legacy))
}

fn listed(pickled: &Pickled<'_>, records: Records) -> Checked<File> {
    let found = state_dict::find(pickled)?;
    let (mut infos, mut places, mut sum) = (Vec::new(), Vec::new(), 0u64);
    for (name, t) in found.tensors {
        let place = match t.storage.float {
            Some(float) => {
                let elements = check(&records, &t.storage, float, &t.view).map_err(|e| format!("{name}: {e}"))?;
                sum = sum.saturating_add(elements);
                Some(Place { key: t.storage.key.into(), float, view: t.view.clone() })
            }
            None => None,
        };
        let numbers = match t.storage.float {
            Some(float) => Numbers::Float(float),
            None => Numbers::Other(t.storage.kind.into()),
        };
        infos.push(Info { name: name.into(), shape: t.view.shape.clone(), numbers });
        places.push(place);
    }
    // An element has two bytes at least. Without this a small file could name one storage a thousand times.
    let most = records.bytes();
    if sum > most {
        return Err(format!(
            "its tensors have {sum} numbers in all, which its {most} bytes cannot hold: too many of them share one storage"
        ));
    }
    Ok(File { records, infos, ignored: found.ignored, places, last: None })
}

impl Records {
    /// Bytes of all storages at most.
    fn bytes(&self) -> u64 {
        match self {
            Records::Zip(archive) => archive.unpacked,
            Records::Legacy(legacy) => legacy.len(),
        }
    }

    fn size(&self, key: &str) -> Checked<u64> {
        match self {
            Records::Zip(archive) => archive.size(&record(key)),
            Records::Legacy(legacy) => legacy.storage(key).map(|bytes| bytes.len() as u64),
        }
    }

    fn read(&mut self, key: &str) -> Checked<Vec<u8>> {
        match self {
            Records::Zip(archive) => archive.read(&record(key)),
            Records::Legacy(legacy) => legacy.storage(key).map(<[u8]>::to_vec),
        }
    }
}

fn record(key: &str) -> String {
    format!("data/{key}")
}

/// Elements of a tensor that lies within its record.
fn check(records: &Records, storage: &Storage<'_>, float: Float, view: &View) -> Checked<u64> {
    let size = records.size(storage.key)?;
    let promised = (storage.count as u64).checked_mul(float.bytes() as u64);
    if promised != Some(size) {
        return Err(format!(
            "its storage has {size} bytes and should have {} numbers of {}: the file is damaged",
            storage.count, storage.kind
        ));
    }
    let View { offset, shape, strides } = view;
    let elements = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    if elements == Some(0) {
        return Ok(0);
    }
    let far = shape.iter().zip(strides).try_fold(*offset, |far, (d, s)| far.checked_add((d - 1).checked_mul(*s)?));
    match (elements, far) {
        // Repeated numbers (strides of 0) would make more of a file than there is.
        (Some(n), Some(far)) if n <= storage.count && far < storage.count => Ok(n as u64),
        _ => Err(format!(
            "its shape {shape:?} with strides {strides:?} from element {offset} leaves its storage of {} numbers: the file \
             is damaged, or the tensor is expanded (save it with .contiguous())",
            storage.count
        )),
    }
}

impl Weights for File {
    fn infos(&self) -> &[Info] {
        &self.infos
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn read(&mut self, index: usize) -> Checked<Vec<f32>> {
        let Some(place) = &self.places[index] else {
            return Err("it is not a tensor of floats".into());
        };
        let bytes = match self.last.take() {
            Some((key, bytes)) if key == place.key => bytes,
            _ => self.records.read(&place.key)?,
        };
        let values = gather(&bytes, place.float, &place.view);
        self.last = Some((place.key.clone(), bytes));
        Ok(values)
    }
}

/// The elements of a view in row-major order. That they lie within the bytes was checked.
fn gather(bytes: &[u8], float: Float, View { offset, shape, strides }: &View) -> Vec<f32> {
    let read = |at| float.read(&bytes[(offset + at) * float.bytes()..]);
    offsets(shape, strides).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_read_in_row_major_order() {
        let bytes: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let read = |offset, shape: &[usize], strides: &[usize]| {
            gather(&bytes, Float::F32, &View { offset, shape: shape.into(), strides: strides.into() })
        };
        assert_eq!(read(2, &[2, 3], &[3, 1]), [2., 3., 4., 5., 6., 7.]);
        assert_eq!(read(0, &[3, 2], &[1, 3]), [0., 3., 1., 4., 2., 5.]);
        assert_eq!(read(1, &[2, 1, 2], &[6, 99, 3]), [1., 4., 7., 10.]);
        assert_eq!(read(11, &[], &[]), [11.]);
        assert!(read(0, &[0, 4], &[4, 1]).is_empty());
    }
}
