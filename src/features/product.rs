//! Matrix products in f64 by the gemm crate, on this thread: the callers split their rows themselves, in the same way
//! whatever the number of threads.

use gemm::{Parallelism, gemm};

/// A matrix inside a slice: `data[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    data: &'a [f64],
    row: usize,
    column: usize,
}

impl<'a> View<'a> {
    /// Row-major, `columns` numbers a row.
    pub fn new(data: &'a [f64], columns: usize) -> Self {
        View { data, row: columns, column: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        View { row: self.column, column: self.row, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// `C (+)= A B`: A `[m, k]`, B `[k, n]`, C `[m, n]` row-major.
pub(super) fn product((m, n, k): (usize, usize, usize), a: View<'_>, b: View<'_>, c: &mut [f64], add: bool) {
    assert!(a.holds(m, k) && b.holds(k, n) && m * n <= c.len());
    // SAFETY: the assert above keeps every access inside the slices.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_add_and_transpose() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -1.0, 0.5, 2.0, 0.0, 1.0]);
        let mut c = [f64::NAN; 4];
        product((2, 2, 3), View::new(&a, 3), View::new(&b, 2), &mut c, false);
        assert_eq!(c, [2.0, 6.0, 6.5, 12.0]);
        product((2, 2, 3), View::new(&a, 2).t(), View::new(&b, 2), &mut c, true);
        assert_eq!(c, [2.0 + 2.5, 6.0 + 10.0, 6.5 + 4.0, 12.0 + 12.0]);
    }
}
