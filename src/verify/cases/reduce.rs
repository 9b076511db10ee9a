//! Reductions: every place of the reduced axes, one and two stages.

use crate::verify::Case;

/// The cases of this family.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let shapes: [(Vec<usize>, Vec<usize>); 8] = [
        (vec![7], vec![0]),
        (vec![5, 6], vec![0]),
        (vec![5, 6], vec![1]),
        (vec![2, 3, 4, 5], vec![0, 1, 2]),
        (vec![2, 3, 4, 5], vec![0, 2]),
        (vec![2, 3, 4, 5], vec![1, 3]),
        (vec![3000, 3], vec![0]),
        (vec![2, 1000], vec![1]),
    ];
    for (shape, axes) in shapes {
        let name = format!("{shape:?} over {axes:?}");
        all.push(Case::new("sum", name.clone(), |c| {
            let x = c.random(shape.clone());
            let y = c.graph.sum(x, &axes)?;
            c.grad(y)
        }));
        all.push(Case::new("mean", name.clone(), |c| {
            let x = c.random(shape.clone());
            let y = c.graph.mean(x, &axes)?;
            c.grad(y)
        }));
        all.push(Case::new("max", name, |c| {
            let x = c.random(shape.clone());
            let y = c.graph.max(x, &axes)?;
            c.grad(y)
        }));
    }
    all
}
