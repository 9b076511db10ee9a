//! Features and labels as NumPy's .npy files, version 1.0: a header of text, then the numbers, little-endian. Source: NEP 1
//! (R. Kern, "A Simple File Format for NumPy Arrays") and the documentation of numpy.lib.format.

use super::rows::Rows;
use crate::error::Result;
use crate::files::write_atomic;
use std::path::Path;

/// Writes `rows` as f32 `[n, d]`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_f32(path: &Path, rows: &Rows) -> Result<()> {
    let shape = format!("({}, {})", rows.n(), rows.d());
    write(path, "<f4", &shape, rows.data().iter().flat_map(|v| v.to_le_bytes()))
}

/// Writes `values` as u32 `[n]`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_u32(path: &Path, values: &[u32]) -> Result<()> {
    write(path, "<u4", &format!("({},)", values.len()), values.iter().flat_map(|v| v.to_le_bytes()))
}

fn write(path: &Path, element: &str, shape: &str, numbers: impl Iterator<Item = u8>) -> Result<()> {
    let mut header = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}");
    // Ten bytes come before; the numbers start at a multiple of 64, after a line break.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(padded - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers);
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header as `numpy.save` writes it (`tests/golden/features.py`), and the numbers behind it.
    #[test]
    fn the_bytes_are_those_of_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.npy");
        write_f32(&path, &Rows::new(vec![1.0, -2.5, 0.0, 3e-9, 7.0, -0.0], 3).unwrap()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        assert!(bytes.starts_with(header), "{:?}", String::from_utf8_lossy(&bytes));
        assert!(bytes[header.len()..127].iter().all(|b| *b == b' ') && bytes[127] == b'\n');
        let read: Vec<f32> = bytes[128..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(read, [1.0, -2.5, 0.0, 3e-9, 7.0, -0.0]);

        let path = folder.path().join("labels.npy");
        write_u32(&path, &[5, 0, u32::MAX]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = b"\x93NUMPY\x01\x00v\x00{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }";
        assert!(bytes.starts_with(header), "{:?}", String::from_utf8_lossy(&bytes));
        assert_eq!(bytes[128..], [5, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
    }
}
