//! Pooling: windows that overlap, leave gaps, hang over the edge; equal maxima.

use crate::tensor::DType;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    // Shape, kernel, stride, padding.
    let windows = [
        ([1, 1, 1, 1], 1, 1, 0),
        ([2, 6, 6, 3], 2, 2, 0),
        ([1, 7, 5, 33], 3, 2, 1),
        ([2, 5, 6, 4], 3, 1, 1),
        ([1, 9, 7, 2], 2, 3, 1),
        ([3, 8, 8, 64], 4, 2, 2),
    ];
    for (shape, kernel, stride, padding) in windows {
        let name = format!("{shape:?}, kernel {kernel}, stride {stride}, padding {padding}");
        all.push(CaseSpec::new("max_pool2d", name.clone(), move |c| {
            let x = c.random(shape);
            let y = c.graph.max_pool2d(x, kernel, stride, padding)?;
            c.grad(y)
        }));
        for include in [true, false] {
            all.push(CaseSpec::new("avg_pool2d", format!("{name}, padding counts: {include}"), move |c| {
                let x = c.random(shape);
                let y = c.graph.avg_pool2d(x, kernel, stride, padding, include)?;
                c.grad(y)
            }));
        }
    }
    all.push(CaseSpec::new("max_pool2d", "equal maxima: the first wins", move |c| {
        let (x, levels) = (c.random([2, 8, 8, 5]), c.integers([2, 8, 8, 5], DType::U32, 2));
        let zero = c.graph.scale(x, 0.0)?;
        let x = c.graph.add(zero, levels)?;
        let y = c.graph.max_pool2d(x, 3, 2, 1)?;
        c.estimated_grad(y)
    }));
    for shape in [[1, 1, 1, 1], [2, 7, 5, 33], [3, 4, 4, 64]] {
        all.push(CaseSpec::new("global_avg_pool", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.global_avg_pool(x)?;
            c.grad(y)
        }));
    }
    all
}
