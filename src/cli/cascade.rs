//! `onebit cascade`.

use crate::console::progress::observer;
use crate::console::stop::{INTERRUPTED, NEVER, on_ctrl_c};
use crate::console::text::{go_on_unheard, grouped, percent, say};
use crate::data::{Part, Split};
use crate::device::Device;
use crate::experiments::gradients::{Opening, Own, TrainedRun, counted, device_of, extractor, save_mask};
use crate::features::Rows;
use crate::files::{create_dir, unasked};
use crate::nn::Adapted;
use crate::train::cascade::{Router, expert_recipe, fused, side_by_side};
use crate::train::job::Outcome;
use crate::train::prepare::{Place, Request};
use crate::train::protocol::{LabelledFeatures, features};
use crate::train::run::RunDir;
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Trains a mask for each cluster of images beside a run's mask for all of them, and evaluates the fused features.
///
/// The run's network (method smn) sorts its training images into clusters. An expert mask is trained for each, from the run's
/// scores; then features of all images by all masks are fused into as many numbers as one has, with only the expert of an
/// image's cluster (conditional) or with all experts (unconditional), and evaluated by nearest neighbours and a linear probe.
/// The folder holds router.json, a run directory for each expert with its mask, and cascade.json.
///
/// Example:
///
///     onebit cascade runs/small-smn --clusters 3
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directory of the dispatcher, of method smn.
    run: PathBuf,
    /// Number of clusters, and of experts.
    #[arg(long, value_name = "K", default_value_t = 5)]
    clusters: usize,
    /// The folder [default: cascade in the run directory].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: the run's].
    #[arg(long, value_name = "SEL")]
    device: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let t = TrainedRun::open(&args.run, None, None)?;
    if t.recipe.network().adapt.is_none_or(|a| a.what != Adapted::Masks) {
        bail!("{}: a cascade starts from a run of method smn with masks", args.run.display());
    }
    if args.clusters < 2 {
        bail!("--clusters {}: give at least 2", args.clusters);
    }
    let out = args.out.clone().unwrap_or_else(|| t.run.path().join("cascade"));
    let device = device_of(args.device.as_deref(), &t.info)?;
    let (train, test) = both_parts(&t, &device)?;
    let router = Router::fit(&train, args.clusters, t.recipe.seed)?;
    let (of_train, of_test) = (router.route(&train)?, router.route(&test)?);
    go_on_unheard();
    unasked(create_dir(&out), args.out.is_some(), "--out DIR")?;
    let folder = RunDir::at(&out);
    folder.write_json("router.json", &router)?;
    let sizes: Vec<usize> = (0..args.clusters as u32).map(|k| of_train.iter().filter(|c| **c == k).count()).collect();
    say(format!("clusters of {} training images: {sizes:?}", grouped(of_train.len() as u64)))?;
    if let Some(k) = sizes.iter().position(|n| *n < 2) {
        bail!("cluster {k} has {} images, too few to train an expert: give fewer --clusters", sizes[k]);
    }
    let stop = on_ctrl_c()?;
    let (mut experts_train, mut experts_test) = (Vec::new(), Vec::new());
    for k in 0..args.clusters {
        let members: Vec<u32> = (0..of_train.len() as u32).filter(|i| of_train[*i as usize] as usize == k).collect();
        let Some(run) = expert(&t, &device, &out, k, &members, &stop)? else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let trained = Opening {
            run: run.path(),
            which: None,
            data: None,
            part: None,
            by_class: false,
            whole: false,
            settings: &[],
            own: Own::Drawn,
        }
        .open()?;
        let (train, test) = both_parts(&trained, &device)?;
        experts_train.push(train);
        experts_test.push(test);
    }
    let mut results = Vec::new();
    for (name, routed) in [("conditional", true), ("unconditional", false)] {
        let join = |own: &Rows, experts: &[Rows], of: &[u32]| side_by_side(own, experts, routed.then_some(of));
        let all = (join(&train, &experts_train, &of_train)?, join(&test, &experts_test, &of_test)?);
        results.push((name, fused(&all.0, &all.1, train.d())?));
    }
    results.insert(0, ("dispatcher", (train, test)));
    let mut entries = Vec::new();
    say(format!(
        "features       k-NN      linear probe   (accuracy on {} by {} training images)",
        counted(t.part, t.data.test.len()),
        grouped(t.data.train.len() as u64)
    ))?;
    for (name, (train, test)) in results {
        let labelled = LabelledFeatures::new(&t.data, 1.0, &train, &test)?;
        let (knn, linear) = (labelled.by_neighbours(&device)?.accuracy, labelled.by_probe()?.0.accuracy);
        say(format!("{name:13}  {}   {}", percent(knn), percent(linear)))?;
        entries.push(json!({ "features": name, "part": t.part.map(Part::word), "images": t.data.test.len(), "knn": knn, "linear": linear }));
    }
    folder.write_json("cascade.json", &json!({ "clusters": sizes, "results": entries }))?;
    say(format!("written to {}", out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Features of the training and of the test part.
fn both_parts(t: &TrainedRun, device: &Device) -> anyhow::Result<(Rows, Rows)> {
    let (mut runner, batch) = extractor(t, device)?;
    let mut of = |set| features(&mut runner, set, batch, &NEVER)?.context("nobody stops this");
    Ok((of(&t.data.train)?, of(&t.data.test)?))
}

/// Trains the expert of a cluster; `None` if it was stopped.
fn expert(
    t: &TrainedRun,
    device: &Device,
    out: &Path,
    k: usize,
    members: &[u32],
    stop: &AtomicBool,
) -> anyhow::Result<Option<RunDir>> {
    let base = std::path::absolute(t.run.path())?.display().to_string();
    let request = Request {
        name: format!("{}-expert-{k}", t.info.recipe),
        recipe: expert_recipe(&t.recipe, &base, k, members.len(), t.data.train.len())?,
        data: Split { train: t.data.train.select(members).into(), ..t.data.clone() },
        normalization: Some((t.images.mean.clone(), t.images.std.clone())),
        device: device.clone(),
        select: t.info.select.clone(),
        targets: None,
        exchange: None,
    };
    let started = request.prepare()?.start(Place::New(out.join(format!("expert-{k}"))))?;
    let (run, recipe, info) = (started.run().clone(), started.prepared().recipe().clone(), started.prepared().info());
    say(format!("expert {k}: {} images, {} epochs, {}", members.len(), recipe.epochs, run.path().display()))?;
    let mut observer = observer(false, &started);
    let outcome = started.fit(stop, &mut *observer);
    drop(observer);
    match outcome? {
        Outcome::Finished(_) => {
            say(save_mask(&run, &recipe, &info, &run.path().join("mask.1bit"))?)?;
            Ok(Some(run))
        }
        Outcome::Stopped { saved, .. } => {
            say(format!("stopped, saved to {}; the cascade begins anew with the same command", saved.display()))?;
            Ok(None)
        }
    }
}
