//! `onebit recipes`.

use crate::console::text::{say, say_json};
use crate::experiments::EXPERIMENTS;
use crate::recipe::{DEFAULT, Text, built_in};
use anyhow::bail;
use serde_json::json;
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
    let recipes = built_in()
        .into_iter()
        .map(|(name, text)| {
            let text = Text { name: name.into(), text: text.into(), origin: name.into() };
            Ok((name, EXPERIMENTS.of_text(&text.text).describe(&text)?.description))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        let list: Vec<_> = recipes
            .iter()
            .map(|(name, text)| json!({ "name": name, "description": text, "default": *name == DEFAULT }))
            .collect();
        return Ok(say_json(&list)?);
    }
    let width = recipes.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
    for (name, description) in &recipes {
        let default = if *name == DEFAULT { " (the default)" } else { "" };
        say(format!("{name:width$}  {description}{default}"))?;
    }
    Ok(say("\n`onebit recipes show NAME` prints one, `onebit train NAME` trains it.")?)
}

fn show(name: &str, as_json: bool) -> anyhow::Result<()> {
    let text = Text::find(name)?;
    let recipe = EXPERIMENTS.of_text(&text.text).describe(&text)?;
    if as_json {
        return Ok(say(recipe.json)?);
    }
    // A built-in recipe with its comments, as it was written.
    match built_in().into_iter().find(|(n, _)| *n == name) {
        Some((_, text)) => Ok(say(text.trim_end())?),
        None if recipe.of_run => bail!("{name} is the record of a run: it is a text file, read it directly"),
        None => Ok(say(recipe.toml.trim_end())?),
    }
}
