//! Packs a set of images into one file: `readers/packed.rs` has its layout.

use super::index::{Coding, Found, Item};
use super::open::{OpenOptions, index_of};
use super::pixels::Pixels;
use super::readers::packed::{HEADER, Index, Record, header};
use crate::error::{Error, Result};
use crate::files::write_atomic_with;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};
use rayon::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// How images are packed.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// Length of the shorter side of larger images; smaller ones stay as they are. `None` leaves all as they are.
    pub size: Option<usize>,
    /// JPEG quality of those that were made smaller, 1 to 100.
    pub quality: u8,
    /// How the source is read. Its shares are not used: parts that are not there are drawn when the packed set is opened.
    pub open: OpenOptions,
}

/// What was packed.
#[derive(Clone, Debug)]
pub struct PackSummary {
    /// Images in the file.
    pub images: usize,
    /// Those of them that were made smaller.
    pub scaled: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// Path and reason of images that cannot be read and were skipped.
    pub skipped: Vec<(String, String)>,
    /// What is in the source and not in the set, in one line; empty if there is nothing.
    pub left_out: String,
}

/// Images that are encoded at a time; bounds the memory.
const CHUNK: usize = 256;

/// Packs the set at `source` into the file `to`, whole or not at all. `told` hears how many of how many images are done, and may end it
/// by an error.
///
/// # Errors
/// As [`Dataset::open`](super::Dataset::open), and if `to` cannot be written.
pub fn pack(
    source: &Path,
    to: &Path,
    options: &PackOptions,
    told: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<PackSummary> {
    if !(1..=100).contains(&options.quality) {
        return Err(Error::Config(format!("quality {}: give 1 to 100", options.quality)));
    }
    if let Some(size) = options.size.filter(|s| !(8..=16_384).contains(s)) {
        return Err(Error::Config(format!("size {size}: give 8 to 16384 pixels")));
    }
    let Found { name, classes, parts, notes, left_out } = index_of(source, &options.open)?;
    let left_out = if left_out.is_empty() { String::new() } else { left_out.to_string() };
    let all: usize = parts.iter().flatten().map(Vec::len).sum();
    let mut summary = PackSummary { images: 0, scaled: 0, bytes: 0, skipped: Vec::new(), left_out };
    write_atomic_with(to, |file| {
        let write = || Error::io(to, "write");
        file.write_all(&[0; HEADER as usize]).map_err(write())?;
        let (mut at, mut done) = (HEADER, 0);
        let mut packed: [Option<Vec<Record>>; 3] = Default::default();
        for (part, records) in parts.iter().zip(&mut packed) {
            let Some(items) = part else { continue };
            let records = records.insert(Vec::with_capacity(items.len()));
            for chunk in items.chunks(CHUNK) {
                // Collected before they are looked at: of several bad files the first one is named, every time.
                let encoded: Vec<Result<(Vec<u8>, bool)>> = chunk.par_iter().map(|i| encode(i, options)).collect();
                for (item, encoded) in chunk.iter().zip(encoded) {
                    let (bytes, scaled) = match encoded {
                        Ok(encoded) => encoded,
                        Err(e) => {
                            options.open.skip(&item.entry, e, all, &mut summary.skipped)?;
                            continue;
                        }
                    };
                    file.write_all(&bytes).map_err(write())?;
                    let (name, len) = (item.entry.name.clone(), bytes.len() as u64);
                    records.push(Record { name, class: item.class, at, len, crc32: crc32fast::hash(&bytes) });
                    at += len;
                    summary.scaled += scaled as usize;
                }
                done += chunk.len();
                told(done, all)?;
            }
        }
        summary.images = packed.iter().flatten().map(Vec::len).sum();
        let index = {
            let background = (summary.scaled > 0).then_some(options.open.pixels.background);
            serde_json::to_vec(&Index { name, classes, parts: packed, notes, background })
        };
        let index = index.map_err(|e| Error::data(to, format!("its index cannot be written: {e}")))?;
        file.write_all(&index).map_err(write())?;
        file.seek(SeekFrom::Start(0)).map_err(write())?;
        file.write_all(&header(at, &index)).map_err(write())?;
        summary.bytes = at + index.len() as u64;
        Ok(())
    })?;
    Ok(summary)
}

/// An image file's bytes as they are packed, and whether it was made smaller. Each image is decoded, so that all that is
/// packed can be read.
fn encode(item: &Item, options: &PackOptions) -> Result<(Vec<u8>, bool)> {
    let fail = |message: String| Error::data(&item.entry.path, message);
    let (pixels, bytes) = item.original_and_bytes(&options.open.pixels)?;
    let shorter = pixels.h.min(pixels.w);
    let Some(size) = options.size.filter(|size| *size < shorter) else {
        // Pixels that are no image file become one without loss.
        return match item.coding {
            Coding::File | Coding::Checked { .. } => Ok((bytes, false)),
            Coding::Raw { .. } => Ok((png(&pixels).map_err(fail)?, false)),
        };
    };
    let to = |side: usize| (side as f64 * size as f64 / shorter as f64).round() as usize;
    let (h, w) = (to(pixels.h), to(pixels.w));
    let mut small = Pixels { h, w, c: pixels.c, data: vec![0; h * w * pixels.c] };
    pixels.crop_into([0, 0, pixels.h, pixels.w], [h, w], &mut small.data);
    Ok((jpeg(&small, options.quality).map_err(fail)?, true))
}

fn png(p: &Pixels) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let colour = if p.c == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let written = PngEncoder::new(&mut bytes).write_image(&p.data, p.w as u32, p.h as u32, colour);
    written.map_err(|e| e.to_string()).map(|()| bytes)
}

/// With colours at half of the resolution, each the mean of four, as cameras write them, and tables made for the image.
fn jpeg(p: &Pixels, quality: u8) -> Result<Vec<u8>, String> {
    let side = |n: usize| {
        u16::try_from(n).map_err(|_| format!("scaled it has a side of {n} pixels, and a JPEG at most 65535"))
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    // The colour of the first pixel of four, which is the encoder's default, would shift and alias what was just scaled.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    let colour = if p.c == 1 { ColorType::Luma } else { ColorType::Rgb };
    let written = encoder.encode(&p.data, side(p.w)?, side(p.h)?, colour);
    written.map_err(|e| e.to_string()).map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pixels::PixelRules;

    /// Columns of red and blue by turns have one colour at half of the resolution: the mean of both, not either.
    #[test]
    fn colours_are_averaged_where_they_are_halved() {
        let (h, w) = (16, 32);
        let data = (0..h * w).flat_map(|i| if i % 2 == 0 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        let bytes = jpeg(&Pixels { h, w, c: 3, data }, 95).unwrap();
        let decoded = Pixels::decode(&bytes, &PixelRules::default()).unwrap();
        for channel in [0, 2] {
            let mean = decoded.data.iter().skip(channel).step_by(3).map(|x| *x as f64).sum::<f64>() / (h * w) as f64;
            assert!((mean - 127.5).abs() < 4.0, "channel {channel}: {mean}");
        }
    }
}
