//! A packed model as a graph again: it then runs on every device of the engine, many images at once.

use super::net::Net;
use super::value::Meta;
use crate::error::Result;
use crate::graph::{self, Graph, Value};
use crate::methods::{EVAL_IMAGES, LOGITS};
use crate::tensor::DType;

/// The graph of a network for `batch` images: [`EVAL_IMAGES`] `[batch, h * w * c]` bytes to [`LOGITS`] `[batch, outputs]`.
///
/// # Errors
/// If the network does not fit together.
pub fn graph(net: &Net, batch: usize) -> Result<Graph> {
    let metas = net.infer()?;
    let g = &mut Graph::new();
    let image = metas[0];
    let mut values = vec![g.input(EVAL_IMAGES, graph::Meta::new([batch, image.len()], DType::U8))?];
    for (i, node) in net.nodes.iter().enumerate() {
        let x: Vec<Value> = node.inputs.iter().map(|v| values[*v]).collect();
        let from: Vec<Meta> = node.inputs.iter().map(|v| metas[*v]).collect();
        g.enter(format!("{}.{i}", node.op.name().replace(' ', "-")));
        values.push(node.op.graph(g, &x, &from, batch)?);
        g.leave();
    }
    let last = values[values.len() - 1];
    let outputs = metas[metas.len() - 1].len();
    let logits = g.reshape(last, [batch, outputs])?;
    g.output(LOGITS, logits);
    Ok(std::mem::take(g))
}
