//! A node that a device got wrong, saved with its inputs, to be run again there or elsewhere.
//!
//! ```text
//! replay.json          the recipe, which node of it, its scalars, and what each tensor is
//! tensors.safetensors  input.N, got.N (by the device), expected.N (by the reference); packed types as words
//! shaders/             the shader files that took the place of built-in ones, if any
//! ```

use super::node_check::Wrong;
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::files::{create_dir, read_text, write_atomic};
use crate::graph::Value;
use crate::methods::{ImageInfo, Task, Teacher};
use crate::program::{Options, Program};
use crate::recipe::Recipe;
use crate::shader::sources::Sources;
use crate::tensor::{DType, HostTensor, RefTensor, Shape};
use crate::tensor_file;
use crate::verify::{Finding, StepRun, expect};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// What `replay.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedNode {
    /// Version of the program.
    pub version: String,
    /// Where the node was wrong.
    pub device: String,
    /// The recipe that it is part of.
    pub recipe: Recipe,
    /// What was known of the images.
    pub images: ImageInfo,
    /// Which of the programs of a training step.
    pub part: usize,
    /// Position of the node in its program.
    pub index: usize,
    /// Its ops.
    pub step: String,
    /// Its layer.
    pub scope: String,
    /// The training step, from 0.
    pub training_step: u64,
    /// Scalars of that step.
    pub scalars: Vec<f32>,
    /// Inputs, by their number in the graph.
    pub inputs: Vec<Entry>,
    /// Outputs, likewise.
    pub outputs: Vec<Entry>,
}

/// A tensor of `tensors.safetensors`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Number of the value in the graph.
    pub value: u32,
    /// Its name there.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Vec<usize>,
}

const JSON: &str = "replay.json";
const TENSORS: &str = "tensors.safetensors";

impl SavedNode {
    /// What is to be known of a node, for [`SavedNode::save`].
    pub fn new(device: String, recipe: Recipe, images: ImageInfo, program: &Program, wrong: &Wrong) -> SavedNode {
        let graph = &program.graph;
        let entry = |(v, t): &(Value, HostTensor)| Entry {
            value: v.index() as u32,
            name: graph.name(*v).to_string(),
            dtype: t.dtype(),
            shape: t.shape().to_vec(),
        };
        let index = wrong.run.index;
        SavedNode {
            version: env!("CARGO_PKG_VERSION").into(),
            device,
            recipe,
            images,
            part: wrong.part,
            index,
            step: program.step_name(index),
            scope: program.step_scope(index).to_string(),
            training_step: wrong.training_step,
            scalars: wrong.scalars.clone(),
            inputs: wrong.run.inputs.iter().map(entry).collect(),
            outputs: wrong.run.outputs.iter().map(entry).collect(),
        }
    }

    /// Writes the node with its tensors into a new folder.
    pub fn save(&self, folder: &Path, program: &Program, wrong: &Wrong) -> Result<()> {
        create_dir(folder)?;
        let inputs = wrong.run.inputs.iter().map(|(v, t)| (*v, RefTensor::from(t))).collect();
        let expected = expect(program, wrong.run.index, &inputs, &wrong.scalars);
        let mut tensors: HashMap<String, HostTensor> = HashMap::new();
        tensors.extend(wrong.run.inputs.iter().map(|(v, t)| (format!("input.{}", v.index()), t.clone())));
        tensors.extend(wrong.run.outputs.iter().map(|(v, t)| (format!("got.{}", v.index()), t.clone())));
        tensors.extend(expected.iter().map(|e| (format!("expected.{}", e.value.index()), HostTensor::from(&e.want))));
        let path = folder.join(TENSORS);
        tensor_file::save(&path, &tensors, &serde_json::json!({ "node": self.step }))?;
        for file in program.sources.replaced() {
            let copy = folder.join("shaders").join(format!("{file}.wgsl"));
            create_dir(copy.parent().unwrap_or(folder))?;
            write_atomic(&copy, program.sources.text(file)?.as_bytes())?;
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::data(folder, format!("the node cannot be written as JSON: {e}")))?;
        write_atomic(&folder.join(JSON), format!("{text}\n").as_bytes())
    }

    /// Reads a saved node.
    pub fn load(folder: &Path) -> Result<SavedNode> {
        let path = folder.join(JSON);
        if !path.is_file() {
            let message = format!("there is no saved node in this folder: it has no {JSON}");
            return Err(Error::data(folder, message));
        }
        let node: SavedNode = serde_json::from_str(&read_text(&path)?)
            .map_err(|e| Error::data(&path, format!("this is no saved node: {e}")))?;
        node.recipe.validate().map_err(|e| Error::data(path, e.to_string()))?;
        Ok(node)
    }

    /// Runs the node again, on any device, and compares it.
    ///
    /// # Errors
    /// If the files do not fit together, or this version builds another program from the recipe.
    pub fn run(&self, folder: &Path, device: &Device, sources: Sources) -> Result<Vec<Finding>> {
        let teacher = Teacher::for_a_look(&self.recipe)?.map(|(t, _)| t);
        let task = Task { recipe: &self.recipe, images: &self.images, teacher: teacher.as_ref(), targets: None };
        let graphs = self.recipe.method().build(&task, self.recipe.batch, 1)?;
        let other = |what: &str| {
            let version = env!("CARGO_PKG_VERSION");
            let message = format!("{what}: it was saved by onebit {}, this is {version}", self.version);
            Error::data(folder.join(JSON), message)
        };
        let (_, graph) = graphs.parts().nth(self.part).cloned().ok_or_else(|| other("the recipe has no such part"))?;
        let options = Options { sources, ..Options::default() };
        let program = Program::compile_with(graph, device.backend(), options)?;
        // Another device may fuse otherwise before it; the node itself must be the same.
        let writes = |i: usize| {
            self.outputs.iter().all(|o| program.steps[i].outputs.iter().any(|v| v.index() == o.value as usize))
        };
        let same = |i: &usize| program.step_name(*i) == self.step && (self.outputs.is_empty() || writes(*i));
        let index = Some(self.index).filter(|i| *i < program.steps.len() && same(i));
        let index = index.or_else(|| (0..program.steps.len()).find(same));
        let index = index.ok_or_else(|| other("the recipe has no such node on this device"))?;
        let values: Vec<Value> = program.graph.all().collect();
        let mut inputs = Vec::new();
        for (number, t) in self.read_inputs(folder)? {
            let fits = |v: &&Value| *program.graph.shape(**v) == *t.shape() && program.graph.dtype(**v) == t.dtype();
            let v = values.get(number).filter(fits);
            inputs.push((*v.ok_or_else(|| other("an input has another shape in the recipe's program"))?, t));
        }
        let mut exe = Store::new(device.clone()).load_program(program, true)?;
        let run = StepRun::run_on(&mut exe, &self.scalars, index, inputs)?;
        Ok(run.check(exe.program(), &self.scalars))
    }

    /// Numbers of values, and what they held.
    fn read_inputs(&self, folder: &Path) -> Result<Vec<(usize, HostTensor)>> {
        let path = folder.join(TENSORS);
        let (_, mut tensors): (serde_json::Value, _) = tensor_file::load(&path)?;
        let damaged = |what: String| Error::data(&path, format!("the file is damaged: {what}"));
        let mut read = |e: &Entry| {
            let name = format!("input.{}", e.value);
            let stored: HostTensor = tensors.remove(&name).ok_or_else(|| damaged(format!("it lacks {name}")))?;
            let (shape, words) = (Shape::from(e.shape.clone()), stored.words().to_vec());
            if words.len() != e.dtype.words(&shape) {
                return Err(damaged(format!("{} has {} words", e.name, words.len())));
            }
            Ok((e.value as usize, HostTensor::from_words(shape, e.dtype, words)))
        };
        self.inputs.iter().map(&mut read).collect()
    }
}
