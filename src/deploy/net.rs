//! A network as it ships: a short list of operations on one image.

use super::ops::Op;
use super::value::{Kind, MOST, Meta};
use crate::error::{Error, Result};

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
            if node.inputs.iter().any(|v| *v > i) {
                return fail(format!(
                    "node {i} ({name}) is applied to {:?}, of {} values before it",
                    node.inputs,
                    i + 1
                ));
            }
            let inputs: Vec<Meta> = node.inputs.iter().map(|v| metas[*v]).collect();
            let made = node.op.checked(&inputs).map_err(|e| Error::Config(format!("node {i} ({name}) {e}")))?;
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
        for (node, made) in self.nodes.iter().zip(&metas[1..]) {
            let [b, f] = node.op.multiply_adds(metas[node.inputs[0]], *made);
            bits += b;
            floats += f;
        }
        Ok((bits, floats))
    }
}
