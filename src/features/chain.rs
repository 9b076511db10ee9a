//! Ward's mergers without a matrix of distances, for rows that have too many pairs: by chains of nearest neighbours (Benzécri
//! 1982; Murtagh, "A survey of recent advances in hierarchical clustering algorithms", The Computer Journal 26, 1983). From
//! any cluster go to its nearest one, and on from there, until two are each other's nearest: these merge, in whatever order all
//! would. What a merger adds to the squared distances from the means needs the means and sizes of both alone, so that memory
//! grows with the rows and time with their square.

use super::rows::Rows;
use rayon::prelude::*;

/// Clusters that a thread looks through at once.
const PART: usize = 4096;

/// Two clusters that become one, each named by one of its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Merger {
    pub(super) rows: [usize; 2],
    /// What it adds to the squared distances from the means.
    pub(super) cost: f64,
}

/// Clusters that have not been merged yet, side by side in memory.
struct Alive {
    d: usize,
    /// `[cluster][d]`.
    means: Vec<f64>,
    sizes: Vec<f64>,
    /// What the last merger of each did cost.
    costs: Vec<f64>,
    /// The first row of each.
    first: Vec<usize>,
    /// Where the cluster of that first row stands.
    place: Vec<usize>,
}

impl Alive {
    fn new(rows: &Rows) -> Alive {
        let n = rows.n();
        Alive {
            d: rows.d(),
            means: rows.data().iter().map(|x| f64::from(*x)).collect(),
            sizes: vec![1.0; n],
            costs: vec![0.0; n],
            first: (0..n).collect(),
            place: (0..n).collect(),
        }
    }

    fn mean(&self, at: usize) -> &[f64] {
        &self.means[at * self.d..][..self.d]
    }

    /// What merging those at two places adds.
    fn cost(&self, a: usize, b: usize) -> f64 {
        let squares: f64 = self.mean(a).iter().zip(self.mean(b)).map(|(a, b)| (a - b) * (a - b)).sum();
        // From either side the same to the bit, so that costs fall along a chain and it ends.
        squares * (self.sizes[a] * self.sizes[b] / (self.sizes[a] + self.sizes[b]))
    }

    /// The place of the one that merges with that at `a` at the least cost; of equals that with the lowest first row, but
    /// `before` all others, so that chains end.
    fn nearest(&self, a: usize, before: Option<usize>) -> (usize, f64) {
        let rank = |b: usize| (Some(b) != before, self.first[b]);
        let better = |x: (f64, usize), y: (f64, usize)| {
            if y.0 < x.0 || (y.0 == x.0 && rank(y.1) < rank(x.1)) { y } else { x }
        };
        let none = (f64::INFINITY, a);
        let of_part = |part: usize| {
            let places = part * PART..self.sizes.len().min((part + 1) * PART);
            places.filter(|b| *b != a).map(|b| (self.cost(a, b), b)).fold(none, better)
        };
        let parts = self.sizes.len().div_ceil(PART);
        let (cost, b) = (0..parts).into_par_iter().map(of_part).reduce(|| none, better);
        (b, cost)
    }

    /// The cluster of first row `a` takes in that of `b`, and the last one its place. What that costs is no less than what the
    /// mergers before it did, but for rounding, which is mended.
    fn merge(&mut self, [a, b]: [usize; 2], cost: f64) -> Merger {
        let [at, gone] = [a, b].map(|row| self.place[row]);
        let [size, more] = [at, gone].map(|place| self.sizes[place]);
        for i in 0..self.d {
            let other = self.means[gone * self.d + i];
            let mean = &mut self.means[at * self.d + i];
            *mean = (*mean * size + other * more) / (size + more);
        }
        self.sizes[at] = size + more;
        let cost = cost.max(self.costs[at]).max(self.costs[gone]);
        self.costs[at] = cost;
        let last = self.sizes.len() - 1;
        self.means.copy_within(last * self.d.., gone * self.d);
        self.means.truncate(last * self.d);
        self.sizes.swap_remove(gone);
        self.costs.swap_remove(gone);
        self.first.swap_remove(gone);
        if gone < last {
            self.place[self.first[gone]] = gone;
        }
        Merger { rows: [a, b], cost }
    }
}

/// All mergers of at least one row, the cheapest first.
pub(super) fn ward(rows: &Rows) -> Vec<Merger> {
    let mut alive = Alive::new(rows);
    let mut mergers = Vec::with_capacity(rows.n().saturating_sub(1));
    // Clusters by their first rows, each the nearest of the one before it.
    let mut chain: Vec<usize> = Vec::new();
    while alive.sizes.len() > 1 {
        let Some(&end) = chain.last() else {
            chain.push(alive.first[0]);
            continue;
        };
        let before = chain.len().checked_sub(2).map(|i| chain[i]);
        let (nearest, cost) = alive.nearest(alive.place[end], before.map(|row| alive.place[row]));
        let nearest = alive.first[nearest];
        if Some(nearest) != before {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let rows = [end.min(nearest), end.max(nearest)];
        mergers.push(alive.merge(rows, cost));
    }
    // A stable sort keeps a merger behind those that made its clusters, which it costs no less than.
    mergers.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    mergers
}
