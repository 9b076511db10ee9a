//! Runs the program in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What makes any recipe small enough for a test: settings of 3 epochs of 6 steps.
pub const TINY: &[&str] =
    &["data.train_images=300", "data.test_images=100", "batch=50", "epochs=3", "net.widths=[8,8,8,8]", "eval.batch=40"];

/// A folder to run the program in.
pub struct Place {
    folder: TempDir,
}

/// What a run of the program gave.
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Place { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_onebit"));
        c.args(args).current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What tests measure must not end up among the user's own measurements, nor depend on them.
        c.env("ONEBIT_CACHE", self.path("cache"));
        c
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        finish(self.command(args).spawn().expect("the program starts"))
    }

    /// Trains the default recipe, made tiny, on the CPU.
    pub fn train(&self, out: &str, more: &[&str]) -> Outcome {
        let args = tiny(out, more);
        self.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn checkpoint(&self, out: &str) -> PathBuf {
        self.path(out).join("checkpoints/last.safetensors")
    }

    /// The bytes of a run's newest checkpoint.
    pub fn weights(&self, out: &str) -> Vec<u8> {
        std::fs::read(self.checkpoint(out)).expect("the run has a checkpoint")
    }
}

/// The arguments of [`Place::train`].
pub fn tiny(out: &str, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = ["train", "--out", out].map(String::from).to_vec();
    if !more.contains(&"--device") {
        args.extend(["--device", "cpu"].map(String::from));
    }
    // A setting is given once.
    let by_flag = |s: &&&str| s.starts_with("epochs=") && more.contains(&"--epochs");
    for s in TINY.iter().filter(|s| !by_flag(s)) {
        args.extend(["--set".to_string(), s.to_string()]);
    }
    args.extend(more.iter().map(|s| s.to_string()));
    args
}

/// Waits for the end of a program.
pub fn finish(child: Child) -> Outcome {
    let o = child.wait_with_output().expect("the program ends");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    Outcome { code: o.status.code(), out: text(&o.stdout), err: text(&o.stderr) }
}

impl Outcome {
    /// The run must have gone well.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        assert_eq!(self.err, "");
        self
    }

    /// The run must have failed with exactly one message, which holds all of `parts`.
    pub fn fails_with(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(2), "{}\n{}", self.out, self.err);
        let message = self.err.trim_end();
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "not one message: {message}");
        for bad in ["panicked", "RUST_BACKTRACE", "fault of onebit", "unwrap"] {
            assert!(!message.contains(bad), "{message}");
        }
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        self
    }
}

/// Waits until a file is there, while the program runs.
pub fn wait_for(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(child.try_wait().expect("the program can be asked").is_none(), "it ended before {}", path.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
