//! The zip archive of `torch.save`: one folder with the record `data.pkl`, which says what there is, and the numbers of
//! each storage in a record `data/<key>`.

use super::super::Checked;
use super::super::format::READ;
use std::fs::File;
use std::io::{BufReader, Read};
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

/// Bytes that a file may unpack to, as a multiple of its length. `torch.save` compresses nothing; those who do so later
/// save a tenth.
const MOST_UNPACKED: u64 = 32;

pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// The folder of all records.
    folder: String,
    /// Bytes of all records, unpacked.
    pub(super) unpacked: u64,
}

impl Archive {
    /// Opens an archive and checks that its records are no larger than the file allows.
    pub(super) fn open(file: File) -> Checked<Self> {
        let length = file.metadata().map_err(|e| format!("its length cannot be told: {e}"))?.len();
        // Where an archive begins is not searched for: the search takes the wrong place for its directory in some files.
        let at_once = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(at_once, BufReader::new(file)).map_err(|e| match e {
            ZipError::Io(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => format!("it cannot be read: {e}"),
            e => format!(
                "the file is cut short or damaged: the directory of its zip archive, which ends it, does not parse ({e}; the \
                 file has {length} bytes). Copy or download it again"
            ),
        })?;
        let (mut unpacked, mut folders, mut arrays, mut keras) = (0u64, Vec::new(), 0, false);
        for i in 0..zip.len() {
            let entry = zip.by_index_data(i).map_err(|e| damaged(&e))?;
            unpacked = unpacked.saturating_add(entry.size());
            let name = entry.name().map_err(|e| damaged(&e))?;
            arrays += usize::from(name.ends_with(".npy"));
            keras |= name == "model.weights.h5";
            folders.extend(name.strip_suffix("/data.pkl").filter(|f| !f.contains('/')).map(str::to_string));
        }
        if unpacked > length.saturating_mul(MOST_UNPACKED) {
            return Err(format!(
                "its records claim to unpack to {unpacked} bytes, more than {MOST_UNPACKED} times the file's {length}: the \
                 file is damaged, or meant to fill the memory"
            ));
        }
        let folder = match &folders[..] {
            [one] => one.clone(),
            [] => {
                let what = match (arrays == zip.len() && arrays > 0, keras) {
                    (true, _) => {
                        " It has arrays of numpy (.npz): load it in Python and save them as tensors by their names, torch.save({name: \
                         torch.as_tensor(array) for name, array in arrays.items()}, \"weights.pth\")."
                    }
                    (_, true) => " It is a model of Keras: convert it to ONNX (tf2onnx) and name that file.",
                    _ => "",
                };
                return Err(format!(
                    "this zip archive has no record data.pkl, so that torch.save did not write it.{what} Weights are read {READ}"
                ));
            }
            many => {
                return Err(format!("{} folders of it have a data.pkl: it is unclear which one is meant", many.len()));
            }
        };
        let mut archive = Archive { zip, folder, unpacked };
        if archive.find("constants.pkl").is_some() {
            return Err("this is a TorchScript program. Save its weights alone: \
                        torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")"
                .into());
        }
        if archive.find("byteorder").is_some() && archive.read("byteorder")? != b"little" {
            return Err("its numbers are stored big-endian: save it again on a machine that is little-endian".into());
        }
        Ok(archive)
    }

    fn find(&self, record: &str) -> Option<usize> {
        self.zip.index_for_name_raw(format!("{}/{record}", self.folder).as_bytes())
    }

    /// Bytes of a record.
    pub(super) fn size(&self, record: &str) -> Checked<u64> {
        let index = self.find(record).ok_or_else(|| missing(record))?;
        Ok(self.zip.by_index_data(index).map_err(|e| damaged(&e))?.size())
    }

    /// A record, checked by its checksum.
    pub(super) fn read(&mut self, record: &str) -> Checked<Vec<u8>> {
        let index = self.find(record).ok_or_else(|| missing(record))?;
        let entry = self.zip.by_index(index).map_err(|e| format!("its record {record} cannot be read: {e}"))?;
        let size = entry.size();
        let mut bytes = Vec::new();
        // Grows with what is really there.
        entry.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| {
            format!("its record {record} is cut short or damaged: {e}. Copy or download the file again")
        })?;
        match bytes.len() as u64 == size {
            true => Ok(bytes),
            false => {
                Err(format!("its record {record} has {} bytes and should have {size}: it is damaged", bytes.len()))
            }
        }
    }
}

fn damaged(e: &ZipError) -> String {
    format!("the directory of its zip archive is damaged: {e}. Copy or download the file again")
}

fn missing(record: &str) -> String {
    let record: String = record.chars().take(80).collect();
    format!("its record {record:?} is missing: the file is damaged")
}
