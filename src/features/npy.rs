//! NumPy's file format, version 1.0: magic, length of the header, the header as a Python dictionary, the numbers.

use super::Rows;
use crate::error::Result;
use crate::files::write_atomic;
use std::path::Path;

/// Writes features as f32 `[n, d]`.
pub fn write_features(path: &Path, rows: &Rows) -> Result<()> {
    let shape = format!("({}, {})", rows.n(), rows.d);
    write(path, "<f4", &shape, rows.data.iter().flat_map(|x| x.to_le_bytes()))
}

/// Writes labels as u32 `[n]`.
pub fn write_labels(path: &Path, labels: &[u32]) -> Result<()> {
    write(path, "<u4", &format!("({},)", labels.len()), labels.iter().flat_map(|x| x.to_le_bytes()))
}

fn write(path: &Path, kind: &str, shape: &str, numbers: impl Iterator<Item = u8>) -> Result<()> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    // The numbers begin at a multiple of 64 bytes; the header ends with a line feed.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers);
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_features(&path, &Rows { data: vec![1.0, 2.0, 3.0, 4.5, -5.0, 6.0], d: 3 }).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // numpy.save of the same array gives these.
        assert!(
            bytes.starts_with(b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }")
        );
        assert_eq!(bytes.len(), 128 + 24);
        assert_eq!(bytes[127], b'\n');
        assert_eq!(bytes[128..132], 1f32.to_le_bytes());
        write_labels(&path, &[7, 8]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes[10..].starts_with(b"{'descr': '<u4', 'fortran_order': False, 'shape': (2,), }"));
        assert_eq!(bytes.len(), 128 + 8);
    }
}
