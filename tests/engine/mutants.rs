//! Does `onebit verify` see a fault? Plants one in a shader file at a time (an index swapped, a bound off by one, a
//! constant wrong, a scale missing, a barrier dropped) and checks that the cases which use the file find it and that
//! the message names the op.
//!
//!     cargo test --test engine mutants -- --nocapture          lists the mutants and those that were not caught
//!     ONEBIT_MUTANTS=500 cargo test --test engine mutants      more of them

use crate::devices::gpus;
use onebit::device::Device;
use onebit::gpu::GpuOptions;
use onebit::rng::Philox;
use onebit::shader::sources::Sources;
use onebit::verify::{CaseSpec, Request};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// What is replaced, by what, and what kind of fault that is.
const RULES: &[(&str, &str, &str)] = &[
    (" < ", " <= ", "bound off by one"),
    (" <= ", " < ", "bound off by one"),
    (" >= ", " > ", "bound off by one"),
    (" == ", " != ", "condition turned"),
    (" && ", " || ", "condition widened"),
    (" + ", " - ", "sign wrong"),
    (" - ", " + ", "sign wrong"),
    (" * ", " + ", "scale missing"),
    (" / ", " * ", "scale turned"),
    (" % ", " / ", "index swapped"),
    (" ^ ", " & ", "wrong bit operation"),
    (" & ", " | ", "wrong bit operation"),
    (" >> ", " << ", "shift turned"),
    ("31u", "30u", "tail mask wrong"),
    ("32u", "31u", "tail mask wrong"),
    ("16u", "15u", "constant wrong"),
    ("4u", "3u", "constant wrong"),
    ("1u", "2u", "constant wrong"),
    ("0.0", "1.0", "constant wrong"),
    ("1.0", "0.5", "constant wrong"),
    ("2.0", "1.0", "constant wrong"),
    ("0.5", "0.25", "constant wrong"),
    (".x", ".y", "lane swapped"),
    (".z", ".w", "lane swapped"),
    ("OW", "OH", "index swapped"),
    ("KW", "KH", "index swapped"),
    ("COLUMNS", "ROWS", "index swapped"),
    ("max(", "min(", "wrong function"),
    ("min(", "max(", "wrong function"),
    ("exp(", "exp2(", "wrong function"),
    ("sqrt(", "abs(", "wrong function"),
    ("workgroupBarrier();", "", "barrier dropped"),
];

/// A fault in one place of one file.
struct Mutant {
    file: String,
    line: usize,
    kind: &'static str,
    before: String,
    after: String,
    text: String,
}

/// Whether a line computes something.
fn is_code(line: &str) -> bool {
    let outside = ["//", "@", "#", "override ", "fn ", "struct ", "const ", "}"];
    !line.is_empty() && !outside.iter().any(|p| line.starts_with(p))
}

/// The part of a line that may change. A loop's step may not: a loop that never ends hangs the driver.
fn changeable(line: &str) -> usize {
    if line.trim_start().starts_with("for ") { line.rfind(';').unwrap_or(0) } else { line.len() }
}

/// Places of `what` in `line` that are no part of a longer word or number.
fn places<'a>(line: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
    let starts = word(what.chars().next());
    let ends = word(what.chars().last());
    line.match_indices(what).map(|(at, _)| at).filter(move |at| {
        let before = line[..*at].chars().last();
        let after = line[at + what.len()..].chars().next();
        !(starts && (word(before) || before == Some('.')) || ends && word(after))
    })
}

/// Every mutant of a file, in an order that `random` decides.
fn mutants(file: &str, random: &Philox) -> Vec<Mutant> {
    let text = Sources::default().text(file).expect("a built-in file").to_string();
    let lines: Vec<&str> = text.lines().collect();
    let mut all = Vec::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| is_code(l.trim())) {
        for (from, to, kind) in RULES {
            for at in places(line, from).filter(|at| *at < changeable(line)) {
                let after = format!("{}{to}{}", &line[..at], &line[at + from.len()..]);
                let mut changed: Vec<&str> = lines.clone();
                changed[i] = &after;
                all.push(Mutant {
                    file: file.to_string(),
                    line: i + 1,
                    kind,
                    before: line.trim().to_string(),
                    after: after.trim().to_string(),
                    text: changed.join("\n"),
                });
            }
        }
    }
    shuffle(&mut all, random);
    all
}

fn shuffle<T>(all: &mut [T], random: &Philox) {
    for i in (1..all.len()).rev() {
        let j = (random.uniform(1, i as u64) * (i + 1) as f32) as usize;
        all.swap(i, j.min(i));
    }
}

/// Functions without a jump: where two branches meet they give the same number.
const CONTINUOUS: &[&str] =
    &["abs_of", "clamp_to", "gelu", "hardtanh", "leaky_relu", "maximum", "minimum", "prelu", "relu", "rprelu"];

/// Why a change of a file is no fault, if it is none.
fn is_no_fault(m: &Mutant) -> Option<&'static str> {
    let name = m.file.rsplit('/').next().unwrap_or_default();
    if m.file.starts_with("pointwise/") && CONTINUOUS.contains(&name) && m.kind == "bound off by one" {
        return Some("the branches meet there");
    }
    // An invocation of these makes so many numbers that a grid past 65,535 workgroups needs a tensor of more than
    // 128 MiB, the least that a binding covers.
    let few = ["_blocked", "_lanes", "_matrix", "_tiles"].iter().any(|kind| name.ends_with(kind))
        || ["matrix", "tiles", "color_jitter_mean", "retouch_statistics", "sort_rows"].contains(&name);
    (few && m.before.contains("wid.y")).then_some("no grid is that large")
}

/// A mutant that was tried.
struct Tried {
    kind: &'static str,
    what: String,
    /// The op in whose cases it was found.
    caught: Option<String>,
}

/// A case with more files is a step of training.
const FILES_OF_AN_OP: usize = 20;

/// A file with its mutants, the next at the end, and the cases that use it.
struct Queue {
    mutants: Vec<Mutant>,
    specs: Vec<CaseSpec>,
}

impl Queue {
    /// Tries the next mutant that is a fault and a shader, if there is one left; and what was said.
    fn try_next(&mut self, device: &[Vec<(String, Device)>]) -> (Option<Tried>, String) {
        let mut said = String::new();
        while let Some(mutant) = self.mutants.pop() {
            if let Some(why) = is_no_fault(&mutant) {
                let Mutant { file, before, after, .. } = mutant;
                said += &format!("no fault, {why}: {file} `{before}` as `{after}`\n");
                continue;
            }
            let Mutant { file, line, kind, before, after, text } = mutant;
            let (sources, began) = (Sources::default().with(&file, text), Instant::now());
            let request = Request { sources, stop_at_first: true, ..Request::default() };
            let report = request.run(device, &self.specs, |_, _| true).remove(0);
            let failed = report.ops.into_iter().find(|(_, row)| !row.failures.is_empty());
            let error = failed.as_ref().and_then(|(_, row)| row.failures[0].error.as_deref());
            if error.is_some_and(|e| e.starts_with("shader ")) {
                // It does not compile: no fault that could be shipped.
                continue;
            }
            let seconds = began.elapsed().as_secs();
            let what = format!("{kind} in {file}:{line}: `{before}` as `{after}` ({seconds} s)");
            let caught = failed.map(|(op, _)| op);
            said += &match &caught {
                Some(op) => format!("caught by {op}: {what}\n"),
                None => format!("MISSED: {what}\n"),
            };
            return (Some(Tried { kind, what, caught }), said);
        }
        (None, said)
    }
}

/// The next mutants of some files, each on one of the devices.
fn try_each(queues: &mut [Queue], devices: &[Vec<(String, Device)>]) -> Vec<Tried> {
    let waiting = Mutex::new(queues.iter_mut().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for device in devices {
            let (waiting, done) = (&waiting, &done);
            s.spawn(move || {
                let next = || waiting.lock().expect("no panic holds this lock").next();
                while let Some((nth, queue)) = next() {
                    let tried = queue.try_next(std::slice::from_ref(device));
                    done.lock().expect("no panic holds this lock").push((nth, tried));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no panic held this lock");
    done.sort_by_key(|(nth, _)| *nth);
    let tried = done.into_iter().filter_map(|(_, (tried, said))| {
        print!("{said}");
        tried
    });
    tried.collect()
}

#[test]
fn planted_faults_are_caught() {
    let wanted = std::env::var("ONEBIT_MUTANTS").map_or(100, |n| n.parse().expect("ONEBIT_MUTANTS is a number"));
    let random = Philox::new(0x6d75_7461_6e74, 0);
    // The first adapter once for each core. Checked, so that a fault cannot write outside of the buffers.
    let options = GpuOptions { checked: true, ..Default::default() };
    let devices: Vec<_> = (0..rayon::current_num_threads()).map(|_| vec![gpus(options).swap_remove(0)]).collect();
    let mut by_file: BTreeMap<String, Vec<CaseSpec>> = BTreeMap::new();
    let request = Request::default();
    let specs = request.cases().expect("there are cases");
    let files: Vec<_> =
        specs.par_iter().map(|spec| request.files(&devices[0][0].1, spec).expect("cases compile")).collect();
    let mut cases: Vec<_> = specs.into_iter().zip(files).collect();
    // Small cases first: most faults show there. Whole steps last: they have many more kernels to compile.
    cases.sort_by_key(|(spec, files)| (files.len() > FILES_OF_AN_OP, spec.large));
    for (spec, files) in cases {
        for file in files {
            by_file.entry(file).or_default().push(spec.clone());
        }
    }
    let queue = |(file, specs): (String, _)| Queue { mutants: mutants(&file, &random), specs };
    let mut queues: Vec<Queue> = by_file.into_iter().map(queue).filter(|q| !q.mutants.is_empty()).collect();
    shuffle(&mut queues, &random);

    let mut tried: Vec<Tried> = Vec::new();
    // A mutant of every file in turn.
    while tried.len() < wanted && !queues.is_empty() {
        let turn = queues.len().min(wanted - tried.len());
        tried.extend(try_each(&mut queues[..turn], &devices));
        queues.rotate_left(turn);
        queues.retain(|q| !q.mutants.is_empty());
    }
    let mut kinds = BTreeMap::<&str, (usize, usize)>::new();
    for t in &tried {
        let (caught, all) = kinds.entry(t.kind).or_default();
        (*caught, *all) = (*caught + t.caught.is_some() as usize, *all + 1);
    }
    let missed: Vec<&str> = tried.iter().filter(|t| t.caught.is_none()).map(|t| t.what.as_str()).collect();
    let tried = tried.len();
    println!("{} of {tried} mutants caught on {}; by kind: {kinds:?}", tried - missed.len(), devices[0][0].0);
    assert!(tried >= wanted.min(100), "only {tried} mutants could be made");
    assert!(
        missed.len() * 100 <= tried * 5,
        "{} of {tried} mutants were not caught:\n{}",
        missed.len(),
        missed.join("\n")
    );
}
