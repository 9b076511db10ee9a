//! What operations of a shipped network take and make.

use crate::tensor::{Conv2dGeometry, Windows};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of an image.
    Bytes,
    /// f32.
    Float,
    /// 16-bit integers: what a convolution of bits makes.
    Int,
    /// Bits, channels along words of 32.
    Bits,
}

/// Extents `[h, w, c]` and kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Rows, columns, channels.
    pub shape: [usize; 3],
    /// What it is.
    pub kind: Kind,
}

impl Meta {
    /// Floats of these extents.
    pub fn float(shape: [usize; 3]) -> Meta {
        Meta { shape, kind: Kind::Float }
    }

    /// Numbers of it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Words of 32 bits that it takes in memory; a pixel starts on one.
    pub(super) fn words(&self) -> usize {
        let c = self.shape[2];
        self.pixels()
            * match self.kind {
                Kind::Bytes | Kind::Float => c,
                Kind::Int => c.div_ceil(2),
                Kind::Bits => c.div_ceil(32),
            }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of it.
    pub fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// What an operation makes, or why that cannot be.
pub type Inferred = std::result::Result<Meta, String>;

/// Numbers that a value may have: files come from anywhere.
pub(super) const MOST: usize = 1 << 28;

/// The windows of a convolution or of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Step, the same both ways.
    pub stride: usize,
    /// Pixels around the image.
    pub padding: usize,
    /// Pixels from one tap to the next, the same both ways.
    pub dilation: usize,
}

impl Window {
    /// One pixel: a product of matrices.
    pub const PIXEL: Window = Window { size: [1, 1], stride: 1, padding: 0, dilation: 1 };

    /// The convolution of an image `[h, w, c]` with `outputs` filters, each over the channels of one of `groups`.
    ///
    /// # Errors
    /// What does not fit.
    pub fn geometry(
        &self,
        [h, w, c]: [usize; 3],
        outputs: usize,
        groups: usize,
    ) -> std::result::Result<Conv2dGeometry, String> {
        let Window { size: [kh, kw], stride, padding, dilation } = *self;
        // Padding beyond the window makes outputs that see nothing, and images without end.
        let longest = kh.max(kw);
        let reach = longest.checked_sub(1).and_then(|k| k.checked_mul(dilation));
        let fits = reach.is_some_and(|r| padding <= r && r < MOST);
        // Nor images whose border is out of proportion.
        let side = |size: usize| padding.checked_mul(2)?.checked_add(size);
        let whole = || side(h)?.checked_mul(side(w)?)?.checked_mul(c);
        let fits = fits && whole().is_some_and(|n| n <= MOST);
        if outputs == 0 || kh == 0 || kw == 0 || !fits || longest > MOST || outputs > MOST {
            return Err(format!(
                "has {outputs} outputs of windows {kh}x{kw}, dilation {dilation} and padding {padding}"
            ));
        }
        if groups == 0 || !c.is_multiple_of(groups) {
            return Err(format!("has {groups} groups of {c} channels"));
        }
        let windows = Windows { stride, padding, dilation, groups };
        Conv2dGeometry::of("conv", &[1, h, w, c], &[outputs, kh, kw, c / groups], windows).map_err(|e| e.to_string())
    }

    /// The input row or column under tap `k` of output `out`, if it lies inside `size`.
    pub(super) fn tap(&self, out: usize, k: usize, size: usize) -> Option<usize> {
        (out * self.stride + k * self.dilation).checked_sub(self.padding).filter(|i| *i < size)
    }
}
