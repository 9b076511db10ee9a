//! How an op becomes dispatches: plain data, decided before any device is touched.

mod conv;
mod lanes;
mod matmul;
mod matrix;
mod tiles;
mod variants;

pub use conv::{Conv, Pass};
pub use matmul::{matmul, matmul_variants};
pub use matrix::MatrixUnit;
pub use variants::{Choices, Variant, Variants};

use std::sync::Arc;

/// What a lowering must know of the device that will run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// A CPU that pretends to be a GPU: barriers are slow there, and lanes load one by one.
    pub software: bool,
    /// Storage buffers that one kernel may bind.
    pub max_storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Bytes that one storage binding may cover.
    pub max_binding_bytes: u64,
    /// Workgroups of 64 that keep it busy.
    pub busy_workgroups: usize,
    /// Sums that an invocation of a software adapter's kernels keeps in registers, at most.
    pub accumulators: usize,
    /// Invocations of each subgroup, where kernels may use subgroups and all have the same size.
    pub subgroup: Option<usize>,
    /// Matrix units, if it has some that a kernel may use.
    pub matrix: Option<MatrixUnit>,
    /// Which tiles on matrix units, from small ones on, the rule takes wherever they fit: for checking them. By itself it
    /// takes none.
    pub matrix_tile: Option<usize>,
    /// Kernels that are taken in place of the rule's.
    pub choices: Arc<Choices>,
}

/// A GPU of which nothing is known but WebGPU's default limits.
impl Default for Target {
    fn default() -> Self {
        Target {
            software: false,
            max_storage_buffers: 8,
            max_workgroup_memory: 16 << 10,
            max_binding_bytes: 128 << 20,
            busy_workgroups: Target::BUSY_WORKGROUPS,
            accumulators: Target::ACCUMULATORS,
            subgroup: None,
            matrix: None,
            matrix_tile: None,
            choices: Arc::default(),
        }
    }
}

impl Target {
    /// What `busy_workgroups` is where nothing better is known; no graphics API tells. Two for each of the 128 cores or
    /// so of a large GPU: one computes while the other waits for memory.
    pub const BUSY_WORKGROUPS: usize = 256;

    /// What `accumulators` is where nothing better is known: blocks of 16 x 16. llvmpipe loads for each lane alone, which
    /// costs more than a sum that leaves its register and comes back, so that few loads matter more than few sums, also
    /// on a processor of few registers. A product of 1024 x 1024 x 1024, on one thread with vectors of 8, in Gop/s:
    ///
    /// | blocks | 32 registers (AVX-512 VL) | 16 registers (AVX) |
    /// | --- | --- | --- |
    /// | 16 x 16 | 2.6 | 0.69 |
    /// | 16 x 8 | 2.0 | 0.38 |
    /// | 8 x 8 | 1.8 | 0.31 |
    /// | 4 x 8 | 1.4 | 0.22 |
    pub const ACCUMULATORS: usize = 256;

    /// What `accumulators` is for SwiftShader, which has 16 registers of 4 and needs seconds to compile more, and where
    /// bounds are checked: each checked load is a branch, and llvmpipe compiles in the square of their number, minutes for
    /// blocks of 16 x 16.
    pub const FEW_ACCUMULATORS: usize = 16;
}

/// A buffer that a kernel binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Input of the op, by position.
    In(usize),
    /// Output of the op, by position.
    Out(usize),
    /// Scratch buffer of the lowering, by position in [`Lowering::temps`].
    Temp(usize),
}

/// One dispatch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Launch {
    /// Path below `shaders/`, without the extension.
    pub shader: &'static str,
    /// Names and values for the shader's `#unroll` and `#if` lines: tile sizes and variants.
    pub defines: Vec<(&'static str, u32)>,
    /// Values of the shader's `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Workgroups along x, y, z.
    pub workgroups: [u32; 3],
    /// What is bound to group 0, in the order of the bindings.
    pub operands: Vec<Operand>,
}

impl Launch {
    /// One invocation for each of `count` elements, 64 to a workgroup: what most kernels are.
    pub fn each(
        count: usize,
        shader: &'static str,
        constants: Vec<(&'static str, f64)>,
        operands: Vec<Operand>,
    ) -> Launch {
        Launch { shader, defines: vec![], constants, workgroups: fold_groups(count.div_ceil(64)), operands }
    }
}

/// The dispatches of one op, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowering {
    /// Sizes in words of the scratch buffers that live for this op only.
    pub temps: Vec<usize>,
    /// What is dispatched.
    pub launches: Vec<Launch>,
}

impl From<Launch> for Lowering {
    fn from(launch: Launch) -> Self {
        Lowering { temps: vec![], launches: vec![launch] }
    }
}

/// Rows of a register block of a product of `rows` rows and so many blocks a row. Blocks of 16 rows load less for each
/// multiply-add; where they would make fewer than 256 invocations, which are 8 workgroups, cores would stay idle, and
/// blocks of 8 make twice as many.
fn block_rows(rows: usize, blocks: usize) -> usize {
    if rows.div_ceil(16) * blocks >= 256 { 16 } else { 8 }
}

/// Workgroups for `total` linear groups, folded into two dimensions when one is too short.
/// Kernels read the linear index as `wid.x + wid.y * num_workgroups.x` and check it.
pub fn fold_groups(total: usize) -> [u32; 3] {
    const MAX: usize = 65_535;
    let total = total.max(1);
    let y = total.div_ceil(MAX);
    [total.div_ceil(y) as u32, y as u32, 1]
}

/// The second stage of a split sum: adds `chunks` partial results of `n` numbers in order.
pub fn sum_partials(chunks: usize, n: usize, from: Operand, to: Operand) -> Launch {
    Launch {
        shader: "reduce/reduce",
        defines: vec![],
        constants: vec![
            ("KIND", 0.0),
            ("OUTER", 1.0),
            ("R", chunks as f64),
            ("INNER", n as f64),
            ("CHUNK", chunks as f64),
            ("CHUNKS", 1.0),
        ],
        workgroups: fold_groups(n.div_ceil(64)),
        operands: vec![from, to],
    }
}
