//! Arrays of numbers, as NumPy describes them in files and in pickles.

use super::super::source::Entry;
use super::raw::Layout;
use crate::error::{Error, Result};
use crate::tensor::strides::offsets;

/// Axes that an array may have.
const MOST_AXES: usize = 8;

/// What the elements of an array are.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Dtype {
    /// NumPy's letter: b (truth), u, i, f, ...
    kind: char,
    /// Bytes of an element.
    bytes: u64,
    big_endian: bool,
    /// As the file says it: "<f4".
    said: String,
}

impl Dtype {
    /// From a code such as "|u1", "<i8" or "u1".
    ///
    /// # Errors
    /// With a sentence, if it is none of numbers.
    pub fn parse(code: &str) -> Result<Dtype, String> {
        let (order, rest) = match code.chars().next() {
            Some(c @ ('<' | '>' | '|' | '=')) => (c, &code[1..]),
            _ => ('|', code),
        };
        let kind = rest.chars().next().unwrap_or(' ');
        let bytes = rest.get(kind.len_utf8()..).and_then(|n| n.parse::<u64>().ok());
        let known =
            matches!((kind, bytes), ('b', Some(1)) | ('u' | 'i', Some(1 | 2 | 4 | 8)) | ('f', Some(2 | 4 | 8 | 16)));
        let said: String = code.escape_debug().take(40).collect();
        match (kind, bytes) {
            (_, Some(bytes)) if known => Ok(Dtype { kind, bytes, big_endian: order == '>', said }),
            ('O', _) => Err("holds Python objects, which are not read: save plain numbers".into()),
            _ => Err(format!(
                "holds elements of type {said:?}, which are no numbers: save images as uint8, labels as int64"
            )),
        }
    }

    /// Whether it is uint8.
    pub fn is_byte(&self) -> bool {
        (self.kind, self.bytes) == ('u', 1)
    }

    fn is_whole(&self) -> bool {
        matches!(self.kind, 'b' | 'u' | 'i')
    }
}

/// An array somewhere in a file.
pub(super) struct Array {
    /// What holds it, unpacked.
    pub entry: Entry,
    /// Where its first element lies there.
    pub start: u64,
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    /// Whether the first axis is the innermost.
    pub fortran: bool,
}

impl Array {
    /// Bytes of the elements.
    ///
    /// # Errors
    /// With a sentence, if no file could hold so many, or there are too many axes.
    pub fn bytes(shape: &[u64], dtype: &Dtype) -> Result<u64, String> {
        let n = shape.iter().try_fold(dtype.bytes, |n, axis| n.checked_mul(*axis));
        match n {
            Some(n) if shape.len() <= MOST_AXES => Ok(n),
            _ => Err(format!("its header says an array of {}: it is damaged", shown(shape))),
        }
    }

    fn fail<T>(&self, message: String) -> Result<T> {
        Err(Error::data(&self.entry.path, message))
    }

    /// The array with the first axis outermost: itself, or a copy in memory.
    ///
    /// # Errors
    /// If there is no memory for the copy, or the array cannot be read.
    pub fn in_c_order(self) -> Result<Array> {
        let one_axis = self.shape.iter().filter(|n| **n > 1).count() < 2;
        if !self.fortran || one_axis {
            return Ok(Array { fortran: false, ..self });
        }
        let bytes = self.read()?;
        let size = self.dtype.bytes as usize;
        let mut turned = Vec::new();
        if turned.try_reserve_exact(bytes.len()).is_err() {
            return self
                .fail("it is stored in Fortran order, and there is no memory to turn it: save it in C order".into());
        }
        // The first axis lies closest.
        let shape: Vec<usize> = self.shape.iter().map(|n| *n as usize).collect();
        let strides: Vec<usize> = shape.iter().scan(size, |step, n| Some(std::mem::replace(step, *step * n))).collect();
        offsets(&shape, &strides).for_each(|at| turned.extend_from_slice(&bytes[at..at + size]));
        let entry = Entry::in_memory(self.entry.name.clone(), self.entry.path.clone(), turned);
        Ok(Array { entry, start: 0, fortran: false, ..self })
    }

    fn read(&self) -> Result<Vec<u8>> {
        let bytes = Array::bytes(&self.shape, &self.dtype).map_err(|m| Error::data(&self.entry.path, m))?;
        self.entry.part(self.entry.name.clone(), self.start, bytes).read()
    }

    /// The array as images of bytes: itself in C order, how many there are, and how each lies.
    ///
    /// # Errors
    /// If it is of another type or shape; with what to do.
    pub fn images(self) -> Result<(Array, u64, Layout)> {
        if self.dtype.kind == 'f' {
            return self.fail(format!(
                "holds images as floats ({}), and whether white is 1 or 255 is not said: save bytes, \
                 (x * 255).round().astype('uint8') if it is 1, x.round().astype('uint8') if it is 255",
                self.dtype.said
            ));
        }
        if !self.dtype.is_byte() {
            return self.fail(format!(
                "holds images of type {}: only bytes are read, so save x.astype('uint8') if the values are 0 to 255",
                self.dtype.said
            ));
        }
        let [count, extents @ ..] = &self.shape[..] else {
            return self.fail("holds a single number and no images".into());
        };
        if extents.len() == 1 {
            return self.fail(format!(
                "holds {count} rows of {} numbers and no images: save them in their shape, x.reshape(-1, HEIGHT, WIDTH), or \
                 with 3 as last axis if they have colours",
                extents[0]
            ));
        }
        let layout = Layout::of(extents).map_err(|m| Error::data(&self.entry.path, format!("holds {m}")))?;
        let count = *count;
        Ok((self.in_c_order()?, count, layout))
    }

    /// The array as labels: whole numbers, one an image.
    ///
    /// # Errors
    /// If it is of another type or shape; with what to do.
    pub fn labels(self) -> Result<Vec<i64>> {
        match &self.shape[..] {
            [_] | [_, 1] => {}
            [n, classes] => {
                return self.fail(format!(
                    "holds {n} rows of {classes} numbers instead of one label an image: of one-hot rows save \
                     y.argmax(1); several labels an image are not trained on"
                ));
            }
            shape => return self.fail(format!("holds labels of shape {}: expected one an image", shown(shape))),
        }
        if !self.dtype.is_whole() {
            return self
                .fail(format!("holds labels of type {}: save whole numbers, y.astype('int64')", self.dtype.said));
        }
        let bytes = self.read()?;
        let (size, big, signed) = (self.dtype.bytes as usize, self.dtype.big_endian, self.dtype.kind == 'i');
        let number = |element: &[u8]| {
            let mut wide = [0; 8];
            for (i, byte) in element.iter().enumerate() {
                wide[if big { size - 1 - i } else { i }] = *byte;
            }
            let bits = u64::from_le_bytes(wide);
            let unused = 64 - 8 * size as u32;
            // Beyond 63 bits it is no label either way, and the largest number says so.
            if signed { ((bits << unused) as i64) >> unused } else { i64::try_from(bits).unwrap_or(i64::MAX) }
        };
        Ok(bytes.chunks_exact(size).map(number).collect())
    }
}

fn shown(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(code: &str, shape: &[u64], fortran: bool, bytes: &[u8]) -> Array {
        let entry = Entry::in_memory("a.npy".into(), "dir/a.npy".into(), bytes.to_vec());
        Array { entry, start: 0, dtype: Dtype::parse(code).unwrap(), shape: shape.to_vec(), fortran }
    }

    #[test]
    fn labels_are_whole_numbers_of_any_width() {
        let of = |code: &str, bytes: &[u8]| array(code, &[2, 1], false, bytes).labels().unwrap();
        assert_eq!(of("|u1", &[7, 255]), [7, 255]);
        assert_eq!(of("|i1", &[7, 255]), [7, -1]);
        assert_eq!(of("|b1", &[0, 1]), [0, 1]);
        assert_eq!(of("<i2", &[1, 1, 0xfe, 0xff]), [257, -2]);
        assert_eq!(of(">i4", &[0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff]), [256, -1]);
        assert_eq!(of("<u8", &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]), [9, i64::MAX]);
        let refused = |code: &str, shape: &[u64], bytes: &[u8]| array(code, shape, false, bytes).labels().unwrap_err();
        assert!(refused("<f4", &[2], &[0; 8]).to_string().contains("int64"));
        assert!(refused("|u1", &[1, 10], &[0; 10]).to_string().contains("argmax(1)"));
        assert!(refused("|u1", &[], &[0]).to_string().contains("one an image"));
        // A file that is shorter than it was.
        assert!(refused("|u1", &[3], &[0, 0]).to_string().contains("dir/a.npy"));
    }

    #[test]
    fn fortran_order_is_turned() {
        // numpy.arange(12).reshape(2, 3, 2), then order="F": bytes by hand of what it lays out.
        let fortran = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11];
        let (turned, count, layout) = array("|u1", &[2, 3, 2], true, &fortran).images().unwrap();
        assert_eq!((count, layout.h, layout.w, layout.c), (2, 3, 2, 1));
        assert_eq!(turned.read().unwrap(), (0..12).collect::<Vec<u8>>());
        let plain = array("|u1", &[2, 3, 2], false, &fortran).images().unwrap().0;
        assert_eq!(plain.read().unwrap(), fortran);
    }

    #[test]
    fn what_is_no_image_of_bytes_says_what_to_do() {
        let refused =
            |code: &str, shape: &[u64]| array(code, shape, false, &[]).images().map(|_| ()).unwrap_err().to_string();
        assert!(refused("<f4", &[5, 8, 8]).contains("astype('uint8')"));
        assert!(refused("<i8", &[5, 8, 8]).contains("type <i8"));
        assert!(refused("|u1", &[5, 784]).contains("reshape"));
        assert!(refused("|u1", &[5, 8, 8, 4]).contains("1 or 3 channels"));
        assert!(Dtype::parse("|O").unwrap_err().contains("Python objects"));
        assert!(Dtype::parse("<U5").unwrap_err().contains("<U5"));
        assert!(Dtype::parse("").is_err() && Dtype::parse("é8").is_err() && Dtype::parse("<u3").is_err());
        assert!(Array::bytes(&[1 << 60, 1 << 60], &Dtype::parse("u1").unwrap()).is_err());
    }
}
