//! A method's programs on a device, with random images and a small network: what the tests of methods start from.

use onebit::data::{Loader, LoaderOptions, Split};
use onebit::device::{Device, Store};
use onebit::methods::Teacher;
use onebit::methods::inference_graph;
use onebit::methods::{EVAL_IMAGES, ImageInfo, LOGITS, Task};
use onebit::recipe::Recipe;
use onebit::tensor::HostTensor;
use onebit::train::inference::inference_tensors;
use onebit::train::programs::Programs;
use onebit::train::steps::Steps;
use std::collections::BTreeMap;

/// A built-in recipe brought to a size for tests, with changes.
pub fn recipe(name: &str, changes: &[&str]) -> Recipe {
    let small = [
        "epochs=2",
        "batch=8",
        "eval.batch=8",
        "net.widths=[4, 4, 8, 8]",
        "data.train_images=32",
        "data.test_images=16",
    ];
    let all: Vec<String> = small.iter().chain(changes).map(|s| s.to_string()).collect();
    Recipe::find(name).unwrap().1.with(&all).unwrap()
}

/// A recipe with all that its graphs depend on.
pub struct Setting {
    pub recipe: Recipe,
    pub data: Split,
    pub images: ImageInfo,
    pub teacher: Option<Teacher>,
}

impl Setting {
    /// Of a recipe; its teacher has random weights.
    pub fn new(recipe: Recipe) -> Setting {
        let data = recipe.open_images().unwrap();
        let teacher = Teacher::for_a_look(&recipe).unwrap().map(|(t, _)| t);
        Setting { images: ImageInfo::of(&data).unwrap(), recipe, data, teacher }
    }

    pub fn task(&self) -> Task<'_> {
        Task { recipe: &self.recipe, images: &self.images, teacher: self.teacher.as_ref(), targets: None }
    }

    /// Its programs on a device, as they start.
    pub fn steps(&self, device: &Device) -> Steps {
        let how = self.recipe.method();
        let graphs = how.build(&self.task(), self.recipe.batch, self.recipe.eval.batch).unwrap();
        let plan = Programs::compile(graphs, device).unwrap();
        Steps::new(self.recipe.clone(), &self.data, plan, device).unwrap()
    }
}

/// Every parameter and state of all programs, a teacher's and what parts pass on included.
pub fn everything(steps: &mut Steps) -> BTreeMap<String, HostTensor> {
    let graphs: Vec<_> = steps.runner.parts().iter().map(|e| e.program().graph().clone()).collect();
    let mut all = BTreeMap::new();
    for g in graphs {
        for v in g.params().into_iter().chain(g.states()) {
            all.insert(g.name(v).to_string(), steps.runner.store().read(g.name(v)).unwrap());
        }
    }
    all
}

/// Names of tensors whose bits differ.
pub fn changed(before: &BTreeMap<String, HostTensor>, after: &BTreeMap<String, HostTensor>) -> Vec<String> {
    assert!(
        !before.is_empty() && before.len() == after.len(),
        "{} tensors before, {} after",
        before.len(),
        after.len()
    );
    before.iter().filter(|(name, t)| after[*name].words() != t.words()).map(|(name, _)| name.clone()).collect()
}

/// Uploads the images of a step, counted from 0.
pub fn upload(steps: &mut Steps, step: u64) {
    let batch = steps.batch(step).unwrap();
    steps.upload(&batch).unwrap();
}

/// Runs whole steps, one after the other.
pub fn train(steps: &mut Steps, count: std::ops::Range<u64>) {
    for step in count {
        upload(steps, step);
        steps.run_parts(step).unwrap();
    }
}

/// Runs one part of a step by its number.
pub fn run_part(steps: &mut Steps, part: usize, step: u64) {
    let scalars = steps.scalars(part, step).unwrap();
    steps.runner.run(part, &scalars).unwrap();
}

/// Of all test images: how many logits, and how many predicted classes, differ between what is shipped of a trained
/// network and its whole training graph in evaluation, both on a device.
pub fn shipped_differs(setting: &Setting, trained: &mut Steps, device: &Device) -> [usize; 2] {
    let mut differing = [0; 2];
    for (a, b) in shipped_and_full(setting, trained, device) {
        assert!(a.shape() == b.shape() && b.f32s().iter().any(|v| *v != 0.0), "nothing was compared");
        differing[0] += a.words().iter().zip(b.words()).filter(|(a, b)| a != b).count();
        let rows = |t: &HostTensor| t.f32s().chunks(t.shape().columns()).map(best).collect::<Vec<_>>();
        differing[1] += rows(&a).iter().zip(rows(&b)).filter(|(a, b)| *a != b).count();
    }
    differing
}

/// The share of the test images of which some output differs by more than `tolerance` of the largest output.
pub fn shipped_far(setting: &Setting, trained: &mut Steps, device: &Device, tolerance: f32) -> f64 {
    let all = shipped_and_full(setting, trained, device);
    let large = all.iter().flat_map(|(_, b)| b.f32s()).fold(0f32, |m, b| m.max(b.abs()));
    // What is no number is far from every number.
    let near = |a: f32, b: f32| (a - b).abs() <= tolerance * large;
    let far = |(a, b): (&[f32], &[f32])| a.iter().zip(b).any(|(a, b)| !near(*a, *b));
    let rows = all.iter().flat_map(|(a, b)| {
        let d = a.shape().columns();
        a.f32s().chunks(d).zip(b.f32s().chunks(d))
    });
    let far: Vec<bool> = rows.map(far).collect();
    assert!(!far.is_empty() && large > 0.0, "nothing was compared");
    far.iter().filter(|f| **f).count() as f64 / far.len() as f64
}

/// Outputs for all test images, batch by batch.
fn shipped_and_full(setting: &Setting, trained: &mut Steps, device: &Device) -> Vec<(HostTensor, HostTensor)> {
    let (task, tensors) = (setting.task(), trained.runner.gather().unwrap());
    let mut full = setting.steps(device);
    for (leaf, t) in &tensors {
        full.runner.store().write(leaf, t).unwrap();
    }
    let batch = setting.recipe.eval.batch;
    let mut store = Store::new(device.clone());
    let mut shipped = store.load(inference_graph(&task, batch).unwrap()).unwrap();
    for (leaf, t) in &inference_tensors(&task, &tensors).unwrap() {
        store.write(leaf, t).unwrap();
    }
    let loader = Loader::new(setting.data.test.clone(), LoaderOptions::eval(batch)).unwrap();
    let mut all = Vec::new();
    for i in 0..loader.steps() {
        let images = &loader.batch(0, i).unwrap().images[0];
        store.write(EVAL_IMAGES, images).unwrap();
        shipped.run(&[]).unwrap();
        all.push((shipped.read(LOGITS).unwrap(), full.runner.logits(images).unwrap()));
    }
    all
}

/// The class of the largest logit.
fn best(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
}
