//! Gradients by tables in the first-level cache, for every instruction set.
//!
//! A sum of four floats with weights of one bit has 16 values. A table is these 16 sums as vectors, the lanes of which are
//! what the sum is not over: pixels of dy for dx, where four neighbouring outputs are summed; outputs of dy for dw, where
//! four neighbouring pixels are. The bits of the other operand are the number of a row, and a load that is also the operand
//! of an addition does the work of four multiply-adds for each lane. Nothing but loads and additions is needed.

mod input_grad;
mod positions;
mod table;
mod turn;
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
