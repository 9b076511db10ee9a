//! `onebit completions` and `onebit man`.

use super::Cli;
use crate::console::text::say;
use crate::error::Error;
use crate::files::create_dir;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints what a shell needs to complete commands and options.
///
/// Examples:
///
///     onebit completions bash > ~/.local/share/bash-completion/completions/onebit
///     onebit completions zsh > ~/.zfunc/_onebit
///     onebit completions fish > ~/.config/fish/completions/onebit.fish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes a manual page for each command.
///
///     onebit man --out ~/.local/share/man/man1
///     man onebit-train
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ManArgs {
    /// The folder.
    #[arg(long, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "onebit", &mut text);
    say(String::from_utf8_lossy(&text).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    create_dir(&args.out)?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(Error::io(&args.out, "write pages into"))?;
    say(format!("the pages are in {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
