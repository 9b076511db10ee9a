//! Gradients by tables in the first-level cache, for every instruction set.
//!
//! A sum of four floats with weights of one bit has 16 values. A table is these 16 sums as vectors, the lanes of which are
//! what the sum is not over: pixels of dy for dx, where four neighbouring outputs are summed; outputs of dy for dw, where
//! four neighbouring pixels are. The bits of the other operand are the number of a row, and a load that is also the operand
//! of an addition does the work of four multiply-adds for each lane. Nothing but loads and additions is needed.

mod input_grad;
mod positions;
mod table;
mod weight_grad;

pub use input_grad::input_grad;
pub use weight_grad::weight_grad;

/// Floats that a table sums.
const FLOATS: usize = 4;
/// Rows of a table.
const ROWS: usize = 1 << FLOATS;
/// Vectors of a row of a table.
const V: usize = 2;
/// Sums of `V` vectors that are made at once: with fewer, an addition would wait for the one before it.
const R: usize = 4;

/// `to[x * step + y] = from[y * pitch + x]` for `rows` of y and `columns` of x, in blocks of four by four.
#[inline(always)]
fn transpose((from, pitch): (&[f32], usize), (to, step): (&mut [f32], usize), rows: usize, columns: usize) {
    let four = |x: &[f32], at: usize| [x[at], x[at + 1], x[at + 2], x[at + 3]];
    let (fours, whole) = (columns - columns % 4, rows - rows % 4);
    for x in (0..fours).step_by(4) {
        for y in (0..whole).step_by(4) {
            let block: [[f32; 4]; 4] = std::array::from_fn(|i| four(from, (y + i) * pitch + x));
            for j in 0..4 {
                let turned: [f32; 4] = std::array::from_fn(|i| block[i][j]);
                to[(x + j) * step + y..][..4].copy_from_slice(&turned);
            }
        }
    }
    for x in 0..columns {
        for y in if x < fours { whole } else { 0 }..rows {
            to[x * step + y] = from[y * pitch + x];
        }
    }
}
