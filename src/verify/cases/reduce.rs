//! Reductions: every place of the reduced axes, one and two stages.

use crate::tensor::DType;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[7], &[0]),
        (&[5, 6], &[0]),
        (&[5, 6], &[1]),
        (&[2, 3, 4, 5], &[0, 1, 2]),
        (&[2, 3, 4, 5], &[0, 2]),
        (&[2, 3, 4, 5], &[1, 3]),
        (&[3000, 3], &[0]),
        (&[2, 1000], &[1]),
    ];
    for (shape, axes) in shapes {
        let name = format!("{shape:?} over {axes:?}");
        all.push(CaseSpec::new("sum", name.clone(), move |c| {
            let x = c.random(shape);
            let y = c.graph.sum(x, axes)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("mean", name.clone(), move |c| {
            let x = c.random(shape);
            let y = c.graph.mean(x, axes)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("sum_abs", format!("mean over {axes:?} of {shape:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.mean_abs(x, axes)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("max", name.clone(), move |c| {
            let x = c.random(shape);
            let y = c.graph.max(x, axes)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("min", name.clone(), move |c| {
            let x = c.random(shape);
            let y = c.graph.min(x, axes)?;
            c.grad(y)
        }));
        for unbiased in [false, true] {
            all.push(CaseSpec::new("var", format!("{name}, unbiased: {unbiased}"), move |c| {
                let x = c.random(shape);
                let x = c.graph.offset(x, 3.0)?;
                let y = c.graph.var(x, axes, unbiased)?;
                c.grad(y)
            }));
        }
    }
    // Rows that take a workgroup, with tails; rows that take several; sums that take several tasks.
    for shape in [&[5, 128][..], &[3, 300], &[2, 20_000], &[1, 8193]] {
        for kind in ["sum", "max", "min", "sum_squares", "sum_abs"] {
            all.push(CaseSpec::new(kind, format!("long rows {shape:?}"), move |c| {
                let x = c.random(shape);
                let y = match kind {
                    "sum" => c.graph.sum(x, &[1])?,
                    "max" => c.graph.max(x, &[1])?,
                    "sum_squares" => c.graph.sum_squares(x, &[1])?,
                    "sum_abs" => c.graph.mean_abs(x, &[1])?,
                    _ => c.graph.min(x, &[1])?,
                };
                c.keep(y)
            }));
        }
    }
    // Rows on one side of 0: what lanes without an element bring in must not count.
    for (kind, shift) in [("max", -9.0), ("min", 9.0)] {
        all.push(CaseSpec::new(kind, "long rows on one side of 0", move |c| {
            let x = c.random([3, 130]);
            let x = c.graph.offset(x, shift)?;
            let y = if kind == "max" { c.graph.max(x, &[1])? } else { c.graph.min(x, &[1])? };
            c.keep(y)
        }));
    }
    for shape in [[2, 7, 5], [1, 300, 3], [1, 1, 1]] {
        all.push(CaseSpec::new("sum_squares", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.sum_squares(x, &[0, 1])?;
            c.grad(y)
        }));
    }
    all.push(CaseSpec::new("sum", "a tall matrix, in several tasks", move |c| {
        let x = c.random([2, 9000, 17]);
        let y = c.graph.sum(x, &[1])?;
        c.keep(y)
    }));
    for (shape, axis) in [(&[1][..], 0), (&[9], 0), (&[5, 33], 1), (&[5, 33], 0), (&[2, 3, 7, 5], 2), (&[70, 3], 0)] {
        all.push(CaseSpec::new("argmax", format!("{shape:?} along {axis}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.argmax(x, axis)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("argmax", format!("{shape:?} along {axis}, ties"), move |c| {
            let levels = c.integers(shape, DType::U32, 3);
            let x = c.graph.offset(levels, -7.0)?;
            let y = c.graph.argmax(x, axis)?;
            c.keep(y)
        }));
    }
    for (shape, k) in [(&[1][..], 1), (&[7], 7), (&[5, 10], 5), (&[70, 33], 3), (&[2, 3, 100], 8)] {
        all.push(CaseSpec::new("top_k", format!("{k} of {shape:?}"), move |c| {
            let x = c.random(shape);
            let (values, index) = c.graph.top_k(x, k)?;
            c.keep(index)?;
            c.grad(values)
        }));
        all.push(CaseSpec::new("top_k", format!("{k} of {shape:?}, ties"), move |c| {
            let levels = c.integers(shape, DType::U32, 3);
            let x = c.graph.offset(levels, -7.0)?;
            let (values, index) = c.graph.top_k(x, k)?;
            c.keep(index)?;
            c.keep(values)
        }));
    }
    all
}
