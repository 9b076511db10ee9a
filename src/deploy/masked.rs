//! A packed model whose float weights are another one's under masks of one bit (Self-Masking Networks): what ships for each
//! task where many share a base. `README.md` beside this file has its bytes.

use super::file::{self, Mask, opened, sealed};
use super::net::Net;
use super::ops::{Conv, Op};
use crate::error::{Error, Result};
use std::path::Path;

/// How such a model begins.
pub const MAGIC: &[u8; 8] = b"1BITOVER";

/// The bytes of `net`, without the weights that `base` has too.
///
/// # Errors
/// If no layer of `net` is a layer of `base` under a mask.
pub fn encode(net: &Net, base: &Net) -> Result<Vec<u8>> {
    let masks: Vec<Option<Mask>> =
        (0..net.nodes.len()).map(|i| mask(&net.nodes[i].op, &base.nodes.get(i)?.op)).collect();
    if masks.iter().all(Option::is_none) {
        return Err(Error::Config("no layer of the network is a layer of this base under a mask".into()));
    }
    let mut w = file::writer(net);
    w.u32(file::checksum(base) as usize);
    file::write(&mut w, net, |i| masks[i].as_ref());
    Ok(sealed(MAGIC, net.background, w))
}

/// The network of `bytes` on its base.
///
/// # Errors
/// As [`file::decode`]; also if it was made for another base.
pub fn decode(bytes: &[u8], path: &Path, base: &Net) -> Result<Net> {
    let fail = |m: String| Error::data(path, m);
    if bytes.starts_with(file::MAGIC) {
        return Err(fail("this is a whole model, which needs no base: leave the base out".into()));
    }
    let (background, mut r) = opened(MAGIC, bytes, path)?;
    let own = file::checksum(base);
    let wanted = r.u32().map_err(|what| fail(format!("the packed model is damaged: {what}")))?;
    if wanted != own as usize {
        return Err(fail(format!(
            "these masks are for another base: the content of theirs has the checksum {wanted:08x}, this one's {own:08x}"
        )));
    }
    file::whole(&mut r, background, Some(base), path)
}

/// Reads a model and its base.
///
/// # Errors
/// If a file cannot be read, and as [`decode`].
pub fn load(path: &Path, base: &Path) -> Result<Net> {
    let base = file::load(base)?;
    let bytes = std::fs::read(path).map_err(Error::io(path, "read the packed model"))?;
    decode(&bytes, path, &base)
}

/// The mask under which weights of a base are these, to the bit: `weight = (base bit) factor`, each product rounded.
fn mask(op: &Op, base: &Op) -> Option<Mask> {
    let (Op::Conv(conv), Op::Conv(own)) = (op, base) else { return None };
    let (Conv { weights, .. }, Conv { weights: base, .. }) = (conv, own);
    let shape = |c: &Conv| (c.outputs, c.window, c.groups, c.weights.len());
    if shape(conv) != shape(own) {
        return None;
    }
    let mut bits = vec![0u32; weights.len().div_ceil(32)];
    weights.iter().enumerate().filter(|(_, w)| **w != 0.0).for_each(|(i, _)| bits[i / 32] |= 1 << (i % 32));
    let largest =
        (0..weights.len()).filter(|i| weights[*i] != 0.0).max_by(|a, b| base[*a].abs().total_cmp(&base[*b].abs()));
    let Some(at) = largest else { return Some(Mask { factor: 1.0, bits }) };
    // The quotient may be a rounding away from the factor that made the weights.
    let near = weights[at] / base[at];
    let nearest = [near, near.next_up(), near.next_down(), near.next_up().next_up(), near.next_down().next_down()];
    let is = |factor: f32| {
        let made = Mask::apply(factor, &bits, base);
        factor.is_finite() && made.zip(weights).all(|(a, b)| a.to_bits() == b.to_bits())
    };
    nearest.into_iter().find(|f| is(*f)).map(|factor| Mask { factor, bits })
}

#[cfg(test)]
mod tests {
    use super::super::{Affine, Node, Window};
    use super::*;

    fn net(weights: &[f32], shift: f32) -> Net {
        let affine = |channels, shift| Op::from(Affine { scale: vec![2.0; channels], shift: vec![shift; channels] });
        let conv = Conv { outputs: 3, window: Window::PIXEL, groups: 1, weights: weights.to_vec() };
        let nodes = vec![
            Node { op: affine(2, 0.0), inputs: vec![0] },
            Node { op: conv.into(), inputs: vec![1] },
            Node { op: affine(3, shift), inputs: vec![2] },
        ];
        Net { input: [1, 1, 2], background: 0, classes: Vec::new(), nodes }
    }

    #[test]
    fn a_masked_layer_comes_back_to_the_bit() {
        let path = Path::new("task.1bit");
        let base = [0.3f32, -0.7, 1.1, 0.0, 5.5, -2.25];
        let on = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        let factor = 1.0 / (4.0f32 / 6.0).sqrt();
        let weights: Vec<f32> = base.iter().zip(on).map(|(w, on)| w * on * factor).collect();
        let (base, task) = (net(&base, 0.5), net(&weights, 0.25));
        let bytes = encode(&task, &base).unwrap();
        let back = decode(&bytes, path, &base).unwrap();
        assert_eq!(back, task);
        let (Op::Conv(a), Op::Conv(b)) = (&back.nodes[1].op, &task.nodes[1].op) else { panic!("a convolution") };
        assert!(a.weights.iter().zip(&b.weights).all(|(a, b)| a.to_bits() == b.to_bits()));
        // Nothing but the shift of the base differs, and it is another base.
        let other = decode(&bytes, path, &net(&[1.0; 6], 0.5)).unwrap_err().to_string();
        assert!(other.contains("another base"), "{other}");
        let whole = decode(&file::encode(&task), path, &base).unwrap_err().to_string();
        assert!(whole.contains("whole model"), "{whole}");
        let alone = file::decode(&bytes, path).unwrap_err().to_string();
        assert!(alone.contains("task.1bit") && alone.contains("base"), "{alone}");
        assert!(encode(&net(&[9.0, 8.0, 1.0, 2.0, 3.0, 4.0], 0.0), &base).is_err());
        for n in 0..bytes.len() {
            assert!(decode(&bytes[..n], path, &base).is_err());
        }
    }
}
