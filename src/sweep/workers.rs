//! The runs of a sweep, each a program of its own, so that one that fails takes no other with it; side by side as far as
//! memory allows.
//!
//! A run whose sweep has ended, in whatever way, sees its standard input end, saves and stops.

use super::folder::{Folder, State};
use super::grid::Job;
use crate::error::{Error, Result};
use crate::memory::available;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How runs are made.
pub struct Workers {
    /// The program whose command `train` makes them.
    pub program: PathBuf,
    /// The device that all take.
    pub select: String,
    /// Runs side by side at most.
    pub most: usize,
    /// Threads of each; none for as many as it likes.
    pub threads: Option<usize>,
}

/// What happens to a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// It begins, or goes on.
    Started,
    /// What it says of itself: a line of `onebit train --json`.
    Says(Value),
    /// It has its result.
    Finished,
    /// It was stopped and saved.
    Stopped,
    /// It ended otherwise; why.
    Failed(String),
}

/// Who is told.
pub type Told<'a> = &'a mut dyn FnMut(&Job, &Event) -> Result<()>;

/// How the program ends that was stopped.
const INTERRUPTED: i32 = 130;
/// How often it is asked whether all shall stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

enum Message {
    Line(usize, Value),
    Ended(usize, ExitStatus, String),
}

struct Running {
    /// Until this is dropped the run goes on.
    input: Option<ChildStdin>,
    /// Memory that there was before it began, until it trains.
    before: Option<u64>,
    trains: bool,
}

/// Makes the runs that are not finished, until all have ended or `stop` is set.
///
/// # Errors
/// If a run cannot be begun at all, or whoever is told fails; the runs that are going are stopped then.
pub fn run(folder: &Folder, jobs: &[Job], workers: &Workers, stop: &AtomicBool, told: Told<'_>) -> Result<()> {
    let (tell, ear) = channel();
    let mut waiting: VecDeque<usize> = (0..jobs.len()).filter(|i| folder.state(&jobs[*i]) != State::Finished).collect();
    let mut running: BTreeMap<usize, Running> = BTreeMap::new();
    let done = supervise(folder, jobs, workers, stop, told, &mut waiting, &mut running, &tell, &ear);
    // Whatever went wrong, what runs saves and ends before this does.
    running.values_mut().for_each(|r| drop(r.input.take()));
    while !running.is_empty() {
        match ear.recv() {
            Ok(Message::Ended(i, ..)) => drop(running.remove(&i)),
            Ok(Message::Line(..)) => {}
            Err(_) => break,
        }
    }
    done
}

fn supervise(
    folder: &Folder,
    jobs: &[Job],
    workers: &Workers,
    stop: &AtomicBool,
    told: Told<'_>,
    waiting: &mut VecDeque<usize>,
    running: &mut BTreeMap<usize, Running>,
    tell: &Sender<Message>,
    ear: &Receiver<Message>,
) -> Result<()> {
    // Memory that a run was seen to take.
    let mut need = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            waiting.clear();
            running.values_mut().for_each(|r| drop(r.input.take()));
        }
        while let Some(&next) = waiting.front()
            && running.len() < workers.most
            && has_room(running, need)
        {
            waiting.pop_front();
            running.insert(next, start(folder, next, &jobs[next], workers, tell)?);
            told(&jobs[next], &Event::Started)?;
        }
        if running.is_empty() && waiting.is_empty() {
            return Ok(());
        }
        match ear.recv_timeout(POLL_INTERVAL) {
            Ok(Message::Line(i, line)) => {
                if let Some(r) = running.get_mut(&i)
                    && !r.trains
                    && ["train", "layer"].contains(&line["event"].as_str().unwrap_or(""))
                {
                    r.trains = true;
                    let taken = r.before.zip(available()).map_or(0, |(before, now)| before.saturating_sub(now));
                    need = need.max(taken);
                }
                if let Some(planned) = line["planned_bytes"].as_u64() {
                    need = need.max(planned + line["beside_bytes"].as_u64().unwrap_or(0));
                }
                told(&jobs[i], &Event::Says(line))?;
            }
            Ok(Message::Ended(i, status, errors)) => {
                running.remove(&i);
                told(&jobs[i], &ended(status, &errors))?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("this function holds a sender"),
        }
    }
}

/// Whether one more run fits: the others have taken what they need, and there is a fifth more than a run needs.
fn has_room(running: &BTreeMap<usize, Running>, need: u64) -> bool {
    running.is_empty()
        || running.values().all(|r| r.trains) && available().is_none_or(|there| there as f64 >= 1.2 * need as f64)
}

fn start(folder: &Folder, i: usize, job: &Job, workers: &Workers, tell: &Sender<Message>) -> Result<Running> {
    let out = folder.run(job);
    let mut command = Command::new(&workers.program);
    command.arg("train");
    if folder.state(job) == State::Begun {
        command.arg("--resume");
    } else {
        folder.clear(job)?;
        command.arg(&job.of.recipe);
        let options = [
            ("--data", job.of.data.clone()),
            ("--epochs", job.of.epochs.map(|n| n.to_string())),
            ("--seed", job.of.seed.map(|n| n.to_string())),
        ];
        for (name, value) in options.into_iter().filter_map(|(n, v)| Some((n, v?))) {
            command.arg(name).arg(value);
        }
        command.args(job.of.settings.iter().flat_map(|s| ["--set", s]));
    }
    command.arg("--out").arg(&out).args(["--device", &workers.select, "--json", "--supervised"]);
    if let Some(n) = workers.threads {
        command.env("RAYON_NUM_THREADS", n.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let before = available();
    let mut child = command.spawn().map_err(Error::io(&workers.program, "start"))?;
    let (input, out, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let tell = tell.clone();
    thread::spawn(move || {
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            // What was read until then is what there is to tell.
            let _ = errors.map(|mut e| e.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(std::io::Result::ok) {
            if let Ok(said) = serde_json::from_str(&line) {
                let _ = tell.send(Message::Line(i, said));
            }
        }
        if let Ok(status) = child.wait() {
            let _ = tell.send(Message::Ended(i, status, errors.join().unwrap_or_default()));
        }
    });
    Ok(Running { input, before, trains: false })
}

fn ended(status: ExitStatus, errors: &str) -> Event {
    match status.code() {
        Some(0) => Event::Finished,
        Some(INTERRUPTED) => Event::Stopped,
        _ => {
            let said = errors.lines().rfind(|l| l.starts_with("error: ")).map(|l| l["error: ".len()..].to_string());
            Event::Failed(said.unwrap_or_else(|| match errors.trim().lines().last() {
                Some(last) => format!("{status}: {last}"),
                None => format!("it ended with {status} and said nothing"),
            }))
        }
    }
}
