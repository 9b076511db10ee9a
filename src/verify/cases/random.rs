//! Random numbers: every bit of every word is that of the CPU.

use crate::ops::random::RandomUniform;
use crate::rng::Philox;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for (seed, stream, step) in [(0, 0, 0.0), (0x9E37_79B9_7F4A_7C15, u64::MAX, 16_777_215.0), (17, 3, 4096.0)] {
        // Two windows of 24 bits cover the 32 of a word; four neighbours cover a block.
        for shift in [0, 8] {
            let name = format!("from bit {shift}, seed {seed}, stream {stream}, step {step}");
            all.push(CaseSpec::new("random_uniform", name, move |c| {
                let step = c.scalar(step);
                let op = RandomUniform { philox: Philox::new(seed, stream), shift, shape: [3, 167].into() };
                let y = c.graph.apply1(op, &[step])?;
                c.keep(y)
            }));
        }
    }
    for (shape, p) in [(&[1][..], 0.5), (&[5, 33], 0.1), (&[2, 3, 4, 8], 0.75), (&[9], 0.0)] {
        all.push(CaseSpec::new("dropout", format!("{shape:?}, p {p}"), move |c| {
            let (x, step) = (c.random(shape), c.scalar(7.0));
            let y = c.graph.dropout(x, p, 42, 5, step)?;
            c.grad(y)
        }));
    }
    all
}
