//! Where the windows of a convolution or a pooling lie, and the extents of a product of matrices.

use super::bits::WORD;
use crate::error::{Error, Result};

/// The windows of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Windows {
    /// Step of the window, the same both ways.
    pub stride: usize,
    /// Zero pixels around the input, the same on all sides.
    pub padding: usize,
    /// Pixels from one tap to the next, the same both ways.
    pub dilation: usize,
    /// Channel groups.
    pub groups: usize,
}

impl Windows {
    /// Windows whose taps are neighbours, over all channels.
    pub fn new(stride: usize, padding: usize) -> Windows {
        Windows { stride, padding, dilation: 1, groups: 1 }
    }
}

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
    /// Pixels from one tap to the next, the same both ways.
    pub dilation: usize,
    /// Channel groups; both `c` and `o` are multiples of it.
    pub groups: usize,
    /// Output height.
    pub oh: usize,
    /// Output width.
    pub ow: usize,
}

impl Conv2dGeometry {
    /// The geometry of `op` on an input `[n, h, w, c]` with weights `[o, kh, kw, c / groups]` whose taps are neighbours.
    pub fn new(
        op: &'static str,
        input: &[usize],
        weight: &[usize],
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Result<Self> {
        Self::of(op, input, weight, Windows { stride, padding, dilation: 1, groups })
    }

    /// As [`Conv2dGeometry::new`], of any windows.
    pub fn of(op: &'static str, input: &[usize], weight: &[usize], windows: Windows) -> Result<Self> {
        let Windows { stride, padding, dilation, groups } = windows;
        let (&[n, h, w, c], &[o, kh, kw, ci]) = (input, weight) else {
            return Err(Error::shape(
                op,
                format!("wants input [n, h, w, c] and weight [o, kh, kw, c], got {input:?} and {weight:?}"),
            ));
        };
        if [stride, dilation, groups].contains(&0) {
            let m = format!("stride, dilation and groups must be at least 1, got {stride}, {dilation} and {groups}");
            return Err(Error::shape(op, m));
        }
        if ci.checked_mul(groups) != Some(c) {
            return Err(Error::shape(op, format!("{groups} groups do not fit input {input:?} and weight {weight:?}")));
        }
        let g = Conv2dGeometry { n, h, w, c, o, kh, kw, stride, padding, dilation, groups, oh: 0, ow: 0 };
        let Some([oh, ow]) = g.extents() else {
            return Err(Error::shape(
                op,
                match dilation {
                    1 => format!("kernel {kh}x{kw} is larger than the {h}x{w} input with padding {padding}"),
                    _ => format!(
                        "kernel {kh}x{kw} with dilation {dilation} is larger than the {h}x{w} input with padding {padding}"
                    ),
                },
            ));
        };
        let g = Conv2dGeometry { oh, ow, ..g };
        g.check(op)?;
        Ok(g)
    }

    /// Rows and columns of the output, as they follow from the rest.
    fn extents(&self) -> Option<[usize; 2]> {
        let extent = |size: usize, kernel: usize| {
            let padded = self.padding.checked_mul(2)?.checked_add(size)?;
            padded.checked_sub(self.reach(kernel)?)?.checked_div(self.stride)?.checked_add(1)
        };
        Some([extent(self.h, self.kh)?, extent(self.w, self.kw)?])
    }

    /// The windows.
    pub fn windows(&self) -> Windows {
        Windows { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }

    /// Pixels from the first to the last of `kernel` taps, both counted; none if nobody can count them.
    fn reach(&self, kernel: usize) -> Option<usize> {
        kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// Whether its extents are those of a convolution, which kernels count on: none is zero, groups divide the channels, the
    /// output follows from the rest, and whatever is made of them can be counted.
    ///
    /// # Errors
    /// In the name of `op`, what does not hold.
    pub fn check(&self, op: &'static str) -> Result<()> {
        let Conv2dGeometry { n, h, w, c, o, kh, kw, stride, padding, dilation, groups, oh, ow } = *self;
        if [n, h, w, c, o, kh, kw, stride, dilation, groups].contains(&0) {
            return Err(Error::shape(
                op,
                format!("every extent, stride, dilation and groups must be at least 1, got {self:?}"),
            ));
        }
        if !c.is_multiple_of(groups) || !o.is_multiple_of(groups) {
            return Err(Error::shape(op, format!("{groups} groups do not divide {c} input and {o} output channels")));
        }
        if self.extents() != Some([oh, ow]) {
            let m = format!("an output of {oh}x{ow} does not follow from {self:?}");
            return Err(Error::shape(op, m));
        }
        // An image with all that is put around it, by whichever pass; 16 for bytes of a number, and for channels and pixels
        // that are rounded up.
        let side = |size: usize, kernel: usize| {
            padding.checked_mul(2)?.checked_add(size)?.checked_add(self.reach(kernel)?)?.checked_add(stride)
        };
        let countable = || {
            let pixels = side(h, kh)?.checked_mul(side(w, kw)?)?.checked_mul(n)?.checked_mul(16)?;
            let channels = c.checked_add(o)?.checked_add(64)?;
            let taps = kh.checked_mul(kw)?;
            pixels.checked_mul(channels)?;
            pixels.checked_mul(taps)?;
            o.checked_add(64)?.checked_mul(c.checked_add(64)?)?.checked_mul(taps)?.checked_mul(16)
        };
        match countable() {
            Some(_) => Ok(()),
            None => Err(Error::shape(op, format!("{self:?} has more numbers than memory has addresses"))),
        }
    }

    /// Numbers of the input, the weights and the output. What [`Conv2dGeometry::check`] refuses may not be asked.
    pub fn numbers(&self) -> [usize; 3] {
        [
            self.n * self.h * self.w * self.c,
            self.o * self.kh * self.kw * (self.c / self.groups),
            self.n * self.oh * self.ow * self.o,
        ]
    }

    /// Words of the input and the weights as bits, and of the output as 16-bit integers, each packed along its last axis.
    pub fn packed_words(&self) -> [usize; 3] {
        let words = self.c.div_ceil(WORD);
        [
            self.n * self.h * self.w * words,
            self.o * self.kh * self.kw * words,
            self.n * self.oh * self.ow * self.o.div_ceil(2),
        ]
    }

    /// Multiply-adds of the whole convolution, counting taps that fall on padding.
    pub fn macs(&self) -> usize {
        self.n * self.oh * self.ow * self.o * self.kh * self.kw * (self.c / self.groups)
    }

    /// The input row or column under tap `k` of output `out`, if it lies inside `size`.
    #[inline(always)]
    pub fn tap(&self, out: usize, k: usize, size: usize) -> Option<usize> {
        (out * self.stride + k * self.dilation).checked_sub(self.padding).filter(|&i| i < size)
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
        let g = Conv2dGeometry::of("t", &[2, 7, 5, 4], &[6, 3, 3, 4], Windows { dilation: 2, ..Windows::new(1, 1) })
            .unwrap();
        assert_eq!((g.oh, g.ow), (5, 3));
        assert_eq!((g.tap(0, 0, 7), g.tap(0, 1, 7), g.tap(4, 2, 7)), (None, Some(1), None));
        assert!(Conv2dGeometry::new("t", &[1, 2, 2, 1], &[1, 5, 5, 1], 1, 1, 1).is_err());
        assert!(Conv2dGeometry::new("t", &[1, 2, 2, 3], &[1, 1, 1, 1], 1, 0, 1).is_err());
    }

    #[test]
    fn extents_that_contradict_each_other_or_cannot_be_counted_are_refused() {
        let g = Conv2dGeometry::new("t", &[2, 7, 5, 4], &[6, 3, 3, 2], 2, 1, 2).unwrap();
        assert_eq!((g.numbers(), g.packed_words()), ([280, 108, 144], [70, 54, 72]));
        let refused = |g: Conv2dGeometry, why: &str| {
            let e = g.check("t").expect_err(why).to_string();
            assert!(e.starts_with("t: ") && e.contains(why), "{e}");
        };
        refused(Conv2dGeometry { oh: 5, ..g }, "does not follow");
        refused(Conv2dGeometry { ow: 0, ..g }, "does not follow");
        refused(Conv2dGeometry { kh: 30, ..g }, "does not follow");
        refused(Conv2dGeometry { groups: 3, ..g }, "3 groups");
        refused(Conv2dGeometry { o: 5, ..g }, "2 groups");
        for zero in [
            Conv2dGeometry { n: 0, ..g },
            Conv2dGeometry { kw: 0, ..g },
            Conv2dGeometry { stride: 0, ..g },
            Conv2dGeometry { dilation: 0, ..g },
            Conv2dGeometry { groups: 0, ..g },
        ] {
            refused(zero, "at least 1");
        }
        let huge = usize::MAX / 4;
        refused(Conv2dGeometry { n: huge, ..g }, "memory");
        refused(Conv2dGeometry { o: huge - huge % 2, ..g }, "memory");
        refused(Conv2dGeometry { padding: usize::MAX, ..g }, "does not follow");
        refused(Conv2dGeometry { dilation: 2, ..g }, "does not follow");
        refused(Conv2dGeometry { dilation: usize::MAX, ..g }, "does not follow");
        assert!(Conv2dGeometry::new("t", &[huge, huge, 7, 4], &[6, 3, 3, 2], 2, 1, 2).is_err());
        assert!(Conv2dGeometry::new("t", &[1, 7, 7, 4], &[6, 3, 3, usize::MAX], 2, 1, 4).is_err());
        assert!(Conv2dGeometry::new("t", &[1, 7, 7, 4], &[6, 3, 3, 4], 1, usize::MAX / 2 + 2, 1).is_err());
    }
}
