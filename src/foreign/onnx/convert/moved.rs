//! Nodes that compute nothing: other names, rows of maps, and probabilities, which losses do not take.

use super::{Converter, Extents};
use crate::foreign::Checked;
use crate::foreign::onnx::attributes::Attributes;
use crate::foreign::onnx::model::Node;
use crate::nn::LayerKind;

impl Converter {
    pub(super) fn alias(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        // Dropout does nothing in inference; its share and seed are not wanted.
        a.float("ratio", 0.5);
        a.int("seed", 0);
        let (from, to) = (node.input.first().ok_or("it has no input")?, node.output.first().ok_or("it has no output")?);
        if let Some(c) = self.constants.get(from).cloned() {
            self.constants.insert(to.clone(), c);
        } else if let Some(logits) = self.probabilities.get(from).cloned() {
            self.probabilities.insert(to.clone(), logits);
        } else {
            let known = self.value(node, 0)?;
            self.values.insert(to.clone(), known);
        }
        Ok(())
    }

    pub(super) fn flatten(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let extents = match x.extents {
            Extents::Row { d, of } => Extents::Row { d, of },
            Extents::Map { c, size: Some([h, w]) } => {
                let d = c.checked_mul(h).and_then(|n| n.checked_mul(w)).ok_or("its map is too large")?;
                Extents::Row { d, of: (h * w > 1).then_some([c, h, w]) }
            }
            Extents::Map { .. } => return Err(super::NO_SIZE.into()),
        };
        let name = self.push(LayerKind::Flatten {}, &self.wanted(node), Some(&x));
        self.made(node, name, extents)
    }

    pub(super) fn reshape(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        a.only("allowzero", 0)?;
        let to = self.reshaped(node, a)?;
        let x = self.value(node, 0)?;
        let numbers = match x.extents {
            Extents::Row { d, .. } => Some(d),
            Extents::Map { c, size } => size.and_then(|[h, w]| c.checked_mul(h)?.checked_mul(w)),
        };
        match (&to[..], &x.extents) {
            (_, Extents::Map { size: None, .. }) => Err(super::NO_SIZE.into()),
            (&[a, b], _) if numbers.is_some_and(|d| self.are_rows([a, b], d)) => self.flatten(node),
            ([_, c, 1, 1], Extents::Row { d, of: None }) if *c == *d as i64 || *c == -1 => {
                let extents = Extents::Map { c: *d, size: Some([1, 1]) };
                let output = node.output.first().ok_or("it has no output")?;
                self.set(output, x.layer, extents);
                Ok(())
            }
            _ => Err(format!("to {to:?}: to a row of all numbers for each image, [n, d], is read")),
        }
    }

    pub(super) fn squeeze(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let axes = match self.ints(node, 1)? {
            Some(axes) => axes,
            None => a.ints("axes").unwrap_or_default().to_vec(),
        };
        let x = self.value(node, 0)?;
        match (&axes[..], &x.extents) {
            ([2, 3] | [-2, -1] | [3, 2] | [-1, -2], Extents::Map { size: Some([1, 1]), .. }) => self.flatten(node),
            _ => Err(format!("of the axes {axes:?}: of the pixels of maps of one is read")),
        }
    }

    pub(super) fn softmax(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let x = self.value(node, 0)?;
        let axis = a.int("axis", if self.opset < 13 { 1 } else { -1 });
        let d = self.row(&x)?.0;
        if ![1, -1].contains(&axis) {
            return Err(format!("over the axis {axis}: over classes is read"));
        }
        let (from, to) = (node.input.first().ok_or("it has no input")?, node.output.first().ok_or("it has no output")?);
        if d < 2 {
            return Err("of a single number".into());
        }
        self.probabilities.insert(to.clone(), from.clone());
        Ok(())
    }
}
