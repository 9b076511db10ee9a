//! Boxes of whole pixels that a row of parameters names by its columns (upper edge, left edge, height, width).

use std::ops::Range;

/// The columns of a box: upper edge, left edge, height, width.
pub(super) type Columns = [usize; 4];

/// Lines and places in a line that the box has of an image of `h` x `w`, as the CPU device takes them.
pub(super) fn parts(row: &[f32], columns: Columns, [h, w]: [usize; 2]) -> [Range<usize>; 2] {
    let [y, x, height, width] = columns.map(|c| row[c]);
    let range = |from: f32, extent: f32, end: usize| {
        let first = (from.max(0.0) as usize).min(end);
        first..((from + extent).max(0.0) as usize).clamp(first, end)
    };
    [range(y, height, h), range(x, width, w)]
}

/// Whether a pixel lies in the box, for references.
pub(super) fn holds(row: &[f64], columns: Columns, pixel: [usize; 2]) -> bool {
    let [y, x, height, width] = columns.map(|c| row[c]);
    let [down, right] = [pixel[0] as f64 - y, pixel[1] as f64 - x];
    down >= 0.0 && right >= 0.0 && down < height && right < width
}
