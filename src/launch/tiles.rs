//! Products by tiles in workgroup memory, for GPUs (`shaders/shared/tiles.wgsl`).

use super::{Launch, Operand, Target, fold_groups};
use crate::tensor::bits::WeightCode;

/// What a workgroup makes of a product, and what each of its invocations does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
}

const fn tile(height: usize, width: usize, rows: usize, columns: usize) -> Tile {
    Tile { height, width, rows, columns }
}

/// All of 64 invocations and at most 8 KiB of workgroup memory.
const TILES: [Tile; 6] = [
    tile(64, 64, 8, 8),
    tile(64, 32, 8, 4),
    tile(32, 64, 4, 8),
    tile(32, 32, 4, 4),
    tile(64, 16, 4, 4),
    tile(16, 64, 4, 4),
];

/// How many multiply-adds a number costs that is fetched into workgroup memory: what makes large tiles worth their edges.
/// Tiles beside each other read the same rows and columns, so most of it comes from the second-level cache, which gives a
/// number in the time of some 10 to 30 multiply-adds (memory itself: of 50 to 100). More would take large tiles
/// where much of them lies outside of the product, less small ones that wait for numbers. What it costs on a device
/// `tune` measures.
const FETCH: usize = 16;

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl Tile {
    /// All of them.
    pub(super) fn all() -> [Tile; 6] {
        TILES
    }

    fn count(self, m: usize, n: usize) -> usize {
        m.div_ceil(self.height) * n.div_ceil(self.width)
    }

    /// The tile for `slices` products of `m x n` numbers: that of least work, where workgroups that
    /// are missing to keep the GPU busy count as if they worked too. None if most of it would lie
    /// outside the product: then one invocation an element is the better kernel. None for software
    /// adapters, where barriers cost more than tiles save.
    pub(super) fn choose(target: &Target, slices: usize, m: usize, n: usize) -> Option<Tile> {
        if target.software {
            return None;
        }
        let busy = target.busy_workgroups;
        let area = |t: &Tile| t.height * t.width;
        let work = |t: &Tile| (slices * t.count(m, n)).max(busy) * (area(t) + FETCH * (t.height + t.width));
        let best = TILES.into_iter().min_by_key(work)?;
        (4 * m * n >= best.count(m, n) * area(&best)).then_some(best)
    }

    /// The dispatch of `shader` for a product of these `[slices, m, n]`, cut into such tiles.
    pub(super) fn launch(
        self,
        shader: &'static str,
        [slices, m, n]: [usize; 3],
        mut defines: Vec<(&'static str, u32)>,
        mut constants: Vec<(&'static str, f64)>,
        to: Operand,
    ) -> Launch {
        let sizes = [("HEIGHT", self.height), ("WIDTH", self.width), ("ROWS", self.rows), ("COLUMNS", self.columns)];
        defines.extend(sizes.map(|(name, v)| (name, v as u32)));
        constants.extend([("SLICES", slices), ("M", m), ("N", n)].map(|(name, v)| (name, v as f64)));
        let workgroups = fold_groups(slices * self.count(m, n));
        Launch { shader, defines, constants, workgroups, operands: vec![Operand::In(0), Operand::In(1), to] }
    }

    /// Slices that the sums of one `m x n` product are cut into to keep the GPU busy.
    pub(super) fn splits(self, target: &Target, m: usize, n: usize) -> usize {
        target.busy_workgroups.div_ceil(self.count(m, n))
    }
}

/// How four neighbouring numbers of an operand are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quads {
    /// One by one.
    Single,
    /// As one vector, along the sum.
    Deep,
    /// As one vector, along the rows of A or the columns of B.
    Flat,
}

impl Quads {
    /// Vectors in this direction if rows of `pitch` numbers in memory are whole vectors.
    pub(super) fn fitting(self, pitch: usize) -> Quads {
        if pitch.is_multiple_of(4) { self } else { Quads::Single }
    }
}

/// The names and values that say how `shaders/shared/tiles.wgsl` reads A and B, which is packed if
/// `bits` are given, and writes C, whose rows have `n` numbers.
pub(super) fn access(a: Quads, b: Quads, bits: Option<WeightCode>, n: usize) -> Vec<(&'static str, u32)> {
    vec![
        ("A_WIDE", (a != Quads::Single) as u32),
        ("A_DEEP", (a == Quads::Deep) as u32),
        ("B_WIDE", (b != Quads::Single) as u32),
        ("B_DEEP", (b == Quads::Deep) as u32),
        ("B_BITS", bits.is_some() as u32),
        ("ZERO_ONE", (bits == Some(WeightCode::ZeroOne)) as u32),
        ("C_WIDE", n.is_multiple_of(4) as u32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(slices: usize, m: usize, n: usize) -> Option<(usize, usize)> {
        Tile::choose(&Target::default(), slices, m, n).map(|t| (t.height, t.width))
    }

    #[test]
    fn tiles_fit_the_product_and_the_gpu() {
        assert_eq!(size(1, 65_536, 64), Some((64, 64)));
        assert_eq!(size(1, 65_536, 32), Some((64, 32)));
        assert_eq!(size(1, 65_536, 16), Some((64, 16)));
        assert_eq!(size(256, 16, 576), Some((16, 64)));
        // Large tiles would leave most of the GPU idle.
        assert_eq!(size(1, 512, 512), Some((32, 32)));
        // Mostly outside of any tile.
        assert_eq!(size(1, 4, 10), None);
        assert_eq!(size(1, 4096, 1), None);
    }
}
