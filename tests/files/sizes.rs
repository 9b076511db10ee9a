//! What a table says of the size of a network is what its export holds: for every built-in recipe, with weights as they start.

use onebit::deploy::{file, pack};
use onebit::device::{Device, Store};
use onebit::methods::parts::eval_graph;
use onebit::methods::{EvaluatedBy, ImageInfo, Task};
use onebit::nn::{MatrixShape, Mode, Scale, Shortcut, WeightRule};
use onebit::recipe::{Recipe, built_in};
use onebit::tensor::HostTensor;
use onebit::train::inference::inference_tensors;
use onebit::train::ships::Ships;
use std::collections::HashMap;
use std::path::Path;

/// Images such as a recipe takes; those of ImageNet smaller, because sizes of weights do not depend on it and time does.
fn images(name: &str, recipe: &Recipe) -> ImageInfo {
    let channels = if recipe.data.path == "embedded" { 1 } else { 3 };
    let [h, w] = match (recipe.data.path.as_str(), recipe.data.size) {
        ("embedded", _) => [28, 28],
        (_, Some([h, w])) if h <= 64 => [h, w],
        _ if name.starts_with("imagenet") => [64, 64],
        _ => [32, 32],
    };
    ImageInfo {
        extents: [h, w, recipe.data.channels.unwrap_or(channels)],
        classes: 10,
        mean: vec![0.5; recipe.data.channels.unwrap_or(channels)],
        std: vec![0.25; recipe.data.channels.unwrap_or(channels)],
        crops: false,
    }
}

#[test]
fn the_numbers_of_every_built_in_recipe_are_those_of_its_export() {
    let mut seen = 0;
    for (name, text) in built_in() {
        // Multilayer bootstrap networks are no networks of layers with weights.
        let Ok(recipe) = Recipe::parse(text, Path::new(name)) else {
            assert!(text.contains("method = \"mbn\""), "{name}");
            continue;
        };
        let recipe = match recipe.method.as_str() {
            // What is adapted ships as the plain network that it becomes.
            "smn" => recipe.of_network(recipe.net.clone(), EvaluatedBy::Neighbours),
            "compress" => recipe.with(&["compress.target=clusters".into()]).unwrap(),
            _ => recipe,
        };
        let images = images(name, &recipe);
        let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
        let (graph, _) = eval_graph(&task, 1, Mode::Eval).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut store = Store::new(Device::Cpu);
        store.load(graph.clone()).unwrap();
        store.initialise(&graph, 1).unwrap();
        let leaves = graph.params().into_iter().chain(graph.states());
        let tensors: HashMap<String, HostTensor> =
            leaves.map(|v| (graph.name(v).to_string(), store.read(graph.name(v)).unwrap())).collect();

        let table = Ships::of(&task, &tensors).unwrap_or_else(|e| panic!("{name}: {e}"));
        let bytes = file::encode(&pack::pack(&task, &inference_tensors(&task, &tensors).unwrap(), &[]).unwrap());
        let export = file::decode(&bytes, Path::new(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let ((bits, numbers), (binary, real)) = (export.parameters().unwrap(), export.multiply_adds().unwrap());
        assert_eq!(
            [table.bytes, table.binary_weights, table.numbers, table.binary_macs, table.real_macs],
            [bytes.len(), bits, numbers, binary, real].map(|n| n as u64),
            "{name}"
        );

        // And what ships does what the field counts of such a network, except where it is known to do otherwise.
        let classes = if recipe.method().evaluated_by(&recipe) == EvaluatedBy::Logits { images.classes } else { 0 };
        let count = recipe.network().count(images.eval_extents(&recipe.augment), classes).unwrap();
        let b = &recipe.net.binarization;
        let by_tap = recipe.net.is_binary()
            && b.scale == Scale::Matrix
            && b.weights != WeightRule::Real
            && b.matrix.unwrap_or_default() != MatrixShape::Scalar;
        if by_tap {
            let expected = (count.binary_weights, 0);
            assert_eq!((table.binary_weights, table.binary_macs), expected, "{name}: signs, whose sums are of floats");
            assert!(table.real_macs <= count.macs(), "{name}");
        } else {
            assert_eq!((table.binary_weights, table.binary_macs), (count.binary_weights, count.binary_macs), "{name}");
            match recipe.net.shortcut == Some(Shortcut::FloatPooled) {
                // Means are taken before what is linear.
                true => assert!(table.real_macs <= count.real_macs, "{name}: {table:?} {count:?}"),
                false => assert_eq!(table.real_macs, count.real_macs, "{name}"),
            }
        }
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}
