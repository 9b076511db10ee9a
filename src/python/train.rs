//! Training, testing and shipping, as the commands of those names do it: every experiment has them. What they say goes to `told`.

use super::error::exception;
use super::work::attended;
use crate::error::{Error, Result};
use crate::exchange::Launched;
use crate::experiments::{self, EXPERIMENTS, Ending, EvalOptions, ExportOptions, Form, PartName, TrainOptions, Which};
use clap::ValueEnum;
use pyo3::prelude::*;
use std::path::PathBuf;

/// Trains; whether it came to its end.
#[pyfunction]
#[pyo3(signature = (
    told, recipe=None, *, data=None, features=None, out=None, device=None, seed=None, epochs=None, start_from=None,
    settings=Vec::new(), resume=false, tune=true, allow_reorder=false,
))]
pub fn train(
    py: Python<'_>,
    told: &Bound<'_, PyAny>,
    recipe: Option<String>,
    data: Option<PathBuf>,
    features: Option<PathBuf>,
    out: Option<PathBuf>,
    device: Option<String>,
    seed: Option<u64>,
    epochs: Option<u64>,
    start_from: Option<PathBuf>,
    settings: Vec<String>,
    resume: bool,
    tune: bool,
    allow_reorder: bool,
) -> PyResult<bool> {
    let options = TrainOptions {
        recipe,
        data,
        features,
        out,
        device,
        seed,
        epochs,
        from: start_from,
        settings,
        resume,
        no_tune: !tune,
        allow_reorder,
        json: true,
        quiet: false,
        exchange: None,
    };
    alone().map_err(exception)?;
    Ok(attended(py, told, move |_| experiments::train(&options))? == Ending::Done)
}

/// Tests a run.
#[pyfunction]
#[pyo3(signature = (told, run, *, data=None, part=None, device=None, checkpoint=None, settings=Vec::new()))]
pub fn evaluate(
    py: Python<'_>,
    told: &Bound<'_, PyAny>,
    run: PathBuf,
    data: Option<PathBuf>,
    part: Option<String>,
    device: Option<String>,
    checkpoint: Option<String>,
    settings: Vec<String>,
) -> PyResult<()> {
    attended(py, told, move |_| {
        let options = EvalOptions {
            protocol: None,
            labels: vec![1.0],
            part: word::<PartName>("part", part.as_deref())?,
            checkpoint: word::<Which>("checkpoint", checkpoint.as_deref())?,
            baseline: false,
            json: true,
            run,
            data,
            settings,
            device,
        };
        EXPERIMENTS.of_run(&options.run)?.eval(&options).map(|_| ())
    })
}

/// Writes what ships of a run.
#[pyfunction]
#[pyo3(signature = (
    told, run, *, out=None, to=None, base=None, checkpoint=None, mean_matrices=false, data=None, settings=Vec::new(),
))]
pub fn export(
    py: Python<'_>,
    told: &Bound<'_, PyAny>,
    run: PathBuf,
    out: Option<PathBuf>,
    to: Option<String>,
    base: Option<PathBuf>,
    checkpoint: Option<String>,
    mean_matrices: bool,
    data: Option<PathBuf>,
    settings: Vec<String>,
) -> PyResult<()> {
    attended(py, told, move |_| {
        let to = word::<Form>("to", to.as_deref())?;
        let checkpoint = word::<Which>("checkpoint", checkpoint.as_deref())?;
        let options = ExportOptions { run, checkpoint, mean_matrices, to, out, base, data, settings };
        EXPERIMENTS.of_run(&options.run)?.export(&options)
    })
}

/// One of a few words, as the flag of that name takes it.
pub(super) fn word<T: ValueEnum>(name: &str, given: Option<&str>) -> Result<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    T::from_str(given, false).map(Some).map_err(|_| {
        let words: Vec<String> =
            T::value_variants().iter().filter_map(|v| Some(v.to_possible_value()?.get_name().to_string())).collect();
        Error::Config(format!("{name} = {given:?}: choose {}", words.join(", ")))
    })
}

/// That no launcher started this interpreter several times over: each would train the same.
fn alone() -> Result<()> {
    match Launched::found()? {
        None => Ok(()),
        Some(Launched { ranks }) => Err(Error::Config(format!(
            "mpirun started {ranks} ranks, and onebit.train is for one program: `mpirun -n {ranks} onebit train` trains one network in \
             all of them; a script that trains another one in each takes OMPI_COMM_WORLD_SIZE and PMI_SIZE out of os.environ"
        ))),
    }
}
