//! Features of images, one after the other.

/// A matrix `[n, d]`, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The numbers.
    pub data: Vec<f32>,
    /// Columns.
    pub d: usize,
}

impl Rows {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.data.len() / self.d.max(1)
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.d..][..self.d]
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks(self.d.max(1))
    }

    /// Some rows.
    pub fn select(&self, indices: &[u32]) -> Rows {
        let data = indices.iter().flat_map(|i| self.row(*i as usize)).copied().collect();
        Rows { data, d: self.d }
    }

    /// Rows of length 1; one of zeros stays.
    pub fn unit(&self) -> Rows {
        let one = |row: &[f32]| {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            row.iter().map(move |x| x / norm).collect::<Vec<f32>>()
        };
        Rows { data: self.iter().flat_map(one).collect(), d: self.d }
    }
}
