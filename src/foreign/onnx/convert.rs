//! From the nodes of a file to layers, in the order of the file.

use super::Imported;
use super::attributes::Attributes;
use super::model::{Constant, Graph, Node, Numbers, ValueInfo};
use super::place::Windows;
use crate::foreign::Checked;
use crate::foreign::names::ours_laid_out;
use crate::nn::{Expr, Layer, LayerKind, Names};
use crate::tensor::HostTensor;
use std::collections::{HashMap, HashSet};

/// Operators that are read, for messages.
const KNOWN: &str = "Add, AveragePool, BatchNormalization, Clip, Concat, Constant, Conv, Div, Dropout, Flatten, Gelu, Gemm, \
                     GlobalAveragePool, Identity, LeakyRelu, MatMul, MaxPool, Mul, Pad, PRelu, ReduceMean, Relu, Reshape, \
                     Sigmoid, Softmax (as the last), Squeeze, Sub, Tanh";

/// The eps of our batch normalisation.
const EPS: f32 = 1e-5;

/// What a value of the file is here.
#[derive(Clone, Debug)]
struct Known {
    /// The layer that makes it; none for the image.
    layer: Option<String>,
    extents: Extents,
}

#[derive(Clone, Debug, PartialEq)]
enum Extents {
    /// A map, its rows and columns where they are known.
    Map { c: usize, size: Option<[usize; 2]> },
    /// A row; of a map of these extents `[c, h, w]` if it is a flattened one, in the file's order.
    Row { d: usize, of: Option<[usize; 3]> },
}

struct Converter {
    opset: i64,
    constants: HashMap<String, Constant>,
    values: HashMap<String, Known>,
    /// How often each value is read.
    uses: HashMap<String, usize>,
    layers: Vec<Layer>,
    names: HashSet<String>,
    tensors: HashMap<String, HostTensor>,
    /// Values that are probabilities of the classes: the logits' names.
    probabilities: HashMap<String, String>,
}

/// The network of a graph.
///
/// # Errors
/// Naming the first node that is not read, and why.
pub(super) fn convert(graph: &Graph, opset: i64) -> Checked<Imported> {
    let mut c = Converter {
        opset,
        constants: HashMap::new(),
        values: HashMap::new(),
        uses: HashMap::new(),
        layers: Vec::new(),
        names: HashSet::from(["fc".to_string()]),
        tensors: HashMap::new(),
        probabilities: HashMap::new(),
    };
    for t in &graph.initializer {
        c.constants.insert(t.name.clone(), t.constant()?);
    }
    let read = graph.node.iter().flat_map(|n| &n.input).chain(graph.output.iter().map(|o| &o.name));
    read.for_each(|name| *c.uses.entry(name.clone()).or_default() += 1);
    c.image(graph)?;
    for (i, node) in graph.node.iter().enumerate() {
        let name = if node.name.is_empty() { format!("number {i}") } else { node.name.clone() };
        c.node(node).map_err(|e| format!("node {name} ({}): {e}", node.op_type))?;
    }
    match &graph.output[..] {
        [output] => c.finish(&output.name),
        several => Err(format!("it has {} outputs: networks with one are read", several.len())),
    }
}

/// Extents as a file says them; `None` for those that it leaves open.
fn dims(value: &ValueInfo) -> Option<Vec<Option<usize>>> {
    let shape = value.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    Some(shape.dim.iter().map(|d| usize::try_from(d.dim_value).ok().filter(|n| *n > 0)).collect())
}

impl Converter {
    /// The one input that has no content.
    fn image(&mut self, graph: &Graph) -> Checked<()> {
        let open: Vec<&ValueInfo> = graph.input.iter().filter(|i| !self.constants.contains_key(&i.name)).collect();
        let [image] = open[..] else {
            let names: Vec<&str> = open.iter().map(|i| i.name.as_str()).collect();
            return Err(format!("it has {} inputs ({}): networks of one image are read", open.len(), names.join(", ")));
        };
        let shape = dims(image).ok_or_else(|| format!("the file does not say the extents of {}", image.name))?;
        match shape[..] {
            [_, Some(c), h, w] => {
                let size = h.zip(w).map(|(h, w)| [h, w]);
                self.set(&image.name, None, Extents::Map { c, size });
            }
            [_, Some(d)] => {
                let flat = self.push(LayerKind::Flatten {}, "flatten", None);
                self.set(&image.name, Some(flat), Extents::Row { d, of: None });
            }
            _ => {
                let shown = |d: &Option<usize>| d.map_or("?".to_string(), |d| d.to_string());
                let shown: Vec<String> = shape.iter().map(shown).collect();
                return Err(format!(
                    "its input {} is {}: images [n, channels, rows, columns] are read, and rows of numbers [n, d]",
                    image.name,
                    shown.join("x")
                ));
            }
        }
        Ok(())
    }

    fn set(&mut self, value: &str, layer: Option<String>, extents: Extents) {
        self.values.insert(value.to_string(), Known { layer, extents });
    }

    /// A name that no layer has, after one that a file uses.
    fn unused(&mut self, wanted: &str) -> String {
        let usable = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let base: String = wanted.chars().map(usable).collect();
        let base = base.trim_matches('_').to_string();
        let base = if ["", "in", "input"].contains(&base.as_str()) { "layer".to_string() } else { base };
        let mut name = base.clone();
        let mut n = 1;
        while !self.names.insert(name.clone()) {
            n += 1;
            name = format!("{base}_{n}");
        }
        name
    }

    /// Appends a layer behind another one, or behind the image; its name.
    fn push(&mut self, op: LayerKind, wanted: &str, behind: Option<&Known>) -> String {
        let name = self.unused(wanted);
        let last = self.layers.last().and_then(|l| l.name.clone());
        let from = behind.map(|k| k.layer.clone());
        let from = match from {
            // The first layer, or that behind the last.
            None => None,
            Some(layer) if layer == last => None,
            Some(layer) => Some(layer.unwrap_or("input".into())),
        };
        self.layers.push(Layer { from, ..Layer::new(op).named(&name) });
        name
    }

    fn tensor(&mut self, layer: &str, part: &str, values: Vec<f32>) {
        let shape = [values.len()];
        self.tensors.insert(format!("{layer}.{part}"), HostTensor::from_f32(shape, values));
    }

    /// An input that a layer makes.
    fn value(&self, node: &Node, i: usize) -> Checked<Known> {
        let name = node.input.get(i).ok_or_else(|| format!("it has no input {i}"))?;
        match (self.values.get(name), self.probabilities.contains_key(name)) {
            (Some(known), _) => Ok(known.clone()),
            (None, true) => Err(format!("{name} are probabilities: nothing may follow a Softmax")),
            _ if self.constants.contains_key(name) => Err(format!("{name} is a constant where a value is wanted")),
            _ => Err(format!("{name} is made by no node before it")),
        }
    }

    /// An input that is known beforehand, if it is there.
    fn constant(&self, node: &Node, i: usize) -> Option<&Constant> {
        node.input.get(i).and_then(|name| self.constants.get(name))
    }

    fn floats(&self, node: &Node, i: usize, what: &str) -> Checked<Vec<f32>> {
        match self.constant(node, i).map(|c| &c.numbers) {
            Some(Numbers::Floats(v)) => Ok(v.clone()),
            _ => Err(format!("its {what} are no constants of floats")),
        }
    }

    fn ints(&self, node: &Node, i: usize) -> Checked<Option<Vec<i64>>> {
        match (node.input.get(i).filter(|n| !n.is_empty()), self.constant(node, i).map(|c| &c.numbers)) {
            (None, _) => Ok(None),
            (_, Some(Numbers::Ints(v))) => Ok(Some(v.clone())),
            (Some(name), _) => Err(format!("{name} is no constant of whole numbers")),
        }
    }

    /// What a layer is called after: its weights, or its node.
    fn wanted(&self, node: &Node) -> String {
        let weights = node.input.get(1).filter(|n| self.constants.contains_key(*n) && !n.contains("onnx::"));
        let weights = weights.and_then(|n| n.strip_suffix(".weight").or_else(|| n.strip_suffix("_weight")));
        match weights {
            Some(name) => name.to_string(),
            None if node.name.is_empty() => node.op_type.to_lowercase(),
            None => node.name.clone(),
        }
    }

    /// A layer of one input that keeps its extents.
    fn same(&mut self, node: &Node, op: LayerKind) -> Checked<()> {
        let x = self.value(node, 0)?;
        let name = self.push(op, &self.wanted(node), Some(&x));
        self.made(node, name, x.extents)
    }

    fn made(&mut self, node: &Node, layer: String, extents: Extents) -> Checked<()> {
        let output = node.output.first().ok_or("it has no output")?;
        if let Some(more) = node.output[1..].iter().find(|o| self.uses.contains_key(*o)) {
            return Err(format!("its output {more} is not read"));
        }
        self.set(output, Some(layer), extents);
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Checked<()> {
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(format!("it is of {}: operators of ONNX itself are read", node.domain));
        }
        let a = Attributes::of(node);
        // Of the first versions: which inputs may be written over.
        a.ints("consumed_inputs");
        match node.op_type.as_str() {
            "Constant" => {
                let value = a.tensor("value")?.ok_or("it has no tensor for a value")?;
                self.constants.insert(node.output.first().ok_or("it has no output")?.clone(), value);
            }
            "Identity" | "Dropout" => self.alias(node, &a)?,
            "Conv" => self.conv(node, &a)?,
            "Gemm" | "MatMul" => self.linear(node, &a)?,
            "BatchNormalization" => self.batch_norm(node, &a)?,
            "Relu" => self.same(node, LayerKind::Relu {})?,
            "Sigmoid" => self.same(node, LayerKind::Sigmoid {})?,
            "Tanh" => self.same(node, LayerKind::Tanh {})?,
            "Gelu" if a.text("approximate").is_empty() || a.text("approximate") == "none" => {
                self.same(node, LayerKind::Gelu {})?;
            }
            "LeakyRelu" => {
                let slope = a.float("alpha", 0.01);
                self.same(node, LayerKind::LeakyRelu { slope })?;
            }
            "PRelu" => self.prelu(node)?,
            "Clip" => self.clip(node, &a)?,
            "MaxPool" | "AveragePool" => self.pool(node, &a)?,
            "GlobalAveragePool" => self.global_average(node)?,
            "ReduceMean" => self.reduce_mean(node, &a)?,
            "Pad" => self.pad(node, &a)?,
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node)?,
            "Concat" => self.concat(node, &a)?,
            "Flatten" => {
                a.only("axis", 1)?;
                self.flatten(node)?;
            }
            "Reshape" => self.reshape(node, &a)?,
            "Squeeze" => self.squeeze(node, &a)?,
            "Softmax" | "LogSoftmax" => self.softmax(node, &a)?,
            other => return Err(format!("the operator {other} is not known; known are {KNOWN}")),
        }
        a.all_understood()
    }

    fn alias(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    /// Channels and, where they are known, rows and columns of a map.
    fn map(&self, x: &Known) -> Checked<(usize, Option<[usize; 2]>)> {
        match x.extents {
            Extents::Map { c, size } => Ok((c, size)),
            Extents::Row { d, of: None } => Ok((d, Some([1, 1]))),
            Extents::Row { of: Some(_), .. } => Err("it is applied to a flattened map".into()),
        }
    }

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

    fn conv(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    fn has(&self, node: &Node, i: usize) -> bool {
        node.input.get(i).is_some_and(|n| !n.is_empty())
    }

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

    fn row(&self, x: &Known) -> Checked<(usize, Option<[usize; 3]>)> {
        match x.extents {
            Extents::Row { d, of } => Ok((d, of)),
            Extents::Map { c, size: Some([1, 1]) } => Ok((c, None)),
            Extents::Map { .. } => Err("it is applied to a map, not to rows".into()),
        }
    }

    /// `x W` or `x W^T + b`.
    fn linear(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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
    fn affine(&mut self, node: &Node, x: &Known, scale: Vec<f32>, shift: Vec<f32>) -> Checked<()> {
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

    fn batch_norm(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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
    fn a_channel(&self, x: &Known, constant: &Constant) -> Checked<Vec<f32>> {
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

    fn prelu(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let slope = self.constant(node, 1).ok_or("its slopes are no constants")?;
        let slope = self.a_channel(&x, slope)?;
        let name = self.push(LayerKind::Prelu {}, &self.wanted(node), Some(&x));
        self.tensor(&name, "weight", slope);
        self.made(node, name, x.extents)
    }

    fn clip(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    fn pool(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    fn global_average(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let (c, _) = self.map(&x)?;
        let name = self.push(LayerKind::GlobalAvgPool {}, &self.wanted(node), Some(&x));
        self.made(node, name, Extents::Map { c, size: Some([1, 1]) })
    }

    fn reduce_mean(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    fn pad(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    /// Two values, or one and a constant.
    fn arithmetic(&mut self, node: &Node) -> Checked<()> {
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

    fn concat(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        a.only("axis", 1)?;
        let all = (0..node.input.len()).map(|i| self.value(node, i)).collect::<Checked<Vec<_>>>()?;
        let first = all.first().ok_or("it has no inputs")?;
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

    fn flatten(&mut self, node: &Node) -> Checked<()> {
        let x = self.value(node, 0)?;
        let extents = match x.extents {
            Extents::Row { d, of } => Extents::Row { d, of },
            Extents::Map { c, size: Some([h, w]) } => {
                let d = c.checked_mul(h).and_then(|n| n.checked_mul(w)).ok_or("its map is too large")?;
                Extents::Row { d, of: (h * w > 1).then_some([c, h, w]) }
            }
            Extents::Map { .. } => {
                return Err("the file does not say the size of images, which a flattened map needs: export it with a fixed size".into());
            }
        };
        let name = self.push(LayerKind::Flatten {}, &self.wanted(node), Some(&x));
        self.made(node, name, extents)
    }

    fn reshape(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        a.only("allowzero", 0)?;
        let to = match self.ints(node, 1)? {
            Some(to) => to,
            None => a.ints("shape").ok_or("it does not say to what")?.to_vec(),
        };
        let x = self.value(node, 0)?;
        match (&to[..], &x.extents) {
            ([_, _], _) => self.flatten(node),
            ([_, c, 1, 1], Extents::Row { d, of: None }) if *c == *d as i64 || *c == -1 => {
                let extents = Extents::Map { c: *d, size: Some([1, 1]) };
                let output = node.output.first().ok_or("it has no output")?;
                self.set(output, x.layer, extents);
                Ok(())
            }
            _ => Err(format!("to {to:?}: to rows [n, d] is read")),
        }
    }

    fn squeeze(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    fn softmax(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
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

    /// The network up to a value; its last linear layer tells the classes.
    fn finish(mut self, output: &str) -> Checked<Imported> {
        let is_probability = self.probabilities.contains_key(output);
        let logits = self.probabilities.get(output).map_or(output, String::as_str).to_string();
        let known = self.values.get(&logits).cloned();
        let known = known.ok_or_else(|| format!("its output {output} is made by no node that is read"))?;
        let Some(last) = self.layers.last().filter(|l| l.name == known.layer) else {
            return Err(format!("its output {output} is not what its last node makes: nodes behind it are not read"));
        };
        let (op, name) = (last.op.clone(), last.name.clone().unwrap_or_default());
        let (d, of) = match known.extents {
            Extents::Row { d, of } => (d, of),
            Extents::Map { c, size: Some([1, 1]) } => (c, None),
            Extents::Map { .. } => {
                return Err(
                    "it ends in a map of more than one pixel: networks that end in classes or features are read".into(),
                );
            }
        };
        let classes = match op {
            LayerKind::Linear { bias, .. } => {
                if let Some(layer) = self.layers.last_mut() {
                    (layer.op, layer.name) = (LayerKind::Classifier {}, Some("fc".into()));
                }
                if !bias {
                    self.tensor(&name, "bias", vec![0.0; d]);
                }
                for part in ["weight", "bias"] {
                    if let Some(t) = self.tensors.remove(&format!("{name}.{part}")) {
                        self.tensors.insert(format!("fc.{part}"), t);
                    }
                }
                d
            }
            // Classes without a linear layer: one that changes nothing.
            _ if is_probability && of.is_none() => {
                self.layers.push(Layer::new(LayerKind::Classifier {}).named("fc"));
                let unit = (0..d * d).map(|i| if i / d == i % d { 1.0 } else { 0.0 }).collect();
                self.tensors.insert("fc.weight".into(), HostTensor::from_f32([d, d], unit));
                self.tensor("fc", "bias", vec![0.0; d]);
                d
            }
            _ => {
                self.layers.push(Layer::new(LayerKind::Classifier {}).named("fc"));
                0
            }
        };
        Ok(Imported { layers: self.layers, tensors: self.tensors, classes })
    }
}
