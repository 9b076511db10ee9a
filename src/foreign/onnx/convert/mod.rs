//! From the nodes of a file to layers, in the order of the file.

mod joined;
mod moved;
mod numbers;
mod sizes;
mod windows;

use super::Imported;
use super::attributes::Attributes;
use super::model::{Constant, Graph, Node, Numbers, ValueInfo};
use crate::foreign::Checked;
use crate::nn::{Layer, LayerKind};
use crate::tensor::HostTensor;
use std::collections::{HashMap, HashSet};

/// Operators that are read, for messages.
const KNOWN: &str = "Add, AveragePool, BatchNormalization, Clip, Concat, Constant, Conv, Div, Dropout, Flatten, Gelu, Gemm, \
                     GlobalAveragePool, Identity, LeakyRelu, LogSoftmax (as the last), MatMul, MaxPool, Mul, Pad, PRelu, ReduceMean, Relu, Reshape, \
                     Sigmoid, Softmax (as the last), Squeeze, Sub, Tanh; of extents Cast, Concat, Gather, Mul, Shape, Unsqueeze";

/// Why a map is not flattened.
const NO_SIZE: &str =
    "the file does not say the size of images, which a flattened map needs: export it with a fixed size";

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
    /// Height, width and channels, where the file says them.
    images: Option<[usize; 3]>,
    /// Images of a batch, where the file says it.
    batch: Option<usize>,
    constants: HashMap<String, Constant>,
    /// Values that are extents.
    sizes: HashMap<String, Vec<sizes::Size>>,
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
        images: None,
        batch: None,
        constants: HashMap::new(),
        sizes: HashMap::new(),
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
        self.batch = shape.first().copied().flatten();
        match shape[..] {
            [_, Some(c), h, w] => {
                let size = h.zip(w).map(|(h, w)| [h, w]);
                self.images = size.map(|[h, w]| [h, w, c]);
                self.set(&image.name, None, Extents::Map { c, size });
            }
            [_, Some(d)] => {
                self.images = Some([1, 1, d]);
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
        if let Some(twice) =
            node.output.iter().find(|o| self.values.contains_key(*o) || self.constants.contains_key(*o))
        {
            return Err(format!("it makes {twice}, which there is already"));
        }
        // Of the first versions: which inputs may be written over.
        a.ints("consumed_inputs");
        match node.op_type.as_str() {
            _ if self.is_of_sizes(node) => self.size_node(node, &a)?,
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
            "Gelu" => return Err(format!("approximate = {} is not read, none is", a.text("approximate"))),
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

    /// Channels and, where they are known, rows and columns of a map.
    fn map(&self, x: &Known) -> Checked<(usize, Option<[usize; 2]>)> {
        match x.extents {
            Extents::Map { c, size } => Ok((c, size)),
            Extents::Row { d, of: None } => Ok((d, Some([1, 1]))),
            Extents::Row { of: Some(_), .. } => Err("it is applied to a flattened map".into()),
        }
    }

    fn has(&self, node: &Node, i: usize) -> bool {
        node.input.get(i).is_some_and(|n| !n.is_empty())
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
        Ok(Imported { layers: self.layers, tensors: self.tensors, classes, images: self.images })
    }
}
