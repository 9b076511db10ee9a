//! dx with AVX-512.
//!
//! A sum of four floats with ±1 weights has 16 values. They stand in the 16 lanes of a register, lane
//! `b` holding the sum for the bits `b`, and one permutation picks for 16 channels at once the value
//! that their four bits ask for. A permutation and an addition do the work of four multiply-adds. (For dw, where bits have to be
//! turned first, `tables` is faster on these machines too.)

mod input_grad;
mod table;

use crate::tensor::Conv2dGeometry;
pub use input_grad::input_grad;

/// Lanes of a register, and floats that a table sums.
const LANES: usize = 16;
const FLOATS: usize = 4;

/// Whether channels fill registers.
pub fn suits(g: &Conv2dGeometry) -> bool {
    g.c.is_multiple_of(LANES) && g.o.is_multiple_of(LANES)
}
