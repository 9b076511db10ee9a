//! How matrix products are dispatched.

use super::tiles::{Quads, Tile, access};
use super::{Launch, Lowering, Operand, Target, fold_groups};

/// Extents of `C[i] = op(A[i]) op(B[i])`.
pub use crate::kernels::MatMulExtents;

/// The product by tiles in workgroup memory, if they would not lie mostly outside.
fn by_tiles(e: &MatMulExtents, target: &Target) -> Option<Lowering> {
    let tile = Tile::choose(target, e.batch, e.m, e.n)?;
    let a = if e.transpose_a { Quads::Flat.fitting(e.m) } else { Quads::Deep.fitting(e.k) };
    let b = if e.transpose_b { Quads::Deep.fitting(e.k) } else { Quads::Flat.fitting(e.n) };
    let transposes = [("TA", e.transpose_a as u32), ("TB", e.transpose_b as u32)];
    let defines = [access(a, b, None, e.n), transposes.to_vec()].concat();
    let constants =
        vec![("K", e.k as f64), ("BATCHED_A", e.batched_a as u8 as f64), ("BATCHED_B", e.batched_b as u8 as f64)];
    Some(tile.launch("linalg/matmul_tiles", [e.batch, e.m, e.n], defines, constants, Operand::Out(0)).into())
}

/// The product. GPUs get tiles in workgroup memory, software adapters a register tile an invocation
/// where the extents allow.
pub fn matmul(e: &MatMulExtents, target: &Target) -> Lowering {
    if let Some(lowering) = by_tiles(e, target) {
        return lowering;
    }
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
