//! Shapes and the order of numbers: PyTorch's made ours.

use super::{Found, Named, Taken};
use crate::foreign::Checked;
use crate::tensor::HostTensor;

/// Convolutions `[o, c, k, k]` become `[o, k, k, c]`, a layer's number a list of one, numbers a channel lists.
pub(super) fn our_shape(our: &str, shape: &[usize]) -> Vec<usize> {
    match *shape {
        [] if our.ends_with(".alpha_a") || our.ends_with(".beta_a") => vec![1],
        // Numbers a channel, with axes for pixels.
        [o, 1, 1] if our.ends_with(".alpha") => vec![o],
        [1, c, 1, 1] if [".threshold", ".shift_in", ".shift_out"].iter().any(|leaf| our.ends_with(leaf)) => vec![c],
        [o, c, h, w] => vec![o, h, w, c],
        _ => shape.to_vec(),
    }
}

/// Flat lists `[n, 1]` of the weights of convolutions get the extents that their normalisation says.
pub(super) fn unflatten(named: &mut Named) {
    let filters = |name: &str| {
        let norm = format!("{}.weight", name.strip_suffix(".weight")?.replace(".conv", ".bn"));
        named.tensors.get(&norm)?.shape.first().copied()
    };
    let flat = |(name, t): (&String, &Found)| match t.shape[..] {
        [n, 1] => {
            let k = kernel(name)?;
            let o = filters(name).filter(|o| *o > 0 && n % (k * k * o) == 0)?;
            Some((name.clone(), vec![o, k, k, n / (k * k * o)]))
        }
        _ => None,
    };
    let shapes: Vec<(String, Vec<usize>)> = named.tensors.iter().filter_map(flat).collect();
    for (name, shape) in shapes {
        named.tensors.entry(name).and_modify(|t| t.shape = shape);
    }
}

/// Extents of the filters of a convolution that releases keep flat.
fn kernel(name: &str) -> Option<usize> {
    match name.split_once(".conv")? {
        (stage, _) if stage.starts_with("layer") => Some(3),
        (block, conv) if block.starts_with("block") => Some(if conv.starts_with('3') { 3 } else { 1 }),
        _ => None,
    }
}

/// Bits lie as one row a filter, in the order of the weights whose bits they are.
///
/// # Errors
/// If there are no such weights, or other numbers of them.
pub(super) fn shape_bits(named: &mut Named) -> Checked<()> {
    let names: Vec<String> = named.tensors.keys().filter(|name| name.ends_with(".bits")).cloned().collect();
    for name in names {
        let weight = name.replace(".bits", ".weight");
        let shape = named.tensors.get(&weight).map(|t| t.shape.clone());
        let Some(found) = named.tensors.get_mut(&name) else { continue };
        let product = |shape: &[usize]| shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        match shape {
            Some(shape) if shape.len() == 4 && product(&shape) == product(&found.shape) => found.shape = shape,
            Some(shape) => {
                return Err(format!(
                    "{} has the shape {:?}, and the weights whose bits it has (in our layout {shape:?}) another number of them",
                    found.theirs, found.shape
                ));
            }
            None => return Err(format!("{} has bits of weights that are missing", found.theirs)),
        }
    }
    Ok(())
}

/// A tensor from its values in the file's layout.
///
/// # Errors
/// If bits are other numbers than 0 and 1.
pub(in crate::foreign) fn tensor(found: &Found, values: Vec<f32>) -> Checked<HostTensor> {
    Ok(match found.taken {
        Taken::AsIs => ours_laid_out(&found.shape, values),
        Taken::Negated => ours_laid_out(&found.shape, values.into_iter().map(|v| -v).collect()),
        Taken::Zeros => HostTensor::from_f32(&found.shape[..], vec![0.0; found.shape.iter().product()]),
        Taken::Transposed => {
            let [rows, columns] = found.shape[..] else { return Err("it is no matrix".into()) };
            let at = |i: usize| values[i % columns * rows + i / columns];
            HostTensor::from_f32(&found.shape[..], (0..values.len()).map(at).collect())
        }
        Taken::Third(part) => {
            let rows = values.len() / 3;
            HostTensor::from_f32(&found.shape[..], values[part * rows..][..rows].to_vec())
        }
        Taken::Bits => {
            if let Some(v) = values.iter().find(|v| **v != 0.0 && **v != 1.0) {
                return Err(format!("it has the bits of weights, and {v} is none"));
            }
            let halves = values.into_iter().map(|v| v - 0.5).collect();
            HostTensor::signs(&found.shape[..], ours_laid_out(&found.shape, halves).f32s())
        }
        Taken::OfMap { side } => {
            let [outputs, inputs] = found.shape[..] else { return Err("it is no matrix".into()) };
            let map = ours_laid_out(&[outputs, side, side, inputs / (side * side)], values);
            HostTensor::from_f32(&found.shape[..], map.f32s().to_vec())
        }
    })
}

/// Values of a convolution `[o, c, k, k]`, others as they are; `shape` is ours.
pub(in crate::foreign) fn ours_laid_out(shape: &[usize], values: Vec<f32>) -> HostTensor {
    let &[o, h, w, c] = shape else { return HostTensor::from_f32(shape, values) };
    let mut out = Vec::with_capacity(values.len());
    for filter in 0..o {
        for pixel in 0..h * w {
            out.extend((0..c).map(|channel| values[(filter * c + channel) * h * w + pixel]));
        }
    }
    HostTensor::from_f32(shape, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(shape: &[usize], taken: Taken) -> Found {
        Found { index: 0, theirs: "t".into(), shape: shape.to_vec(), taken }
    }

    #[test]
    fn channels_become_the_last_axis() {
        let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let t = tensor(&found(&[2, 1, 2, 3], Taken::AsIs), values.clone()).unwrap();
        // OIHW [2, 3, 1, 2]: filter 0 has the channels (0, 1), (2, 3), (4, 5).
        assert_eq!(t.f32s(), [0., 2., 4., 1., 3., 5., 6., 8., 10., 7., 9., 11.]);
        // Columns of a map of 2x2 pixels of 3 channels.
        let t = tensor(&found(&[1, 12], Taken::OfMap { side: 2 }), values).unwrap();
        assert_eq!(t.f32s(), [0., 4., 8., 1., 5., 9., 2., 6., 10., 3., 7., 11.]);
    }

    #[test]
    fn bits_are_packed_and_nothing_else_is_taken_for_one() {
        let bits = found(&[1, 1, 2, 2], Taken::Bits);
        let t = tensor(&bits, vec![1., 0., 0., 1.]).unwrap();
        // Channels (1, 0), (0, 1) become pixels (1, 0), (0, 1).
        assert_eq!(t.to_f64(), [1., 0., 0., 1.]);
        assert!(tensor(&bits, vec![1., 0., 0.5, 1.]).unwrap_err().contains("0.5 is none"));
    }
}
