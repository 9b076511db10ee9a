//! Linear layers, and what multiplies and shifts channels.

use super::{Converter, EPS, Extents, Known};
use crate::foreign::Checked;
use crate::foreign::onnx::attributes::Attributes;
use crate::foreign::onnx::model::{Constant, Node, Numbers};
use crate::nn::LayerKind;
use crate::tensor::HostTensor;

impl Converter {
    /// The numbers of a row from the file's order to ours.
    fn reordered(of: Option<[usize; 3]>, row: &[f32]) -> Vec<f32> {
        match of {
            None => row.to_vec(),
            Some([c, h, w]) => {
                let at = |i: usize| (i % c) * h * w + i / c;
                (0..c * h * w).map(|i| row[at(i)]).collect()
            }
        }
    }

    pub(super) fn row(&self, x: &Known) -> Checked<(usize, Option<[usize; 3]>)> {
        match x.extents {
            Extents::Row { d, of } => Ok((d, of)),
            Extents::Map { c, size: Some([1, 1]) } => Ok((c, None)),
            Extents::Map { .. } => Err("it is applied to a map, not to rows".into()),
        }
    }

    /// `x W` or `x W^T + b`.
    pub(super) fn linear(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let x = self.value(node, 0)?;
        let (d, of) = self.row(&x)?;
        let weights = self.constant(node, 1).ok_or("its second factor is no constant")?.clone();
        let (&[rows, columns], Numbers::Floats(w)) = (&weights.shape[..], &weights.numbers) else {
            return Err(format!("its weights are {:?}", weights.shape));
        };
        a.only("transA", 0)?;
        let turned = a.int("transB", 0) == 1;
        let (alpha, beta) = (a.float("alpha", 1.0), a.float("beta", 1.0));
        let (o, k) = if turned { (rows, columns) } else { (columns, rows) };
        if k != d {
            return Err(format!("weights for {k} numbers, of which there are {d}"));
        }
        let at = |o: usize, k: usize| if turned { w[o * columns + k] } else { w[k * columns + o] };
        let filter = |o: usize| Self::reordered(of, &(0..k).map(|k| alpha * at(o, k)).collect::<Vec<f32>>());
        let values: Vec<f32> = (0..o).flat_map(filter).collect();
        let bias = match (node.op_type.as_str(), self.has(node, 2)) {
            ("Gemm", true) => {
                let given = self.floats(node, 2, "summands")?;
                let shape = self.constant(node, 2).map(|c| c.shape.clone()).unwrap_or_default();
                let one_row = shape.len() < 2 || shape[..shape.len() - 1].iter().all(|n| *n == 1);
                match given.len() {
                    _ if !one_row => return Err(format!("its summands are {shape:?}: one a column is read")),
                    1 => Some(vec![beta * given[0]; o]),
                    n if n == o => Some(given.iter().map(|b| beta * b).collect()),
                    n => return Err(format!("{n} summands for {o} columns")),
                }
            }
            _ => None,
        };
        let op = LayerKind::Linear { width: o.into(), bias: bias.is_some() };
        let name = self.push(op, &self.wanted(node), Some(&x));
        self.tensors.insert(format!("{name}.weight"), HostTensor::from_f32([o, k], values));
        if let Some(bias) = bias {
            self.tensor(&name, "bias", bias);
        }
        self.made(node, name, Extents::Row { d: o, of: None })
    }

    /// A factor and a summand a channel, as a normalisation that has nothing to take away.
    pub(super) fn affine(&mut self, node: &Node, x: &Known, scale: Vec<f32>, shift: Vec<f32>) -> Checked<()> {
        let n = scale.len();
        let op = LayerKind::BatchNorm { gain: None, affine: true };
        let name = self.push(op, &self.wanted(node), Some(x));
        self.tensor(&name, "weight", scale);
        self.tensor(&name, "bias", shift);
        self.tensor(&name, "running_mean", vec![0.0; n]);
        self.tensor(&name, "running_var", vec![1.0 - EPS; n]);
        let extents = x.extents.clone();
        self.made(node, name, extents)
    }

    pub(super) fn batch_norm(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let x = self.value(node, 0)?;
        a.only("training_mode", 0)?;
        a.only("spatial", 1)?;
        a.only("is_test", 1)?;
        let (eps, _) = (a.float("epsilon", 1e-5), a.float("momentum", 0.9));
        let (n, of) = match x.extents {
            Extents::Map { c, .. } => (c, None),
            Extents::Row { d, of } => (d, of),
        };
        let mut parts = Vec::new();
        for (i, what) in [(1, "factors"), (2, "summands"), (3, "means"), (4, "variances")] {
            let values = self.floats(node, i, what)?;
            if values.len() != n {
                return Err(format!("{} {what} for {n} channels", values.len()));
            }
            parts.push(Self::reordered(of, &values));
        }
        // Ours adds another eps: what is missing is part of the variance.
        let variance: Vec<f32> = parts[3].iter().map(|v| v + (eps - EPS)).collect();
        if let Some(bad) = variance.iter().find(|v| **v < 0.0) {
            return Err(format!("a variance of {} beside epsilon {eps}", bad - (eps - EPS)));
        }
        let name = self.push(LayerKind::BatchNorm { gain: None, affine: true }, &self.wanted(node), Some(&x));
        for (part, values) in ["weight", "bias", "running_mean"].into_iter().zip(parts) {
            self.tensor(&name, part, values);
        }
        self.tensor(&name, "running_var", variance);
        let extents = x.extents.clone();
        self.made(node, name, extents)
    }

    /// A number a channel of a value, of a constant that is broadcast to it.
    pub(super) fn a_channel(&self, x: &Known, constant: &Constant) -> Checked<Vec<f32>> {
        let Numbers::Floats(v) = &constant.numbers else { return Err("its constant is no floats".into()) };
        let (n, of, rank) = match x.extents {
            Extents::Map { c, .. } => (c, None, 4),
            Extents::Row { d, of } => (d, of, 2),
        };
        // Extents are aligned at their ends.
        let shape = [vec![1; rank - constant.shape.len().min(rank)], constant.shape.clone()].concat();
        let others = shape.iter().enumerate().filter(|(i, _)| *i != 1).all(|(_, d)| *d == 1);
        match v.len() {
            1 => Ok(vec![v[0]; n]),
            len if len == n && shape.len() == rank && others => Ok(Self::reordered(of, v)),
            _ => Err(format!("a constant of extents {:?}: a number, or one a channel, is read", constant.shape)),
        }
    }

    pub(super) fn prelu(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let slope = self.constant(node, 1).ok_or("its slopes are no constants")?;
        let slope = self.a_channel(&x, slope)?;
        let name = self.push(LayerKind::Prelu {}, &self.wanted(node), Some(&x));
        self.tensor(&name, "weight", slope);
        self.made(node, name, x.extents)
    }

    pub(super) fn clip(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let bound = |i: usize, name: &'static str, default: f32| -> Checked<f32> {
            let said = a.float(name, default);
            match self.has(node, i) {
                false => Ok(said),
                true => match self.floats(node, i, "bounds")?[..] {
                    [x] => Ok(x),
                    _ => Err("its bounds are no numbers".into()),
                },
            }
        };
        let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
        match (low, high) {
            (-1.0, 1.0) => self.same(node, LayerKind::Hardtanh {}),
            (0.0, f32::MAX) => self.same(node, LayerKind::Relu {}),
            _ if low <= high => self.same(node, LayerKind::Clip { low, high }),
            _ => Err(format!("from {low} to {high}: nothing lies there")),
        }
    }
}
