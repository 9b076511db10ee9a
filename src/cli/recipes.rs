//! `onebit recipes`.

use super::text::say;
use crate::train::recipe::{DEFAULT, Recipe};
use anyhow::bail;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Lists the built-in recipes, or shows one.
///
/// A recipe is a TOML file with everything that decides what is computed: method, network, data, augmentation,
/// optimiser, schedule. To make your own, start from a built-in one:
///
///     onebit recipes
///     onebit recipes show fashion-binary > mine.toml
///     onebit train mine.toml
///     onebit train fashion-binary --set epochs=5 --set net.binary=false
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Prints JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints a recipe as TOML.
    Show {
        /// Name of a built-in recipe, or a TOML file.
        name: String,
        /// Prints JSON, with every default filled in.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(Command::Show { name, json }) => show(name, *json)?,
        None => list(args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let recipes = Recipe::built_in()
        .into_iter()
        .map(|(name, text)| Ok((name, Recipe::parse(text, Path::new(name))?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        let list: Vec<_> = recipes
            .iter()
            .map(|(name, r)| json!({ "name": name, "description": r.description, "default": *name == DEFAULT }))
            .collect();
        return say(serde_json::to_string_pretty(&list)?);
    }
    let width = recipes.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
    for (name, recipe) in &recipes {
        let default = if *name == DEFAULT { " (the default)" } else { "" };
        say(format!("{name:width$}  {}{default}", recipe.description))?;
    }
    say("\n`onebit recipes show NAME` prints one, `onebit train NAME` trains it.")
}

fn show(name: &str, as_json: bool) -> anyhow::Result<()> {
    let (_, recipe) = Recipe::find(name)?;
    if as_json {
        return say(serde_json::to_string_pretty(&recipe)?);
    }
    // A built-in recipe with its comments, as it was written.
    match Recipe::built_in().into_iter().find(|(n, _)| *n == name) {
        Some((_, text)) => say(text.trim_end()),
        None if recipe.run.is_some() => bail!("{name} is the record of a run: it is a text file, read it directly"),
        None => say(recipe.to_toml()?.trim_end()),
    }
}
