//! Chromium: where it is, and one that runs without a window as long as it is wanted.

use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;

/// Names it goes by on the path.
const NAMES: &[&str] =
    &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge"];

/// Where installers put it that do not touch the path.
const PLACES: &[&str] = &[
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

/// The variable that names it.
const VARIABLE: &str = "ONEBIT_CHROMIUM";

/// Finds a browser of the Chromium family: what `ONEBIT_CHROMIUM` names, else one on the path or in its usual place.
///
/// # Errors
/// If there is none, saying where it was looked for and how to get one.
pub fn find_chromium() -> Result<PathBuf> {
    find(std::env::var_os(VARIABLE).map(PathBuf::from), std::env::var_os("PATH").unwrap_or_default())
}

fn find(named: Option<PathBuf>, path: std::ffi::OsString) -> Result<PathBuf> {
    if let Some(named) = named {
        return match named.is_file() {
            true => Ok(named),
            false => Err(Error::Device(format!("{VARIABLE} is {}, and there is no such file", named.display()))),
        };
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let on_path =
        NAMES.iter().flat_map(|n| folders.iter().map(move |f| f.join(format!("{n}{}", std::env::consts::EXE_SUFFIX))));
    on_path.chain(PLACES.iter().map(PathBuf::from)).find(|p| p.is_file()).ok_or_else(|| {
        Error::Device(format!(
            "no Chromium was found: there is no {} on the path, and none where installers put it. Install one (Debian: \
             apt-get install chromium), or name the program of yours in {VARIABLE}",
            NAMES.join(", ")
        ))
    })
}

/// A Chromium without a window, and with a profile of its own. It ends, and its profile goes, when this is dropped.
pub struct Chromium {
    child: Child,
    profile: Option<TempDir>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// How many lines of its standard error are kept.
const LAST_WORDS: usize = 5;

impl Chromium {
    /// Opens a page.
    pub fn open(program: &Path, url: &str) -> Result<Chromium> {
        let profile = tempfile::Builder::new().prefix("onebit-chromium-").tempdir();
        let profile = profile.map_err(Error::io(std::env::temp_dir(), "create a folder in"))?;
        let mut command = Command::new(program);
        command.arg("--headless=new").arg(format!("--user-data-dir={}", profile.path().display()));
        // WebGPU on whatever there is: by default a GPU must be on a list, and software is left out.
        command.args(["--enable-unsafe-webgpu", "--ignore-gpu-blocklist"]);
        if cfg!(target_os = "linux") {
            command.arg("--enable-features=Vulkan");
            // A container's shared memory is often too small for it.
            command.arg("--disable-dev-shm-usage");
            if is_root() {
                command.arg("--no-sandbox");
            }
        }
        // Nothing but this page: no dialogs, no updates, no network of its own.
        command.args([
            "--no-first-run",
            "--no-default-browser-check",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-quic",
            "--disable-sync",
            "--disable-breakpad",
            "--password-store=basic",
            "--use-mock-keychain",
            // A page without a window is in the background, but must not be slowed down.
            "--disable-background-timer-throttling",
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
        ]);
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::io(program, "start"))?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let reader = child.stderr.take().map(|stderr| {
            let keep = last_words.clone();
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(|l| l.ok()).filter(|l| !l.trim().is_empty()) {
                    let mut lines = keep.lock().expect("no panic holds this lock");
                    lines.push_back(line);
                    if lines.len() > LAST_WORDS {
                        lines.pop_front();
                    }
                }
            })
        });
        Ok(Chromium { child, profile: Some(profile), last_words, reader })
    }

    /// An error if it has ended.
    pub fn alive(&mut self) -> Result<()> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(()) };
        if let Some(reader) = self.reader.take() {
            // What it started may hold the pipe open; what was read until now is enough then.
            let patience = std::time::Instant::now() + Duration::from_secs(1);
            while !reader.is_finished() && std::time::Instant::now() < patience {
                thread::sleep(Duration::from_millis(10));
            }
        }
        Err(Error::Device(format!("Chromium ended early ({status}){}", self.last_words())))
    }

    /// What it said last, to be added to a message.
    pub fn last_words(&self) -> String {
        let lines = self.last_words.lock().expect("no panic holds this lock");
        if lines.is_empty() {
            return "; it said nothing".into();
        }
        format!("; it said: {}", lines.iter().map(|l| l.trim()).collect::<Vec<_>>().join(" | "))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its other processes end when they notice, and write to the profile until then.
        if let Some(profile) = self.profile.take() {
            let path = profile.keep();
            for _ in 0..100 {
                if std::fs::remove_dir_all(&path).is_ok() || !path.exists() {
                    return;
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Whether this is root's process, whose Chromium refuses to start in its sandbox.
#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_variable_goes_first_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&first).unwrap();
        fs::create_dir(&second).unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let name = format!("google-chrome{}", std::env::consts::EXE_SUFFIX);
        fs::write(second.join(&name), "").unwrap();
        assert_eq!(find(None, path.clone()).unwrap(), second.join(&name));
        let mine = folder.path().join("mine");
        let message = find(Some(mine.clone()), path.clone()).unwrap_err().to_string();
        assert!(message.contains("ONEBIT_CHROMIUM is") && message.contains("mine"), "{message}");
        fs::write(&mine, "").unwrap();
        assert_eq!(find(Some(mine.clone()), path).unwrap(), mine);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_any_the_message_says_what_to_do() {
        let message = find(None, "".into()).unwrap_err().to_string();
        for part in ["chromium-browser", "apt-get install chromium", "ONEBIT_CHROMIUM"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
