//! The command line, one file per subcommand.

mod bench;
mod cascade;
mod compare;
mod completions;
mod devices;
mod embed;
mod eval;
mod export;
mod export_program;
mod inspect;
mod look;
mod mask;
mod net;
mod pack;
mod pictures;
mod plan;
mod predict;
mod profile;
mod ranks;
mod recipes;
mod report;
mod sweep;
mod train;
mod tune;
mod verify;

use crate::console::stop::{INTERRUPTED, survive_file_limits};
use crate::console::text::{STDOUT, is_broken_pipe};
use crate::experiments::Ending;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

/// Trains 1-bit vision networks on any GPU, and on the CPU.
///
/// Without a GPU and without data, this trains a network whose convolutions are one bit a weight and one bit an
/// activation on 6,000 images that come with the program, in a few minutes:
///
///     onebit train
#[derive(Parser)]
#[command(name = "onebit", version, verbatim_doc_comment, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Devices(devices::Args),
    Recipes(recipes::Args),
    Net(net::Args),
    Train(train::Args),
    Sweep(sweep::Args),
    Eval(eval::Args),
    Embed(embed::Args),
    Export(export::Args),
    Inspect(inspect::Args),
    Predict(predict::Args),
    Mask(mask::Args),
    Pack(pack::Args),
    Cascade(cascade::Args),
    Compare(compare::Args),
    Report(report::Args),
    Verify(verify::Args),
    Profile(profile::Args),
    Plan(plan::Args),
    Bench(bench::Args),
    ExportProgram(export_program::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
}

/// Exit code of a program that could not do what it was asked. 1 is for one that did, and the answer is no: a
/// check that failed.
const COULD_NOT: u8 = 2;

/// Runs the program; prints what went wrong as one message.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|_| {}));
    survive_file_limits();
    match panic::catch_unwind(|| Cli::try_parse().map_or_else(|e| told(&e), run)) {
        Ok(Ok(code)) => code,
        Ok(Err(e)) => {
            // A reader that went away (`onebit … | head`) is no error worth a message.
            if !e.downcast_ref().is_some_and(is_broken_pipe) {
                eprintln!("error: {e:#}");
            }
            ExitCode::from(COULD_NOT)
        }
        Err(panic) => {
            let what = panic.downcast_ref::<String>().map(String::as_str);
            let what = what.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            eprintln!("error: this is a fault of onebit {}, please report it: {what}", env!("CARGO_PKG_VERSION"));
            ExitCode::from(70)
        }
    }
}

/// What is asked of the program itself (its help, its version), or what is wrong with how it was called.
fn told(e: &clap::Error) -> anyhow::Result<ExitCode> {
    let printed = e.print().and_then(|()| io::stdout().flush());
    if e.use_stderr() {
        return Ok(ExitCode::from(COULD_NOT));
    }
    Ok(printed.map_err(crate::error::Error::io(STDOUT, "write")).map(|()| ExitCode::SUCCESS)?)
}

/// The exit code of a command that can be stopped from outside.
fn code(ending: Ending) -> ExitCode {
    match ending {
        Ending::Done => ExitCode::SUCCESS,
        Ending::Stopped => ExitCode::from(INTERRUPTED),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // An instruction set that this machine lacks is refused before anything is begun.
    crate::kernels::Isa::chosen()?;
    if !matches!(cli.command, Command::Train(_)) {
        let named = std::env::args().nth(1).unwrap_or_default();
        ranks::alone(&named)?;
    }
    match cli.command {
        Command::Devices(args) => devices::run(&args),
        Command::Recipes(args) => recipes::run(&args),
        Command::Net(args) => net::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Mask(args) => mask::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Cascade(args) => cascade::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::ExportProgram(args) => export_program::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => completions::man(&args),
    }
}
