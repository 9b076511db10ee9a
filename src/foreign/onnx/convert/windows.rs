//! Convolutions, pools and borders: what looks at images through windows.

use super::{Converter, Extents, Known};
use crate::foreign::Checked;
use crate::foreign::names::ours_laid_out;
use crate::foreign::onnx::attributes::Attributes;
use crate::foreign::onnx::model::{Node, Numbers};
use crate::foreign::onnx::place::Windows;
use crate::nn::{Expr, LayerKind};

impl Converter {
    /// Zeros around what a windowed layer sees that are not the same on all sides.
    fn bordered(&mut self, x: Known, windows: &mut Windows) -> Checked<Known> {
        if windows.even().is_some() {
            return Ok(x);
        }
        let (c, size) = self.map(&x)?;
        let [top, left, below, right] = windows.pads;
        windows.pads = [0; 4];
        let op = LayerKind::Pad { rows: [top, below], columns: [left, right] };
        let layer = Some(self.push(op, "pad", Some(&x)));
        let size = size.map(|[h, w]| [h + top + below, w + left + right]);
        Ok(Known { layer, extents: Extents::Map { c, size } })
    }

    pub(super) fn conv(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let x = self.value(node, 0)?;
        let (c, size) = self.map(&x)?;
        let weights = self.constant(node, 1).ok_or("its weights are no constants")?.clone();
        let &[o, ci, kh, kw] = &weights.shape[..] else {
            return Err(format!("its weights are {:?}: convolutions of images are read", weights.shape));
        };
        let groups = usize::try_from(a.int("group", 1)).unwrap_or(0);
        if groups == 0 || ci.checked_mul(groups) != Some(c) {
            return Err(format!("weights of {ci} channels in {groups} groups for {c} channels"));
        }
        let mut windows = Windows::of(a, Some([kh, kw]), size)?;
        let x = self.bordered(x, &mut windows)?;
        let (_, size) = self.map(&x)?;
        let bias = if self.has(node, 2) { Some(self.floats(node, 2, "biases")?) } else { None };
        let op = LayerKind::Conv {
            width: o.into(),
            kernel: windows.kernel,
            stride: windows.stride.into(),
            padding: windows.even(),
            dilation: windows.dilation.into(),
            groups: groups.into(),
            bias: bias.is_some(),
        };
        let name = self.push(op, &self.wanted(node), Some(&x));
        let Numbers::Floats(values) = weights.numbers else { return Err("its weights are no floats".into()) };
        self.tensors.insert(format!("{name}.weight"), ours_laid_out(&[o, kh, kw, ci], values));
        if let Some(bias) = bias {
            self.tensor(&name, "bias", bias);
        }
        let size = size.map(|map| windows.outputs(map)).transpose()?;
        self.made(node, name, Extents::Map { c: o, size })
    }

    pub(super) fn pool(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let x = self.value(node, 0)?;
        let (c, size) = self.map(&x)?;
        let windows = Windows::of(a, None, size)?;
        let Some(padding) = windows.even() else {
            return Err(format!("pads {:?}: the same on all sides is read", windows.pads));
        };
        if windows.dilation != 1 {
            return Err(format!("dilations {}: windows without gaps are read", windows.dilation));
        }
        if a.int("ceil_mode", 0) != 0 && windows.ceil_differs(size) {
            return Err("ceil_mode = 1, which would give windows beyond the border".into());
        }
        if 2 * padding > windows.kernel {
            return Err(format!("a border of {padding} for windows of {}", windows.kernel));
        }
        let (kernel, stride) = (windows.kernel, Some(Expr::from(windows.stride)));
        let op = match node.op_type.as_str() {
            "MaxPool" => {
                a.only("storage_order", 0)?;
                LayerKind::MaxPool { kernel, stride, padding }
            }
            _ if padding > 0 && a.int("count_include_pad", 0) == 0 => {
                return Err("count_include_pad = 0 with a border: windows that count it are read".into());
            }
            _ => {
                a.int("count_include_pad", 0);
                LayerKind::AvgPool { kernel, stride, padding }
            }
        };
        let name = self.push(op, &self.wanted(node), Some(&x));
        let size = size.map(|map| windows.outputs(map)).transpose()?;
        self.made(node, name, Extents::Map { c, size })
    }

    pub(super) fn global_average(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let (c, _) = self.map(&x)?;
        let name = self.push(LayerKind::GlobalAvgPool {}, &self.wanted(node), Some(&x));
        self.made(node, name, Extents::Map { c, size: Some([1, 1]) })
    }

    pub(super) fn reduce_mean(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let axes = match self.ints(node, 1)? {
            Some(axes) => axes,
            None => a.ints("axes").unwrap_or_default().to_vec(),
        };
        a.int("noop_with_empty_axes", 0);
        let keep = a.int("keepdims", 1) == 1;
        if !matches!(axes[..], [2, 3] | [-2, -1] | [2, -1] | [-1, -2]) {
            return Err(format!("over the axes {axes:?}: over all pixels is read"));
        }
        let x = self.value(node, 0)?;
        let (c, _) = self.map(&x)?;
        let name = self.push(LayerKind::GlobalAvgPool {}, &self.wanted(node), Some(&x));
        let extents = if keep { Extents::Map { c, size: Some([1, 1]) } } else { Extents::Row { d: c, of: None } };
        self.made(node, name, extents)
    }

    pub(super) fn pad(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let mode = a.text("mode");
        if !["", "constant"].contains(&mode.as_str()) {
            return Err(format!("mode = {mode} is not read, constant is"));
        }
        let pads = match self.ints(node, 1)? {
            Some(pads) => pads,
            None => a.ints("pads").ok_or("it does not say how much")?.to_vec(),
        };
        let value = if self.has(node, 2) { self.floats(node, 2, "numbers")?[..].first().copied() } else { None };
        let value = value.unwrap_or(a.float("value", 0.0));
        let (&[0, 0, top, left, 0, 0, below, right], 0.0) = (&pads[..], value) else {
            return Err(format!("{pads:?} with {value}: zeros around images are read"));
        };
        let sides = [top, left, below, right].map(|n| usize::try_from(n).ok());
        let [Some(top), Some(left), Some(below), Some(right)] = sides else {
            return Err(format!("{pads:?}: nothing is cut away"));
        };
        let x = self.value(node, 0)?;
        let (c, size) = self.map(&x)?;
        let op = LayerKind::Pad { rows: [top, below], columns: [left, right] };
        let name = self.push(op, &self.wanted(node), Some(&x));
        let size = size.map(|[h, w]| [h + top + below, w + left + right]);
        self.made(node, name, Extents::Map { c, size })
    }
}
