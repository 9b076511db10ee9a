//! A packed model as a page: a folder that any browser with WebGPU opens, without building anything and without a network.
//! Images are dropped in, chosen, or come from the camera.

use super::graph::graph;
use super::net::Net;
use crate::error::{Error, Result};
use crate::files::{create_dir, write_atomic};
use crate::graph::{Def, Leaf};
use crate::launch::Target;
use crate::methods::{EVAL_IMAGES, LOGITS};
use crate::program::{Backend, BufferKind, Command, Program};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::Path;

/// The page, by file name.
const PAGE: [(&str, &str); 6] = [
    ("index.html", include_str!("page/index.html")),
    ("style.css", include_str!("page/style.css")),
    ("run.js", include_str!("page/run.js")),
    ("orientation.js", include_str!("page/orientation.js")),
    ("picture.js", include_str!("page/picture.js")),
    ("main.js", include_str!("page/main.js")),
];

/// Writes the folder. `title` names the model, `bytes` is what it takes as a packed model.
///
/// # Errors
/// If the folder is there and not empty, cannot be written, or the network does not fit together.
pub fn write(net: &Net, title: &str, bytes: usize, dir: &Path) -> Result<()> {
    if dir.exists() {
        let mut entries = std::fs::read_dir(dir).map_err(Error::io(dir, "read"))?;
        if entries.next().is_some() {
            return Err(Error::data(dir, "the folder is not empty; nothing is overwritten, name another one"));
        }
    }
    let model = format!("onebit.model = {};\n", model(net, title, bytes)?);
    let is_new = !dir.exists();
    create_dir(dir)?;
    let files = || PAGE.into_iter().chain([("model.js", model.as_str())]);
    let written = files().try_for_each(|(name, text)| write_atomic(&dir.join(name), text.as_bytes()));
    if written.is_err() {
        // The error is what is worth telling; a part of a page is of use to nobody.
        files().for_each(|(name, _)| drop(std::fs::remove_file(dir.join(name))));
        if is_new {
            let _ = std::fs::remove_dir(dir);
        }
    }
    written
}

/// Kernels, buffers and commands of one image, as JSON.
fn model(net: &Net, title: &str, bytes: usize) -> Result<serde_json::Value> {
    // WebGPU's default limits: every browser has them.
    let program = Program::compile(graph(net, 1)?, Backend::Gpu(Target::default()))?;
    let place = |name: &str| {
        let outputs = program.graph.outputs().iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        let v = outputs.or(program.graph.find(name));
        v.and_then(|v| program.place[v.index()]).ok_or_else(|| Error::Config(format!("the program has no {name}")))
    };
    let constants: Vec<_> = program
        .buffers
        .iter()
        .enumerate()
        .filter_map(|(i, buffer)| match buffer.kind {
            BufferKind::Constant(v) => match program.graph.def(v) {
                Def::Leaf(Leaf::Const(t)) => {
                    Some(json!([i, STANDARD.encode(bytemuck::cast_slice::<u32, u8>(t.words()))]))
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    let mut texts: Vec<crate::shader::Wgsl> = Vec::new();
    let mut commands = Vec::new();
    for command in program.commands()? {
        commands.push(match command {
            Command::Copy { from, to, .. } => json!({ "copy": [from, to] }),
            Command::Dispatch(d) => {
                if d.uses_scalars {
                    return Err(Error::Config("a shipped network has numbers that change from step to step".into()));
                }
                let text = texts.iter().position(|t| *t == d.kernel.source).unwrap_or_else(|| {
                    texts.push(d.kernel.source.clone());
                    texts.len() - 1
                });
                let constants: serde_json::Map<String, serde_json::Value> =
                    d.kernel.constants.iter().map(|(name, x)| (name.to_string(), json!(x))).collect();
                json!({ "text": text, "constants": constants, "buffers": d.buffers, "workgroups": d.workgroups })
            }
        });
    }
    let outputs = net.infer()?.last().map_or(0, super::Meta::len);
    Ok(json!({
        "title": title, "bytes": bytes, "input": net.input, "background": net.background, "classes": net.classes, "outputs": outputs,
        "buffers": program.buffers.iter().map(|b| b.words).collect::<Vec<_>>(), "constants": constants,
        "texts": texts.iter().map(|t| t.text()).collect::<Vec<_>>(), "commands": commands,
        "image": place(EVAL_IMAGES)?, "logits": place(LOGITS)?,
    }))
}
