//! How matrix products are dispatched.

use super::{Launch, Lowering, Operand, Target, fold_groups};

/// Extents of `C[i] = op(A[i]) op(B[i])`.
pub use crate::kernels::MatMulExtents;

/// The product. Software adapters get a register tile an invocation where the extents allow.
pub fn matmul(e: &MatMulExtents, target: &Target) -> Lowering {
    let batch = [
        ("BATCH", e.batch as f64),
        ("M", e.m as f64),
        ("N", e.n as f64),
        ("K", e.k as f64),
        ("BATCHED_A", e.batched_a as u8 as f64),
        ("BATCHED_B", e.batched_b as u8 as f64),
    ];
    let one = |shader, defines, constants, groups| Lowering {
        temps: vec![],
        launches: vec![Launch {
            shader,
            defines,
            constants,
            workgroups: fold_groups(groups),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        }],
    };
    let columns = [16, 8, 4].into_iter().find(|c| e.n.is_multiple_of(*c));
    if let (true, false, true, Some(columns)) = (target.software, e.transpose_a, e.k.is_multiple_of(4), columns) {
        let tiles = |rows: usize| e.batch * e.m.div_ceil(rows) * (e.n / columns);
        let rows = if tiles(16) >= 256 { 16 } else { 8 };
        let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32), ("TB", e.transpose_b as u32)];
        return one("linalg/matmul_lanes", defines, batch.to_vec(), tiles(rows).div_ceil(32));
    }
    let transposes = [("TA", e.transpose_a as u8 as f64), ("TB", e.transpose_b as u8 as f64)];
    one("linalg/matmul", vec![], [&batch[..], &transposes].concat(), (e.batch * e.m * e.n).div_ceil(64))
}
