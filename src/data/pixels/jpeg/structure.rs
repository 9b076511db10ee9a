//! What the markers of a JPEG say: which kind it is, and whether all of it is there (ITU-T T.81, annex B).

use super::super::{PixelError, orientation};
use super::tables::{Codes, Tables};
use image::metadata::Orientation;

/// What was found on the way from the first marker to the last.
pub(in crate::data::pixels) struct Structure {
    pub h: u64,
    pub w: u64,
    /// 1 grey, 3 colours, 4 inks.
    pub components: usize,
    pub orientation: Orientation,
    /// What is missing, if anything is.
    pub missing: Option<String>,
    /// Where the end marker stands, or would.
    pub end: usize,
}

/// Scans of one picture: writers make about ten, and each is gone over all pixels for.
const MOST_SCANS: usize = 500;

/// A component, and which of its 64 coefficients the scans have brought: the lowest bit of each.
struct Component {
    id: u8,
    quantization: u8,
    lowest: [Option<u8>; 64],
}

/// The frame header.
struct Frame {
    h: u64,
    w: u64,
    is_progressive: bool,
    components: Vec<Component>,
}

mod marker {
    pub const DHT: u8 = 0xc4;
    pub const DAC: u8 = 0xcc;
    pub const RST0: u8 = 0xd0;
    pub const RST7: u8 = 0xd7;
    pub const EOI: u8 = 0xd9;
    pub const SOS: u8 = 0xda;
    pub const DQT: u8 = 0xdb;
    pub const DNL: u8 = 0xdc;
    pub const DRI: u8 = 0xdd;
    pub const APP0: u8 = 0xe0;
    pub const APP1: u8 = 0xe1;
    pub const APP15: u8 = 0xef;
    pub const COM: u8 = 0xfe;
    pub const SOF55: u8 = 0xf7;
}

impl Structure {
    /// Walks over all segments. A picture within one of them, as cameras put it there, is none of its own.
    ///
    /// # Errors
    /// If it is of a kind that is not read, or its markers contradict one another.
    pub fn of(bytes: &[u8]) -> Result<Structure, PixelError> {
        let mut walk = Walk {
            bytes,
            at: 2,
            end: bytes.len(),
            frame: None,
            tables: Tables::default(),
            exif: None,
            scans: 0,
            most_of_a_scan: 0,
        };
        let missing = walk.walk_all()?;
        let end = walk.end;
        let exif = walk.exif.map_or(Orientation::NoTransforms, orientation::of_exif);
        let Some(frame) = walk.frame else {
            let what = missing.unwrap_or_else(|| "it has no picture between its first marker and its last".into());
            return Err(PixelError::Truncated(what));
        };
        if !frame.is_progressive && walk.scans > 1 && walk.most_of_a_scan > 1 {
            let what = "a baseline JPEG in several scans, some of more than one component";
            return Err(PixelError::Unsupported(what.into()));
        }
        let missing = missing.or_else(|| frame.missing());
        if walk.scans == 0 {
            return Err(PixelError::Truncated(missing.unwrap_or_else(|| "none of its pixels is there".into())));
        }
        let components = frame.components.len();
        Ok(Structure { h: frame.h, w: frame.w, components, orientation: exif, missing, end })
    }
}

/// A place on the way.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the end marker stands, or a segment that is cut, or the file ends.
    end: usize,
    frame: Option<Frame>,
    tables: Tables,
    exif: Option<&'a [u8]>,
    scans: usize,
    /// Components that a scan has, at most.
    most_of_a_scan: usize,
}

impl<'a> Walk<'a> {
    /// Up to the end marker, or to where the file breaks off, and what is missing then.
    fn walk_all(&mut self) -> Result<Option<String>, PixelError> {
        loop {
            let Some(marker) = self.next_marker() else {
                return Ok(Some(format!("the JPEG has no end marker in its {} bytes", self.bytes.len())));
            };
            let place = self.at - 2;
            match marker {
                marker::EOI => {
                    self.end = place;
                    return Ok(None);
                }
                // It stands alone, within the data of a scan.
                marker::RST0..=marker::RST7 if self.scans > 0 => continue,
                _ => {}
            }
            let Some(segment) = self.segment()? else {
                self.end = place;
                return Ok(Some(format!("the JPEG ends within its header, after {} bytes", self.bytes.len())));
            };
            match marker {
                marker::DHT => self.tables.codes(segment)?,
                marker::DQT => self.tables.quantization(segment)?,
                marker::DAC => return Err(arithmetic()),
                0xc0..=0xcf | marker::SOF55 => self.frame(marker, segment)?,
                marker::SOS => self.scan(segment)?,
                // Behind a scan nobody looks for it.
                marker::APP1 if self.exif.is_none() && self.scans == 0 => self.exif = segment.strip_prefix(b"Exif\0\0"),
                marker::DNL | marker::DRI | marker::APP0..=marker::APP15 | marker::COM => {}
                // What no writer puts there was another marker once.
                marker => {
                    return Err(PixelError::Damaged(format!("its marker {marker:#04x} has no place in a picture")));
                }
            }
        }
    }

    /// The next marker, over whatever else stands before it. Its two bytes are passed.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            self.at += self.bytes.get(self.at..)?.iter().position(|b| *b == 0xff)?;
            let fill = self.bytes[self.at..].iter().take_while(|b| **b == 0xff).count();
            let marker = *self.bytes.get(self.at + fill)?;
            // A byte of data that looks like the begin of a marker has a zero behind it.
            self.at += fill + 1;
            if marker != 0 {
                return Some(marker);
            }
        }
    }

    /// What is behind the length of a segment, unless the file breaks off within it.
    fn segment(&mut self) -> Result<Option<&'a [u8]>, PixelError> {
        let Some(&[high, low]) = self.bytes.get(self.at..self.at + 2) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(PixelError::Damaged("one of its segments is shorter than its own length".into()));
        }
        let segment = self.bytes.get(self.at + 2..self.at + length);
        self.at += length;
        Ok(segment)
    }

    fn frame(&mut self, marker: u8, s: &[u8]) -> Result<(), PixelError> {
        let unsupported = |what: &str| Err(PixelError::Unsupported(what.into()));
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return unsupported("a lossless JPEG"),
            0xc5..=0xc7 => return unsupported("a hierarchical JPEG"),
            marker::SOF55 => return unsupported("a JPEG-LS picture"),
            0xc9..=0xcb | 0xcd..=0xcf => return Err(arithmetic()),
            _ => return unsupported("a JPEG of a kind that the standard has reserved"),
        }
        let damaged = |what: String| Err(PixelError::Damaged(what));
        if self.frame.is_some() {
            return damaged("it has two headers".into());
        }
        let [precision, h0, h1, w0, w1, n, ..] = *s else { return damaged("its header is too short".into()) };
        if precision != 8 {
            return Err(PixelError::Unsupported(format!("a JPEG of {precision} bits")));
        }
        let (h, w) = (u16::from_be_bytes([h0, h1]).into(), u16::from_be_bytes([w0, w1]).into());
        if h == 0 {
            return unsupported("a JPEG that tells its height at its end");
        }
        if !matches!(n, 1 | 3 | 4) {
            return Err(PixelError::Unsupported(format!("a JPEG of {n} components")));
        }
        let listed = &s[6..];
        if listed.len() != 3 * usize::from(n) {
            return damaged(format!("its header is of {n} components and not as long"));
        }
        let listed = listed.as_chunks::<3>().0;
        let (across, down) = (|c: &[u8; 3]| c[1] >> 4, |c: &[u8; 3]| c[1] & 15);
        let most = |of: fn(&[u8; 3]) -> u8| listed.iter().map(of).max().unwrap_or(1);
        let (most_across, most_down) = (most(across), most(down));
        for c in listed {
            if !(1..=4).contains(&across(c)) || !(1..=4).contains(&down(c)) {
                return damaged(format!("a component has sampling {}x{}", across(c), down(c)));
            }
            if !most_across.is_multiple_of(across(c)) || !most_down.is_multiple_of(down(c)) {
                return unsupported("a JPEG whose components do not fit into one another a whole number of times");
            }
        }
        if n == 4 && (across(&listed[0]), down(&listed[0])) != (most_across, most_down) {
            return unsupported("a JPEG of four components, the first of which is not the finest");
        }
        let components =
            listed.iter().map(|c| Component { id: c[0], quantization: c[2], lowest: [None; 64] }).collect();
        self.frame = Some(Frame { h, w, is_progressive: marker == 0xc2, components });
        Ok(())
    }

    fn scan(&mut self, s: &[u8]) -> Result<(), PixelError> {
        let damaged = |what: &str| Err(PixelError::Damaged(what.into()));
        let Some(frame) = &mut self.frame else { return damaged("a scan stands before the header") };
        let n = usize::from(s.first().copied().unwrap_or(0));
        let (Some(listed), Some(&[first, last, bits])) = (s.get(1..1 + 2 * n), s.get(1 + 2 * n..)) else {
            return damaged("the header of a scan has another length than it says");
        };
        // Only progressive scans bring some of the coefficients, or some of their bits.
        let (first, last, before, bits) =
            if frame.is_progressive { (first, last, bits >> 4, bits & 15) } else { (0, 63, 0, 0) };
        if first > last || last > 63 {
            return damaged("a scan has coefficients that there are not");
        }
        // Those of the first coefficient stand alone, the others in scans of one component (T.81, G.1.1.1.1).
        if frame.is_progressive && (if first == 0 { last != 0 } else { n != 1 }) {
            return damaged("a scan has coefficients that do not go together");
        }
        if before != 0 && before != bits + 1 || bits > 13 {
            return damaged("a scan refines bits that there are not");
        }
        if n == 0 {
            return damaged("a scan is of no component");
        }
        for [id, codes] in listed.as_chunks::<2>().0 {
            let Some(component) = frame.components.iter_mut().find(|c| c.id == *id) else {
                return damaged("a scan is of a component that there is not");
            };
            let brought = &mut component.lowest[usize::from(first)..=usize::from(last)];
            if !frame.is_progressive && brought[0].is_some() {
                return damaged("two scans are of the same component");
            }
            // Else a scan that was lost would not be missed.
            if before != 0 && brought.iter().any(|lowest| *lowest != Some(before)) {
                return damaged("a scan refines what none has brought");
            }
            brought.fill(Some(bits));
            self.tables.has_quantization(component.quantization)?;
            // Of the first coefficient, refinements are bare bits.
            if first == 0 && before == 0 {
                self.tables.has_codes(Codes::Dc, codes >> 4)?;
            }
            if last > 0 {
                self.tables.has_codes(Codes::Ac, codes & 15)?;
            }
        }
        self.scans += 1;
        self.most_of_a_scan = self.most_of_a_scan.max(n);
        if self.scans > MOST_SCANS {
            return Err(PixelError::Unsupported(format!("a JPEG of more than {MOST_SCANS} scans")));
        }
        Ok(())
    }
}

fn arithmetic() -> PixelError {
    PixelError::Unsupported("a JPEG with arithmetic coding".into())
}

impl Frame {
    /// What no scan has brought.
    fn missing(&self) -> Option<String> {
        let whole = |c: &Component| c.lowest.iter().all(|bit| *bit == Some(0));
        match self.components.iter().all(whole) {
            true => None,
            false => Some("scans that make the JPEG's picture whole are missing".into()),
        }
    }
}
