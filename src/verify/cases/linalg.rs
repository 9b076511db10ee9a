//! Matrix products: transposes, batches, tails of every tile size.

use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for (m, k, n) in
        [(1, 1, 1), (3, 5, 7), (16, 16, 16), (64, 64, 64), (128, 20, 16), (65, 33, 67), (130, 40, 9), (5, 300, 70)]
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            all.push(CaseSpec::new("matmul", format!("{m}x{k}x{n}, transposes {ta} {tb}"), move |c| {
                let a = c.random(if ta { [k, m] } else { [m, k] });
                let b = c.random(if tb { [n, k] } else { [k, n] });
                let y = c.graph.matmul(a, b, ta, tb)?;
                c.grad(y)
            }));
        }
    }
    for (name, a, b) in [
        ("batch of 3", &[3, 6, 5][..], &[3, 5, 4][..]),
        ("one A for all", &[6, 5], &[3, 5, 4]),
        ("one B for all", &[3, 6, 5], &[5, 4]),
        ("large batch of 3", &[3, 36, 20], &[3, 20, 40]),
        ("one large A for all", &[33, 20], &[3, 20, 35]),
        ("one large B for all", &[3, 33, 20], &[20, 40]),
    ] {
        all.push(CaseSpec::new("matmul", name, move |c| {
            let (a, b) = (c.random(a), c.random(b));
            let y = c.graph.matmul(a, b, false, false)?;
            c.grad(y)
        }));
    }
    all.push(CaseSpec::new("linear", "with bias", move |c| {
        let (x, w, b) = (c.random([5, 33]), c.random([10, 33]), c.random([10]));
        let y = c.graph.linear(x, w, Some(b))?;
        c.grad(y)
    }));
    all
}
