//! A packed model as an ONNX graph of floats that onnxruntime runs: weights of one bit are -1 and +1 (or 0 and 1), signs are
//! `x >= 0 ? 1 : -1`. Input `image` f32 `[n, h, w, c]`, bytes from 0 to 255 as numbers; output `logits`
//! `[n, outputs]`; opset 17. Source of the fields: onnx.proto3 of the ONNX project.

use super::net::Net;
use super::ops::Op;
use super::value::{Kind, Window};
use crate::error::Result;

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

pub(super) enum Attribute<'a> {
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
pub(super) struct Builder {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    count: usize,
}

impl Builder {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
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

    pub fn floats(&mut self, shape: &[usize], x: &[f32]) -> String {
        let raw: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(FLOAT, shape, &raw)
    }

    pub fn ints(&mut self, x: &[i64]) -> String {
        let raw: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensor(INT64, &[x.len()], &raw)
    }

    /// A number a channel.
    pub fn channels(&mut self, x: &[f32]) -> String {
        self.floats(&[1, x.len(), 1, 1], x)
    }

    /// A convolution of `c` channels in groups.
    pub fn conv(
        &mut self,
        x: &str,
        outputs: usize,
        window: &Window,
        (c, groups): (usize, usize),
        ohwi: &[f32],
    ) -> String {
        let ([kh, kw], c) = (window.size, c / groups);
        let mut oihw = Vec::with_capacity(ohwi.len());
        for o in 0..outputs {
            for i in 0..c {
                oihw.extend((0..kh * kw).map(|tap| ohwi[(o * kh * kw + tap) * c + i]));
            }
        }
        let w = self.floats(&[outputs, c, kh, kw], &oihw);
        let p = window.padding as i64;
        let (pads, strides, dilations) = ([p; 4], [window.stride as i64; 2], [window.dilation as i64; 2]);
        let attributes = [
            Attribute::Ints("kernel_shape", &[kh as i64, kw as i64]),
            Attribute::Ints("pads", &pads),
            Attribute::Ints("strides", &strides),
            Attribute::Ints("dilations", &dilations),
            Attribute::Int("group", groups as i64),
        ];
        // What is left out is one neighbour after the other, and one group.
        let plain = window.dilation == 1 && groups == 1;
        self.node("Conv", &[x, &w], if plain { &attributes[..3] } else { &attributes })
    }

    pub fn pool(&mut self, op: &str, x: &str, window: &Window, more: &[Attribute<'_>]) -> String {
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
        assert!(meta.kind != Kind::Bytes || matches!(node.op, Op::Affine(_)));
        let x: Vec<&str> = node.inputs.iter().map(|v| values[*v].as_str()).collect();
        let y = node.op.onnx(&mut b, &x, meta);
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
