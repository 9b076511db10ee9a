//! Attention: tails of every tile, queries of other tokens than keys, one key, scores of all magnitudes, and against products
//! and a softmax; of bits, levels between few and many chosen keys.

use crate::ops::pointwise::Ste;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for (n, queries, keys, heads, d) in [
        (1, 1, 1, 1, 1),
        (2, 5, 5, 2, 4),
        (1, 7, 1, 1, 6),
        (2, 16, 16, 1, 8),
        (1, 17, 19, 3, 5),
        (2, 33, 8, 2, 32),
        (1, 50, 50, 2, 64),
        (1, 9, 65, 1, 63),
    ] {
        let name = format!("{n} x {queries} queries, {keys} keys, {heads} heads of {d}");
        all.push(CaseSpec::new("attention", name, move |c| {
            let q = c.random([n, queries, heads * d]);
            let (k, v) = (c.random([n, keys, heads * d]), c.random([n, keys, heads * d]));
            let y = c.graph.multi_head_attention(q, k, v, heads)?;
            c.grad(y)
        }));
    }
    for (name, magnitude) in [("scores near 0", 1e-3f32), ("scores far apart", 30.0)] {
        all.push(CaseSpec::new("attention", name, move |c| {
            let (q, k, v) = (c.random([1, 20, 12]), c.random([1, 37, 12]), c.random([1, 37, 12]));
            let q = c.graph.scale(q, magnitude)?;
            let y = c.graph.multi_head_attention(q, k, v, 2)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("attention", "minus products and a softmax", move |c| {
        let (q, k, v) = (c.random([2, 18, 8]), c.random([2, 21, 8]), c.random([2, 21, 8]));
        let y = c.graph.multi_head_attention(q, k, v, 1)?;
        let scores = c.graph.matmul(q, k, false, true)?;
        let scores = c.graph.scale(scores, 8f32.sqrt().recip())?;
        let shares = c.graph.softmax(scores)?;
        let expected = c.graph.matmul(shares, v, false, false)?;
        let rest = c.graph.sub(y, expected)?;
        c.grad(rest)
    }));
    for (n, tokens, heads, d) in [(1, 1, 1, 32), (2, 5, 2, 32), (1, 49, 3, 32), (1, 70, 1, 64), (2, 20, 2, 64)] {
        let name = format!("{n} x {tokens} tokens, {heads} heads of {d} bits");
        all.push(CaseSpec::new("bit_attention", name, move |c| {
            let [q, k, v] = [(); 3].map(|()| c.random([n, tokens, heads * d]));
            let [q, k, v] = [q, k, v].map(|x| c.graph.sign(x, Ste::ApproxSign));
            // Straight through signs and steps.
            c.differentiable = false;
            // Half of it is a share of a few of the keys.
            let level = c.uniform([1], 0.5 / tokens as f32, 3.0 / tokens as f32);
            let y = c.graph.bit_attention(q?, k?, v?, level, heads)?;
            c.grad(y)
        }));
    }
    all
}
