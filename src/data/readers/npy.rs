//! NumPy's `.npy` files: a magic, a version, a header that is a dictionary of Python as text, then the elements. Source: NEP 1
//! (R. Kern, "A Simple File Format for NumPy Arrays") and the documentation of numpy.lib.format.
//!
//! The header has three keys of known types, for which a parser of Python is too much.

use super::super::source::Entry;
use super::array::{Array, Dtype};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";

/// A header has some hundred bytes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Reads the header of a file, and checks that the file is as long as that says.
///
/// # Errors
/// If it is none, damaged, cut short, or of elements that are no numbers.
pub(super) fn open(entry: &Entry) -> Result<Array> {
    let entry = entry.unpacked()?;
    let fail = |message: String| Err(Error::data(&entry.path, message));
    let length = entry.len()?;
    let head = entry.head(LONGEST_HEADER)?;
    if !head.starts_with(MAGIC) {
        return fail("does not begin as an .npy file: it is none, or damaged".into());
    }
    let (start, text) = match (head.get(6), head.get(8..12)) {
        (Some(1), Some(n)) => (10, u16::from_le_bytes([n[0], n[1]]) as usize),
        (Some(2 | 3), Some(n)) => (12, u32::from_le_bytes([n[0], n[1], n[2], n[3]]) as usize),
        (Some(version), _) if *version > 3 => {
            return fail(format!("is of version {version} of the .npy format: versions 1 to 3 are read"));
        }
        _ => return fail("is cut short within its header: copy or download it again".into()),
    };
    let Some(text) = part(&head, start, text) else {
        return fail(format!("is cut short within its header, or that is longer than {LONGEST_HEADER} bytes"));
    };
    let error = |message: String| Error::data(&entry.path, message);
    let header = Header::parse(text).map_err(|m| error(format!("its header {m}: it is damaged")))?;
    let dtype = Dtype::parse(&header.descr).map_err(error)?;
    let bytes = Array::bytes(&header.shape, &dtype).map_err(error)?;
    let start = (start + text.len()) as u64;
    let expected = start.saturating_add(bytes);
    if length != expected {
        let how = if length < expected { "is cut short" } else { "has bytes past its end" };
        return fail(format!(
            "{how}: its header says {bytes} bytes of data, so expected {expected} bytes, found {length}; copy or download it \
             again"
        ));
    }
    Ok(Array { entry, start, dtype, shape: header.shape, fortran: header.fortran })
}

fn part(head: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    head.get(start..start.checked_add(length)?)
}

struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    /// `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }`, keys in any order.
    fn parse(text: &[u8]) -> Result<Header, String> {
        let text = std::str::from_utf8(text).map_err(|_| "is no text")?;
        let mut rest = Text(text.trim());
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        rest.expect("{")?;
        while !rest.take("}") {
            let key = rest.quoted()?;
            rest.expect(":")?;
            match key {
                "descr" if rest.0.starts_with('[') => return Err("says that its elements have fields".into()),
                "descr" => descr = Some(rest.quoted()?.to_string()),
                "fortran_order" if rest.take("True") => fortran = Some(true),
                "fortran_order" if rest.take("False") => fortran = Some(false),
                "shape" => shape = Some(rest.sizes()?),
                other => {
                    return Err(format!(
                        "has an entry {:?} that is not known",
                        other.chars().take(40).collect::<String>()
                    ));
                }
            }
            if !rest.take(",") {
                rest.expect("}")?;
                break;
            }
        }
        match (descr, fortran, shape, rest.0) {
            (Some(descr), Some(fortran), Some(shape), "") => Ok(Header { descr, fortran, shape }),
            _ => Err("lacks one of descr, fortran_order and shape, or has more after them".into()),
        }
    }
}

/// What is left of a header.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn take(&mut self, word: &str) -> bool {
        match self.0.strip_prefix(word) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("lacks {word:?} where it belongs")) }
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("lacks a quoted word")?;
        let (word, rest) = self.0[1..].split_once(quote).ok_or("has a word without an end")?;
        self.0 = rest.trim_start();
        Ok(word)
    }

    /// A tuple of sizes; Python 2 wrote an L behind large ones.
    fn sizes(&mut self) -> Result<Vec<u64>, String> {
        self.expect("(")?;
        let mut sizes = Vec::new();
        while !self.take(")") {
            let digits = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let size = self.0[..digits].parse().map_err(|_| "has a size that is none")?;
            sizes.push(size);
            self.0 = self.0[digits..].trim_start();
            self.take("L");
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file with the header of that text.
    pub fn file(header: &str, elements: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(elements);
        bytes
    }

    fn opened(bytes: Vec<u8>) -> Result<Array> {
        open(&Entry::in_memory("a.npy".into(), "dir/a.npy".into(), bytes))
    }

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        for (header, fortran) in [
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }   \n", false),
            ("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}\n", true),
            ("{'shape': (2L, 3L), \"fortran_order\": True, 'descr': '|u1'}", true),
        ] {
            let array = opened(file(header, &[9; 6])).unwrap();
            assert_eq!((array.shape, array.fortran, array.start), (vec![2, 3], fortran, 10 + header.len() as u64));
        }
        let one = opened(file("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", &[5, 0, 0, 0])).unwrap();
        assert_eq!(one.labels().unwrap(), [5]);
    }

    #[test]
    fn bad_headers_are_refused_and_never_believed() {
        let ok = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
        for (header, said) in [
            (ok.replace("2, 3", "1152921504606846976, 3"), "cut short"),
            (ok.replace("2, 3", "1152921504606846976, 1152921504606846976"), "damaged"),
            (ok.replace("2, 3", "99999999999999999999, 3"), "has a size that is none"),
            (ok.replace("2, 3", "-2, 3"), "has a size that is none"),
            (ok.replace("'|u1'", "[('a', '|u1')]"), "fields"),
            (ok.replace("|u1", "|O"), "Python objects"),
            (ok.replace("False", "Maybe"), "not known"),
            (ok.replace('}', ""), "lacks"),
            (ok.replace("'shape'", "'shade'"), "not known"),
            (ok.replace("2, 3", "2, 4"), "cut short"),
            (ok.replace("2, 3", "2, 2"), "past its end"),
            ("{}".into(), "lacks one of"),
            (String::new(), "lacks"),
        ] {
            let m = opened(file(&header, &[0; 6])).map(|_| ()).unwrap_err().to_string();
            assert!(m.contains("dir/a.npy") && m.contains(said), "{header}: {m}");
        }
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_refused_or_read() {
        let whole = file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", &[1, 2, 3, 4, 5, 6]);
        for cut in 0..whole.len() {
            assert!(opened(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                if let Ok(array) = opened(changed) {
                    let _ = array.images();
                }
            }
        }
    }
}
