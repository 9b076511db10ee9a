//! Images from NumPy: `uint8`, rows, columns, channels, one or several.

use super::error::bad_array;
use numpy::ndarray::{ArrayViewD, Axis};
use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// Bytes that are copied at a time, before the interpreter's lock is let go.
const PIECE: usize = 1 << 20;

/// Images of a caller's array.
pub struct Images<'py> {
    array: PyReadonlyArrayDyn<'py, u8>,
    /// Whether it is one image, and not an array of them.
    pub single: bool,
    /// How many.
    pub n: usize,
    bytes: usize,
}

impl<'py> Images<'py> {
    /// Images of `input` rows, columns and channels; the axis of the channel may be left out where there is one channel.
    ///
    /// # Errors
    /// `ArrayError`, if it is no array, of another type or shape, or empty.
    pub fn of(given: &Bound<'py, PyAny>, input: [usize; 3]) -> PyResult<Images<'py>> {
        let [h, w, c] = input;
        let Ok(array) = given.cast::<PyUntypedArray>() else {
            let found = given.get_type().name()?;
            return Err(bad_array(format!("images: {found} is no NumPy array; give one of uint8, {}", wanted(input))));
        };
        let shape = array.shape().to_vec();
        let Ok(bytes) = array.cast::<PyArrayDyn<u8>>() else {
            return Err(bad_array(format!(
                "images are {} of shape {shape:?}: give uint8 from 0 to 255, {}; the model normalises them itself",
                array.dtype(),
                wanted(input)
            )));
        };
        let (single, n) = match (&shape[..], c) {
            (s, _) if s == [h, w, c] => (true, 1),
            (s, 1) if s == [h, w] => (true, 1),
            ([n, rest @ ..], _) if rest == [h, w, c] => (false, *n),
            ([n, rest @ ..], 1) if rest == [h, w] => (false, *n),
            _ => {
                let hint = match &shape[..] {
                    [.., a, b, d] if [*b, *d, *a] == input => ": put the channels last",
                    _ => "",
                };
                return Err(bad_array(format!("images of shape {shape:?}: give {}{hint}", wanted(input))));
            }
        };
        if n == 0 {
            return Err(bad_array(format!("images of shape {shape:?}: there is no image in it")));
        }
        let array = bytes.try_readonly().map_err(|e| bad_array(format!("images cannot be read: {e}")))?;
        Ok(Images { array, single, n, bytes: h * w * c })
    }

    /// Bytes of an image.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies of the images, some at a time, each in the order of rows, columns and channels.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let each = (PIECE / self.bytes).max(1);
        let all = self.array.as_array();
        (0..self.n).step_by(each).map(move |start| match self.single {
            true => copy(all.view()),
            false => copy(all.slice_axis(Axis(0), (start..self.n.min(start + each)).into())),
        })
    }
}

/// What is wanted, for messages.
fn wanted([h, w, c]: [usize; 3]) -> String {
    let channels = if c == 1 { ", the last axis may be left out" } else { "" };
    format!("(N, {h}, {w}, {c}) or ({h}, {w}, {c}): rows, columns, channels{channels}")
}

fn copy(view: ArrayViewD<'_, u8>) -> Vec<u8> {
    match view.as_slice() {
        Some(whole) => whole.to_vec(),
        None => view.iter().copied().collect(),
    }
}
