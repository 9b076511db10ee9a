//! Random numbers: every bit of every word is that of the CPU.

use crate::ops::random::RandomUniform;
use crate::rng::Philox;
use crate::verify::Case;

/// The cases of this family.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (seed, stream, step) in [(0, 0, 0.0), (0x9E37_79B9_7F4A_7C15, u64::MAX, 16_777_215.0), (17, 3, 4096.0)] {
        // Two windows of 24 bits cover the 32 of a word; four neighbours cover a block.
        for shift in [0, 8] {
            let name = format!("from bit {shift}, seed {seed}, stream {stream}, step {step}");
            all.push(Case::new("random_uniform", name, |c| {
                let step = c.scalar(step);
                let op = RandomUniform { philox: Philox::new(seed, stream), shift, shape: [3, 167].into() };
                let y = c.graph.apply1(op, &[step])?;
                c.keep(y)
            }));
        }
    }
    for (shape, p) in [(vec![1], 0.5), (vec![5, 33], 0.1), (vec![2, 3, 4, 8], 0.75), (vec![9], 0.0)] {
        all.push(Case::new("dropout", format!("{shape:?}, p {p}"), |c| {
            let (x, step) = (c.random(shape), c.scalar(7.0));
            let y = c.graph.dropout(x, p, 42, 5, step)?;
            c.grad(y)
        }));
    }
    all
}
