//! Rows become columns, in blocks of four by four.

/// A block of four by four: column `i` of the rows becomes row `i`. Written out, as compilers take it apart into single floats.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn block(rows: [&[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    let mut out = [[0.0; 4]; 4];
    // SAFETY: every x86-64 machine has SSE, and each pointer is to four floats.
    unsafe {
        let [mut a, mut b, mut c, mut d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        for (to, row) in out.iter_mut().zip([a, b, c, d]) {
            _mm_storeu_ps(to.as_mut_ptr(), row);
        }
    }
    out
}

/// A block of four by four: column `i` of the rows becomes row `i`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn block(rows: [&[f32; 4]; 4]) -> [[f32; 4]; 4] {
    std::array::from_fn(|i| std::array::from_fn(|j| rows[j][i]))
}

/// Four numbers from `at` on, zeros behind the last one.
#[inline(always)]
fn four(x: &[f32], at: usize) -> [f32; 4] {
    match x.get(at..).and_then(<[f32]>::first_chunk) {
        Some(whole) => *whole,
        None => std::array::from_fn(|i| x.get(at + i).copied().unwrap_or(0.0)),
    }
}

/// `to[x * step + y] = from[y * pitch + x]` for `rows` of y and `columns` of x.
#[inline(always)]
pub(super) fn transpose((from, pitch): (&[f32], usize), (to, step): (&mut [f32], usize), rows: usize, columns: usize) {
    let whole = rows - rows % 4;
    for x in (0..columns).step_by(4) {
        let here = 4.min(columns - x);
        for y in (0..whole).step_by(4) {
            // What lies behind the last column goes nowhere.
            let rows: [[f32; 4]; 4] = std::array::from_fn(|i| four(from, (y + i) * pitch + x));
            let turned = block(rows.each_ref());
            for (j, turned) in turned.iter().enumerate().take(here) {
                to[(x + j) * step + y..][..4].copy_from_slice(turned);
            }
        }
        for x in x..x + here {
            for y in whole..rows {
                to[x * step + y] = from[y * pitch + x];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (3, 5), (4, 4), (8, 14), (9, 7), (2, 16), (5, 4)] {
            let (pitch, step) = (columns + 3, rows + 2);
            // The last row ends with its last column.
            let from: Vec<f32> = (0..(rows - 1) * pitch + columns).map(|i| i as f32 + 1.0).collect();
            let mut to = vec![0.0; columns * step];
            transpose((&from, pitch), (&mut to, step), rows, columns);
            for (i, t) in to.iter().enumerate() {
                let (x, y) = (i / step, i % step);
                let expected = if y < rows { from[y * pitch + x] } else { 0.0 };
                assert_eq!(*t, expected, "{rows} x {columns}: {x}, {y}");
            }
        }
    }
}
