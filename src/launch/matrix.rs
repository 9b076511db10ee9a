//! Products on matrix units (`shaders/shared/matrix.wgsl`), for adapters that have cooperative matrices.

use super::{Launch, Lowering, Operand, Target, fold_groups};

/// What kernels know of a device's matrix units: square matrices that the invocations of a subgroup multiply together,
/// whose sums are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixUnit {
    /// Rows and columns of a matrix: 8 or 16.
    pub size: usize,
    /// Whether factors are f16; else they are f32.
    pub half: bool,
    /// Invocations of a subgroup, at most.
    pub subgroup: usize,
}

/// What a workgroup makes of a product: `parts` down and across, one a subgroup, of `matrices` down and across each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MatrixTile {
    unit: MatrixUnit,
    parts: [usize; 2],
    matrices: [usize; 2],
}

/// Columns of A and rows of B that lie in workgroup memory at a time: a word of bits.
pub(super) const DEPTH: usize = 32;
/// Products of a sum from which on the bound of sums of floats holds (`shaders/shared/matrix_floats.wgsl`).
const LEAST_PRODUCTS: usize = 64;
/// Invocations that a workgroup may have on any device.
const MOST_INVOCATIONS: usize = 256;

impl std::fmt::Display for MatrixTile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.height(), self.width())
    }
}

/// How an operand is given to matrix units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Factor {
    /// Bits, which are exact.
    Bits,
    /// Floats, whose lines have a largest number each.
    Floats(Lines),
}

/// Lines of numbers that share a power of two: `sets` of `lines` of `depth` numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lines {
    pub sets: usize,
    pub lines: usize,
    pub depth: usize,
    /// Words from a set to the next.
    pub set_pitch: usize,
    /// Words from a line to the next.
    pub line_pitch: usize,
    /// Words from a number to the next.
    pub pitch: usize,
}

/// A product for matrix units.
pub(super) struct Product<'a> {
    pub shader: &'static str,
    /// Slices, rows and columns.
    pub extents: [usize; 3],
    /// How operands are read.
    pub access: Vec<(&'static str, u32)>,
    pub constants: Vec<(&'static str, f64)>,
    pub a: &'a Factor,
    pub b: &'a Factor,
}

impl MatrixTile {
    /// Those that fit a device, small ones first. llvmpipe unrolls each product of matrices and needs minutes to compile
    /// those of large tiles: software adapters get the smallest.
    pub(super) fn all(target: &Target) -> Vec<MatrixTile> {
        let Some(unit) = target.matrix else { return Vec::new() };
        let shapes: &[([usize; 2], [usize; 2])] = match unit.size {
            8 => &[([2, 2], [1, 1]), ([2, 2], [2, 2]), ([2, 2], [4, 4])],
            _ => &[([2, 2], [1, 1]), ([2, 2], [2, 2]), ([4, 2], [2, 2])],
        };
        let tiles = shapes.iter().map(|&(parts, matrices)| MatrixTile { unit, parts, matrices });
        let fitting = tiles.filter(|t| t.bytes(2) <= target.max_workgroup_memory as usize);
        fitting.take(if target.software { 1 } else { shapes.len() }).collect()
    }

    /// Those that the rule takes wherever they fit, if it takes any.
    pub(super) fn of_rule(target: &Target) -> Option<MatrixTile> {
        MatrixTile::all(target).get(target.matrix_tile?).copied()
    }

    fn height(self) -> usize {
        self.parts[0] * self.matrices[0] * self.unit.size
    }

    fn width(self) -> usize {
        self.parts[1] * self.matrices[1] * self.unit.size
    }

    /// Bytes of workgroup memory where operands are the sum of so many factors.
    fn bytes(self, factors: usize) -> usize {
        let bytes = if self.unit.half { 2 * factors } else { 4 };
        let made = (self.parts.iter().product::<usize>() + 1) * self.unit.size.pow(2) * 4;
        DEPTH * (self.height() + self.width()) * bytes + made
    }

    /// Slices that the sums of one `m x n` product are cut into to keep the GPU busy.
    pub(super) fn splits(self, target: &Target, m: usize, n: usize) -> usize {
        target.busy_workgroups.div_ceil(m.div_ceil(self.height()) * n.div_ceil(self.width()))
    }

    /// Whether kernels take sums of so many products of these factors, on a device that binds so many buffers.
    pub(super) fn takes(self, target: &Target, products: usize, a: &Factor, b: &Factor) -> bool {
        let floats = [a, b].into_iter().filter(|f| **f != Factor::Bits).count();
        let split = self.unit.half && floats > 0;
        !split || products >= LEAST_PRODUCTS && target.max_storage_buffers as usize >= 3 + floats
    }

    /// The dispatches of a product into `to`; `temps` scratch buffers are taken already.
    pub(super) fn launch(self, target: &Target, product: Product<'_>, to: Operand, temps: usize) -> Lowering {
        let Product { shader, extents: [slices, m, n], access, constants, a, b } = product;
        let mut lowering = Lowering::default();
        let mut operands = vec![Operand::In(0), Operand::In(1), to];
        let mut low = [0; 2];
        for (i, factor) in [a, b].into_iter().enumerate() {
            if let (Factor::Floats(lines), true) = (factor, self.unit.half) {
                low[i] = 1;
                operands.push(lines.largest(target, Operand::In(i), temps, &mut lowering));
            }
        }
        let [parts_down, parts_across] = self.parts;
        let parts = parts_down * parts_across;
        let subgroup = self.unit.subgroup.min(MOST_INVOCATIONS);
        let threads = parts * subgroup;
        let sizes = [
            ("SIZE", self.unit.size),
            ("DEPTH", DEPTH),
            ("HEIGHT", self.height()),
            ("WIDTH", self.width()),
            ("PARTS", parts),
            ("PARTS_ACROSS", parts_across),
            ("DOWN", self.matrices[0]),
            ("ACROSS", self.matrices[1]),
            ("THREADS", threads.min(MOST_INVOCATIONS / subgroup * subgroup)),
            ("HALF", self.unit.half as usize),
            ("LOW_A", low[0]),
            ("LOW_B", low[1]),
            ("LOW", low[0].max(low[1])),
            // The sums of bits are exact in any order, those of f32 are rounded as everywhere.
            ("FRESH", low[0].max(low[1])),
        ];
        let defines = [access, sizes.map(|(name, v)| (name, v as u32)).to_vec()].concat();
        let extents = [("SLICES", slices), ("M", m), ("N", n)].map(|(name, v)| (name, v as f64));
        let groups = slices * m.div_ceil(self.height()) * n.div_ceil(self.width());
        lowering.launches.push(Launch {
            shader,
            defines,
            constants: [constants, extents.to_vec()].concat(),
            workgroups: fold_groups(groups),
            operands,
        });
        lowering
    }
}

impl Lines {
    /// Numbers of a line that an invocation compares, at least, before lines are cut.
    const CHUNK: usize = 1024;

    /// Finds the largest magnitude of each line, in chunks and then among these; where they are.
    fn largest(self, target: &Target, from: Operand, temps: usize, lowering: &mut Lowering) -> Operand {
        let all = self.sets * self.lines;
        let groups = all.div_ceil(16);
        let wanted = target.busy_workgroups.div_ceil(groups);
        let chunk = self.depth.div_ceil(wanted).max(Self::CHUNK);
        let chunks = self.depth.div_ceil(chunk);
        let mut dispatch = |lines: Lines, chunk: usize, chunks: usize, from: Operand| {
            let to = Operand::Temp(temps + lowering.temps.len());
            lowering.temps.push(chunks * all);
            let constants = [
                ("SETS", lines.sets),
                ("LINES", lines.lines),
                ("DEPTH", lines.depth),
                ("CHUNK", chunk),
                ("CHUNKS", chunks),
                ("SET_PITCH", lines.set_pitch),
                ("LINE_PITCH", lines.line_pitch),
                ("PITCH", lines.pitch),
            ];
            lowering.launches.push(Launch {
                shader: "linalg/largest",
                defines: vec![],
                constants: constants.map(|(name, v)| (name, v as f64)).to_vec(),
                workgroups: fold_groups(chunks * groups),
                operands: vec![from, to],
            });
            to
        };
        let first = dispatch(self, chunk, chunks, from);
        if chunks == 1 {
            return first;
        }
        let among = Lines { sets: 1, lines: all, depth: chunks, set_pitch: 0, line_pitch: 1, pitch: all };
        dispatch(among, chunks, 1, first)
    }
}
