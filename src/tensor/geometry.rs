//! Where the windows of a convolution or a pooling lie, and the extents of a product of matrices.

use crate::error::{Error, Result};

/// Extents of a 2-D convolution. Input NHWC `[n, h, w, c]`, weights OHWI `[o, kh, kw, c / groups]`,
/// output NHWC `[n, oh, ow, o]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Conv2dGeometry {
    /// Images.
    pub n: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Input channels.
    pub c: usize,
    /// Output channels.
    pub o: usize,
    /// Kernel height.
    pub kh: usize,
    /// Kernel width.
    pub kw: usize,
    /// Step of the window, the same both ways.
    pub stride: usize,
    /// Zero pixels around the input, the same on all sides.
    pub padding: usize,
    /// Channel groups; both `c` and `o` are multiples of it.
    pub groups: usize,
    /// Output height.
    pub oh: usize,
    /// Output width.
    pub ow: usize,
}

impl Conv2dGeometry {
    /// The geometry of `op` on an input `[n, h, w, c]` with weights `[o, kh, kw, c / groups]`.
    pub fn new(
        op: &'static str,
        input: &[usize],
        weight: &[usize],
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Result<Self> {
        let (&[n, h, w, c], &[o, kh, kw, ci]) = (input, weight) else {
            return Err(Error::shape(
                op,
                format!("wants input [n, h, w, c] and weight [o, kh, kw, c], got {input:?} and {weight:?}"),
            ));
        };
        if stride == 0 || groups == 0 {
            return Err(Error::shape(op, format!("stride and groups must be at least 1, got {stride} and {groups}")));
        }
        if c != ci * groups || o % groups != 0 {
            return Err(Error::shape(op, format!("{groups} groups do not fit input {input:?} and weight {weight:?}")));
        }
        let extent = |size: usize, kernel: usize| (size + 2 * padding).checked_sub(kernel).map(|s| s / stride + 1);
        let (Some(oh), Some(ow)) = (extent(h, kh), extent(w, kw)) else {
            return Err(Error::shape(
                op,
                format!("kernel {kh}x{kw} is larger than the {h}x{w} input with padding {padding}"),
            ));
        };
        Ok(Conv2dGeometry { n, h, w, c, o, kh, kw, stride, padding, groups, oh, ow })
    }

    /// Multiply-adds of the whole convolution, counting taps that fall on padding.
    pub fn macs(&self) -> usize {
        self.n * self.oh * self.ow * self.o * self.kh * self.kw * (self.c / self.groups)
    }

    /// The input row or column under tap `k` of output `out`, if it lies inside `size`.
    #[inline(always)]
    pub fn tap(&self, out: usize, k: usize, size: usize) -> Option<usize> {
        (out * self.stride + k).checked_sub(self.padding).filter(|&i| i < size)
    }
}

/// Extents of `C[i] = op(A[i]) op(B[i])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMulExtents {
    /// Products in the batch.
    pub batch: usize,
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
    /// Whether A is stored `[k, m]`.
    pub transpose_a: bool,
    /// Whether B is stored `[n, k]`.
    pub transpose_b: bool,
    /// Whether there is an A for each product, or one for all.
    pub batched_a: bool,
    /// Whether there is a B for each product, or one for all.
    pub batched_b: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_extents() {
        let g = Conv2dGeometry::new("t", &[2, 7, 5, 4], &[6, 3, 3, 2], 2, 1, 2).unwrap();
        assert_eq!((g.oh, g.ow), (4, 3));
        assert_eq!(g.tap(0, 0, 7), None);
        assert_eq!(g.tap(3, 2, 7), None);
        assert_eq!(g.tap(3, 1, 7), Some(6));
        assert!(Conv2dGeometry::new("t", &[1, 2, 2, 1], &[1, 5, 5, 1], 1, 1, 1).is_err());
        assert!(Conv2dGeometry::new("t", &[1, 2, 2, 3], &[1, 1, 1, 1], 1, 0, 1).is_err());
    }
}
