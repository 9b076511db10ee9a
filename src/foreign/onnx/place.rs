//! Where windows lie in ONNX: kernel, steps, borders, as attributes say them.

use super::attributes::Attributes;
use crate::foreign::Checked;

/// The windows of a convolution or pool.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Pixels above, to the left, below, to the right.
    pub pads: [usize; 4],
}

/// A list of as many positive numbers as there are axes, all equal.
fn square(name: &str, values: &[i64]) -> Checked<usize> {
    match values {
        [a, b] if a == b => usize::try_from(*a).map_err(|_| format!("{name} is {values:?}")),
        _ => Err(format!("{name} {values:?}: only equal ones along both axes of images are read")),
    }
}

impl Windows {
    /// Of a node; `kernel` are the extents of a convolution's weights, `map` rows and columns of what it is applied to, where
    /// they are known.
    pub fn of(a: &Attributes<'_>, kernel: Option<[usize; 2]>, map: Option<[usize; 2]>) -> Checked<Windows> {
        let given = a.ints("kernel_shape").map(|k| k.to_vec());
        let of_weights = kernel.map(|k| k.map(|n| n as i64).to_vec());
        if let (Some(given), Some(own)) = (&given, &of_weights)
            && given != own
        {
            return Err(format!("kernel_shape {given:?} beside weights of {own:?}"));
        }
        let kernel = given.or(of_weights).ok_or("kernel_shape is missing")?;
        let kernel = square("kernel_shape", &kernel)?;
        let stride = square("strides", a.ints("strides").unwrap_or(&[1, 1]))?;
        let dilation = square("dilations", a.ints("dilations").unwrap_or(&[1, 1]))?;
        let said = a.ints("pads").map(|p| p.to_vec());
        let pads = match (a.text("auto_pad").as_str(), said) {
            ("" | "NOTSET", None) | ("VALID", _) => [0; 4],
            ("" | "NOTSET", Some(pads)) => {
                let all = pads.iter().map(|p| usize::try_from(*p).ok()).collect::<Option<Vec<usize>>>();
                let all = all.and_then(|p| p.try_into().ok());
                all.ok_or_else(|| format!("pads {pads:?}: four numbers from 0 on are read"))?
            }
            (same @ ("SAME_UPPER" | "SAME_LOWER"), _) => {
                let map = map.ok_or_else(|| format!("auto_pad = {same} of images whose size the file does not say"))?;
                // As many outputs as steps fit into the image; what is missing at its sides, the odd one below or above.
                let sides = map.map(|size| {
                    let reach = (kernel - 1) * dilation + 1;
                    let missing = ((size.div_ceil(stride) - 1) * stride + reach).saturating_sub(size);
                    let (less, more) = (missing / 2, missing - missing / 2);
                    if same == "SAME_UPPER" { (less, more) } else { (more, less) }
                });
                [sides[0].0, sides[1].0, sides[0].1, sides[1].1]
            }
            (other, _) => return Err(format!("auto_pad = {other} is not known")),
        };
        if kernel == 0 || stride == 0 || dilation == 0 {
            return Err(format!("kernel {kernel}, stride {stride} and dilation {dilation}: none may be 0"));
        }
        Ok(Windows { kernel, stride, dilation, pads })
    }

    /// The border if it is the same on all sides.
    pub fn even(&self) -> Option<usize> {
        let [top, left, below, right] = self.pads;
        (top == left && top == below && top == right).then_some(top)
    }

    /// Rows and columns of the result.
    pub fn outputs(&self, [h, w]: [usize; 2]) -> Checked<[usize; 2]> {
        match self.out(0, h).zip(self.out(1, w)) {
            Some((h, w)) => Ok([h, w]),
            None => Err("its windows are larger than the image".into()),
        }
    }

    fn out(&self, axis: usize, size: usize) -> Option<usize> {
        let padded = size + self.pads[axis] + self.pads[axis + 2];
        Some(padded.checked_sub((self.kernel - 1) * self.dilation + 1)? / self.stride + 1)
    }

    /// Whether rounding the number of windows up would give others.
    pub fn ceil_differs(&self, map: Option<[usize; 2]>) -> bool {
        map.is_none_or(|map| {
            (0..2).any(|axis| {
                let padded = map[axis] + self.pads[axis] + self.pads[axis + 2];
                padded
                    .checked_sub((self.kernel - 1) * self.dilation + 1)
                    .is_some_and(|n| !n.is_multiple_of(self.stride))
            })
        })
    }
}
