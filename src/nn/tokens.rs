//! Layers of transformers (Vaswani et al. 2017; Dosovitskiy et al. 2021). A token is a pixel of a map, and its numbers are the
//! channels: a linear layer on tokens is a 1x1 convolution, and what is a map of patches needs no reshaping. A class token makes
//! the map one row.

use super::builder::{Builder, Mode};
use super::positions::Resampling;
use crate::error::{Error, Result};
use crate::graph::{Init, Role, Value};
use crate::ops::attention::MOST_CHANNELS;
use crate::rng::streams;
use crate::tensor::{HostTensor, Shape, Windows};

/// Where the level of probabilities of one bit starts (BinaryViT's release).
const LEVEL: f32 = 0.005;
/// Deviation with which tokens and position embeddings start.
const DEVIATION: f32 = 0.02;

impl Builder<'_> {
    /// Layer normalisation of each pixel's channels: weight and bias `[c]`.
    pub(super) fn layer_norm(&mut self, name: &str, x: Value, eps: f32) -> Result<Value> {
        let c = self.channels(x);
        self.scoped(name, |b| {
            let gamma = b.backbone("weight", &[c], Init::Constant(1.0), Role::Norm)?;
            let beta = b.backbone("bias", &[c], Init::Zeros, Role::Norm)?;
            b.count.norm += 2 * c as u64;
            b.g.layer_norm(x, gamma, beta, eps)
        })
    }

    /// A learned token before all pixels: `[n, h, w, c]` to `[n, 1, 1 + h w, c]`. `name` is the parameter's, `[c]`.
    pub(super) fn class_token(&mut self, name: &str, x: Value) -> Result<Value> {
        let &[n, h, w, c] = &self.g.shape(x)[..] else { unreachable!("activations are NHWC") };
        let token = self.backbone(name, &[c], Init::Normal(DEVIATION), Role::Other)?;
        self.count.real_weights += c as u64;
        let token = self.g.reshape(token, [1, 1, 1, c])?;
        let token = self.g.broadcast_to(token, [n, 1, 1, c])?;
        let x = self.g.reshape(x, [n, 1, h * w, c])?;
        self.g.concat(&[token, x], 2)
    }

    /// The first pixel, `[n, h, w, c]` to `[n, 1, 1, c]`.
    pub(super) fn take_class_token(&mut self, x: Value) -> Result<Value> {
        let &[n, _, _, c] = &self.g.shape(x)[..] else { unreachable!("activations are NHWC") };
        self.g.slice_axes(x, &[(0..n, 1), (0..1, 1), (0..1, 1), (0..c, 1)])
    }

    /// Adds a learned embedding of each pixel's place. `name` is the parameter's, `[h w, c]`, row by row. Where the graph has it for
    /// images of another size (other views of a step), it is resampled as DINO does.
    ///
    /// # Errors
    /// If it has it for another size, and either is of no square.
    pub(super) fn position(&mut self, name: &str, x: Value) -> Result<Value> {
        let &[_, h, w, c] = &self.g.shape(x)[..] else { unreachable!("activations are NHWC") };
        let known = self.g.find(&self.g.path(name)).filter(|known| self.g.shape(*known)[..] != [h * w, c]);
        let embedding = match known {
            Some(known) => self.places_of_others(known, [h, w, c])?,
            None => self.backbone(name, &[h * w, c], Init::Normal(DEVIATION), Role::Other)?,
        };
        self.count.real_weights += (h * w * c) as u64;
        let embedding = self.g.reshape(embedding, [h, w, c])?;
        self.g.add(x, embedding)
    }

    /// Embeddings for a map of another size.
    fn places_of_others(&mut self, known: Value, [h, w, c]: [usize; 3]) -> Result<Value> {
        let square = |places: usize| (places > 0 && places.isqrt().pow(2) == places).then_some(places.isqrt());
        let other = self.g.shape(known).clone();
        // A class token stands first in both, or in neither.
        let sides = |before: usize| square(other[0].checked_sub(before)?).zip(square((h * w).checked_sub(before)?));
        let found = [1, 0].into_iter().find_map(|before| Some((before, sides(before)?)));
        let (before, (from, to)) = found.filter(|_| other[1] == c).ok_or_else(|| {
            Error::Config(format!(
                "embeddings of {} places of {} channels for {} of {c}: images of other sizes must be square",
                other[0],
                other[1],
                h * w
            ))
        })?;
        let of_grid = Resampling::Dino.shares([from; 2], [to; 2]);
        let mut shares = vec![0.0; h * w * other[0]];
        for (i, row) in shares.chunks_exact_mut(other[0]).enumerate() {
            match i.checked_sub(before) {
                None => row[i] = 1.0,
                Some(i) => {
                    let of_place = &of_grid[i * from * from..][..from * from];
                    row[before..].iter_mut().zip(of_place).for_each(|(to, share)| *to = *share as f32);
                }
            }
        }
        let shares = self.g.constant(HostTensor::from_f32([h * w, other[0]], shares));
        self.g.matmul(shares, known, false, false)
    }

    /// Attention of `heads` heads, of which each owns as many neighbouring channels: with q, k, v `[n, tokens, d]` of one head,
    /// `softmax(q kᵀ / sqrt(d)) v`. All pixels of an image are tokens. Heads of more channels than [`MOST_CHANNELS`] keep their
    /// matrix of probabilities.
    ///
    /// # Errors
    /// If heads do not divide the channels, or queries, keys and values do not go together.
    pub(super) fn attention(&mut self, q: Value, k: Value, v: Value, heads: usize) -> Result<Value> {
        let c = self.channels(q);
        let tokens = |b: &Self, x: Value| b.pixels(x);
        if heads == 0 || !c.is_multiple_of(heads) {
            return Err(Error::Config(format!("heads = {heads}, which does not divide {c} channels")));
        }
        if self.channels(k) != c || self.channels(v) != c || tokens(self, k) != tokens(self, v) {
            let of = |v: Value| self.g.meta(v).to_string();
            return Err(Error::Config(format!(
                "queries are {}, keys {}, values {}: give them one number of channels, and a value for each key",
                of(q),
                of(k),
                of(v)
            )));
        }
        let (n, d) = (self.g.shape(q)[0], c / heads);
        let (of_q, of_k) = (tokens(self, q), tokens(self, k));
        let shape = self.g.shape(q).clone();
        self.count.real_macs += (2 * of_q * of_k * c) as u64;
        if d <= MOST_CHANNELS {
            let [q, k, v] = [(q, of_q), (k, of_k), (v, of_k)].map(|(x, tokens)| self.g.reshape(x, [n, tokens, c]));
            let made = self.g.multi_head_attention(q?, k?, v?, heads)?;
            return self.g.reshape(made, shape);
        }
        let split = |b: &mut Self, x: Value, tokens: usize| {
            let x = b.g.reshape(x, [n, tokens, heads, d])?;
            let x = b.g.transpose(x, &[0, 2, 1, 3])?;
            b.g.reshape(x, [n * heads, tokens, d])
        };
        let (q, k, v) = (split(self, q, of_q)?, split(self, k, of_k)?, split(self, v, of_k)?);
        // Before the products, so that none of them is too large for the exponential.
        let q = self.g.scale(q, (d as f32).sqrt().recip())?;
        let scores = self.g.matmul(q, k, false, true)?;
        let probabilities = self.g.softmax(scores)?;
        let made = self.g.matmul(probabilities, v, false, false)?;
        let made = self.g.reshape(made, [n, heads, of_q, d])?;
        let made = self.g.transpose(made, &[0, 2, 1, 3])?;
        self.g.reshape(made, shape)
    }

    /// Attention of bits of `heads` heads, as [`BitAttention`](crate::ops::attention::BitAttention) has it: of signs behind learned
    /// thresholds, with a level that is learned.
    ///
    /// # Errors
    /// If heads have not 32 or 64 channels, or queries, keys and values do not have the same extents.
    pub(super) fn binary_attention(&mut self, name: &str, q: Value, k: Value, v: Value, heads: usize) -> Result<Value> {
        let (c, of) = (self.channels(q), |v: Value| self.g.meta(v).to_string());
        if ![32, 64].iter().any(|d| heads.checked_mul(*d) == Some(c)) {
            return Err(Error::Config(format!("heads = {heads} for {c} channels: of bits, a head has 32 or 64")));
        }
        if self.g.shape(k) != self.g.shape(q) || self.g.shape(v) != self.g.shape(q) {
            let what =
                format!("queries are {}, keys {}, values {}: of bits, give all the same extents", of(q), of(k), of(v));
            return Err(Error::Config(what));
        }
        let tokens = self.pixels(q);
        self.count.binary_macs += (2 * tokens * tokens * c) as u64;
        self.scoped(name, |b| {
            let mut signs = |name: &str, x: Value| {
                b.scoped(name, |b| {
                    b.count.slopes += c as u64;
                    let threshold = b.param("threshold", [c], Init::Zeros, Role::Other)?;
                    let x = b.g.sub(x, threshold)?;
                    let ste = b.ste(b.spec.binarization.activation_ste);
                    b.g.sign(x, ste)
                })
            };
            let (q, k, v) = (signs("q", q)?, signs("k", k)?, signs("v", v)?);
            b.count.slopes += 1;
            let level = b.param("level", [1], Init::Constant(LEVEL), Role::Other)?;
            b.g.bit_attention(q, k, v, level, heads)
        })
    }

    /// A learned factor, which starts at `start`, and a learned summand a channel (LayerScale, Touvron et al. 2021).
    pub(super) fn layer_scale(&mut self, name: &str, x: Value, start: f32) -> Result<Value> {
        let c = self.channels(x);
        self.scoped(name, |b| {
            let factor = b.backbone("weight", &[c], Init::Constant(start), Role::Norm)?;
            let summand = b.backbone("bias", &[c], Init::Zeros, Role::Norm)?;
            b.count.norm += 2 * c as u64;
            b.g.scale_shift(x, factor, summand)
        })
    }

    /// The mean of each `of` neighbouring channels: a convolution of fixed weights, one group a mean.
    pub(super) fn mean_channels(&mut self, x: Value, of: usize) -> Result<Value> {
        let c = self.channels(x);
        let weights = self.g.fill([c / of, 1, 1, of], 1.0 / of as f32);
        let windows = Windows { stride: 1, padding: 0, dilation: 1, groups: c / of };
        self.count.real_macs += (self.pixels(x) * c) as u64;
        self.g.conv2d_by(x, weights, windows)
    }

    /// Stochastic depth (Huang et al. 2016): in training a share of the images loses all of `x`, and the others are scaled up.
    /// `number` tells the layers of a network apart.
    pub(super) fn drop_path(&mut self, x: Value, share: f32, number: u64) -> Result<Value> {
        if share == 0.0 || self.mode != Mode::Train {
            return Ok(x);
        }
        let n = self.g.shape(x)[0];
        let shape = Shape::from([n, 1, 1, 1]);
        let ones = self.g.constant(HostTensor::from_f32(shape, vec![1.0; n]));
        let step = self.g.scalar("step")?;
        let stream = streams::DROPOUT + (number << 32);
        let kept = self.g.dropout(ones, share, self.spec.seed, stream, step)?;
        self.g.mul(x, kept)
    }
}
