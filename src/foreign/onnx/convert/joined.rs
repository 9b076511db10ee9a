//! Sums, products and concatenation: of two values, or of one and a constant.

use super::{Converter, Extents, Known};
use crate::foreign::Checked;
use crate::foreign::onnx::attributes::Attributes;
use crate::foreign::onnx::model::Node;
use crate::nn::{Layer, LayerKind, Names};

impl Converter {
    /// Two values, or one and a constant.
    pub(super) fn arithmetic(&mut self, node: &Node) -> Checked<()> {
        let op = node.op_type.as_str();
        let (first, second) = (self.constant(node, 0).cloned(), self.constant(node, 1).cloned());
        match (first, second) {
            (None, None) => self.joined(node),
            (None, Some(constant)) => {
                let x = self.value(node, 0)?;
                let values = self.a_channel(&x, &constant)?;
                let n = values.len();
                match op {
                    "Add" if self.is_bias(node, &x) => self.add_bias(node, &x, values),
                    "Add" => self.affine(node, &x, vec![1.0; n], values),
                    "Sub" => self.affine(node, &x, vec![1.0; n], values.iter().map(|v| -v).collect()),
                    "Mul" => self.affine(node, &x, values, vec![0.0; n]),
                    _ if values.contains(&0.0) => Err("it divides by 0".into()),
                    _ => self.affine(node, &x, values.iter().map(|v| 1.0 / v).collect(), vec![0.0; n]),
                }
            }
            (Some(constant), None) => {
                let x = self.value(node, 1)?;
                let values = self.a_channel(&x, &constant)?;
                let n = values.len();
                match op {
                    "Add" => self.affine(node, &x, vec![1.0; n], values),
                    "Mul" => self.affine(node, &x, values, vec![0.0; n]),
                    "Sub" => self.affine(node, &x, vec![-1.0; n], values),
                    _ => Err("a constant divided by a value is not read".into()),
                }
            }
            (Some(_), Some(_)) => {
                Err("two constants: simplify the model before (onnxsim, or export with constant folding)".into())
            }
        }
    }

    /// Whether what it is added to is a linear layer without summands that nothing else reads.
    fn is_bias(&self, node: &Node, x: &Known) -> bool {
        let last = self.layers.last();
        let is_last = last.is_some_and(|l| l.name == x.layer && matches!(l.op, LayerKind::Linear { bias: false, .. }));
        is_last && node.input.first().and_then(|name| self.uses.get(name)) == Some(&1)
    }

    fn add_bias(&mut self, node: &Node, x: &Known, values: Vec<f32>) -> Checked<()> {
        let name = x.layer.clone().ok_or("it has no layer")?;
        if let Some(Layer { op: LayerKind::Linear { bias, .. }, .. }) = self.layers.last_mut() {
            *bias = true;
        }
        self.tensor(&name, "bias", values);
        let extents = x.extents.clone();
        self.made(node, name, extents)
    }

    fn joined(&mut self, node: &Node) -> Checked<()> {
        let (x, y) = (self.value(node, 0)?, self.value(node, 1)?);
        let one_pixel = |k: &Known| matches!(k.extents, Extents::Map { size: Some([1, 1]), .. });
        // What has a pixel for all stands second.
        let (x, y) = if one_pixel(&x) && !one_pixel(&y) { (y, x) } else { (x, y) };
        let with = Names::One(y.layer.clone().unwrap_or("input".into()));
        let op = match node.op_type.as_str() {
            "Add" => LayerKind::Add { with },
            "Mul" => LayerKind::Multiply { with },
            other => return Err(format!("{other} of two values is not read")),
        };
        let channels = |k: &Known| match k.extents {
            Extents::Map { c, .. } => c,
            Extents::Row { d, .. } => d,
        };
        if channels(&x) != channels(&y) {
            return Err(format!("{} channels beside {}", channels(&x), channels(&y)));
        }
        let name = self.push(op, &self.wanted(node), Some(&x));
        self.made(node, name, x.extents)
    }

    pub(super) fn concat(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let axis = a.int("axis", 1);
        let all = (0..node.input.len()).map(|i| self.value(node, i)).collect::<Checked<Vec<_>>>()?;
        let first = all.first().ok_or("it has no inputs")?;
        let from_behind = if matches!(first.extents, Extents::Map { .. }) { -3 } else { -1 };
        if axis != 1 && axis != from_behind {
            return Err(format!("axis = {axis} is not read, that of channels is"));
        }
        let (mut channels, mut size) = (0, None);
        for x in &all {
            let (c, of) = self.map(x)?;
            channels += c;
            size = size.or(of);
        }
        let with = all[1..].iter().map(|k| k.layer.clone().unwrap_or("input".into())).collect();
        let name = self.push(LayerKind::Concat { with: Names::Several(with) }, &self.wanted(node), Some(first));
        let extents = match first.extents {
            Extents::Row { .. } => Extents::Row { d: channels, of: None },
            Extents::Map { .. } => Extents::Map { c: channels, size },
        };
        self.made(node, name, extents)
    }
}
