//! The bytes of a packed model; `README.md` beside this file has them in a table.

use super::bytes::{PLAIN, Read, Reader, TOKENS, Writer};
use super::masked;
use super::net::{Net, Node};
use super::ops::{self, Conv, Op};
use crate::error::{Error, Result};
use std::path::Path;

/// How a packed model begins.
pub const MAGIC: &[u8; 8] = b"1BITNET\n";
/// The newest version of the layout. What an older one can hold is written in it; all from 2 on are read.
pub const VERSION: u32 = TOKENS;
/// The version that did not tell the background; it is taken for white then.
const WITHOUT_BACKGROUND: u32 = 2;
/// Levels that a background may have.
const BACKGROUNDS: [u8; 2] = [0, 255];
/// Bytes before the content: magic, version, checksum, length.
const HEADER: usize = 24;

/// The bytes of a network.
pub fn encode(net: &Net) -> Vec<u8> {
    sealed(MAGIC, net.background, content(net))
}

/// What writes a network: in the oldest version of those with a background that can hold it.
pub(super) fn writer(net: &Net) -> Writer {
    Writer::new(net.nodes.iter().map(|n| n.op.since()).max().unwrap_or(PLAIN))
}

/// What a base is known by: the checksum of its network as it would be written.
pub(super) fn checksum(net: &Net) -> u32 {
    crc32fast::hash(&content(net).bytes)
}

fn content(net: &Net) -> Writer {
    let mut w = writer(net);
    write(&mut w, net, |_| None);
    w
}

/// The background and a network behind their header.
pub(super) fn sealed(magic: &[u8; 8], background: u8, network: Writer) -> Vec<u8> {
    let content = [vec![background], network.bytes].concat();
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend(magic);
    bytes.extend(network.version.to_le_bytes());
    bytes.extend(crc32fast::hash(&content).to_le_bytes());
    bytes.extend((content.len() as u64).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// The network of `bytes`, checked to its last number.
///
/// # Errors
/// [`Error::Data`] naming `path` and what is wrong: foreign, of another version, cut, changed, or a network that does not
/// fit together.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Net> {
    if bytes.starts_with(masked::MAGIC) {
        return Err(Error::data(
            path,
            "this is a model of masks on another one, its base: give the base too (--base FILE)",
        ));
    }
    let (background, mut network) = opened(MAGIC, bytes, path)?;
    whole(&mut network, background, None, path)
}

/// The background and the network behind a header that fits them.
pub(super) fn opened<'a>(magic: &[u8; 8], bytes: &'a [u8], path: &Path) -> Result<(u8, Reader<'a>)> {
    let fail = |m: String| Error::data(path, m);
    let Some(found) = bytes.first_chunk::<8>() else {
        return Err(fail(format!("this is not a packed model: it has {} bytes", bytes.len())));
    };
    if found != magic {
        return Err(fail("this is not a packed model: write one with  onebit export RUN -o model.1bit".into()));
    }
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Err(fail(format!(
            "the packed model is cut short: it ends within its header, after {} bytes",
            bytes.len()
        )));
    };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let version = word(8);
    if !(WITHOUT_BACKGROUND..=VERSION).contains(&version) {
        return Err(fail(format!(
            "the packed model has version {version}, this program reads {WITHOUT_BACKGROUND} to {VERSION}"
        )));
    }
    let content = &bytes[HEADER..];
    let length = word(16) as u64 | (word(20) as u64) << 32;
    if length != content.len() as u64 {
        let what = if length > content.len() as u64 { "cut short" } else { "followed by something else" };
        return Err(fail(format!("the packed model is {what}: it has {} of {length} bytes", content.len())));
    }
    let crc = crc32fast::hash(content);
    if crc != word(12) {
        return Err(fail(format!(
            "the packed model is damaged: its checksum is {crc:08x}, the header says {:08x}",
            word(12)
        )));
    }
    match content {
        _ if version == WITHOUT_BACKGROUND => Ok((255, Reader::new(content, version))),
        [background, network @ ..] if BACKGROUNDS.contains(background) => {
            Ok((*background, Reader::new(network, version)))
        }
        _ => Err(fail(format!("the packed model is damaged: its background is none of {BACKGROUNDS:?}"))),
    }
}

/// Reads a packed model.
///
/// # Errors
/// If the file cannot be read, and as [`decode`].
pub fn load(path: &Path) -> Result<Net> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read the packed model"))?;
    decode(&bytes, path)
}

/// A layer of a base under a mask: `(base bit) factor`.
pub(super) struct Mask {
    pub factor: f32,
    /// Bit i of word j is weight 32 j + i.
    pub bits: Vec<u32>,
}

impl Mask {
    /// The weights that it makes of a base's.
    pub fn apply(factor: f32, bits: &[u32], base: &[f32]) -> impl Iterator<Item = f32> {
        let bit = |i: usize| (bits[i / 32] >> (i % 32) & 1) as f32;
        base.iter().enumerate().map(move |(i, w)| w * bit(i) * factor)
    }
}

/// Appends a network, some layers as masks.
pub(super) fn write<'a>(w: &mut Writer, net: &Net, mask: impl Fn(usize) -> Option<&'a Mask>) {
    w.u32s(&net.input);
    w.u32(net.classes.len());
    for class in &net.classes {
        w.u32(class.len());
        w.bytes.extend(class.as_bytes());
    }
    w.u32(net.nodes.len());
    for (i, node) in net.nodes.iter().enumerate() {
        match (&node.op, mask(i)) {
            (Op::Conv(conv), Some(mask)) => {
                w.bytes.push(MASKED);
                w.u32s(&node.inputs);
                w.u32(conv.outputs);
                w.window(&conv.window);
                w.f32(mask.factor);
                w.words(&mask.bits);
            }
            _ => node.op.write_node(&node.inputs, w),
        }
    }
}

/// A layer of the base under a mask.
const MASKED: u8 = 19;

/// The network of what is left, checked; `base` is the one whose weights masks are put on.
pub(super) fn whole(r: &mut Reader<'_>, background: u8, base: Option<&Net>, path: &Path) -> Result<Net> {
    let fail = |m: String| Error::data(path, m);
    let net = read(r, background, base).map_err(|what| fail(format!("the packed model is damaged: {what}")))?;
    net.infer().map_err(|e| fail(format!("the packed model does not fit together: {e}")))?;
    Ok(net)
}

fn read(r: &mut Reader<'_>, background: u8, base: Option<&Net>) -> Read<Net> {
    let input = [r.u32()?, r.u32()?, r.u32()?];
    let mut classes = Vec::new();
    for _ in 0..r.u32()? {
        let n = r.u32()?;
        let name = std::str::from_utf8(r.take(n)?).map_err(|_| "the name of a class is no text")?;
        classes.push(name.to_string());
    }
    let mut nodes = Vec::new();
    for i in 0..r.u32()? {
        let at = r.at;
        let tag = r.byte()?;
        let node = if tag == MASKED {
            let inputs = vec![r.u32()?];
            Some(Node { op: Op::Conv(masked(r, i, base)?), inputs })
        } else {
            ops::read(tag, r).map_err(|what| format!("node {}: {what}", i + 1))?
        };
        nodes.push(node.ok_or_else(|| format!("byte {at} is {tag}, which is no operation"))?);
    }
    match r.is_at_end() {
        true => Ok(Net { input, background, classes, nodes }),
        false => Err(format!("{} bytes follow the last node", r.left())),
    }
}

/// Node `i` of the base under a mask.
fn masked(r: &mut Reader<'_>, i: usize, base: Option<&Net>) -> Read<Conv> {
    let (outputs, window, factor) = (r.u32()?, r.window()?, r.f32()?);
    let bits = r.words(u32::from_le_bytes)?;
    let conv = match base.and_then(|base| base.nodes.get(i)).map(|node| &node.op) {
        Some(Op::Conv(conv)) if (conv.outputs, conv.window) == (outputs, window) => conv,
        _ => return Err(format!("node {} is a mask on a layer that the base does not have", i + 1)),
    };
    if bits.len() != conv.weights.len().div_ceil(32) {
        let (words, n) = (bits.len(), conv.weights.len());
        return Err(format!("the mask of node {} has {words} words for {n} weights", i + 1));
    }
    let weights: Vec<f32> = Mask::apply(factor, &bits, &conv.weights).collect();
    match weights.iter().all(|w| w.is_finite()) {
        true => Ok(Conv { weights, ..conv.clone() }),
        false => Err(format!("the factor of node {} is {factor}", i + 1)),
    }
}
