//! Rows as distributions and directions: one invocation a row, and sixty-four.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::tensor::HostTensor;
use crate::verify::CaseSpec;

const SHAPES: [&[usize]; 9] =
    [&[1, 1], &[1, 3], &[5, 10], &[2, 3, 33], &[3, 64], &[2, 300], &[70, 100], &[65, 63], &[1000, 2]];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    type Unary = fn(&mut Graph, Value) -> Result<Value>;
    let ops: [(&'static str, Unary); 3] = [
        ("softmax", Graph::softmax),
        ("log_softmax", Graph::log_softmax),
        ("l2_normalize", |g, x| g.l2_normalize(x, 1e-12)),
    ];
    let mut all = Vec::new();
    for (op, f) in ops {
        for shape in SHAPES {
            all.push(CaseSpec::new(op, format!("{shape:?}"), move |c| {
                let x = c.random_scaled(shape, 2.0);
                let y = f(&mut c.graph, x)?;
                c.grad(y)
            }));
        }
    }
    for (op, f) in ops.into_iter().take(2) {
        all.push(CaseSpec::new(op, "far from 0, far apart", move |c| {
            let values = vec![1000.0, 1001.0, 990.0, -1000.0, -1080.0, -1001.5, 0.0, 50.0, 30.0];
            let x = c.leaf(HostTensor::from_f32([3, 3], values));
            let y = f(&mut c.graph, x)?;
            c.grad(y)
        }));
        // The largest number must be found among those of all invocations, or exp overflows.
        for at in [0, 40, 70, 299] {
            all.push(CaseSpec::new(
                op,
                format!("a long row with one number far above the others, at {at}"),
                move |c| {
                    let values = (0..600).map(|i| if i % 300 == at { 500.0 } else { 0.0 }).collect();
                    let x = c.leaf(HostTensor::from_f32([2, 300], values));
                    let y = f(&mut c.graph, x)?;
                    c.keep(y)
                },
            ));
        }
        all.push(CaseSpec::new(op, "differentiated twice", move |c| {
            let x = c.random([4, 5]);
            let y = f(&mut c.graph, x)?;
            let squares = c.graph.square(y)?;
            let loss = c.graph.mean_all(squares)?;
            let dx = c.graph.backward(loss, &[x])?[0];
            c.grad(dx)
        }));
    }
    all.push(CaseSpec::new("l2_normalize", "a row of zeros and one below the smallest norm", move |c| {
        let x = c.leaf(HostTensor::from_f32([3, 2], vec![0.0, 0.0, 1e-3, 2e-3, 3.0, 4.0]));
        let y = c.graph.l2_normalize(x, 0.5)?;
        c.grad(y)
    }));
    for shape in [&[1usize, 2][..], &[5, 10], &[2, 3, 33], &[3, 200]] {
        all.push(CaseSpec::new("cosine_similarity", format!("{shape:?}"), move |c| {
            let (a, b) = (c.random(shape), c.random(shape));
            let y = c.graph.cosine_similarity(a, b, 1e-12)?;
            c.grad(y)
        }));
    }
    all
}
