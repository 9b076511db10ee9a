//! A network as it ships: a short list of operations on one image.

use crate::error::{Error, Result};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

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
    /// Numbers of it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
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

/// The windows of a convolution or of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Step, the same both ways.
    pub stride: usize,
    /// Pixels around the image.
    pub padding: usize,
}

/// What is computed. Vectors with a number a channel have as many as the input has channels.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `scale x + shift` a channel, the product rounded before the sum: normalisation.
    Affine {
        /// A number a channel.
        scale: Vec<f32>,
        /// A number a channel.
        shift: Vec<f32>,
    },
    /// Convolution of floats.
    Conv {
        /// Filters.
        outputs: usize,
        /// Where they look.
        window: Window,
        /// `[outputs, rows, columns, channels]`.
        weights: Vec<f32>,
    },
    /// Convolution of bits: integers.
    BinaryConv {
        /// Filters.
        outputs: usize,
        /// Channels that they look at.
        channels: usize,
        /// Where they look.
        window: Window,
        /// What a bit of the weights stands for; one of an activation is -1 or +1.
        code: WeightCode,
        /// Bits `[outputs, rows, columns, channels]`, packed along channels.
        bits: Vec<u32>,
    },
    /// `x >= 0` as a bit.
    Sign,
    /// Of integers: `x >= at` as a bit or, where `down` is set, `x <= at`: normalisation and sign in one, exactly.
    Threshold {
        /// A number a channel.
        at: Vec<i16>,
        /// A bit a channel.
        down: Vec<bool>,
    },
    /// Bits as -1 and +1.
    Signed,
    /// `max(x, 0)`.
    Relu,
    /// `clamp(x, -1, 1)`.
    Hardtanh,
    /// `x` over 0, `slope x` else, a channel.
    Prelu {
        /// A number a channel.
        slope: Vec<f32>,
    },
    /// The sum of two values of equal extents.
    Add,
    /// The largest of each window.
    MaxPool(Window),
    /// The mean of each window; pixels of the padding count as 0.
    AvgPool(Window),
    /// The sum over all pixels, `[1, 1, c]`.
    PixelSum,
    /// Every `step`-th pixel from `start` on, `size` of them, by rows and columns.
    Slice {
        /// First row and column.
        start: [usize; 2],
        /// Steps.
        step: [usize; 2],
        /// Rows and columns of the result.
        size: [usize; 2],
    },
    /// Channels of zeros before and behind.
    PadChannels {
        /// How many before.
        before: usize,
        /// How many behind.
        behind: usize,
    },
    /// The channels of two values one after the other.
    Concat,
    /// Mean 0 and variance 1 (of n - 1) over all numbers.
    Standardise {
        /// Added to the variance.
        eps: f32,
    },
    /// All numbers as the channels of one pixel.
    Flatten,
}

/// An operation and the values that it is applied to. Value 0 is the image; node `i` makes value `i + 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Of what: one value, or two.
    pub inputs: Vec<usize>,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// Rows, columns and channels of an image.
    pub input: [usize; 3],
    /// The level, in every channel, of what transparent pixels of a picture are laid on before it becomes an image: 255 for
    /// white, 0 for black, as in training. The network itself never sees it.
    pub background: u8,
    /// Names of the classes, or none.
    pub classes: Vec<String>,
    /// First to last; the last one makes the result.
    pub nodes: Vec<Node>,
}

/// Numbers that a value may have: files come from anywhere.
const MOST: usize = 1 << 28;

impl Op {
    /// Values that it takes.
    pub fn arity(&self) -> usize {
        if matches!(self, Op::Add | Op::Concat) { 2 } else { 1 }
    }

    /// The name in listings.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Affine { .. } => "affine",
            Op::Conv { .. } => "conv",
            Op::BinaryConv { .. } => "binary conv",
            Op::Sign => "sign",
            Op::Threshold { .. } => "threshold",
            Op::Signed => "signed",
            Op::Relu => "relu",
            Op::Hardtanh => "hardtanh",
            Op::Prelu { .. } => "prelu",
            Op::Add => "add",
            Op::MaxPool(_) => "max pool",
            Op::AvgPool(_) => "average pool",
            Op::PixelSum => "pixel sum",
            Op::Slice { .. } => "slice",
            Op::PadChannels { .. } => "pad channels",
            Op::Concat => "concat",
            Op::Standardise { .. } => "standardise",
            Op::Flatten => "flatten",
        }
    }

    /// Weights of one bit.
    pub fn bits(&self) -> usize {
        match self {
            Op::BinaryConv { outputs, channels, window, .. } => outputs * channels * window.size[0] * window.size[1],
            _ => 0,
        }
    }

    /// Numbers of weights, scales and the like, those of one bit left out.
    pub fn numbers(&self) -> usize {
        match self {
            Op::Affine { scale, shift } => scale.len() + shift.len(),
            Op::Conv { weights, .. } => weights.len(),
            Op::Threshold { at, .. } => at.len(),
            Op::Prelu { slope } => slope.len(),
            _ => 0,
        }
    }

    /// What its input may be.
    fn takes(&self) -> &'static [Kind] {
        match self {
            Op::Affine { .. } => &[Kind::Bytes, Kind::Float, Kind::Int],
            Op::BinaryConv { .. } | Op::Signed => &[Kind::Bits],
            Op::Threshold { .. } => &[Kind::Int],
            _ => &[Kind::Float],
        }
    }

    /// What it makes of `inputs`, or why that cannot be.
    pub(super) fn infer(&self, inputs: &[Meta]) -> Inferred {
        let x = inputs[0];
        let [h, w, c] = x.shape;
        if !self.takes().contains(&x.kind) {
            return Err(format!("takes {:?}, not {:?}", self.takes(), x.kind));
        }
        let channels = |name: &str, n: usize| match n == c {
            true => Ok(()),
            false => Err(format!("has {n} numbers of {name} for {c} channels")),
        };
        let float = |shape| Ok(Meta { shape, kind: Kind::Float });
        match self {
            Op::Affine { scale, shift } => {
                channels("scale", scale.len())?;
                channels("shift", shift.len())?;
                float(x.shape)
            }
            Op::Conv { outputs, window, weights } => of_conv(x, *outputs, window, weights.len()),
            Op::BinaryConv { outputs, channels: own, window, bits, .. } => {
                channels("channels", *own)?;
                of_binary_conv(x, *outputs, window, bits.len())
            }
            Op::Sign => Ok(Meta { kind: Kind::Bits, ..x }),
            Op::Threshold { at, down } => {
                channels("thresholds", at.len())?;
                channels("directions", down.len())?;
                Ok(Meta { kind: Kind::Bits, ..x })
            }
            Op::Signed => float(x.shape),
            Op::Prelu { slope } => channels("slopes", slope.len()).map(|()| x),
            Op::Relu | Op::Hardtanh => Ok(x),
            Op::Standardise { .. } if x.len() < 2 => Err("of a single number".into()),
            Op::Standardise { .. } => Ok(x),
            Op::Add if inputs[1] == x => Ok(x),
            Op::Add => Err(format!("adds {:?} to {:?}", inputs[1], x)),
            Op::MaxPool(window) | Op::AvgPool(window) => of_pool(x, window),
            Op::PixelSum => float([1, 1, c]),
            Op::Slice { start, step, size } => of_slice(x, *start, *step, *size),
            Op::PadChannels { before, behind } => {
                let channels = c.checked_add(*before).and_then(|c| c.checked_add(*behind));
                float([h, w, channels.ok_or("pads too many channels")?])
            }
            Op::Concat if inputs[1].kind == x.kind && inputs[1].shape[..2] == [h, w] => {
                float([h, w, c + inputs[1].shape[2]])
            }
            Op::Concat => Err(format!("joins {:?} to {:?}", inputs[1], x)),
            Op::Flatten => float([1, 1, x.len()]),
        }
    }
}

/// What an operation makes, or why that cannot be.
type Inferred = std::result::Result<Meta, String>;

fn of_conv(x: Meta, outputs: usize, window: &Window, weights: usize) -> Inferred {
    let g = window.geometry(x.shape, outputs)?;
    if weights != outputs * g.kh * g.kw * g.c {
        return Err(format!("has {weights} weights, not {}", outputs * g.kh * g.kw * g.c));
    }
    Ok(Meta { shape: [g.oh, g.ow, outputs], kind: Kind::Float })
}

fn of_binary_conv(x: Meta, outputs: usize, window: &Window, bits: usize) -> Inferred {
    let g = window.geometry(x.shape, outputs)?;
    let words = outputs * g.kh * g.kw * g.c.div_ceil(32);
    if bits != words {
        return Err(format!("has {bits} words of bits, not {words}"));
    }
    // A sum of so many signs must fit 16 bits.
    if g.kh * g.kw * g.c > i16::MAX as usize {
        return Err(format!("sums {} bits, more than 16-bit integers hold", g.kh * g.kw * g.c));
    }
    Ok(Meta { shape: [g.oh, g.ow, outputs], kind: Kind::Int })
}

fn of_pool(x: Meta, window: &Window) -> Inferred {
    let c = x.shape[2];
    let g = window.geometry(x.shape, c)?;
    if window.size[0] != window.size[1] || 2 * window.padding > window.size[0] {
        return Err("has windows that are not square, or pads more than half of one".into());
    }
    Ok(Meta { shape: [g.oh, g.ow, c], kind: Kind::Float })
}

fn of_slice(x: Meta, start: [usize; 2], step: [usize; 2], size: [usize; 2]) -> Inferred {
    let [h, w, c] = x.shape;
    for (axis, extent) in [h, w].into_iter().enumerate() {
        let last = size[axis].checked_sub(1).and_then(|n| n.checked_mul(step[axis]));
        let last = last.and_then(|n| n.checked_add(start[axis]));
        if step[axis] == 0 || last.is_none_or(|last| last >= extent) {
            return Err(format!("takes pixels outside of {extent}"));
        }
    }
    Ok(Meta { shape: [size[0], size[1], c], kind: Kind::Float })
}

impl Window {
    /// The convolution of an image `[h, w, c]` with `outputs` filters.
    pub fn geometry(&self, [h, w, c]: [usize; 3], outputs: usize) -> std::result::Result<Conv2dGeometry, String> {
        let [kh, kw] = self.size;
        // Padding beyond the window makes outputs that see nothing, and images without end.
        if outputs == 0 || kh == 0 || kw == 0 || self.padding >= kh.max(kw) || kh.max(kw) > MOST || outputs > MOST {
            return Err(format!("has {outputs} outputs of windows {kh}x{kw} and padding {}", self.padding));
        }
        Conv2dGeometry::new("conv", &[1, h, w, c], &[outputs, kh, kw, c], self.stride, self.padding, 1)
            .map_err(|e| e.to_string())
    }
}

impl Net {
    /// Extents and kinds of all values, the image's first.
    ///
    /// # Errors
    /// Naming the first node that does not fit.
    pub fn infer(&self) -> Result<Vec<Meta>> {
        let fail = |m: String| Err(Error::Config(m));
        let image = Meta { shape: self.input, kind: Kind::Bytes };
        if self.input.contains(&0) || self.input.iter().any(|d| *d > 1 << 16) || image.len() > MOST {
            return fail(format!("images of {:?} pixels and channels", self.input));
        }
        let mut metas = vec![image];
        for (i, node) in self.nodes.iter().enumerate() {
            let name = node.op.name();
            if node.inputs.len() != node.op.arity() || node.inputs.iter().any(|v| *v > i) {
                return fail(format!(
                    "node {i} ({name}) is applied to {:?}, of {} values before it",
                    node.inputs,
                    i + 1
                ));
            }
            let inputs: Vec<Meta> = node.inputs.iter().map(|v| metas[*v]).collect();
            let made = node.op.infer(&inputs).map_err(|e| Error::Config(format!("node {i} ({name}) {e}")))?;
            if made.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).is_none_or(|n| n == 0 || n > MOST) {
                return fail(format!("node {i} ({name}) makes {:?} numbers", made.shape));
            }
            metas.push(made);
        }
        match metas.last() {
            Some(last) if !self.nodes.is_empty() && last.kind == Kind::Float && last.pixels() == 1 => {
                let (n, classes) = (last.len(), self.classes.len());
                if classes != 0 && classes != n {
                    return fail(format!("the network has {n} outputs and {classes} names of classes"));
                }
            }
            _ => return fail("the network does not end in a row of floats".into()),
        }
        Ok(metas)
    }

    /// Weights of one bit, and other numbers of weights, scales and the like.
    pub fn parameters(&self) -> Result<(usize, usize)> {
        self.infer()?;
        Ok((self.nodes.iter().map(|n| n.op.bits()).sum(), self.nodes.iter().map(|n| n.op.numbers()).sum()))
    }

    /// Multiply-adds on single bits and on floats of one image.
    pub fn multiply_adds(&self) -> Result<(usize, usize)> {
        let metas = self.infer()?;
        let (mut bits, mut floats) = (0, 0);
        for (i, node) in self.nodes.iter().enumerate() {
            let each = |w: &Window| metas[i + 1].len() * w.size[0] * w.size[1] * metas[node.inputs[0]].shape[2];
            match &node.op {
                Op::BinaryConv { window, .. } => bits += each(window),
                Op::Conv { window, .. } => floats += each(window),
                _ => {}
            }
        }
        Ok((bits, floats))
    }
}
