//! Matrix products on one thread, in f32 and f64: callers cut the work into tiles, in the same way whatever the number of
//! threads.
//!
//! The microkernels are those of the gemm crate. Its front door would choose among them by the machine alone, so its parts
//! are put together here as it does, for the instruction set that is asked for.

use super::isa::{Isa, Set};
use gemm_common::Parallelism;
use gemm_common::gemm::gemm_basic_generic;
use gemm_common::simd::MixedSimd;

/// A matrix inside a slice: `data[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    data: &'a [T],
    row: usize,
    column: usize,
}

impl<'a, T> View<'a, T> {
    /// Rows one after the other, `stride` apart.
    pub fn rows(data: &'a [T], stride: usize) -> Self {
        View { data, row: stride, column: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        View { row: self.column, column: self.row, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        reach((rows, self.row), (columns, self.column)).is_some_and(|reach| reach <= self.data.len())
    }
}

/// How many elements of a slice a matrix spans whose rows and columns lie so far apart, if they can be counted.
fn reach((rows, row): (usize, usize), (columns, column): (usize, usize)) -> Option<usize> {
    if rows == 0 || columns == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(row)?.checked_add((columns - 1).checked_mul(column)?)?.checked_add(1)
}

/// `C (+)= A B` on this thread: A `[m, k]`, B `[k, n]`, and C `[m, n]` with rows `stride` apart.
pub(crate) fn product<T: Float>(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    a: View<'_, T>,
    b: View<'_, T>,
    (c, stride): (&mut [T], usize),
    add: bool,
) {
    let c_holds = reach((m, stride), (n, 1)).is_some_and(|reach| reach <= c.len());
    assert!(a.holds(m, k) && b.holds(k, n) && c_holds, "a product {m}x{k}x{n} of matrices that are smaller");
    let problem = Problem { extents: (m, n, k), c: c.as_mut_ptr(), steps: (stride, 1), add, a, b };
    // The microkernels write columns: rows of C are the columns of C' = B' A'.
    let problem = if stride > 1 { problem.transposed() } else { problem };
    // SAFETY: the assert above keeps every access inside the slices.
    unsafe { T::multiply(isa, problem) }
}

/// A product whose extents were checked; C has its rows and columns `steps` apart.
pub(crate) struct Problem<'a, T> {
    extents: (usize, usize, usize),
    c: *mut T,
    steps: (usize, usize),
    add: bool,
    a: View<'a, T>,
    b: View<'a, T>,
}

impl<T> Problem<'_, T> {
    fn transposed(self) -> Self {
        let ((m, n, k), (row, column)) = (self.extents, self.steps);
        Problem { extents: (n, m, k), steps: (column, row), a: self.b.t(), b: self.a.t(), ..self }
    }
}

/// A type of numbers that there are microkernels for.
pub(crate) trait Float: Copy {
    /// # Safety
    /// C holds its extents, and so do A and B.
    unsafe fn multiply(isa: Isa, problem: Problem<'_, Self>);
}

/// Runs a problem by the microkernels of `$set`, whose registers hold `$lanes` numbers.
macro_rules! run {
    ($problem:ident, $library:ident::$set:ident::$t:ident, $simd:ident, $lanes:literal) => {{
        use $library::microkernel::$set::$t::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};

        #[inline(never)]
        unsafe fn run(p: Problem<'_, $t>) {
            let simd = <gemm_common::simd::$simd as MixedSimd<$t, $t, $t, $t>>::try_new();
            let ((m, n, k), (row, column)) = (p.extents, p.steps);
            // SAFETY: passed on.
            unsafe {
                gemm_basic_generic::<_, $t, $lanes, { MR_DIV_N * $lanes }, NR, MR_DIV_N, H_M, H_N>(
                    simd.expect("no Isa is made that the machine lacks"),
                    m,
                    n,
                    k,
                    p.c,
                    column as isize,
                    row as isize,
                    p.add,
                    p.a.data.as_ptr(),
                    p.a.column as isize,
                    p.a.row as isize,
                    p.b.data.as_ptr(),
                    p.b.column as isize,
                    p.b.row as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    |a, b, c| a * b + c,
                    &UKR,
                    &H_UKR,
                    false,
                    Parallelism::None,
                );
            }
        }
        // SAFETY: passed on.
        unsafe { run($problem) }
    }};
}

/// `lanes` of NEON, AVX2 and AVX-512.
macro_rules! float {
    ($t:ident, $library:ident, $neon:literal, $avx2:literal, $avx512:literal) => {
        impl Float for $t {
            unsafe fn multiply(isa: Isa, problem: Problem<'_, $t>) {
                match isa.set() {
                    #[cfg(target_arch = "aarch64")]
                    Set::Neon => run!(problem, $library::neon::$t, Scalar, $neon),
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx2 => run!(problem, $library::fma::$t, V3, $avx2),
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx512 => run!(problem, $library::avx512f::$t, V4, $avx512),
                    _ => run!(problem, $library::scalar::$t, Scalar, 1),
                }
            }
        }
    };
}
float!(f32, gemm_f32, 4, 8, 16);
float!(f64, gemm_f64, 2, 4, 8);

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, whose sums are exact in any order, against sums written out; tails of every length beside whole
    /// registers.
    fn equals_sums<T: Float>(of: fn(i32) -> T, whole: fn(T) -> i32) {
        let number = |i: usize, m: usize| (i * i + 3 * i) as i32 % m as i32 - 2;
        for isa in Isa::all() {
            for (m, n, k) in [(1, 1, 1), (2, 3, 5), (37, 19, 33), (16, 64, 8), (5, 1, 70), (1, 50, 3), (130, 67, 300)] {
                let (a, b): (Vec<i32>, Vec<i32>) =
                    ((0..m * k).map(|i| number(i, 7)).collect(), (0..k * n).map(|i| number(i, 5)).collect());
                let floats = |x: &[i32]| x.iter().map(|x| of(*x)).collect::<Vec<T>>();
                let (fa, fb) = (floats(&a), floats(&b));
                for (transpose_a, transpose_b, add) in
                    [(false, false, false), (true, false, true), (false, true, false)]
                {
                    let stride = n + 3;
                    let mut c = vec![of(9); m * stride];
                    // The same words, read along the other way.
                    let va = if transpose_a { View::rows(&fa, m).t() } else { View::rows(&fa, k) };
                    let vb = if transpose_b { View::rows(&fb, k).t() } else { View::rows(&fb, n) };
                    product(isa, (m, n, k), va, vb, (&mut c, stride), add);
                    for i in 0..m {
                        for j in 0..stride {
                            let at = |l: usize| {
                                let x = if transpose_a { a[l * m + i] } else { a[i * k + l] };
                                x * if transpose_b { b[j * k + l] } else { b[l * n + j] }
                            };
                            // What lies between the rows of C is left alone.
                            let expected =
                                if j < n { (0..k).map(at).sum::<i32>() + if add { 9 } else { 0 } } else { 9 };
                            assert_eq!(whole(c[i * stride + j]), expected, "{isa} {m} {n} {k}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sums_products() {
        equals_sums::<f32>(|x| x as f32, |c| c as i32);
        equals_sums::<f64>(|x| x as f64, |c| c as i32);
    }
}
