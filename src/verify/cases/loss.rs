//! Losses and counts of correct answers.

use crate::tensor::{DType, HostTensor};
use crate::verify::CaseSpec;

const SHAPES: [[usize; 2]; 8] = [[1, 1], [1, 2], [5, 10], [7, 33], [3, 64], [2, 300], [70, 100], [1000, 3]];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for [n, k] in SHAPES {
        for smoothing in [0.0, 0.1] {
            all.push(CaseSpec::new("cross_entropy", format!("[{n}, {k}], smoothing {smoothing}"), move |c| {
                let (x, labels) = (c.random_scaled([n, k], 3.0), c.integers([n], DType::U32, k as u32));
                let rows = c.graph.cross_entropy_rows(x, labels, smoothing)?;
                c.keep(rows)?;
                let y = c.graph.mean_all(rows)?;
                c.grad(y)
            }));
        }
        all.push(CaseSpec::new("cross_entropy", format!("[{n}, {k}], weighted by class"), move |c| {
            let (x, labels) = (c.random_scaled([n, k], 3.0), c.integers([n], DType::U32, k as u32));
            let weights: Vec<f32> = (0..k).map(|i| 0.25 + (i % 5) as f32).collect();
            let y = c.graph.weighted_cross_entropy(x, labels, 0.1, &weights)?;
            c.grad(y)
        }));
        for top in [1, 5] {
            all.push(CaseSpec::new("correct_top_k", format!("[{n}, {k}], k = {top}"), move |c| {
                // Few distinct logits, so that there are ties.
                let x = c.integers([n, k], DType::U8, 4);
                let x = c.graph.to_f32(x)?;
                let labels = c.integers([n], DType::U32, k as u32);
                let y = c.graph.correct_top_k(x, labels, top)?;
                c.keep(y)
            }));
        }
    }
    for at in [0, 40, 70, 299] {
        all.push(CaseSpec::new(
            "cross_entropy",
            format!("a long row with one number far above the others, at {at}"),
            move |c| {
                let values = (0..600).map(|i| if i % 300 == at { 500.0 } else { 0.0 }).collect();
                let (x, labels) = (c.leaf(HostTensor::from_f32([2, 300], values)), c.integers([2], DType::U32, 300));
                let rows = c.graph.cross_entropy_rows(x, labels, 0.0)?;
                c.keep(rows)
            },
        ));
    }
    all.push(CaseSpec::new("cross_entropy", "a label that is no class", move |c| {
        let x = c.random([3, 4]);
        let labels = c.input(HostTensor::from_u32([3], vec![1, 4, 77]));
        let rows = c.graph.cross_entropy_rows(x, labels, 0.1)?;
        c.keep(rows)?;
        let correct = c.graph.correct_top_k(x, labels, 4)?;
        c.keep(correct)
    }));
    all.push(CaseSpec::new("mse", "[5, 7]", move |c| {
        let (a, b) = (c.random([5, 7]), c.random([5, 7]));
        let y = c.graph.mse(a, b)?;
        c.grad(y)
    }));
    for shape in [[1, 1, 1, 1], [3, 2, 3, 5], [2, 7, 7, 33]] {
        all.push(CaseSpec::new("attention_loss", format!("{shape:?}"), move |c| {
            // The teacher may have other channels.
            let elements = shape[..3].iter().product::<usize>() * 4;
            let teacher = (0..elements).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
            let teacher = c.input(HostTensor::from_f32([shape[0], shape[1], shape[2], 4], teacher));
            let student = c.random(shape);
            let y = c.graph.attention_loss(teacher, student)?;
            c.grad(y)
        }));
    }
    for temperature in [1.0, 4.0] {
        all.push(CaseSpec::new("kl_divergence", format!("temperature {temperature}"), move |c| {
            let teacher = HostTensor::from_f32([4, 3], (0..12).map(|i| ((i * 7) % 5) as f32 - 2.0).collect());
            let (teacher, student) = (c.input(teacher), c.random([4, 3]));
            let y = c.graph.kl_divergence(teacher, student, temperature, true)?;
            c.grad(y)
        }));
    }
    all.push(CaseSpec::new("kl_of_both", "[4, 3], into target and student", move |c| {
        let (target, student) = (c.random([4, 3]), c.random([4, 3]));
        let y = c.graph.kl_of_both(target, student, 0.2)?;
        c.grad(y)
    }));
    for [n, d] in [[1, 1], [4, 3], [7, 130]] {
        all.push(CaseSpec::new("feature_similarity", format!("[{n}, {d}]"), move |c| {
            let b = HostTensor::from_f32([n, d], (0..n * d).map(|i| ((i * 7) % 5) as f32 - 1.5).collect());
            let (a, b) = (c.random([n, d]), c.input(b));
            let y = c.graph.feature_similarity(a, b)?;
            c.grad(y)
        }));
    }
    all.push(CaseSpec::new("entropies", "[20, 33]", move |c| {
        let x = c.random([20, 33]);
        let (together, apart) = c.graph.entropies(x, 0.5)?;
        let y = c.graph.sub(together, apart)?;
        c.grad(y)
    }));
    all.push(CaseSpec::new("sinkhorn", "[9, 33] where four samples take no part", move |c| {
        let scores = c.uniform([9, 33], -1.0, 1.0);
        let left_out = c.input(HostTensor::from_f32([9, 1], (0..9).map(|i| (i < 4) as u8 as f32).collect()));
        let codes = c.graph.sinkhorn_without(Some(left_out), scores, 0.05, 3)?;
        let used = c.graph.slice(codes, 0, 4..9, 1)?;
        c.keep(used)
    }));
    all.push(CaseSpec::new("distribution_loss", "[4, 3]", move |c| {
        let teacher = HostTensor::from_f32([4, 3], (0..12).map(|i| ((i * 7) % 5) as f32 - 2.0).collect());
        let (teacher, student) = (c.input(teacher), c.random([4, 3]));
        let y = c.graph.distribution_loss(teacher, student)?;
        c.grad(y)
    }));
    for ([b, k], epsilon) in [([4, 3], 0.5), ([32, 100], 0.05), ([5, 33], 0.01)] {
        all.push(CaseSpec::new("sinkhorn", format!("[{b}, {k}], epsilon {epsilon}"), move |c| {
            let scores = c.uniform([b, k], -1.0, 1.0);
            let codes = c.graph.sinkhorn(scores, epsilon, 3)?;
            c.keep(codes)
        }));
    }
    all.push(CaseSpec::new("swapped_prediction", "three views, codes of two", move |c| {
        let scores = [c.uniform([6, 9], -1.0, 1.0), c.uniform([6, 9], -1.0, 1.0), c.uniform([6, 9], -1.0, 1.0)];
        let codes =
            [0, 1].map(|i| HostTensor::from_f32([6, 9], (0..54).map(|j| ((i + 2) * j % 7) as f32 / 27.0).collect()));
        let codes: Vec<_> = codes.into_iter().enumerate().map(|(i, q)| (i, c.input(q))).collect();
        let y = c.graph.swapped_prediction(&scores, &codes, 0.1)?;
        c.grad(y)
    }));
    all
}
