//! Products whose numbers are handed round in a subgroup, for software adapters (`shaders/linalg/matmul_lanes.wgsl`).

use super::{Target, block_rows};

/// Rows that the invocations of a subgroup make together; each keeps four columns of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    pub rows: usize,
    pub lanes: usize,
}

/// Columns that an invocation keeps.
const COLUMNS: usize = 4;
/// Subgroups of a workgroup.
const SUBGROUPS: usize = 4;

impl std::fmt::Display for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns())
    }
}

impl Lanes {
    /// Those that a device can run, small ones first.
    pub(super) fn all(target: &Target) -> Vec<Lanes> {
        let Some(lanes) = target.subgroup.filter(|_| target.software) else { return Vec::new() };
        // The smallest are few loads wherever they run.
        let few = |r: &usize| *r == 8 || r * COLUMNS <= target.accumulators;
        let rows = [8, 16, 32, 64].into_iter().filter(|r| r % lanes == 0).filter(few);
        rows.map(|rows| Lanes { rows, lanes }).collect()
    }

    /// Those for `slices` products of `m x n` numbers: blocks that keep all cores busy, but not more sums than are
    /// fast in any processor, where most of the work is not wasted on what lies outside. `other` is whether there is another
    /// kernel with sums in registers.
    pub(super) fn choose(target: &Target, slices: usize, m: usize, n: usize, other: bool) -> Option<Lanes> {
        let all = Lanes::all(target);
        let columns = all.first()?.columns();
        let most = 2 * block_rows(m, slices * n.div_ceil(columns) * 8);
        let fitting = all.into_iter().filter(|l| l.rows <= most.max(8) && (l.rows <= m || l.rows == 8));
        let best = fitting.max_by_key(|l| l.rows)?;
        let made = best.rows * m.div_ceil(best.rows) * columns * n.div_ceil(columns);
        // Without another one, an invocation makes a number by itself and loads twice for each product.
        let worth = if other { 3 * m * n >= 2 * made } else { 8 * m * n >= made };
        worth.then_some(best)
    }

    /// Columns of a subgroup.
    pub(super) fn columns(self) -> usize {
        COLUMNS * self.lanes
    }

    /// Invocations that work on a product.
    pub(super) fn invocations(self, slices: usize, m: usize, n: usize) -> usize {
        slices * m.div_ceil(self.rows) * n.div_ceil(self.columns()) * self.lanes
    }

    /// Workgroups for so many invocations.
    pub(super) fn groups(self, invocations: usize) -> usize {
        invocations.div_ceil(SUBGROUPS * self.lanes)
    }

    /// What its kernels are assembled from; `quads` is whether they load four numbers at a time.
    pub(super) fn defines(self, quads: bool) -> Vec<(&'static str, u32)> {
        let loads = if quads { 1 } else { COLUMNS };
        [("ROWS", self.rows), ("LANES", self.lanes), ("QUADS", quads as usize), ("LOADS", loads)]
            .map(|(name, v)| (name, v as u32))
            .to_vec()
    }
}
