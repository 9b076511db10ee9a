//! How matrix products are dispatched.

use super::{Launch, Lowering, Operand, Target, fold_groups};

/// Extents of `C[i] = op(A[i]) op(B[i])`.
pub use crate::kernels::MatMulExtents;

/// The product.
pub fn matmul(e: &MatMulExtents, _target: &Target) -> Lowering {
    Lowering {
        temps: vec![],
        launches: vec![Launch {
            shader: "linalg/matmul",
            defines: vec![],
            constants: vec![
                ("BATCH", e.batch as f64),
                ("M", e.m as f64),
                ("N", e.n as f64),
                ("K", e.k as f64),
                ("TA", e.transpose_a as u8 as f64),
                ("TB", e.transpose_b as u8 as f64),
                ("BATCHED_A", e.batched_a as u8 as f64),
                ("BATCHED_B", e.batched_b as u8 as f64),
            ],
            workgroups: fold_groups((e.batch * e.m * e.n).div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        }],
    }
}
