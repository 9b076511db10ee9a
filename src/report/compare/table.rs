//! The columns of a comparison.

use super::format::{Cell, Table};
use super::run::{Compared, Seconds};
use super::settings::telling;
use super::stats::CONFIDENCE;
use super::trained::{Set, letters, told};
use super::{Row, Spread};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What the columns mean.
const NOTE: &str = "± std over seeds (n - 1). Steps include those of second passes. Model and OPs of what ships (onebit export, \
                    inspect): 1 bit a binary weight, 32 another number; real multiply-adds + those of bits / 64, a count and no \
                    measured time; fewer OPs: against all of them real.";

/// A column: its name, and what a row has in it.
type Column<'a> = (String, Box<dyn Fn(&Row) -> Cell + 'a>);

/// One part of a run's images.
type PartOf = fn(&Compared) -> &Set;

/// The table, with differences from a row.
pub fn table(rows: &[Row], against: Option<usize>) -> Table {
    let mut columns: Vec<Column<'_>> = vec![("recipe".into(), Box::new(|r| Cell::Text(r.first().recipe.clone())))];
    for key in telling(&named(rows)) {
        let of = key.clone();
        columns
            .push((key, Box::new(move |r| r.first().settings.get(&of).map_or(Cell::None, |v| Cell::Text(v.clone())))));
    }
    let differs = |of: &dyn Fn(&Compared) -> String| rows.iter().any(|r| of(r.first()) != of(rows[0].first()));
    if differs(&|r| r.data.clone()) {
        columns.push(("data".into(), Box::new(|r| Cell::Text(r.first().data.clone()))));
    }
    let parts: [(&str, PartOf); 2] =
        [("training images", |r| &r.trained.train), ("validation images", |r| &r.trained.val)];
    for (name, of) in parts {
        if rows.iter().any(|r| of(r.first()) != of(rows[0].first())) {
            let letters = letters(rows.iter().map(|r| of(r.first()).id.as_deref()));
            columns.push((name.into(), Box::new(move |r| Cell::Text(told(of(r.first()), &letters)))));
        }
    }
    if differs(&|r| r.trained.lengthened.clone()) {
        let of = |r: &Row| match r.first().trained.lengthened.as_str() {
            "" => Cell::None,
            text => Cell::Text(text.into()),
        };
        columns.push(("lengthened".into(), Box::new(of)));
    }
    let sets = sets(rows);
    if sets.len() > 1 {
        columns.push(("test set".into(), Box::new(move |r| Cell::Text(sets[&r.first().score.set].clone()))));
    }
    if differs(&|r| r.score.part.into()) {
        columns.push(("part".into(), Box::new(|r| Cell::Text(r.first().score.part.into()))));
    }
    columns.push(("seeds".into(), Box::new(|r| Cell::Count(r.runs.len() as u64))));
    let ofs: BTreeSet<&str> = rows.iter().map(|r| r.first().score.of).collect();
    for of in ofs {
        let accuracy = move |r: &Row| match r.first().score.of == of {
            true => r.spread(|run| Some(100.0 * run.score.accuracy?)).map_or(Cell::None, |s| Cell::Spread(s, 2)),
            false => Cell::None,
        };
        columns.push((format!("{of} %"), Box::new(accuracy)));
    }
    let images = |n: Option<usize>| n.filter(|n| *n > 0).map_or(Cell::None, |n| Cell::Count(n as u64));
    columns.push(("images".into(), Box::new(move |r| images(r.first().score.images))));
    if rows.iter().any(|r| r.first().best_val.is_some()) {
        let best = |r: &Row| r.spread(|run| Some(100.0 * run.best_val?)).map_or(Cell::None, |s| Cell::Spread(s, 2));
        columns.push(("best val accuracy %".into(), Box::new(best)));
        columns.push(("val images".into(), Box::new(move |r| images(Some(r.first().val_images)))));
    }
    if let Some(base) = against {
        let name = format!("difference from row {}, points", base + 1);
        columns.push((name, Box::new(move |r| difference(r, &rows[base]).map_or(Cell::None, Cell::Difference))));
    }
    let more: BTreeSet<String> = rows.iter().flat_map(|r| &r.runs).flat_map(|r| r.more.keys().cloned()).collect();
    for name in more {
        let key = name.clone();
        let of = move |r: &Row| r.spread(|run| run.more.get(&key).copied()).map_or(Cell::None, |s| Cell::Spread(s, 2));
        columns.push((name, Box::new(of)));
    }
    columns.push(("steps".into(), Box::new(|r| r.first().steps.map_or(Cell::None, Cell::Count))));
    columns.push(("time s".into(), Box::new(|r| mean(r, |run| run.seconds.known(), 0))));
    columns
        .push(("memory MiB".into(), Box::new(|r| Cell::Number(r.first().planned_bytes as f64 / (1 << 20) as f64, 1))));
    let ships = |of: fn(&super::run::Compared) -> Option<f64>, digits| {
        move |r: &Row| of(r.first()).map_or(Cell::None, |v| Cell::Number(v, digits))
    };
    columns.push(("model kbit".into(), Box::new(ships(|r| Some(r.ships?.bits() as f64 / 1e3), 1))));
    columns.push(("OPs M".into(), Box::new(ships(|r| Some(r.ships?.operations() / 1e6), 3))));
    let fewer = |r: &Row| r.first().ships.map_or(Cell::None, |s| Cell::Times(s.fewer()));
    columns.push(("fewer OPs".into(), Box::new(fewer)));
    if differs(&|r| r.device.clone()) {
        columns.push(("device".into(), Box::new(|r| Cell::Text(r.first().device.clone()))));
    }
    Table {
        header: columns.iter().map(|(name, _)| name.clone()).collect(),
        rows: rows.iter().map(|r| columns.iter().map(|(_, of)| of(r)).collect()).collect(),
        by_seed: rows.iter().map(by_seed).collect(),
        notes: notes(rows, against),
    }
}

fn named(rows: &[Row]) -> Vec<(&str, &super::settings::Settings)> {
    rows.iter().map(|r| (r.first().recipe.as_str(), &r.first().settings)).collect()
}

fn mean(row: &Row, of: impl Fn(&Compared) -> Option<f64>, digits: usize) -> Cell {
    row.spread(of).map_or(Cell::None, |s| Cell::Number(s.mean, digits))
}

fn by_seed(row: &Row) -> String {
    let one = |r: &Compared| format!("{}:{}", r.seed, r.score.accuracy.map_or("-".into(), |a| a.to_string()));
    row.runs.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Letters for the sets of images that accuracies are of.
fn sets(rows: &[Row]) -> BTreeMap<String, String> {
    letters(rows.iter().map(|r| Some(r.first().score.set.as_str())))
}

/// What a row is called in notes: several may be of one recipe.
fn called(rows: &[Row], row: &Row) -> String {
    let number = rows.iter().position(|r| std::ptr::eq(r, row)).map_or(0, |i| i + 1);
    format!("row {number} ({})", row.first().recipe)
}

/// How accuracies differ from another row's, in points; none for that row, without a seed in common, or where accuracies are of
/// other images.
fn difference(row: &Row, base: &Row) -> Option<Spread> {
    let (a, b) = (&row.first().score, &base.first().score);
    if std::ptr::eq(row, base) || (&a.set, a.part, a.of) != (&b.set, b.part, b.of) {
        return None;
    }
    Spread::of(&row.differences(base).iter().map(|d| 100.0 * d).collect::<Vec<_>>())
}

fn notes(rows: &[Row], against: Option<usize>) -> Vec<String> {
    let mut notes = vec![NOTE.to_string()];
    if sets(rows).len() > 1 {
        notes.push("Test sets A, B, ... are not the same images: accuracies on different ones do not compare.".into());
    }
    let unknown = |r: &&Row| r.first().trained.train.id.is_none() || r.first().trained.train.images.is_none();
    for row in rows.iter().filter(unknown) {
        notes.push(format!(
            "{} keeps no list of its images: which ones its runs were trained on is not known.",
            called(rows, row)
        ));
    }
    let times = |is: fn(&Seconds) -> bool| rows.iter().any(|row| row.runs.iter().any(|r| is(&r.seconds)));
    if times(|s| matches!(s, Seconds::Unknown)) {
        notes.push(
            "How long runs took that an earlier version began and this one ended is not known: their time is left out."
                .into(),
        );
    }
    if times(|s| matches!(s, Seconds::SinceResumed(_))) {
        notes.push("Times of runs of earlier versions are those since they were last resumed, where they were.".into());
    }
    // What is not trained in steps does not ship as it is.
    if rows.iter().any(|r| r.first().ships.is_none() && r.first().steps.is_some()) {
        notes.push(
            "Runs of earlier versions do not say what ships of them: train them again, or onebit inspect an export."
                .into(),
        );
    }
    let summed_as_floats = |r: &&Row| {
        let is = |key: &str, value: &str| r.first().settings.get(key).is_some_and(|v| v == value);
        is("net.binary", "true")
            && is("net.binarization.scale", "matrix")
            && r.first().ships.is_some_and(|s| s.binary_macs == 0)
    };
    let summed_as_floats: BTreeSet<&str> =
        rows.iter().filter(summed_as_floats).map(|r| r.first().recipe.as_str()).collect();
    if !summed_as_floats.is_empty() {
        notes.push(format!(
            "A scale for each tap (net.binarization.matrix) stands between weights and sums in {}: its binary layers ship as signs that are \
             summed as floats. onebit export --mean-matrices ships layers that popcounts sum, with the mean of each matrix.",
            summed_as_floats.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(base) = against {
        let base = &rows[base];
        notes.push(format!(
            "Differences from {}, paired by seed, with the {:.0} % confidence interval of their mean (Student's t, number of pairs \
             less one degrees of freedom); of one pair there is no interval.",
            called(rows, base),
            100.0 * CONFIDENCE
        ));
        for row in rows.iter().filter(|r| !std::ptr::eq(*r, base)) {
            let (name, of) = (called(rows, row), called(rows, base));
            if row.first().score.set != base.first().score.set {
                notes.push(format!("{name} is tested on other images than {of}: no difference."));
            } else if row.differences(base).is_empty() {
                notes.push(format!("{name} has no seed in common with {of}: no difference."));
            }
        }
    }
    notes
}

fn spread(s: Option<Spread>) -> Value {
    s.map_or(Value::Null, |s| json!({ "mean": s.mean, "std": s.std, "n": s.n }))
}

/// All that is known. Accuracies of runs are shares, those of rows percent.
pub fn json(rows: &[Row], left_out: &[(PathBuf, String)], against: Option<usize>) -> Value {
    let keys = if rows.is_empty() { Vec::new() } else { telling(&named(rows)) };
    let row = |r: &Row| {
        let f = r.first();
        let runs: Vec<Value> = r
            .runs
            .iter()
            .map(|run| {
                json!({ "run": run.path, "seed": run.seed, "accuracy": run.score.accuracy, "best_val_accuracy": run.best_val,
                    "seconds": run.seconds.known(), "device": run.device })
            })
            .collect();
        let more: BTreeMap<&String, Value> =
            f.more.keys().map(|k| (k, spread(r.spread(|run| run.more.get(k).copied())))).collect();
        let difference = against.and_then(|base| difference(r, &rows[base])).map(|s| {
            let half = s.half_interval();
            json!({ "mean": s.mean, "std": s.std, "pairs": s.n, "confidence": CONFIDENCE,
                "low": half.map(|h| s.mean - h), "high": half.map(|h| s.mean + h) })
        });
        json!({
            "recipe": f.recipe,
            "settings": keys.iter().map(|k| (k.clone(), f.settings.get(k).cloned().into())).collect::<serde_json::Map<_, Value>>(),
            "data": f.data, "of": f.score.of, "part": f.score.part, "images": f.score.images, "test_set": f.score.set,
            "train_set": f.trained.train.id, "train_images": f.trained.train.images, "val_set": f.trained.val.id,
            "val_images": f.trained.val.images, "lengthened": f.trained.lengthened,
            "accuracy": spread(r.spread(|run| Some(100.0 * run.score.accuracy?))),
            "best_val_accuracy": spread(r.spread(|run| Some(100.0 * run.best_val?))),
            "difference": difference, "more": more, "steps": f.steps,
            "seconds": spread(r.spread(|run| run.seconds.known())), "planned_bytes": f.planned_bytes,
            "ships": f.ships, "operations": f.ships.map(|s| s.operations()), "runs": runs,
        })
    };
    json!({
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "against": against,
        "left_out": left_out.iter().map(|(p, why)| json!({ "run": p, "why": why })).collect::<Vec<_>>(),
        "notes": if rows.is_empty() { Vec::new() } else { notes(rows, against) },
    })
}
