//! TensorBoard's event files: `tensorboard --logdir runs` shows the curves of all runs in a folder.
//!
//! Such a file is a sequence of records, each framed as TensorFlow's TFRecord: its length (8 bytes, little-endian), the masked
//! CRC-32C of these, the bytes, and their masked CRC-32C. The bytes are an `Event` in Protocol Buffers' encoding, of which
//! these fields are used (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto):
//!
//! ```text
//! Event    1 wall_time (double)   2 step (int64)   3 file_version (string)   5 summary   7 session_log
//! Summary  1 value, repeated
//! Value    1 tag (string)         2 simple_value (float)
//! ```

use super::protobuf::{Field, Message, fields};
use super::scalars::{Every, layer, line};
use crate::error::{Error, Result};
use crate::train::run::Metric;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of event files begin with; TensorBoard knows them by its second part.
pub const EVENTS: &str = "events.out.tfevents.";

/// The event file of a run, being written. A run that goes on has one more each time, because a page that shows the run reads
/// the older ones no further.
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file of the run in `folder`, which goes on after `steps` steps and has `kept` lines until then. Events from that step
    /// on, and what was written behind them, are cut from the older files; what was kept of the step itself stands in the new one.
    pub fn open(folder: &Path, kept: &[Metric], steps: u64) -> Result<Events> {
        let path = folder.join(format!("{EVENTS}{steps:010}.onebit"));
        for older in event_files(folder)? {
            match older == path {
                true => fs::remove_file(&older).map_err(Error::io(&older, "remove"))?,
                false => cut(&older, steps)?,
            }
        }
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(Error::io(&path, "create"))?;
        let mut events = Events { path, file };
        events.write(event(0).bytes(3, b"brain.Event:2"))?;
        if steps > 0 {
            // "A session starts": a page that had read further forgets what it saw from that step on.
            let start = Message::default().uint(1, 1).into_bytes();
            events.write(event(steps).bytes(7, &start))?;
        }
        kept.iter().filter(|m| m.steps() == steps).try_for_each(|m| events.push(m))?;
        Ok(events)
    }

    /// Appends what a line of metrics tells.
    pub fn push(&mut self, metric: &Metric) -> Result<()> {
        let values = values(metric);
        if values.is_empty() {
            return Ok(());
        }
        let summary = values.iter().fold(Message::default(), |summary, (tag, value)| {
            summary.bytes(1, &Message::default().bytes(1, tag.as_bytes()).float(2, *value as f32).into_bytes())
        });
        self.write(event(metric.of_steps()).bytes(5, &summary.into_bytes()))
    }

    fn write(&mut self, event: Message) -> Result<()> {
        self.file.write_all(&record(&event.into_bytes())).map_err(Error::io(&self.path, "write"))
    }
}

/// Numbers by their tags: what it is, a slash, and of what.
fn values(metric: &Metric) -> Vec<(String, f64)> {
    if let Metric::Layers { layers, .. } = metric {
        let of = |l| layer(l).into_iter().map(|(name, v)| (format!("{name}/{}", l.name), v)).collect::<Vec<_>>();
        return layers.iter().flat_map(of).collect();
    }
    let Some(l) = line(metric) else { return Vec::new() };
    let part = match (l.part, l.every) {
        ("train", Every::Epoch) => "train, mean of the epoch",
        (part, _) => part,
    };
    let own = matches!(metric, Metric::Means { .. });
    let tag = |name: &str| if own { format!("method/{name}") } else { format!("{name}/{part}") };
    l.values.iter().map(|(name, v)| (tag(name), *v)).collect()
}

fn event(step: u64) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Message::default().double(1, now).uint(2, step)
}

/// The event files of a folder.
fn event_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e| Error::io(folder, "list")(e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.starts_with(EVENTS) && name.ends_with(".onebit") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Cuts a file off before its first event of step `steps` or later, and before a record that a killed run left unfinished.
fn cut(path: &Path, steps: u64) -> Result<()> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let mut kept = 0;
    while let Some(data) = read_record(&bytes[kept..]) {
        let step = fields(data).and_then(|all| {
            all.iter().find_map(|f| match f {
                (2, Field::Varint(step)) => Some(*step),
                _ => None,
            })
        });
        if step.is_none_or(|step| step >= steps) {
            break;
        }
        kept += FRAME + data.len();
    }
    if kept < bytes.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(Error::io(path, "open"))?;
        file.set_len(kept as u64).map_err(Error::io(path, "cut"))?;
    }
    Ok(())
}

/// Bytes of a record besides its data.
const FRAME: usize = 8 + 4 + 4;

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let parts: [&[u8]; 4] = [&length, &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()];
    parts.concat()
}

/// The data of the first record, if it is there whole.
fn read_record(bytes: &[u8]) -> Option<&[u8]> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = 12usize.checked_add(usize::try_from(length).ok()?)?;
    let data = bytes.get(12..end)?;
    let sum = u32::from_le_bytes(bytes.get(end..end.checked_add(4)?)?.try_into().ok()?);
    (sum == masked(data)).then_some(data)
}

/// TFRecord's checksum: the CRC-32C turned by 15 bits, and a constant added, so that sums of sums stay apart.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's CRC-32 (RFC 3720), bits reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut sum = i as u32;
            let mut bit = 0;
            while bit < 8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
                bit += 1;
            }
            table[i] = sum;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, byte| sum >> 8 ^ TABLE[(sum as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of the catalogue of CRCs, and two vectors of RFC 3720, B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!((crc32c(&[0; 32]), crc32c(&[0xff; 32])), (0x8a91_36aa, 0x62a8_ab43));
    }

    #[test]
    fn a_run_that_goes_on_has_no_event_twice() {
        let folder = tempfile::tempdir().unwrap();
        let test = |steps| Metric::Test {
            epoch: steps,
            steps,
            of_steps: Some(steps),
            images: 9,
            loss: 1.0,
            accuracy: 0.5,
            top5: 0.9,
        };
        let lines: Vec<Metric> = (1..=5).map(test).collect();
        let mut events = Events::open(folder.path(), &[], 0).unwrap();
        lines[..4].iter().for_each(|m| events.push(m).unwrap());
        // Killed while it wrote.
        events.file.write_all(&record(b"cut off")[..9]).unwrap();
        for _ in 0..2 {
            let mut events = Events::open(folder.path(), &lines[..2], 2).unwrap();
            lines[2..].iter().for_each(|m| events.push(m).unwrap());
        }
        let mut steps = Vec::new();
        let mut files = event_files(folder.path()).unwrap();
        files.sort();
        assert_eq!(files.len(), 2);
        for path in files {
            let bytes = fs::read(path).unwrap();
            let mut at = 0;
            while let Some(data) = read_record(&bytes[at..]) {
                at += FRAME + data.len();
                let all = fields(data).unwrap();
                if all.iter().any(|(field, _)| *field == 5) {
                    let Some((_, Field::Varint(step))) = all.iter().find(|(field, _)| *field == 2) else { panic!() };
                    steps.push(*step);
                }
            }
            assert_eq!(at, bytes.len());
        }
        assert_eq!(steps, [1, 2, 3, 4, 5]);
    }
}
