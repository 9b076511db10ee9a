//! Coordinates and clusters as files, and a map of them.

use super::{FittedRun, points, predicted};
use crate::console::stop::NEVER;
use crate::console::text::{grouped, say};
use crate::data::Part;
use crate::error::Result;
use crate::experiments::{FeatureOptions, default_part, part_of};
use crate::features::{Map, npy};
use crate::files::{create_dir, unasked, write_atomic};
use crate::mbn::Watch;
use crate::train::choose::choose;

pub(super) fn run(options: &FeatureOptions, fitted: &FittedRun) -> Result<()> {
    let FittedRun { run, recipe, info, model, data } = fitted;
    let part = options.part.map_or_else(|| default_part(data, 0.0), Part::from);
    let (set, out) = (part_of(data, part)?, options.out());
    let device = choose(options.device.as_deref().unwrap_or(&info.select))?.device;
    let mut watch = Watch { stop: &NEVER, told: &mut |_| {} };
    let points = points(recipe, set, &device, &NEVER)?.expect("nobody stops this");
    let found = predicted(model, &points, &device, &mut watch)?.expect("nobody stops this");
    unasked(create_dir(&out), options.out.is_some(), "--out DIR")?;
    npy::write_f32(&out.join("features.npy"), &found.coordinates)?;
    npy::write_u32(&out.join("clusters.npy"), &found.clusters)?;
    if let Some(labels) = &set.labels {
        npy::write_u32(&out.join("labels.npy"), labels)?;
    }
    let names: Vec<String> = (0..model.spec.clusters).map(|c| format!("cluster {c}")).collect();
    let coloured = set.labels.as_deref().map_or((&found.clusters[..], &names[..]), |l| (l, &set.classes[..]));
    let title = format!("{}: {}, {} {part} images", run.path().display(), set.name, grouped(set.len() as u64));
    write_atomic(&out.join("map.png"), &Map::make(&found.coordinates, 0)?.png(&title, Some(coloured))?)?;
    say(format!(
        "{}: coordinates of {} images in features.npy, their clusters in clusters.npy; the map is map.png",
        out.display(),
        grouped(set.len() as u64)
    ))
}
