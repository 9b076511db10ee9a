//! Ways to train, a file or folder each, and what a method is.
//!
//! A [`Method`] makes the graphs of a training step and of a test from a [`Task`], and knows the numbers that change from step
//! to step. It reads and checks its own tables of a recipe. A new one is a file here with its line in the list below; a
//! program that uses this crate gives its own to [`METHODS`].

mod method;
pub mod parts;
pub mod projector;
mod recipe;
mod registry;
mod task;
mod teacher;
pub mod tracking;

pub mod biper;
pub mod burn;
pub mod compress;
pub mod finetune;
pub mod moco;
pub mod rbcn;
pub mod reactnet;
pub mod real_to_binary;
pub mod siman;
pub mod smn;
pub mod supervised;
pub mod swav;

pub use method::{EvaluatedBy, Graphs, Method, Part, Progress, TeacherUse, scalars};
pub use parts::{feature_graph, inference_graph};
pub use registry::Methods;
pub use task::{
    ADDED_UP, AUGMENT, EVAL_IMAGES, IMAGES, ImageInfo, LABELS, LOGITS, PASSED_ON, TEACHER, TRANSIENT, Targets, Task,
};
pub use teacher::Teacher;

/// The methods that recipes can name.
pub static METHODS: Methods = Methods::new(&[
    &supervised::Supervised,
    &siman::Siman,
    &biper::Biper,
    &reactnet::Reactnet,
    &real_to_binary::RealToBinary,
    &rbcn::Rbcn,
    &swav::Swav,
    &moco::Moco,
    &burn::Burn,
    &smn::Smn,
    &finetune::Finetune,
    &compress::Compress,
]);
