//! Clusters of training and test images against their labels.

use super::{Agreement, FittedRun, LayerBar, assigned, fitted_parts, fitted_points};
use crate::cache::note;
use crate::console::stop::NEVER;
use crate::console::text::{mib, say, say_json};
use crate::error::{Error, Result};
use crate::experiments::EvalOptions;
use crate::features::KMeans;
use crate::mbn::{FitTo, Watch};
use crate::train::choose::choose;
use serde_json::json;
use std::sync::Arc;

pub(super) fn run(options: &EvalOptions, fitted: FittedRun) -> Result<()> {
    let FittedRun { run, recipe, info, model, data } = fitted;
    let device = choose(options.device.as_deref().unwrap_or(&info.select))?.device;
    let mut result = serde_json::Map::new();
    let mut said = Vec::new();
    let mut bar = LayerBar::new(format!("clusters by {}", run.path().display()), options.json);
    let mut watch = Watch { stop: &NEVER, told: &mut |p| bar.progress(p) };
    // Where a set has no part for it, one stands for the other.
    let own_val = Some(("val", &data.val)).filter(|(_, val)| !Arc::ptr_eq(val, &data.test));
    let parts = [Some(("train", &data.train)), own_val, Some(("test", &data.test))].into_iter().flatten();
    for (name, set) in parts.filter(|(_, set)| !set.is_empty()) {
        let found = assigned(&recipe, &model, set, &device, &mut watch)?.expect("nobody stops this");
        if let Some(pace) = found.pace {
            said.push(format!(
                "{name:5}  10,000 predictions in {:.2} s, the device at work {:.2} s ({})",
                pace.seconds,
                pace.device_seconds,
                device.name()
            ));
            result.insert("pace".into(), json!(pace));
        }
        if let Some(agreement) = Agreement::of(&found.clusters, &[set]) {
            said.push(format!("{name:5}  {}", agreement.say()));
            result.insert(name.into(), json!(agreement));
        }
    }
    let (name, parts) = match recipe.fit_to {
        FitTo::Train => ("train", vec![&data.train]),
        FitTo::All => ("all", fitted_parts(FitTo::All, &data)),
    };
    let fitted = model.output.as_ref().filter(|_| options.data.is_none() && recipe.fit_to == FitTo::All);
    if let Some(agreement) = fitted.and_then(|output| Agreement::of(&output.clusters, &parts)) {
        said.push(format!("{name:5}  {}", agreement.say()));
        result.insert(name.into(), json!(agreement));
    }
    if options.baseline {
        let points = fitted_points(&recipe, &data, &device, &NEVER)?.expect("nobody stops this");
        let centres = KMeans::fit(&points, model.spec.clusters, model.spec.restarts, model.seed)?;
        if let Some(agreement) = Agreement::of(&centres.assign(&points)?, &parts) {
            said.push(format!("{name:5}  k-means on the same points  {}", agreement.say()));
            result.insert("kmeans".into(), json!(agreement));
        }
    }
    let bytes = std::fs::metadata(run.last()).map_err(Error::io(run.last(), "read"))?.len();
    result.insert("model_bytes".into(), json!(bytes));
    said.push(format!("model  {}", mib(bytes as usize)));
    match options.json {
        true => say_json(&result)?,
        false => said.into_iter().try_for_each(say)?,
    }
    if let Err(e) = run.write_json("eval.json", &result) {
        note(format!("the result stands above, but could not be written into the run: {e}"));
    }
    Ok(())
}
