//! Features of images by a run's network, and a map of them.

use super::trained::counted;
use super::{Opening, Own, device_of, extractor};
use crate::console::stop::NEVER;
use crate::console::text::{grouped, say};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::experiments::FeatureOptions;
use crate::features::{Map, npy};
use crate::files::{create_dir, unasked, write_atomic};
use crate::train::origin::is_file;
use crate::train::protocol::features;

pub(super) fn run(options: &FeatureOptions) -> Result<()> {
    if options.out.is_none() && is_file(&options.run) {
        return Err(Error::data(
            &options.run,
            "a file of weights has no directory for its features: say where with --out DIR",
        ));
    }
    let t = Opening {
        run: &options.run,
        which: options.checkpoint,
        data: options.data.as_deref(),
        part: options.part.map(Part::from),
        by_class: false,
        whole: false,
        settings: &[],
        own: Own::Part,
    }
    .open()?;
    let set = &t.data.test;
    let (mut runner, batch) = extractor(&t, &device_of(options.device.as_deref(), &t.info)?)?;
    let rows = features(&mut runner, set, batch, &NEVER)?.expect("nobody stops this");
    let out = options.out();
    unasked(create_dir(&out), options.out.is_some(), "--out DIR")?;
    npy::write_f32(&out.join("features.npy"), &rows)?;
    if let Some(labels) = &set.labels {
        npy::write_u32(&out.join("labels.npy"), labels)?;
    }
    let labels = set.labels.as_deref().map(|l| (l, &set.classes[..]));
    let title = format!("{}: {}, {}", t.run.path().display(), set.name, counted(t.part, set.len()));
    write_atomic(&out.join("map.png"), &Map::make(&rows, 0)?.png(&title, labels)?)?;
    say(format!(
        "{}: features of {} images, {} numbers each, in features.npy; the map is map.png",
        out.display(),
        grouped(rows.n() as u64),
        rows.d()
    ))
}
