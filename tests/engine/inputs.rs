//! Shape rules refuse what their kernels could not take: another number of inputs, and for gradients, which know from
//! elsewhere what they are of, other shapes and types.

use onebit::graph::{Graph, Init, Meta, Op, Role};
use onebit::ops::conv::{Conv2dInputGrad, XnorConv2dInputGrad, XnorConv2dWeightGrad};
use onebit::ops::shape::{Gather, GatherGrad};
use onebit::tensor::bits::WeightCode;
use onebit::tensor::{Conv2dGeometry, DType, HostTensor};
use onebit::verify::cases;
use std::collections::{BTreeMap, BTreeSet};

/// Calls `f` with every node of the table of cases: its op, and its inputs.
fn each(mut f: impl FnMut(&dyn Op, &[Meta])) {
    for spec in cases::all().into_iter().filter(|c| !c.large) {
        let case = spec.build(cases::SEED);
        for node in case.graph.nodes() {
            let inputs: Vec<Meta> = node.inputs.iter().map(|v| case.graph.meta(*v).clone()).collect();
            f(&*node.op, &inputs);
        }
    }
}

#[test]
fn every_op_counts_its_inputs() {
    let mut seen = BTreeSet::new();
    each(|op, inputs| {
        op.infer(inputs).unwrap_or_else(|e| panic!("the table is wrong: {e}"));
        seen.insert(op.name());
        assert!(op.infer(&[]).is_err(), "{} of nothing", op.name());
        // It joins as many as it is given.
        if op.name() == "concat" {
            return;
        }
        let more = [inputs, &inputs[inputs.len() - 1..]].concat();
        for other in [&inputs[1..], &inputs[..inputs.len() - 1], &more] {
            assert!(op.infer(other).is_err(), "{} took {} inputs, it has {}", op.name(), other.len(), inputs.len());
        }
    });
    assert!(seen.len() > 80, "only {} ops: {seen:?}", seen.len());
    let mut g = Graph::new();
    assert!(g.apply1(Gather, &[]).unwrap_err().to_string().contains("gather: takes 2 inputs, 0 were given"));
}

#[test]
fn gradients_refuse_other_shapes_and_types() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    each(|op, inputs| {
        // Element by element, gradients are broadcast as everything else is.
        if op.pointwise().is_some() || !op.name().contains("grad") {
            return;
        }
        *seen.entry(op.name()).or_default() += 1;
        for i in 0..inputs.len() {
            let with = |meta: Meta| {
                let mut other = inputs.to_vec();
                other[i] = meta;
                other
            };
            let Meta { shape, dtype } = &inputs[i];
            let changed = |axis: usize| {
                let mut dims = shape.to_vec();
                dims[axis] += 1;
                Meta::new(dims, *dtype)
            };
            // A row or a column more of an image may be one that no window of a pooling has.
            let pooled = op.name() == "max_pool2d_grad" && i == 0;
            let axes = (0..shape.len()).filter(|axis| !pooled || [0, 3].contains(axis));
            let mut wrong: Vec<Meta> = axes.map(changed).collect();
            wrong.push(Meta::new([&shape[..], &[2]].concat(), *dtype));
            wrong.push(Meta::new(shape.clone(), if *dtype == DType::U8 { DType::I32 } else { DType::U8 }));
            for meta in wrong {
                let m = format!("{}: input {i} {} as {meta}", op.name(), inputs[i]);
                assert!(op.infer(&with(meta)).is_err(), "{m}");
            }
        }
    });
    let wanted = [
        "attention_grad",
        "avg_pool2d_grad",
        "batch_norm_grad_sums",
        "bit_attention_grad",
        "conv2d_input_grad",
        "conv2d_weight_grad",
        "gather_grad",
        "l2_normalize_grad",
        "layer_norm_grad",
        "log_softmax_grad",
        "max_pool2d_grad",
        "prelu_grad_sums",
        "softmax_grad",
        "top_k_grad",
        "xnor_conv2d_input_grad",
        "xnor_conv2d_weight_grad",
    ];
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), wanted);
}

/// What a gradient says of itself is held against itself too.
#[test]
fn gradients_refuse_extents_that_contradict_each_other() {
    let g = Conv2dGeometry::new("test", &[2, 6, 6, 32], &[32, 3, 3, 32], 1, 1, 1).unwrap();
    let (dy, w) = (Meta::f32([2, 6, 6, 32]), Meta::f32([32, 3, 3, 32]));
    assert!(Conv2dInputGrad { geometry: g }.infer(&[dy.clone(), w.clone()]).is_ok());
    for geometry in
        [Conv2dGeometry { oh: 7, ..g }, Conv2dGeometry { h: 1 << 40, ..g }, Conv2dGeometry { stride: 0, ..g }]
    {
        assert!(Conv2dInputGrad { geometry }.infer(&[dy.clone(), w.clone()]).is_err(), "{geometry:?}");
    }
    let geometry = Conv2dGeometry { groups: 2, ..g };
    let bits = Meta::new([32, 3, 3, 32], DType::Bits);
    assert!(XnorConv2dInputGrad { geometry, code: WeightCode::PlusMinus }.infer(&[dy.clone(), bits]).is_err());
    let bits = Meta::new([2, 6, 6, 32], DType::Bits);
    assert!(XnorConv2dWeightGrad { geometry }.infer(&[dy, bits]).is_err());
    let index = Meta::new([3], DType::U32);
    assert!(GatherGrad { table: [0; 0].into() }.infer(&[index, Meta::f32([3])]).is_err());
}

#[test]
fn numbers_that_are_not_finite_and_tensors_that_nobody_can_count_are_refused() {
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([4, 4])).unwrap();
    let one = g.fill([4], 1.0);
    for number in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let message = g.scale(x, number).unwrap_err().to_string();
        assert!(message.contains("scale: numbers of a graph must be finite"), "{message}");
        assert!(g.offset(x, number).is_err());
        assert!(g.layer_norm(x, one, one, number).is_err());
    }
    assert!(g.scale(x, f32::MAX).is_ok());
    let half = 1usize << (usize::BITS / 2);
    assert!(g.input("huge", Meta::f32([half, half])).unwrap_err().to_string().contains("memory"));
    assert!(g.param("w", [half, half], Init::Zeros, Role::Weight).is_err());
    let row = g.constant(HostTensor::from_f32([1], vec![1.0]));
    assert!(g.broadcast_to(row, [half, half]).unwrap_err().to_string().contains("memory"));
}
