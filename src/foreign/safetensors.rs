//! Safetensors files as a list of tensors.

use super::floats::{Float, Numbers};
use super::{Checked, Info, Weights};
use crate::error::{Error, Result};
use crate::tensor_file::{ENTRY, header};
use safetensors::Dtype;
use std::ops::Range;
use std::path::Path;

pub(super) struct File {
    bytes: Vec<u8>,
    infos: Vec<Info>,
    /// Where the bytes of each tensor lie.
    places: Vec<Range<usize>>,
}

/// Reads the file and checks that it is whole.
pub(super) fn open(path: &Path) -> Result<File> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let (length, metadata) = header(path, &bytes)?;
    if metadata.metadata().as_ref().is_some_and(|m| m.contains_key(ENTRY)) {
        return Err(Error::data(
            path,
            "this file was written by onebit itself: name the run directory that it lies in (it has a config.toml) and not \
             the file",
        ));
    }
    let (mut infos, mut places) = (Vec::new(), Vec::new());
    for name in metadata.offset_keys() {
        let Some(t) = metadata.info(&name) else { continue };
        let numbers = match t.dtype {
            Dtype::F16 => Numbers::Float(Float::F16),
            Dtype::BF16 => Numbers::Float(Float::Bf16),
            Dtype::F32 => Numbers::Float(Float::F32),
            Dtype::F64 => Numbers::Float(Float::F64),
            other => Numbers::Other(format!("{other:?}")),
        };
        let (from, to) = t.data_offsets;
        places.push(8 + length + from..8 + length + to);
        infos.push(Info { name, shape: t.shape.clone(), numbers });
    }
    Ok(File { bytes, infos, places })
}

impl Weights for File {
    fn infos(&self) -> &[Info] {
        &self.infos
    }

    fn ignored(&self) -> &[String] {
        &[]
    }

    fn read(&mut self, index: usize) -> Checked<Vec<f32>> {
        match &self.infos[index].numbers {
            Numbers::Float(f) => {
                let bytes = &self.bytes[self.places[index].clone()];
                Ok(bytes.chunks_exact(f.bytes()).map(|b| f.read(b)).collect())
            }
            Numbers::Other(what) => Err(format!("it is {what}, not a tensor of floats")),
        }
    }
}
