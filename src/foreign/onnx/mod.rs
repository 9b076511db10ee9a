//! Networks in full precision from ONNX files: what each node is as a layer, and its weights in our layout.
//!
//! Read are convolutions (square kernels, groups, dilation), Gemm and MatMul by constants, batch normalisation as it is in
//! inference, the usual nonlinearities, pools, sums and products, concatenation of channels, flattening. A Softmax at the end is
//! left out, as losses take logits. Files have images NCHW, values here are NHWC; linear layers behind a flattened map get their
//! columns in our order.

mod attributes;
mod convert;
mod model;
mod place;

use super::format::is_of_another;
use super::{Foreign, start_of};
use crate::error::{Error, Result};
use crate::files::open_file;
use crate::nn::{Layer, NetKind, NetSpec};
use crate::tensor::HostTensor;
use prost::Message;
use std::collections::HashMap;
use std::path::Path;

/// A network of a file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its layers.
    pub layers: Vec<Layer>,
    /// Their parameters and running statistics, by name.
    pub tensors: HashMap<String, HostTensor>,
    /// Outputs of its layer of classes; 0 if it has none.
    pub classes: usize,
    /// Height, width and channels of its images, where the file says all of them.
    pub images: Option<[usize; 3]>,
}

/// What this program's own files say of who made them.
const OURS: &str = "onebit";

/// Files over this are not read: protocol buffers end there.
const MOST: u64 = 2 << 30;

/// Reads an ONNX file.
///
/// # Errors
/// If it is none, or naming the first node that is not read and why.
pub fn import(path: &Path) -> Result<Imported> {
    let fail = |m: String| Error::data(path, m);
    let length = std::fs::metadata(path).map_err(Error::io(path, "read"))?.len();
    if length > MOST {
        return Err(fail(format!("has {length} bytes: no ONNX file has more than {MOST}")));
    }
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let model = model::Model::decode(&bytes[..]).map_err(|e| fail(format!("is no ONNX file, or is damaged: {e}")))?;
    if model.producer_name == OURS {
        let why =
            "is what onebit export wrote: it normalises its images itself and has signs in place of weights to train";
        return Err(fail(format!("{why}. Name the run directory that it was exported from")));
    }
    let Some(graph) = model.graph else { return Err(fail("is no ONNX file: it has no graph".into())) };
    let opset = model.opset_import.iter().find(|o| o.domain.is_empty() || o.domain == "ai.onnx");
    convert::convert(&graph, opset.map_or(1, |o| o.version)).map_err(fail)
}

/// A network to learn from, or to start from.
///
/// # Errors
/// As [`import`].
pub(super) fn load(path: &Path) -> Result<Foreign> {
    let start = open_file(path).and_then(|file| start_of(&file)).map_err(Error::io(path, "read"))?;
    // What ONNX files begin with is no such thing.
    if let Some(what) = is_of_another(&start).filter(|_| start.first() != Some(&0x08)) {
        return Err(Error::data(path, format!("the file is no ONNX file but {what}")));
    }
    let Imported { layers, tensors, classes, images } = import(path)?;
    let net = NetSpec { layer: layers, ..NetSpec::new(NetKind::Layers, false) };
    Ok(Foreign {
        net,
        classes,
        tensors,
        images,
        labels: Vec::new(),
        stats: None,
        sizes: None,
        resampling: Default::default(),
        ignored: Vec::new(),
    })
}
