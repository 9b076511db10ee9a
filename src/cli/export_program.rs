//! `onebit export-program`.

use crate::console::text::{grouped, mib, say};
use crate::recipe::Recipe;
use crate::recipe::settings::given_once;
use crate::verify::cases;
use crate::web::{OpsExport, StepExport, Summary};
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes a folder that a browser replays: kernels, inputs, and what must come out of them.
///
/// Open its index.html, from the disk or a web server: the page runs every step on the browser's own WebGPU, compares
/// it with the reference, and saves the report. No GPU is needed to write the folder.
///
/// Examples:
///
///     onebit export-program --ops --out ops                 every case of every op
///     onebit export-program --ops --filter conv --out conv
///     onebit export-program fashion-binary --out step       the first training step of a recipe
///     onebit export-program mine.toml --data ~/pictures --set batch=8 --steps 2 --out step
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A built-in recipe (see `onebit recipes`) or a TOML file.
    #[arg(required_unless_present = "ops", conflicts_with = "ops")]
    recipe: Option<String>,
    /// Every case of every op.
    #[arg(long)]
    ops: bool,
    /// The folder; nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only cases whose op and name contain this.
    #[arg(long, value_name = "TEXT", requires = "ops")]
    filter: Option<String>,
    /// Each kernel once, not with every shape; of a recipe, only kernels that GPUs take. For browsers without a GPU, which
    /// are slow to compile.
    #[arg(long)]
    quick: bool,
    /// Decides the content of cases; or initial weights, order and augmentation.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The images: a file or folder; what is in it is recognised.
    #[arg(long, value_name = "PATH", conflicts_with = "ops")]
    data: Option<PathBuf>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "ops")]
    settings: Vec<String>,
    /// How many training steps, from the first.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "ops", value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.recipe {
        None => {
            let (filter, seed) = (args.filter.clone().unwrap_or_default(), args.seed.unwrap_or(cases::SEED));
            let export = OpsExport { filter, seed, quick: args.quick, ..OpsExport::default() };
            report(&export.write(&args.out, |_, _| {})?)?;
        }
        Some(recipe) => {
            let flags = [("--data", "data.path", args.data.is_some()), ("--seed", "seed", args.seed.is_some())];
            given_once(&args.settings, &flags)?;
            let (name, recipe) = Recipe::find(recipe)?;
            let mut recipe = Recipe { run: None, ..recipe.with(&args.settings)? };
            if let Some(data) = &args.data {
                recipe.data.path = data.display().to_string();
            }
            recipe.seed = args.seed.unwrap_or(recipe.seed);
            recipe.validate()?;
            let own = recipe.batch;
            let shrink = !args.settings.iter().any(|s| s.split('=').next().is_some_and(|k| k.trim() == "batch"));
            let export = StepExport { shrink, quick: args.quick, steps: args.steps, ..StepExport::new(name, recipe) };
            let (summary, batch) = export.write(&args.out, |_, _| {})?;
            report(&summary)?;
            if batch != own {
                say(format!(
                    "the batch is {batch} and not the recipe's {own}, which would make a larger folder: --set batch={own} takes it"
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(s: &Summary) -> anyhow::Result<()> {
    say(format!(
        "{}: {} steps of {} ops with {} kernels, {}",
        s.folder.display(),
        grouped(s.checks as u64),
        s.ops.len(),
        grouped(s.kernels as u64),
        mib(s.bytes as usize)
    ))?;
    for (op, u) in &s.left_out {
        say(format!("left out: {op} {}: {}", u.case, u.why))?;
    }
    Ok(say(format!("open {} in a browser", s.folder.join("index.html").display()))?)
}
