//! What a training method gives to the loop: the programs of a step, and the one that tests.

use super::parts::{self, eval_graph};
use super::projector::Projector;
use super::task::Task;
use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::nn::{Adapt, Mode};
use crate::recipe::{OwnTable, Recipe, Recompute};
use crate::tensor::HostTensor;
use std::collections::{BTreeMap, HashMap};

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
    /// Gives the output [`LOGITS`](super::LOGITS) of a batch of test images.
    pub eval: Graph,
    /// Content of leaves that comes from elsewhere: a teacher's weights.
    pub given: HashMap<String, HostTensor>,
    /// What the parts of a step keep from forward to backward.
    pub recompute: Recompute,
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

/// Where training stands, for what changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done, those of second passes left out.
    pub steps: u64,
    /// Steps of an epoch.
    pub per_epoch: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Which batch of the step it is, from 0, and of how many.
    pub batch: (u64, u64),
}

impl Progress {
    /// Before a step of one batch.
    pub fn new(steps: u64, per_epoch: u64, total: u64) -> Progress {
        Progress { steps, per_epoch, total, batch: (0, 1) }
    }

    /// Batches done.
    pub fn batches(&self) -> u64 {
        self.steps * self.batch.1 + self.batch.0
    }

    /// Epochs done, whole ones.
    pub fn epoch(&self) -> u64 {
        self.steps / self.per_epoch.max(1)
    }
}

/// How a network is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluatedBy {
    /// By the class of its largest logit.
    Logits,
    /// By its features: what classes the nearest training images have.
    Neighbours,
}

/// What a method does with the run that a recipe's `[teacher]` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeacherUse {
    /// There is none.
    None,
    /// It may be named, but is not read with these settings.
    Unread,
    /// Its network is read: [`Task::teacher`].
    Network,
    /// It is no network; whoever trains reads it: [`Task::targets`].
    Targets,
}

/// A way to train: what [`METHODS`](super::METHODS) is a list of.
///
/// # Example
///
/// A method of another crate, trained and tested by the recipe that names it:
///
/// ```ignore
#[doc = include_str!("../../tests/examples/own_method.rs")]
/// ```
pub trait Method: Sync {
    /// Name in recipes.
    fn name(&self) -> &'static str;

    /// Its own tables of a recipe, in the order in which they are written.
    fn tables(&self) -> &'static [OwnTable] {
        &[]
    }

    /// Checks that its settings and the rest of the recipe go together.
    ///
    /// # Errors
    /// [`Error::Config`] naming both sides of what does not.
    fn validate(&self, _recipe: &Recipe) -> Result<()> {
        Ok(())
    }

    /// What it does with a teacher.
    fn teacher(&self, _recipe: &Recipe) -> TeacherUse {
        TeacherUse::None
    }

    /// How it adapts the network that a run starts from, if it does.
    fn adaptation(&self, _recipe: &Recipe) -> Option<Adapt> {
        None
    }

    /// The head that it trains a network with and leaves behind, if others can learn from that.
    fn head(&self, _recipe: &Recipe) -> Option<Projector> {
        None
    }

    /// Whether it knows how far magnitudes are clamped in an epoch (`net.binarization.magnitude.clamp`).
    fn clamps_magnitudes(&self) -> bool {
        false
    }

    /// Whether it learns by [`parts::classification_loss`], which the weights of classes (`loss.class_weights`), the labels of
    /// mixed images (`augment.mixup`, `augment.cutmix`) and their smoothing (`label_smoothing`) go into.
    fn classifies(&self, _recipe: &Recipe) -> bool {
        false
    }

    /// Builds the graphs that train, for a batch size; the test's stays empty.
    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs>;

    /// Builds the test's graph: images to logits, or to features where a network is evaluated by them.
    fn eval(&self, task: &Task<'_>, batch: usize) -> Result<Graph> {
        Ok(eval_graph(task, batch, Mode::Eval)?.0)
    }

    /// Builds all graphs, those that train for a batch size and the test's for another.
    fn build(&self, task: &Task<'_>, batch: usize, eval_batch: usize) -> Result<Graphs> {
        let recompute = task.recipe.memory.recompute;
        Ok(Graphs { eval: self.eval(task, eval_batch)?, recompute, ..self.training(task, batch)? })
    }

    /// Value of a scalar of the step; `None` for a name it does not know.
    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        parts::scalar(recipe, progress, name)
    }

    /// How the views of an image that a step takes are made.
    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        vec![recipe.augment.clone()]
    }

    /// How the network is evaluated.
    fn evaluated_by(&self, _recipe: &Recipe) -> EvaluatedBy {
        EvaluatedBy::Logits
    }

    /// Whether a run takes this tensor from the run that it starts from.
    fn inherits(&self, _recipe: &Recipe, _tensor: &str) -> bool {
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
