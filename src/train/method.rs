//! What a training method gives to the loop: the programs of a step, and the one that tests.

use super::recipe::Recipe;
use super::targets::Targets;
use super::teacher::Teacher;
use crate::data::{AugmentSpec, Split};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::methods::{common_scalar, test_graph};
use crate::nn::Mode;
use crate::tensor::HostTensor;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What a method must know of the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Height, width, channels.
    pub extents: [usize; 3],
    /// Number of classes; 0 for an unlabelled set.
    pub classes: usize,
    /// Mean of each channel, of pixels in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

impl ImageInfo {
    /// What is to be known of a set.
    pub fn of(split: &Split) -> Self {
        let part = if split.train.is_empty() { &split.test } else { &split.train };
        let stats = split.normalization();
        ImageInfo { extents: [part.h, part.w, part.c], classes: part.classes.len(), mean: stats.mean, std: stats.std }
    }

    /// Height, width and channels of what a network is tested on: where training sees crops that are brought to a smaller
    /// size, the middle of that size.
    pub fn tested(&self, augment: &AugmentSpec) -> [usize; 3] {
        let [h, w, c] = self.extents;
        let [to_h, to_w] = augment.output_size(h, w);
        [h.min(to_h), w.min(to_w), c]
    }

    /// Bytes of one image.
    pub fn bytes(&self) -> usize {
        self.extents.iter().product()
    }
}

/// What is to be trained: all that a method's graphs depend on besides batch sizes.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Everything that the user decides.
    pub recipe: &'a Recipe,
    /// The images.
    pub images: &'a ImageInfo,
    /// The network that a method learns from, if the recipe names one.
    pub teacher: Option<&'a Teacher>,
    /// The fitted model that a network is to compress, if it is.
    pub targets: Option<&'a Targets>,
}

/// A part of a step: its name and what it computes.
pub type Part = (&'static str, Graph);

/// The graphs of a run. All share parameters and state by name.
#[derive(Clone, Debug, Default)]
pub struct Graphs {
    /// Runs once, before the first step, on the initial parameters.
    pub start: Option<Graph>,
    /// Run one after the other in every step.
    pub step: Vec<Part>,
    /// Run in every step of a second pass over the training images, which follows each epoch; empty for none.
    pub refresh: Vec<Part>,
    /// Gives the output [`LOGITS`] of a batch of test images.
    pub eval: Graph,
    /// Content of leaves that comes from elsewhere: a teacher's weights.
    pub given: HashMap<String, HostTensor>,
}

impl Graphs {
    /// A step of one part, which no tensor comes to from elsewhere.
    pub fn step(train: Graph) -> Graphs {
        Graphs { step: vec![("train", train)], ..Graphs::default() }
    }

    /// All parts, those of the second pass last.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.step.iter().chain(&self.refresh)
    }
}

/// Input of the step: pixels, U8 `[batch, h * w * c]`.
pub const IMAGES: &str = "images";
/// Input of the step: classes, U32 `[batch]`.
pub const LABELS: &str = "labels";
/// Input of the step: augmentation parameters of view 0, 1, ...: `augment.0`.
pub const AUGMENT: &str = "augment";
/// Input of the test: pixels, U8 `[eval batch, h * w * c]`.
pub const EVAL_IMAGES: &str = "eval.images";
/// Output of the test, `[eval batch, classes]`.
pub const LOGITS: &str = "logits";

/// Where training stands, for what changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done, those of second passes left out.
    pub steps: u64,
    /// Steps of an epoch.
    pub per_epoch: u64,
    /// Steps of the whole run.
    pub total: u64,
}

impl Progress {
    /// Epochs done, whole ones.
    pub fn epoch(&self) -> u64 {
        self.steps / self.per_epoch.max(1)
    }
}

/// How a network is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// By the class of its largest logit.
    Logits,
    /// By its features: what classes the nearest training images have.
    Neighbours,
}

/// A way to train.
pub trait Method: Sync {
    /// Name in recipes.
    fn name(&self) -> &'static str;

    /// Builds the graphs that train, for a batch size; the test's stays empty.
    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs>;

    /// Builds the test's graph: images to logits, or to features where a network is judged by them.
    fn eval(&self, task: &Task<'_>, batch: usize) -> Result<Graph> {
        Ok(test_graph(task, batch, Mode::Eval)?.0)
    }

    /// Builds all graphs, those that train for a batch size and the test's for another.
    fn build(&self, task: &Task<'_>, batch: usize, eval_batch: usize) -> Result<Graphs> {
        Ok(Graphs { eval: self.eval(task, eval_batch)?, ..self.training(task, batch)? })
    }

    /// Value of a scalar of the step; `None` for a name it does not know.
    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        common_scalar(recipe, progress, name)
    }

    /// How the views of an image that a step takes are made.
    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        vec![recipe.augment.clone()]
    }

    /// How the network is judged.
    fn judge(&self, _recipe: &Recipe) -> Judge {
        Judge::Logits
    }

    /// Whether a run takes this tensor from the run that it starts from.
    fn carries(&self, _recipe: &Recipe, _tensor: &str) -> bool {
        true
    }

    /// What is to be said of an epoch, from what was logged of it: that training has collapsed, and what to do.
    fn warning(&self, _recipe: &Recipe, _epoch: u64, _means: &BTreeMap<String, f64>) -> Option<String> {
        None
    }
}

/// The scalars of a graph, in its order.
pub fn scalars(method: &dyn Method, recipe: &Recipe, progress: Progress, graph: &Graph) -> Result<Vec<f32>> {
    let value = |name: &String| {
        method.scalar(recipe, progress, name).ok_or_else(|| {
            Error::Config(format!("the method {} does not know the value of the scalar {name}", method.name()))
        })
    };
    graph.scalars().iter().map(value).collect()
}
