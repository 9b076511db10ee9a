//! `onebit recipes`.

use crate::console::text::{say, say_json};
use crate::experiments::EXPERIMENTS;
use crate::recipe::keys::Key;
use crate::recipe::{DEFAULT, Text, built_in};
use crate::suggest::{known_elsewhere, nearest};
use anyhow::bail;
use serde_json::json;
use std::process::ExitCode;

/// Lists the built-in recipes, or shows one.
///
/// A recipe is a TOML file with everything that decides what is computed: method, network, data, augmentation,
/// optimiser, schedule. To make your own, start from a built-in one:
///
///     onebit recipes
///     onebit recipes --filter cifar10
///     onebit recipes keys optimiser         every setting, or those of a table: type, default, meaning
///     onebit recipes show fashion-binary > mine.toml
///     onebit train mine.toml
///     onebit train fashion-binary --set epochs=5 --set net.binary=false
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only recipes whose name or description has all of these words.
    #[arg(long, value_name = "WORDS", num_args = 1..)]
    filter: Vec<String>,
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
        /// With every default filled in, and the layers of the network in place of its kind.
        #[arg(long)]
        full: bool,
        /// Prints JSON, with every default filled in.
        #[arg(long)]
        json: bool,
    },
    /// Lists every setting: its type, its default, what it means, and which methods have it.
    Keys {
        /// Only this key, or those of this table.
        prefix: Option<String>,
        /// Prints JSON for programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(Command::Show { name, full, json }) => show(name, *full, *json)?,
        Some(Command::Keys { prefix, json }) => keys(prefix.as_deref(), *json)?,
        None => list(&args.filter, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(filter: &[String], as_json: bool) -> anyhow::Result<()> {
    let mut recipes = built_in()
        .into_iter()
        .map(|(name, text)| {
            let text = Text { name: name.into(), text: text.into(), origin: name.into() };
            Ok((name, EXPERIMENTS.of_text(&text.text).describe(&text)?.description))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let words: Vec<String> = filter.iter().flat_map(|f| f.split_whitespace()).map(str::to_lowercase).collect();
    recipes.retain(|(name, about)| words.iter().all(|w| format!("{name} {about}").to_lowercase().contains(w.as_str())));
    if recipes.is_empty() {
        bail!("no recipe has {} in its name or description; onebit recipes lists all", words.join(" and "));
    }
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

fn show(name: &str, full: bool, as_json: bool) -> anyhow::Result<()> {
    let text = Text::find(name)?;
    let recipe = EXPERIMENTS.of_text(&text.text).describe(&text)?;
    if as_json {
        return Ok(say(recipe.json)?);
    }
    // A built-in recipe with its comments, as it was written.
    match built_in().into_iter().find(|(n, _)| *n == name && !full) {
        Some((_, text)) => Ok(say(text.trim_end())?),
        None if recipe.of_run => bail!("{name} is the record of a run: it is a text file, read it directly"),
        None if full => Ok(say(recipe.layers.trim_end())?),
        None => Ok(say(recipe.toml.trim_end())?),
    }
}

fn keys(prefix: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let all = EXPERIMENTS.keys();
    let wanted = prefix.unwrap_or("").trim_end_matches('.');
    // What lists of tables hold is below them.
    let within = |name: &str| name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', '[']));
    let below = |k: &Key| wanted.is_empty() || k.name == wanted || within(&k.name);
    let keys: Vec<&Key> = all.iter().filter(|k| below(k)).collect();
    if keys.is_empty() {
        // A name without its table may be in several.
        let ends: Vec<&str> =
            all.iter().map(|k| k.name.as_str()).filter(|k| k.ends_with(&format!(".{wanted}"))).collect();
        let elsewhere =
            || known_elsewhere(wanted).map(|k| if k.starts_with('-') { format!("the flag {k}") } else { k.into() });
        let near = || nearest(wanted, all.iter().map(|k| k.name.as_str())).map(String::from);
        let meant = if ends.is_empty() { elsewhere().or_else(near).unwrap_or_default() } else { ends.join(" or ") };
        let meant = if meant.is_empty() { String::new() } else { format!("; did you mean {meant}?") };
        bail!("there is no setting {wanted}{meant}");
    }
    if as_json {
        let list: Vec<_> = keys
            .iter()
            .map(|k| {
                let choices: Vec<_> = k.choices.iter().map(|(word, m)| json!({ "word": word, "meaning": m })).collect();
                json!({ "key": k.name, "type": k.takes, "default": k.default, "meaning": k.meaning,
                    "choices": choices, "of": k.of })
            })
            .collect();
        return Ok(say_json(&list)?);
    }
    for key in keys {
        let default = match key.default.as_str() {
            "" => String::new(),
            "required" => "  (required)".to_string(),
            value => format!("  = {value}"),
        };
        let of = if key.of.is_empty() { String::new() } else { format!("  [{}]", key.of.join(", ")) };
        say(format!("{}  {}{default}{of}", key.name, key.takes))?;
        for line in wrapped(&key.meaning) {
            say(format!("    {line}"))?;
        }
        let width = key.choices.iter().map(|(word, _)| word.chars().count()).max().unwrap_or(0);
        for (word, meaning) in &key.choices {
            let mut lines = wrapped(meaning).into_iter();
            say(format!("      {word:width$}  {}", lines.next().unwrap_or_default()).trim_end())?;
            for line in lines {
                say(format!("      {:width$}  {line}", ""))?;
            }
        }
    }
    Ok(())
}

/// Text in lines that most terminals hold.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 96 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
