//! Tensors by name in one safetensors file with one entry of metadata: checkpoints, shipped tensors, bootstrap networks.
//!
//! The same content gives the same bytes: tensors are stored in the order of the format, and all metadata is one
//! entry, because the order of several would be that of a hash map. Its first key is a checksum (CRC-32) of everything else
//! that a reader takes from the file: the rest of the entry, and names, types, extents and bytes of all tensors. The format
//! has none, and a bit that turned on a disk would go on as a weight.

use crate::cache_folder::note;
use crate::error::{Error, Result};
use crate::files::write_atomic_with;
use crate::memory;
use crate::tensor::{DType, HostTensor, Shape};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Name of the metadata of all that is written here.
pub(crate) const ENTRY: &str = "onebit";

/// Writes tensors with one entry of metadata as a safetensors file, whole or not at all; an earlier one of that name stays
/// until then.
pub fn save(path: &Path, tensors: &HashMap<String, HostTensor>, about: &impl Serialize) -> Result<()> {
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort_unstable();
    let views: Vec<(&str, TensorView<'_>)> = names
        .into_iter()
        .map(|name| {
            let t = &tensors[name];
            let (dtype, shape) = stored_as(t.shape(), t.dtype());
            let view = TensorView::new(dtype, shape, bytemuck::cast_slice(t.words()))
                .map_err(|e| Error::data(path, format!("it cannot be written: {e}")))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<_>>()?;
    write(path, views, about)
}

/// Writes any tensors with the entry of metadata, whole or not at all; an earlier file of that name stays until then. They go
/// from where they are into the file: as the crate's own `serialize` gives the file, it is in memory as a whole.
pub fn write(path: &Path, mut views: Vec<(&str, TensorView<'_>)>, about: &impl Serialize) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| Error::data(path, format!("it cannot be written: {e}"));
    let about = serde_json::to_string(about).map_err(|e| fail(&e))?;
    let tensors = views.iter().map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));
    let metadata = HashMap::from([(ENTRY.to_string(), sealed(&about, checksum(&about, tensors)))]);
    // The order of the format: wide types first, then by name.
    views.sort_by(|(a, left), (b, right)| right.dtype().cmp(&left.dtype()).then(a.cmp(b)));
    let mut end = 0;
    let infos = views.iter().map(|(name, view)| {
        let start = end;
        end += view.data().len();
        let (dtype, shape) = (view.dtype(), view.shape().to_vec());
        (name.to_string(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    });
    let infos = infos.collect();
    let header = Metadata::new(Some(metadata), infos).map_err(|e| fail(&e))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| fail(&e))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomic_with(path, |file| {
        let length = (header.len() as u64).to_le_bytes();
        let parts = [&length[..], &header].into_iter().chain(views.iter().map(|(_, view)| view.data()));
        parts.into_iter().try_for_each(|part| file.write_all(part)).map_err(Error::io(path, "write"))
    })
}

/// Type and shape in the file: whole words as they are, narrower types as the words that hold them.
fn stored_as(shape: &Shape, dtype: DType) -> (Dtype, Vec<usize>) {
    let stored = match dtype {
        DType::F32 => Dtype::F32,
        DType::I32 => Dtype::I32,
        DType::U32 | DType::I16 | DType::U8 | DType::Bits => Dtype::U32,
    };
    (stored, stored_extents(shape, dtype))
}

/// Extents of a tensor in the file.
pub fn stored_extents(shape: &Shape, dtype: DType) -> Vec<usize> {
    match dtype {
        DType::F32 | DType::I32 | DType::U32 => shape.to_vec(),
        DType::I16 | DType::U8 | DType::Bits => vec![dtype.words(shape)],
    }
}

/// Reads what [`save`] wrote, and checks that it is whole and as it was written.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<(T, HashMap<String, HostTensor>)> {
    let size = std::fs::metadata(path).map_err(Error::io(path, "read the checkpoint"))?.len();
    // The file, and what is made of it.
    memory::check(2 * size).map_err(|e| Error::data(path, format!("reading it takes {e}: end other programs")))?;
    let bytes = std::fs::read(path).map_err(Error::io(path, "read the checkpoint"))?;
    let (about, file) = open(path, &bytes)?.ok_or_else(|| {
        Error::data(path, "this safetensors file is not a checkpoint of onebit: its metadata lacks the entry `onebit`")
    })?;
    let about = serde_json::from_str(&about)
        .map_err(|e| Error::data(path, format!("the checkpoint's metadata does not parse: {e}")))?;
    let mut tensors = HashMap::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::I32 => DType::I32,
            Dtype::U32 => DType::U32,
            other => return Err(Error::data(path, format!("{name} is {other:?}; checkpoints hold F32, I32, U32"))),
        };
        let words = bytemuck::pod_collect_to_vec(view.data());
        tensors.insert(name.to_string(), HostTensor::from_words(view.shape(), dtype, words));
    }
    Ok((about, tensors))
}

/// The entry of metadata and the tensors in the bytes of a file, compared with their checksum; `None` for a safetensors
/// file of another program. Of a file that is older than checksums, the log says so.
///
/// # Errors
/// If the file is cut, damaged, or not as it was written.
pub fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Option<(String, SafeTensors<'a>)>> {
    let (_, metadata) = header(path, bytes)?;
    let Some(entry) = metadata.metadata().as_ref().and_then(|m| m.get(ENTRY)) else { return Ok(None) };
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(path, bytes, &e))?;
    let Some((about, stated)) = unsealed(entry) else {
        note(format!("{} has no checksum: it is of an earlier version, and damage to it goes unseen", path.display()));
        return Ok(Some((entry.clone(), file)));
    };
    let all: Vec<(&str, TensorView<'_>)> = file.iter().collect();
    let found = checksum(&about, all.iter().map(|(name, view)| (*name, view.dtype(), view.shape(), view.data())));
    if found != stated {
        return Err(Error::data(
            path,
            format!(
                "the file is damaged: its checksum is {found:08x} and should be {stated:08x}, so what is in it is not what \
                 was written; take a copy of it, or another checkpoint"
            ),
        ));
    }
    Ok(Some((about, file)))
}

/// Of the entry of metadata, and of tensors in the order of their names.
fn checksum<'a>(about: &str, tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>) -> u32 {
    let mut all: Vec<_> = tensors.collect();
    all.sort_unstable_by_key(|(name, ..)| *name);
    let mut sum = crc32fast::Hasher::new();
    sum.update(about.as_bytes());
    for (name, dtype, shape, data) in all {
        sum.update(format!("\0{name}\0{dtype:?}\0{shape:?}\0").as_bytes());
        sum.update(data);
    }
    sum.finalize()
}

/// What stands before the checksum in an entry, and after it.
const SEAL: [&str; 2] = ["{\"crc32\":\"", "\","];

/// An entry, which is an object, with its checksum as the first key; another value stays as it is.
fn sealed(about: &str, sum: u32) -> String {
    match about.strip_prefix('{') {
        Some(rest) if rest != "}" => format!("{}{sum:08x}{}{rest}", SEAL[0], SEAL[1]),
        _ => about.to_string(),
    }
}

/// The entry without its checksum, and that, if it has one.
fn unsealed(entry: &str) -> Option<(String, u32)> {
    let (sum, rest) = entry.strip_prefix(SEAL[0])?.split_once(SEAL[1])?;
    Some((format!("{{{rest}"), u32::from_str_radix(sum, 16).ok()?))
}

/// The header of a safetensors file, which agrees with the length of the file, and how long it is itself.
pub(crate) fn header(path: &Path, bytes: &[u8]) -> Result<(usize, Metadata)> {
    // Looked at first: the format's own reader adds such numbers up without a check.
    match promised(bytes) {
        Some(whole) if whole > bytes.len() as u64 => {
            Err(Error::data(path, format!("the checkpoint is cut short: it has {} of {whole} bytes", bytes.len())))
        }
        _ => SafeTensors::read_metadata(bytes).map_err(|e| damaged(path, bytes, &e)),
    }
}

fn damaged(path: &Path, bytes: &[u8], e: &SafeTensorError) -> Error {
    let found = bytes.len();
    Error::data(
        path,
        match e {
            SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
                format!("the checkpoint is cut short: it ends within its header, after {found} bytes")
            }
            _ => format!("the checkpoint is damaged, or not a safetensors file ({found} bytes): {e}"),
        },
    )
}

/// Bytes of the file according to its header.
fn promised(bytes: &[u8]) -> Option<u64> {
    let header = u64::from_le_bytes(*bytes.first_chunk()?);
    let text = bytes.get(8..)?.get(..usize::try_from(header).ok()?)?;
    let table: HashMap<String, serde_json::Value> = serde_json::from_slice(text).ok()?;
    let ends = table.values().filter_map(|t| t.get("data_offsets")?.get(1)?.as_u64());
    Some(ends.max()?.saturating_add(8 + header))
}
