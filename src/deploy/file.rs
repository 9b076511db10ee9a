//! The bytes of a packed model; `README.md` beside this file has them in a table.

use super::masked;
use super::net::{Net, Node, Op, Window};
use crate::error::{Error, Result};
use crate::tensor::bits::{WeightCode, pack, unpack};
use std::path::Path;

/// How a packed model begins.
pub const MAGIC: &[u8; 8] = b"1BITNET\n";
/// The version of the layout that is written; the one before it is read too.
pub const VERSION: u32 = 3;
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

/// What a base is known by: the checksum of its network, which is the same in both versions.
pub(super) fn checksum(net: &Net) -> u32 {
    crc32fast::hash(&content(net))
}

fn content(net: &Net) -> Vec<u8> {
    let mut w = Writer::default();
    w.net(net, |_| None);
    w.0
}

/// The background and a network behind their header.
pub(super) fn sealed(magic: &[u8; 8], background: u8, network: Vec<u8>) -> Vec<u8> {
    let content = [vec![background], network].concat();
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend(magic);
    bytes.extend(VERSION.to_le_bytes());
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
    let (background, network) = opened(MAGIC, bytes, path)?;
    Reader::new(network, None).whole(background, path)
}

/// The background and the network behind a header that fits them.
pub(super) fn opened<'a>(magic: &[u8; 8], bytes: &'a [u8], path: &Path) -> Result<(u8, &'a [u8])> {
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
    if !matches!(word(8), WITHOUT_BACKGROUND | VERSION) {
        return Err(fail(format!(
            "the packed model has version {}, this program reads {WITHOUT_BACKGROUND} and {VERSION}",
            word(8)
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
        _ if word(8) == WITHOUT_BACKGROUND => Ok((255, content)),
        [background, network @ ..] if BACKGROUNDS.contains(background) => Ok((*background, network)),
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

#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// A network, some layers as masks.
    pub fn net<'a>(&mut self, net: &Net, mask: impl Fn(usize) -> Option<&'a Mask>) {
        net.input.iter().for_each(|d| self.u32(*d));
        self.u32(net.classes.len());
        for class in &net.classes {
            self.u32(class.len());
            self.0.extend(class.as_bytes());
        }
        self.u32(net.nodes.len());
        for (i, node) in net.nodes.iter().enumerate() {
            match (&node.op, mask(i)) {
                (Op::Conv { outputs, window, .. }, Some(mask)) => {
                    self.0.push(MASKED);
                    node.inputs.iter().for_each(|v| self.u32(*v));
                    self.u32(*outputs);
                    self.window(window);
                    self.0.extend(mask.factor.to_le_bytes());
                    self.words(&mask.bits);
                }
                _ => self.node(node),
            }
        }
    }

    pub fn u32(&mut self, x: usize) {
        self.0.extend((x as u32).to_le_bytes());
    }

    fn floats(&mut self, x: &[f32]) {
        self.u32(x.len());
        x.iter().for_each(|x| self.0.extend(x.to_le_bytes()));
    }

    fn words(&mut self, x: &[u32]) {
        self.u32(x.len());
        x.iter().for_each(|x| self.0.extend(x.to_le_bytes()));
    }

    fn window(&mut self, w: &Window) {
        [w.size[0], w.size[1], w.stride, w.padding].iter().for_each(|x| self.u32(*x));
    }

    fn node(&mut self, node: &Node) {
        self.0.push(tag(&node.op));
        node.inputs.iter().for_each(|v| self.u32(*v));
        match &node.op {
            Op::Affine { scale, shift } => {
                self.floats(scale);
                self.floats(shift);
            }
            Op::Conv { outputs, window, weights } => {
                self.u32(*outputs);
                self.window(window);
                self.floats(weights);
            }
            Op::BinaryConv { outputs, channels, window, code, bits } => {
                self.u32(*outputs);
                self.u32(*channels);
                self.window(window);
                self.0.push((*code == WeightCode::ZeroOne) as u8);
                self.words(&without_gaps(*channels, bits));
            }
            Op::Threshold { at, down } => {
                self.u32(at.len());
                at.iter().for_each(|x| self.0.extend(x.to_le_bytes()));
                let byte = |eight: &[bool]| eight.iter().enumerate().fold(0u8, |b, (i, d)| b | (*d as u8) << i);
                self.0.extend(down.chunks(8).map(byte));
            }
            Op::Prelu { slope } => self.floats(slope),
            Op::MaxPool(window) | Op::AvgPool(window) => self.window(window),
            Op::Slice { start, step, size } => [start, step, size].into_iter().flatten().for_each(|x| self.u32(*x)),
            Op::PadChannels { before, behind } => {
                self.u32(*before);
                self.u32(*behind);
            }
            Op::Standardise { eps } => self.0.extend(eps.to_le_bytes()),
            Op::Sign | Op::Signed | Op::Relu | Op::Hardtanh | Op::Add | Op::PixelSum | Op::Concat | Op::Flatten => {}
        }
    }
}

/// Rows of bits, each of which starts a word, one after the other.
fn without_gaps(columns: usize, words: &[u32]) -> Vec<u32> {
    if columns.is_multiple_of(32) {
        return words.to_vec();
    }
    let bits = unpack(columns, words);
    pack(bits.len(), bits)
}

/// `n` bits one after the other as rows, each of which starts a word.
fn with_gaps(columns: usize, n: usize, words: Vec<u32>) -> Vec<u32> {
    if columns.is_multiple_of(32) { words } else { pack(columns, unpack(n, &words)) }
}

/// A layer of the base under a mask.
const MASKED: u8 = 19;

fn tag(op: &Op) -> u8 {
    match op {
        Op::Affine { .. } => 1,
        Op::Conv { .. } => 2,
        Op::BinaryConv { .. } => 3,
        Op::Sign => 4,
        Op::Threshold { .. } => 5,
        Op::Signed => 6,
        Op::Relu => 7,
        Op::Hardtanh => 8,
        Op::Prelu { .. } => 9,
        Op::Add => 10,
        Op::MaxPool(_) => 11,
        Op::AvgPool(_) => 12,
        Op::PixelSum => 13,
        Op::Slice { .. } => 14,
        Op::PadChannels { .. } => 15,
        Op::Concat => 16,
        Op::Standardise { .. } => 17,
        Op::Flatten => 18,
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whose weights masks are put on.
    base: Option<&'a Net>,
}

type Read<T> = std::result::Result<T, String>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], base: Option<&'a Net>) -> Self {
        Reader { bytes, at: 0, base }
    }

    /// The network of what is left, checked.
    pub fn whole(mut self, background: u8, path: &Path) -> Result<Net> {
        let fail = |m: String| Error::data(path, m);
        let net = self.net(background).map_err(|what| fail(format!("the packed model is damaged: {what}")))?;
        net.infer().map_err(|e| fail(format!("the packed model does not fit together: {e}")))?;
        Ok(net)
    }

    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("byte {} announces {n} more, past the end", self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Read<usize> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    }

    /// As many numbers of 4 bytes as stand before them. Nothing is allocated that the file does not hold.
    fn words<T>(&mut self, from: fn([u8; 4]) -> T) -> Read<Vec<T>> {
        let n = self.u32()?;
        let bytes = self.take(n.checked_mul(4).ok_or("a count that is too large")?)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| from(*b)).collect())
    }

    fn floats(&mut self) -> Read<Vec<f32>> {
        let at = self.at;
        let floats = self.words(f32::from_le_bytes)?;
        match floats.iter().all(|x| x.is_finite()) {
            true => Ok(floats),
            false => Err(format!("the numbers at byte {at} are not all finite")),
        }
    }

    fn window(&mut self) -> Read<Window> {
        Ok(Window { size: [self.u32()?, self.u32()?], stride: self.u32()?, padding: self.u32()? })
    }

    fn pair(&mut self) -> Read<[usize; 2]> {
        Ok([self.u32()?, self.u32()?])
    }

    fn net(&mut self, background: u8) -> Read<Net> {
        let input = [self.u32()?, self.u32()?, self.u32()?];
        let mut classes = Vec::new();
        for _ in 0..self.u32()? {
            let n = self.u32()?;
            let name = std::str::from_utf8(self.take(n)?).map_err(|_| "the name of a class is no text")?;
            classes.push(name.to_string());
        }
        let mut nodes = Vec::new();
        for i in 0..self.u32()? {
            nodes.push(self.node(i)?);
        }
        match self.at == self.bytes.len() {
            true => Ok(Net { input, background, classes, nodes }),
            false => Err(format!("{} bytes follow the last node", self.bytes.len() - self.at)),
        }
    }

    fn node(&mut self, i: usize) -> Read<Node> {
        let at = self.at;
        let tag = self.byte()?;
        let arity = if tag == 10 || tag == 16 { 2 } else { 1 };
        let inputs = (0..arity).map(|_| self.u32()).collect::<Read<Vec<_>>>()?;
        let op = match tag {
            1 => Op::Affine { scale: self.floats()?, shift: self.floats()? },
            2 => Op::Conv { outputs: self.u32()?, window: self.window()?, weights: self.floats()? },
            3 => {
                let (outputs, channels, window) = (self.u32()?, self.u32()?, self.window()?);
                let code = match self.byte()? {
                    0 => WeightCode::PlusMinus,
                    1 => WeightCode::ZeroOne,
                    other => return Err(format!("byte {} is {other}, which is no code of weights", self.at - 1)),
                };
                let words = self.words(u32::from_le_bytes)?;
                let extents = [outputs, channels, window.size[0], window.size[1]];
                let weights = extents.into_iter().try_fold(1usize, |n, extent| n.checked_mul(extent));
                let fits = weights.filter(|n| *n > 0 && n.div_ceil(32) == words.len());
                let weights = fits.ok_or_else(|| {
                    format!("node {} has {} words for weights of extents {extents:?}", i + 1, words.len())
                })?;
                Op::BinaryConv { outputs, channels, window, code, bits: with_gaps(channels, weights, words) }
            }
            4 => Op::Sign,
            5 => {
                let n = self.u32()?;
                let bytes = self.take(n.checked_mul(2).ok_or("a count that is too large")?)?;
                let at = bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
                let bits = self.take(n.div_ceil(8))?;
                Op::Threshold { at, down: (0..n).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect() }
            }
            6 => Op::Signed,
            7 => Op::Relu,
            8 => Op::Hardtanh,
            9 => Op::Prelu { slope: self.floats()? },
            10 => Op::Add,
            11 => Op::MaxPool(self.window()?),
            12 => Op::AvgPool(self.window()?),
            13 => Op::PixelSum,
            14 => Op::Slice { start: self.pair()?, step: self.pair()?, size: self.pair()? },
            15 => Op::PadChannels { before: self.u32()?, behind: self.u32()? },
            16 => Op::Concat,
            17 => {
                let b = self.take(4)?;
                let eps = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                match eps >= 0.0 && eps.is_finite() {
                    true => Op::Standardise { eps },
                    false => return Err(format!("eps at byte {} is {eps}", self.at - 4)),
                }
            }
            18 => Op::Flatten,
            MASKED => self.masked(i)?,
            other => return Err(format!("byte {at} is {other}, which is no operation")),
        };
        Ok(Node { op, inputs })
    }
    /// Node `i` of the base under a mask.
    fn masked(&mut self, i: usize) -> Read<Op> {
        let (outputs, window, b) = (self.u32()?, self.window()?, self.take(4)?);
        let factor = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let bits = self.words(u32::from_le_bytes)?;
        let weights = match self.base.and_then(|base| base.nodes.get(i)).map(|node| &node.op) {
            Some(Op::Conv { outputs: o, window: w, weights }) if (*o, *w) == (outputs, window) => weights,
            _ => return Err(format!("node {} is a mask on a layer that the base does not have", i + 1)),
        };
        if bits.len() != weights.len().div_ceil(32) {
            return Err(format!("the mask of node {} has {} words for {} weights", i + 1, bits.len(), weights.len()));
        }
        let weights: Vec<f32> = Mask::apply(factor, &bits, weights).collect();
        match weights.iter().all(|w| w.is_finite()) {
            true => Ok(Op::Conv { outputs, window, weights }),
            false => Err(format!("the factor of node {} is {factor}", i + 1)),
        }
    }
}
