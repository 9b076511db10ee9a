//! The checksums of compressed strips and tiles. Decoders stop at a strip's last pixel, before its checksum.

use super::PixelError;
use super::format::{Format, Tiff};
use ::tiff::tags::Tag;
use flate2::read::ZlibDecoder;
use std::io::{self, ErrorKind, Read};

/// Deflate, by its two numbers.
const DEFLATE: [u32; 2] = [8, 32946];

/// Reads every strip or tile to its end, where the Adler-32 of what it holds stands. `bytes` is the file. One that breaks off
/// behind its last pixel is whole: its pixels are.
///
/// # Errors
/// If one does not hold what was packed.
pub(super) fn check_sums(decoder: &mut Tiff<'_>, bytes: &[u8], format: &Format) -> Result<(), PixelError> {
    let mut numbers = |tag: Tag| decoder.find_tag_unsigned_vec::<u64>(tag).ok().flatten();
    let is_deflate = numbers(Tag::Compression).is_some_and(|c| DEFLATE.iter().any(|d| c == [u64::from(*d)]));
    let strips = || (Tag::StripOffsets, Tag::StripByteCounts);
    let tiles = || (Tag::TileOffsets, Tag::TileByteCounts);
    let (offsets, counts) = if numbers(Tag::TileOffsets).is_some() { tiles() } else { strips() };
    let (Some(offsets), Some(counts)) = (numbers(offsets), numbers(counts)) else { return Ok(()) };
    if !is_deflate {
        return Ok(());
    }
    let (w, h) = decoder.chunk_dimensions();
    let most = u64::from(h) * (u64::from(w) * (format.samples * format.bits) as u64).div_ceil(8);
    for (i, (at, n)) in offsets.into_iter().zip(counts).enumerate() {
        let place = usize::try_from(at).ok().zip(usize::try_from(n).ok());
        let packed = place.and_then(|(at, n)| bytes.get(at..at.checked_add(n)?));
        // One byte more than there should be, so that the end is looked for.
        let mut unpacked = ZlibDecoder::new(packed.unwrap_or_default()).take(most + 1);
        match io::copy(&mut unpacked, &mut io::sink()) {
            Err(e) if e.kind() != ErrorKind::UnexpectedEof => {
                return Err(PixelError::Damaged(format!("its strip or tile {i} does not hold what was packed: {e}")));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::data::{PixelRules, Pixels};
    use ::tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
    use std::io::Cursor;

    #[test]
    fn a_bit_of_a_strip_that_turned_gives_the_same_pixels_or_none() {
        let mut file = Cursor::new(Vec::new());
        let encoder = TiffEncoder::new(&mut file).unwrap();
        let mut encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Balanced));
        let pixels: Vec<u8> = (0..37 * 29).map(|i| (i * i % 251) as u8).collect();
        let mut image = encoder.new_image::<colortype::Gray8>(37, 29).unwrap();
        image.rows_per_strip(8).unwrap();
        image.write_data(&pixels).unwrap();
        let bytes = file.into_inner();
        let rules = PixelRules::default();
        assert_eq!(Pixels::decode(&bytes, &rules).unwrap().data, pixels);
        // Strips lie before the tags.
        let tags = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert!(tags > 300, "{tags}");
        let mut taken = 0;
        for bit in 8 * 8..8 * tags {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            if let Ok(p) = Pixels::decode(&turned, &rules) {
                assert_eq!(p.data, pixels, "bit {bit}");
                taken += 1;
            }
        }
        // A few bits of the headers say how it was packed, and lengths of strips may be more than there is.
        // All that this file has of them.
        assert!(taken <= 257, "{taken}");
    }

    #[test]
    fn bands_that_are_no_colours_are_refused() {
        let bands = |n: u16| {
            let number = |tag: u16, value: u16| {
                [&tag.to_le_bytes()[..], &3u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes(), &[0, 0]]
                    .concat()
            };
            let long = |tag: u16, value: u32| {
                [&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat()
            };
            let pixels = vec![7; 6 * usize::from(n)];
            // Width, height, bits, no compression, black is 0, place, samples, rows, bytes.
            let bits = 8 + pixels.len() as u32;
            let depths: Vec<u8> = (0..n).flat_map(|_| 8u16.to_le_bytes()).collect();
            let many = |tag: u16| {
                [&tag.to_le_bytes()[..], &3u16.to_le_bytes(), &u32::from(n).to_le_bytes(), &bits.to_le_bytes()].concat()
            };
            let tags = [
                number(256, 3),
                number(257, 2),
                many(258),
                number(259, 1),
                number(262, 1),
                long(273, 8),
                number(277, n),
                number(278, 2),
                long(279, pixels.len() as u32),
            ];
            let at = (bits + depths.len() as u32).next_multiple_of(2);
            let mut file = [&b"II*\0"[..], &at.to_le_bytes(), &pixels, &depths].concat();
            file.resize(at as usize, 0);
            [&file[..], &(tags.len() as u16).to_le_bytes(), &tags.concat(), &[0; 4]].concat()
        };
        let said = Pixels::decode(&bands(5), &PixelRules::default()).unwrap_err().to_string();
        assert!(said.contains("a TIFF of 5 bands"), "{said}");
    }
}
