//! The mask file, all numbers little-endian:
//!
//! ```text
//! "1BITMASK"  version u32  length of the table u32  table (JSON, filled up with spaces to a multiple of 4)
//! bits        u32 words: bit i of word j is weight 32 j + i of a tensor in row-major order; each tensor starts a word
//! statistics  f32: running mean and variance of each normalisation, as the table lists them
//! checksum    u32: CRC-32 of all before
//! ```

use crate::error::{Error, Result};
use crate::files::write_atomic;
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAGIC: &[u8; 8] = b"1BITMASK";
const VERSION: u32 = 1;
/// Magic, version and length of the table.
const HEAD: usize = 16;

/// The mask of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskTensor {
    /// Name of the tensor in the base network.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// One bit a weight, in row-major order.
    pub bits: Vec<u32>,
}

impl MaskTensor {
    /// Of zeros and ones.
    pub fn new(name: &str, shape: &[usize], mask: impl IntoIterator<Item = bool>) -> MaskTensor {
        let n: usize = shape.iter().product();
        let mut bits = vec![0; n.div_ceil(32)];
        for (i, _) in mask.into_iter().take(n).enumerate().filter(|(_, on)| *on) {
            bits[i / 32] |= 1 << (i % 32);
        }
        MaskTensor { name: name.into(), shape: shape.to_vec(), bits }
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of active weights.
    pub fn active(&self) -> usize {
        self.bits.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether each weight counts.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.weights()).map(|i| self.bits[i / 32] >> (i % 32) & 1 == 1)
    }
}

/// A running mean or variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Its name in the base network.
    pub name: String,
    /// Its numbers.
    pub values: Vec<f32>,
}

/// What a mask file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskFile {
    /// [`base_hash`](super::base_hash) of the network that the masks are for.
    pub base: String,
    /// Masks, in the order of the layers.
    pub tensors: Vec<MaskTensor>,
    /// Running statistics, which followed the new images.
    pub statistics: Vec<Statistics>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    base: String,
    tensors: Vec<TensorEntry>,
    statistics: Vec<StatisticsEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorEntry {
    name: String,
    shape: Vec<usize>,
    /// From the first bit of the section.
    bit: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsEntry {
    name: String,
    length: usize,
}

impl MaskFile {
    /// Bits of masks, one a weight.
    pub fn bits(&self) -> usize {
        self.tensors.iter().map(MaskTensor::weights).sum()
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut bit = 0;
        let tensors = self.tensors.iter().map(|t| {
            let entry = TensorEntry { name: t.name.clone(), shape: t.shape.clone(), bit };
            bit += 32 * t.bits.len() as u64;
            entry
        });
        let table = Table {
            base: self.base.clone(),
            tensors: tensors.collect(),
            statistics: self
                .statistics
                .iter()
                .map(|s| StatisticsEntry { name: s.name.clone(), length: s.values.len() })
                .collect(),
        };
        let mut table = serde_json::to_vec(&table).map_err(|e| Error::data(path, format!("no JSON: {e}")))?;
        table.resize(table.len().next_multiple_of(4), b' ');
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((table.len() as u32).to_le_bytes());
        bytes.extend(table);
        self.tensors.iter().flat_map(|t| &t.bits).for_each(|w| bytes.extend(w.to_le_bytes()));
        self.statistics.iter().flat_map(|s| &s.values).for_each(|v| bytes.extend(v.to_le_bytes()));
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        write_atomic(path, &bytes)
    }

    /// Reads a file and checks that it is whole.
    pub fn load(path: &Path) -> Result<MaskFile> {
        let bytes = std::fs::read(path).map_err(Error::io(path, "read the mask"))?;
        Self::parse(&bytes).map_err(|m| Error::data(path, m))
    }

    /// The content of a file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> std::result::Result<MaskFile, String> {
        if !bytes.starts_with(MAGIC) {
            return Err("this is no mask file: it does not begin with 1BITMASK".into());
        }
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.first_chunk::<4>()).map(|b| u32::from_le_bytes(*b));
        let cut = || format!("the mask file is cut short: it ends after {} bytes", bytes.len());
        let version = word(8).ok_or_else(cut)?;
        if version != VERSION {
            return Err(format!("the mask file has version {version}, this program reads version {VERSION}"));
        }
        let length = word(12).ok_or_else(cut)? as usize;
        let table = bytes.get(HEAD..).and_then(|rest| rest.get(..length)).ok_or_else(cut)?;
        let table: Table = serde_json::from_slice(table)
            .map_err(|e| format!("the mask file is damaged: its table does not parse ({e})"))?;
        let body = &bytes[HEAD + length..];
        let (mut tensors, mut words) = (Vec::new(), 0usize);
        for t in table.tensors {
            let weights = t.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            let weights = weights.filter(|n| *n <= 8 * body.len()).ok_or_else(cut)?;
            if t.bit != 32 * words as u64 {
                return Err(format!(
                    "the mask file is damaged: {} should begin at bit {}, not {}",
                    t.name,
                    32 * words,
                    t.bit
                ));
            }
            let count = weights.div_ceil(32);
            let packed = body.get(4 * words..4 * (words + count)).ok_or_else(cut)?;
            let (fours, _) = packed.as_chunks::<4>();
            let bits: Vec<u32> = fours.iter().map(|w| u32::from_le_bytes(*w)).collect();
            tensors.push(MaskTensor { name: t.name, shape: t.shape, bits });
            words += count;
        }
        let (mut statistics, mut at) = (Vec::new(), 4 * words);
        for s in table.statistics {
            let end = s.length.checked_mul(4).and_then(|n| n.checked_add(at)).ok_or_else(cut)?;
            let (fours, _) = body.get(at..end).ok_or_else(cut)?.as_chunks::<4>();
            let values = fours.iter().map(|v| f32::from_le_bytes(*v)).collect();
            statistics.push(Statistics { name: s.name, values });
            at = end;
        }
        let (content, sum) = bytes.split_at(HEAD + length + at);
        let Some(sum) = sum.first_chunk::<4>().filter(|_| sum.len() == 4) else {
            return Err(match sum.len() {
                0..4 => cut(),
                n => format!("the mask file has {} bytes too many at its end", n - 4),
            });
        };
        if u32::from_le_bytes(*sum) != crc32fast::hash(content) {
            return Err("the mask file is damaged: its checksum does not fit its content; copy it again".into());
        }
        if let Some(t) =
            tensors.iter().find(|t| t.weights() % 32 != 0 && t.bits[t.bits.len() - 1] >> (t.weights() % 32) != 0)
        {
            return Err(format!("the mask file is damaged: {} has bits past its last weight", t.name));
        }
        Ok(MaskFile { base: table.base, tensors, statistics })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> MaskFile {
        MaskFile {
            base: "ab".into(),
            tensors: vec![
                MaskTensor::new("conv1.weight", &[2, 3, 3, 2], (0..36).map(|i| i % 3 != 0)),
                MaskTensor::new("layer1.0.conv1.weight", &[4, 1, 1, 8], (0..32).map(|i| i > 4)),
            ],
            statistics: vec![Statistics { name: "bn1.running_mean".into(), values: vec![0.5, -1.5] }],
        }
    }

    fn bytes() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        file().save(&path).unwrap();
        assert_eq!(MaskFile::load(&path).unwrap(), file());
        std::fs::read(path).unwrap()
    }

    #[test]
    fn one_bit_a_weight_and_the_rest_as_laid_out() {
        let bytes = bytes();
        let table = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize;
        // 36 bits take two words, 32 one; two statistics; a checksum.
        assert_eq!(bytes.len(), HEAD + table + 4 * 3 + 4 * 2 + 4);
        let f = file();
        assert_eq!((f.bits(), f.tensors[0].active(), f.tensors[1].active()), (68, 24, 27));
        assert_eq!(f.tensors[0].bits[1], 0b1101);
        assert!(f.tensors[0].iter().eq((0..36).map(|i| i % 3 != 0)));
    }

    #[test]
    fn a_file_that_is_cut_flipped_or_foreign_is_refused() {
        let bytes = bytes();
        for cut in 0..bytes.len() {
            let m = MaskFile::parse(&bytes[..cut]).unwrap_err();
            assert!(m.contains("cut short") || m.contains("no mask file"), "{cut}: {m}");
        }
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.clone();
                wrong[i] ^= 1 << bit;
                assert!(MaskFile::parse(&wrong).is_err(), "bit {bit} of byte {i}");
            }
        }
        let more = [&bytes[..], &[0]].concat();
        assert!(MaskFile::parse(&more).unwrap_err().contains("1 bytes too many"));
    }
}
