//! Attention of several heads (Vaswani et al. 2017) without its matrix of scores: of numbers, and of bits.

#[expect(clippy::module_inception)]
mod attention;
mod attention_grad;
mod bit_attention;

pub use attention::Attention;
pub use attention_grad::AttentionGrad;
pub use bit_attention::{BitAttention, BitAttentionGrad, LEAST_LEVEL};

use crate::error::{Error, Result};
use crate::graph::{EPS, Meta};
use crate::kernels::AttentionExtents;
use crate::launch::{Launch, Operand, Target};
use crate::tensor::RefTensor;

/// Channels of a head, at most: what fits the workgroup memory that every device has.
pub const MOST_CHANNELS: usize = 64;

/// Extents of queries, keys and values.
fn extents(op: &'static str, heads: usize, inputs: &[Meta]) -> Result<AttentionExtents> {
    let dims = |m: &Meta| match m.shape[..] {
        [n, tokens, c] if *m == Meta::f32([n, tokens, c]) && m.shape.elements() > 0 => Some([n, tokens, c]),
        _ => None,
    };
    let found = match inputs {
        [q, k, v, ..] if k == v => dims(q).zip(dims(k)),
        _ => None,
    };
    let fits = |&([n, _, c], [m, _, of_keys]): &([usize; 3], [usize; 3])| {
        n == m && c == of_keys && heads > 0 && c.is_multiple_of(heads) && c / heads <= MOST_CHANNELS
    };
    let ([n, queries, c], [_, keys, _]) = found.filter(fits).ok_or_else(|| {
        let all: Vec<String> = inputs.iter().map(Meta::to_string).collect();
        Error::shape(
            op,
            format!(
                "wants f32 queries [n, q, c], keys and values [n, k, c] of {heads} heads with at most {MOST_CHANNELS} channels each, \
                 got {}",
                all.join(", ")
            ),
        )
    })?;
    Ok(AttentionExtents { n, queries, keys, heads, d: c / heads })
}

/// Storage buffers of the largest kernel; a device that binds fewer gets its operands in one.
const BUFFERS: u32 = 8;

fn is_packed(target: &Target) -> bool {
    target.max_storage_buffers < BUFFERS
}

/// Copies of operands, behind each other in scratch buffer 0; and the words of that.
fn copies(inputs: &[Meta], which: &[usize]) -> (usize, Vec<Launch>) {
    let words: usize = which.iter().map(|&i| inputs[i].words()).sum();
    let mut offset = 0;
    let copy = |&i: &usize| {
        let count = inputs[i].words();
        let [of_count, of_words, of_offset] = [count, words, offset].map(|x| x as f64);
        let constants = vec![("COUNT", of_count), ("PART", of_count), ("ROW", of_words), ("OFFSET", of_offset)];
        offset += count;
        Launch::each(count, "shape/concat", constants, vec![Operand::In(i), Operand::Temp(0)])
    };
    (words, which.iter().map(copy).collect())
}

/// What kernels are told of the extents.
fn constants(e: &AttentionExtents) -> Vec<(&'static str, f64)> {
    vec![
        ("PAIRS", (e.n * e.heads) as f64),
        ("HEADS", e.heads as f64),
        ("D", e.d as f64),
        ("QUERIES", e.queries as f64),
        ("KEYS", e.keys as f64),
        ("SCALE", f64::from(e.scale())),
    ]
}

/// A head of an image, for references: rows of its queries, keys and so on.
struct Head<'a> {
    e: AttentionExtents,
    image: usize,
    head: usize,
    inputs: &'a [&'a RefTensor],
}

impl Head<'_> {
    /// All, image by image.
    fn all<'a>(e: AttentionExtents, inputs: &'a [&'a RefTensor]) -> impl Iterator<Item = Head<'a>> {
        (0..e.n * e.heads).map(move |pair| Head { e, image: pair / e.heads, head: pair % e.heads, inputs })
    }

    /// Where the first number of a token lies, in a tensor of so many tokens an image.
    fn begin(&self, token: usize, tokens: usize) -> usize {
        ((self.image * tokens + token) * self.e.heads + self.head) * self.e.d
    }

    /// The numbers of a query's token in input `which`.
    fn of_query(&self, which: usize, token: usize) -> &[f64] {
        &self.inputs[which].data[self.begin(token, self.e.queries)..][..self.e.d]
    }

    /// The numbers of a key's token in input `which`.
    fn of_key(&self, which: usize, token: usize) -> &[f64] {
        &self.inputs[which].data[self.begin(token, self.e.keys)..][..self.e.d]
    }

    /// The one number of a query in a tensor that has one for each.
    fn number(&self, token: usize) -> usize {
        self.begin(token, self.e.queries) / self.e.d
    }

    /// Scores of a query, and an error that none of them exceeds: d products, d sums, the scale and its product, of sums of
    /// absolute values.
    fn scores(&self, token: usize) -> (Vec<f64>, f64) {
        let scale = 1.0 / libm::sqrt(self.e.d as f64);
        let q = self.of_query(0, token);
        let products = |key: usize| q.iter().zip(self.of_key(1, key)).map(|(q, k)| q * k * scale);
        let scores = (0..self.e.keys).map(|key| products(key).sum()).collect();
        let largest = (0..self.e.keys).map(|key| products(key).map(f64::abs).sum()).fold(0.0, f64::max);
        (scores, (2.0 * self.e.d as f64 + 6.0) * EPS * largest)
    }
}
