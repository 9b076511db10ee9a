//! Matrix products: transposes, batches, tails of every tile size.

use crate::verify::Case;

/// The cases of this family.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (m, k, n) in
        [(1, 1, 1), (3, 5, 7), (16, 16, 16), (64, 64, 64), (128, 20, 16), (65, 33, 67), (130, 40, 9), (5, 300, 70)]
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            all.push(Case::new("matmul", format!("{m}x{k}x{n}, transposes {ta} {tb}"), |c| {
                let a = c.random(if ta { [k, m] } else { [m, k] });
                let b = c.random(if tb { [n, k] } else { [k, n] });
                let y = c.graph.matmul(a, b, ta, tb)?;
                c.grad(y)
            }));
        }
    }
    for (name, a, b) in [
        ("batch of 3", vec![3, 6, 5], vec![3, 5, 4]),
        ("one A for all", vec![6, 5], vec![3, 5, 4]),
        ("one B for all", vec![3, 6, 5], vec![5, 4]),
        ("large batch of 3", vec![3, 36, 20], vec![3, 20, 40]),
        ("one large A for all", vec![33, 20], vec![3, 20, 35]),
        ("one large B for all", vec![3, 33, 20], vec![20, 40]),
    ] {
        all.push(Case::new("matmul", name, |c| {
            let (a, b) = (c.random(a.clone()), c.random(b.clone()));
            let y = c.graph.matmul(a, b, false, false)?;
            c.grad(y)
        }));
    }
    all.push(Case::new("linear", "with bias", |c| {
        let (x, w, b) = (c.random([5, 33]), c.random([10, 33]), c.random([10]));
        let y = c.graph.linear(x, w, Some(b))?;
        c.grad(y)
    }));
    all
}
