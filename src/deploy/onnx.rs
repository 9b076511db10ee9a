//! A packed model as an ONNX graph of floats that onnxruntime runs: weights of one bit are -1 and +1 (or 0 and 1), signs are
//! `x >= 0 ? 1 : -1`. Input `image` f32 `[n, h, w, c]`, bytes from 0 to 255 as numbers; output `logits`
//! `[n, outputs]`; opset 17. Source of the fields: onnx.proto3 of the ONNX project.

use super::net::{Kind, Net, Op, Window};
use crate::error::Result;
use crate::tensor::bits::{WeightCode, unpack};

/// Version of the operators.
pub const OPSET: u64 = 17;

/// Protocol buffers, as far as ONNX needs them.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    fn int(mut self, field: u64, x: u64) -> Self {
        self.varint(field << 3);
        self.varint(x);
        self
    }

    fn bytes(mut self, field: u64, x: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(x.len() as u64);
        self.0.extend(x);
        self
    }

    fn text(self, field: u64, x: &str) -> Self {
        self.bytes(field, x.as_bytes())
    }

    fn message(self, field: u64, x: Message) -> Self {
        self.bytes(field, &x.0)
    }
}

enum Attribute<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
}

/// AttributeProto.
fn attribute(a: &Attribute<'_>) -> Message {
    match a {
        Attribute::Int(name, x) => Message::default().text(1, name).int(3, *x as u64).int(20, 2),
        Attribute::Ints(name, all) => {
            all.iter().fold(Message::default().text(1, name), |m, x| m.int(8, *x as u64)).int(20, 7)
        }
    }
}

const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// ValueInfoProto of floats; the first extent is any number of images.
fn value(name: &str, shape: &[usize]) -> Message {
    let any = Message::default().text(2, "n");
    let dims = shape.iter().map(|d| Message::default().int(1, *d as u64));
    let shape = std::iter::once(any).chain(dims).fold(Message::default(), |m, d| m.message(1, d));
    let tensor = Message::default().int(1, FLOAT).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// The graph under construction. Values between nodes are NCHW.
struct Builder {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    count: usize,
}

impl Builder {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        let out = self.name();
        let m = inputs.iter().fold(Message::default(), |m, i| m.text(1, i)).text(2, &out).text(4, op);
        self.nodes.push(attributes.iter().fold(m, |m, a| m.message(5, attribute(a))));
        out
    }

    fn tensor(&mut self, kind: u64, shape: &[usize], raw: &[u8]) -> String {
        let name = format!("c{}", self.constants.len());
        let m = shape.iter().fold(Message::default(), |m, d| m.int(1, *d as u64));
        self.constants.push(m.int(2, kind).text(8, &name).bytes(9, raw));
        name
    }

    fn floats(&mut self, shape: &[usize], x: &[f32]) -> String {
        let raw: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(FLOAT, shape, &raw)
    }

    fn ints(&mut self, x: &[i64]) -> String {
        let raw: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(INT64, &[x.len()], &raw)
    }

    /// A number a channel.
    fn channels(&mut self, x: &[f32]) -> String {
        self.floats(&[1, x.len(), 1, 1], x)
    }

    /// Where `condition` +1, elsewhere -1.
    fn signs(&mut self, condition: &str) -> String {
        let (one, minus) = (self.floats(&[], &[1.0]), self.floats(&[], &[-1.0]));
        self.node("Where", &[condition, &one, &minus], &[])
    }

    fn conv(&mut self, x: &str, outputs: usize, window: &Window, c: usize, ohwi: &[f32]) -> String {
        let [kh, kw] = window.size;
        let mut oihw = Vec::with_capacity(ohwi.len());
        for o in 0..outputs {
            for i in 0..c {
                oihw.extend((0..kh * kw).map(|tap| ohwi[(o * kh * kw + tap) * c + i]));
            }
        }
        let w = self.floats(&[outputs, c, kh, kw], &oihw);
        let p = window.padding as i64;
        let (pads, strides) = ([p; 4], [window.stride as i64; 2]);
        let (kernel, pads, strides) = (
            Attribute::Ints("kernel_shape", &[kh as i64, kw as i64]),
            Attribute::Ints("pads", &pads),
            Attribute::Ints("strides", &strides),
        );
        self.node("Conv", &[x, &w], &[kernel, pads, strides])
    }

    fn pool(&mut self, op: &str, x: &str, window: &Window, more: &[Attribute<'_>]) -> String {
        let (k, p, s) = (window.size.map(|k| k as i64), [window.padding as i64; 4], [window.stride as i64; 2]);
        let mut attributes =
            vec![Attribute::Ints("kernel_shape", &k), Attribute::Ints("pads", &p), Attribute::Ints("strides", &s)];
        attributes.extend(more.iter().map(|a| match a {
            Attribute::Int(name, x) => Attribute::Int(name, *x),
            Attribute::Ints(name, x) => Attribute::Ints(name, x),
        }));
        self.node(op, &[x], &attributes)
    }
}

impl Builder {
    /// Appends an operation on `x`, an image of `shape`, and perhaps on `other`.
    fn apply(&mut self, op: &Op, x: &str, other: Option<&str>, shape: [usize; 3]) -> String {
        let two = || [x, other.expect("checked by infer: it takes two")];
        match op {
            Op::Affine { scale, shift } => {
                let (scale, shift) = (self.channels(scale), self.channels(shift));
                let y = self.node("Mul", &[x, &scale], &[]);
                self.node("Add", &[&y, &shift], &[])
            }
            Op::Conv { outputs, window, weights } => self.conv(x, *outputs, window, shape[2], weights),
            Op::BinaryConv { outputs, window, code, bits, .. } => {
                let low = if *code == WeightCode::ZeroOne { 0.0 } else { -1.0 };
                let bits = unpack(shape[2], bits).into_iter();
                let weights: Vec<f32> = bits.map(|bit| if bit { 1.0 } else { low }).collect();
                self.conv(x, *outputs, window, shape[2], &weights)
            }
            Op::Sign => {
                let zero = self.floats(&[], &[0.0]);
                let condition = self.node("GreaterOrEqual", &[x, &zero], &[]);
                self.signs(&condition)
            }
            Op::Threshold { at, down } => self.threshold(x, at, down),
            // Bits are -1 and +1 already.
            Op::Signed => x.to_string(),
            Op::Relu => self.node("Relu", &[x], &[]),
            Op::Hardtanh => {
                let (low, high) = (self.floats(&[], &[-1.0]), self.floats(&[], &[1.0]));
                self.node("Clip", &[x, &low, &high], &[])
            }
            Op::Prelu { slope } => {
                let slope = self.floats(&[slope.len(), 1, 1], slope);
                self.node("PRelu", &[x, &slope], &[])
            }
            Op::Add => self.node("Add", &two(), &[]),
            Op::MaxPool(window) => self.pool("MaxPool", x, window, &[]),
            Op::AvgPool(window) => self.pool("AveragePool", x, window, &[Attribute::Int("count_include_pad", 1)]),
            Op::PixelSum => {
                let axes = self.ints(&[2, 3]);
                self.node("ReduceSum", &[x, &axes], &[Attribute::Int("keepdims", 1)])
            }
            Op::Slice { start, step, size } => self.slice(x, *start, *step, *size),
            Op::PadChannels { before, behind } => {
                let pads = self.ints(&[0, *before as i64, 0, 0, 0, *behind as i64, 0, 0]);
                self.node("Pad", &[x, &pads], &[])
            }
            Op::Concat => self.node("Concat", &two(), &[Attribute::Int("axis", 1)]),
            Op::Standardise { eps } => self.standardise(x, *eps, shape.iter().product()),
            Op::Flatten => {
                // Numbers in the order of rows, columns and channels, as everywhere else.
                let x = self.node("Transpose", &[x], &[Attribute::Ints("perm", &[0, 2, 3, 1])]);
                let shape = self.ints(&[-1, shape.iter().product::<usize>() as i64, 1, 1]);
                self.node("Reshape", &[&x, &shape], &[])
            }
        }
    }

    /// `y <= t` is `-y >= -t`.
    fn threshold(&mut self, x: &str, at: &[i16], down: &[bool]) -> String {
        let sign: Vec<f32> = down.iter().map(|d| if *d { -1.0 } else { 1.0 }).collect();
        let at: Vec<f32> = at.iter().zip(&sign).map(|(t, s)| s * *t as f32).collect();
        let (sign, at) = (self.channels(&sign), self.channels(&at));
        let y = self.node("Mul", &[x, &sign], &[]);
        let condition = self.node("GreaterOrEqual", &[&y, &at], &[]);
        self.signs(&condition)
    }

    fn slice(&mut self, x: &str, start: [usize; 2], step: [usize; 2], size: [usize; 2]) -> String {
        let of = |f: &dyn Fn(usize) -> usize| [f(0) as i64, f(1) as i64];
        let (starts, steps) = (of(&|a| start[a]), of(&|a| step[a]));
        let ends = of(&|a| start[a] + (size[a] - 1) * step[a] + 1);
        let [starts, ends, axes, steps] = [starts, ends, [2, 3], steps].map(|v| self.ints(&v));
        self.node("Slice", &[x, &starts, &ends, &axes, &steps], &[])
    }

    /// Of `n` numbers an image, by their unbiased variance.
    fn standardise(&mut self, x: &str, eps: f32, n: usize) -> String {
        let (axes, n) = ([1, 2, 3], n as f32);
        let keep = [Attribute::Ints("axes", &axes), Attribute::Int("keepdims", 1)];
        let mean = self.node("ReduceMean", &[x], &keep);
        let centred = self.node("Sub", &[x, &mean], &[]);
        let squares = self.node("Mul", &[&centred, &centred], &[]);
        let variance = self.node("ReduceMean", &[&squares], &keep);
        let (unbiased, eps) = (self.floats(&[], &[n / (n - 1.0)]), self.floats(&[], &[eps]));
        let variance = self.node("Mul", &[&variance, &unbiased], &[]);
        let variance = self.node("Add", &[&variance, &eps], &[]);
        let deviation = self.node("Sqrt", &[&variance], &[]);
        self.node("Div", &[&centred, &deviation], &[])
    }

    /// GraphProto, from `image` of these extents to `logits`, which `last` holds.
    fn graph(mut self, image: &[usize], last: &str, outputs: usize) -> Message {
        let shape = self.ints(&[-1, outputs as i64]);
        self.nodes.push(Message::default().text(1, last).text(1, &shape).text(2, "logits").text(4, "Reshape"));
        let graph = self.nodes.into_iter().fold(Message::default(), |g, n| g.message(1, n)).text(2, "onebit");
        let graph = self.constants.into_iter().fold(graph, |g, c| g.message(5, c));
        graph.message(11, value("image", image)).message(12, value("logits", &[outputs]))
    }
}

/// The bytes of the ONNX model.
///
/// # Errors
/// If the network does not fit together.
pub fn onnx(net: &Net) -> Result<Vec<u8>> {
    let metas = net.infer()?;
    let mut b = Builder { nodes: vec![], constants: vec![], count: 0 };
    let mut values = vec![b.node("Transpose", &["image"], &[Attribute::Ints("perm", &[0, 3, 1, 2])])];
    for node in &net.nodes {
        let meta = metas[node.inputs[0]];
        assert!(meta.kind != Kind::Bytes || matches!(node.op, Op::Affine { .. }));
        let other = node.inputs.get(1).map(|v| values[*v].as_str());
        let y = b.apply(&node.op, &values[node.inputs[0]], other, meta.shape);
        values.push(y);
    }
    let last = values.last().expect("the image is one");
    let graph = b.graph(&net.input, last, metas[metas.len() - 1].len());
    let opset = Message::default().text(1, "").int(2, OPSET);
    let classes = Message::default().text(1, "classes").text(2, &net.classes.join("\n"));
    // ModelProto: version 8 of the format, who made it, the graph, the operators' version, what else is known.
    let model = Message::default().int(1, 8).text(2, "onebit").text(3, env!("CARGO_PKG_VERSION"));
    Ok(model.message(7, graph).message(8, opset).message(14, classes).0)
}
