//! Reductions: every place of the reduced axes, one and two stages.

use crate::tensor::DType;
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
        all.push(Case::new("max", name.clone(), |c| {
            let x = c.random(shape.clone());
            let y = c.graph.max(x, &axes)?;
            c.grad(y)
        }));
        all.push(Case::new("min", name.clone(), |c| {
            let x = c.random(shape.clone());
            let y = c.graph.min(x, &axes)?;
            c.grad(y)
        }));
        for unbiased in [false, true] {
            all.push(Case::new("var", format!("{name}, unbiased: {unbiased}"), |c| {
                let x = c.random(shape.clone());
                let x = c.graph.offset(x, 3.0)?;
                let y = c.graph.var(x, &axes, unbiased)?;
                c.grad(y)
            }));
        }
    }
    // Rows that take a workgroup, with tails; rows that take several; sums that take several tasks.
    for shape in [vec![5, 128], vec![3, 300], vec![2, 20_000], vec![1, 8193]] {
        for kind in ["sum", "max", "min", "sum_squares"] {
            all.push(Case::new(kind, format!("long rows {shape:?}"), |c| {
                let x = c.random(shape.clone());
                let y = match kind {
                    "sum" => c.graph.sum(x, &[1])?,
                    "max" => c.graph.max(x, &[1])?,
                    "sum_squares" => c.graph.sum_squares(x, &[1])?,
                    _ => c.graph.min(x, &[1])?,
                };
                c.keep(y)
            }));
        }
    }
    for shape in [[2, 7, 5], [1, 300, 3], [1, 1, 1]] {
        all.push(Case::new("sum_squares", format!("{shape:?}"), |c| {
            let x = c.random(shape);
            let y = c.graph.sum_squares(x, &[0, 1])?;
            c.grad(y)
        }));
    }
    all.push(Case::new("sum", "a tall matrix, in several tasks", |c| {
        let x = c.random([2, 9000, 17]);
        let y = c.graph.sum(x, &[1])?;
        c.keep(y)
    }));
    for (shape, axis) in
        [(vec![1], 0), (vec![9], 0), (vec![5, 33], 1), (vec![5, 33], 0), (vec![2, 3, 7, 5], 2), (vec![70, 3], 0)]
    {
        all.push(Case::new("argmax", format!("{shape:?} along {axis}"), |c| {
            let x = c.random(shape.clone());
            let y = c.graph.argmax(x, axis)?;
            c.keep(y)
        }));
        all.push(Case::new("argmax", format!("{shape:?} along {axis}, ties"), |c| {
            let levels = c.integers(shape.clone(), DType::U32, 3);
            let x = c.graph.offset(levels, -7.0)?;
            let y = c.graph.argmax(x, axis)?;
            c.keep(y)
        }));
    }
    for (shape, k) in [(vec![1], 1), (vec![7], 7), (vec![5, 10], 5), (vec![70, 33], 3), (vec![2, 3, 100], 8)] {
        all.push(Case::new("top_k", format!("{k} of {shape:?}"), |c| {
            let x = c.random(shape.clone());
            let (values, index) = c.graph.top_k(x, k)?;
            c.keep(index)?;
            c.grad(values)
        }));
        all.push(Case::new("top_k", format!("{k} of {shape:?}, ties"), |c| {
            let levels = c.integers(shape.clone(), DType::U32, 3);
            let x = c.graph.offset(levels, -7.0)?;
            let (values, index) = c.graph.top_k(x, k)?;
            c.keep(index)?;
            c.keep(values)
        }));
    }
    all
}
