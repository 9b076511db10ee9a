//! What a layer makes of points: the number of a centre for each clustering.

/// Numbers of centres `[n, v]`, row-major: 16 bits each in place of a one-hot vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    v: usize,
    data: Vec<u16>,
}

impl Codes {
    /// Zeros for `n` points and `v` clusterings.
    pub fn zeros(n: usize, v: usize) -> Codes {
        Codes { v, data: vec![0; n * v] }
    }

    /// From numbers, row after row; `None` if they make no rows of `v`.
    pub fn new(data: Vec<u16>, v: usize) -> Option<Codes> {
        (v > 0 && data.len().is_multiple_of(v)).then_some(Codes { v, data })
    }

    /// Number of points.
    pub fn n(&self) -> usize {
        self.data.len() / self.v
    }

    /// Number of clusterings.
    pub fn v(&self) -> usize {
        self.v
    }

    /// All numbers, row after row.
    pub fn data(&self) -> &[u16] {
        &self.data
    }

    /// The code of point `i`.
    ///
    /// # Panics
    /// If there is none.
    pub fn row(&self, i: usize) -> &[u16] {
        &self.data[i * self.v..(i + 1) * self.v]
    }

    /// All codes, in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u16> {
        self.data.chunks_exact(self.v)
    }

    /// Notes what clustering `clustering` made of the points from `first` on.
    pub(super) fn set(&mut self, clustering: usize, first: usize, numbers: impl Iterator<Item = u16>) {
        let rows = self.data.chunks_exact_mut(self.v).skip(first);
        rows.zip(numbers).for_each(|(row, number)| row[clustering] = number);
    }

    /// In how many clusterings two points have the same centre, as a share.
    pub fn similarity(&self, i: usize, j: usize) -> f64 {
        let same = self.row(i).iter().zip(self.row(j)).filter(|(a, b)| a == b).count();
        same as f64 / self.v as f64
    }
}

/// Halves two to a word, each row starting on a new word.
pub(super) fn packed<'a>(rows: impl IntoIterator<Item = &'a [u16]>) -> Vec<u32> {
    let word = |two: &[u16]| two[0] as u32 | (two.get(1).copied().unwrap_or(0) as u32) << 16;
    rows.into_iter().flat_map(|row| row.chunks(2).map(word)).collect()
}
