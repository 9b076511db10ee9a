//! `onebit recipes`.

use super::text::say;
use crate::train::bootstrap::{MbnRecipe, is_mbn};
use crate::train::recipe::{DEFAULT, Recipe, Text};
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
        .map(|(name, text)| {
            let path = Path::new(name);
            let description = match is_mbn(text) {
                true => MbnRecipe::parse(text, path)?.description,
                false => Recipe::parse(text, path)?.description,
            };
            Ok((name, description))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        let list: Vec<_> = recipes
            .iter()
            .map(|(name, text)| json!({ "name": name, "description": text, "default": *name == DEFAULT }))
            .collect();
        return say(serde_json::to_string_pretty(&list)?);
    }
    let width = recipes.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
    for (name, description) in &recipes {
        let default = if *name == DEFAULT { " (the default)" } else { "" };
        say(format!("{name:width$}  {description}{default}"))?;
    }
    say("\n`onebit recipes show NAME` prints one, `onebit train NAME` trains it.")
}

fn show(name: &str, as_json: bool) -> anyhow::Result<()> {
    let Text { text, origin, .. } = Text::find(name)?;
    let (as_object, as_toml, of_run) = match is_mbn(&text) {
        true => {
            let recipe = MbnRecipe::parse(&text, &origin)?;
            (serde_json::to_string_pretty(&recipe)?, recipe.to_toml()?, recipe.run.is_some())
        }
        false => {
            let recipe = Recipe::parse(&text, &origin)?;
            (serde_json::to_string_pretty(&recipe)?, recipe.to_toml()?, recipe.run.is_some())
        }
    };
    if as_json {
        return say(as_object);
    }
    // A built-in recipe with its comments, as it was written.
    match Recipe::built_in().into_iter().find(|(n, _)| *n == name) {
        Some((_, text)) => say(text.trim_end()),
        None if of_run => bail!("{name} is the record of a run: it is a text file, read it directly"),
        None => say(as_toml.trim_end()),
    }
}
