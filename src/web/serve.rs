//! Runs an exported folder in Chromium: serves it on this machine alone, and waits for the page's report.

use super::browser::{Chromium, find_chromium};
use crate::error::{Error, Result};
use crate::verify::{DeviceReport, Report};
use serde::Deserialize;
use std::io::Write;
use std::path::{Component, Path};
use std::time::{Duration, Instant};
use tiny_http::{Method, Request, Server};

/// How far the page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// Steps that were compared.
    pub done: usize,
    /// Steps of the folder.
    pub total: usize,
}

/// What the page sends at its end.
#[derive(Deserialize)]
struct Finished {
    #[serde(flatten)]
    progress: Progress,
    report: Report,
}

/// What the page sends if it cannot do its work.
#[derive(Deserialize)]
struct Failed {
    message: String,
}

/// Opens an exported folder in a Chromium without a window, and brings its report home. `chromium` is the program, or
/// the one that [`find_chromium`] finds. The page must get ahead within `patience`, however long it takes in all.
///
/// # Errors
/// If there is no Chromium, it ends early, has no WebGPU, gets no further, or leaves steps out.
pub fn run_in_browser(
    dir: &Path,
    chromium: Option<&Path>,
    patience: Duration,
    each: &mut dyn FnMut(Progress),
) -> Result<DeviceReport> {
    if !dir.join("manifest.js").is_file() {
        return Err(Error::data(dir, "this is not a folder of `onebit export-program`: it has no manifest.js"));
    }
    let program = match chromium {
        Some(program) => program.to_path_buf(),
        None => find_chromium()?,
    };
    let server = Server::http(("127.0.0.1", 0))
        .map_err(|e| Error::Device(format!("no port of 127.0.0.1 could be opened to serve the page: {e}")))?;
    let port = server.server_addr().to_ip().map_or(0, |a| a.port());
    let mut browser = Chromium::open(&program, &format!("http://127.0.0.1:{port}/index.html?report"))?;
    let mut progress = Progress { done: 0, total: 0 };
    let mut ahead = Instant::now();
    loop {
        let request = server
            .recv_timeout(Duration::from_millis(100))
            .map_err(|e| Error::Device(format!("the page cannot be served: {e}")))?;
        if let Some(request) = request {
            match answer(dir, request)? {
                Said::Nothing => {}
                Said::Asked => ahead = Instant::now(),
                Said::Progress(now) => {
                    if now != progress {
                        ahead = Instant::now();
                        progress = now;
                        each(progress);
                    }
                }
                Said::Answer(_) => {}
                Said::Finished(f) => return device_report(*f),
                Said::Failed(f) => return Err(Error::Device(format!("{}: {}", program.display(), f.message))),
            }
            continue;
        }
        browser.alive()?;
        if ahead.elapsed() > patience {
            return Err(Error::Device(format!(
                "the page in {} got no further for {} s, after {} of {} steps{}",
                program.display(),
                patience.as_secs(),
                progress.done,
                progress.total,
                browser.last_words()
            )));
        }
    }
}

/// Opens a page of a folder in a Chromium without a window, and brings home the JSON that it posts to `/answer`.
///
/// # Errors
/// If there is no Chromium, it ends early, or nothing came within `patience`.
pub fn ask_in_browser(dir: &Path, page: &str, patience: Duration) -> Result<serde_json::Value> {
    let program = find_chromium()?;
    let server = Server::http(("127.0.0.1", 0))
        .map_err(|e| Error::Device(format!("no port of 127.0.0.1 could be opened to serve the page: {e}")))?;
    let port = server.server_addr().to_ip().map_or(0, |a| a.port());
    let mut browser = Chromium::open(&program, &format!("http://127.0.0.1:{port}/{page}"))?;
    let start = Instant::now();
    while start.elapsed() < patience {
        let request = server
            .recv_timeout(Duration::from_millis(100))
            .map_err(|e| Error::Device(format!("the page cannot be served: {e}")))?;
        match request.map(|r| answer(dir, r)).transpose()? {
            Some(Said::Answer(answer)) => return Ok(answer),
            Some(Said::Failed(f)) => return Err(Error::Device(format!("{}: {}", program.display(), f.message))),
            _ => browser.alive()?,
        }
    }
    Err(Error::Device(format!("{page} did not answer within {} s{}", patience.as_secs(), browser.last_words())))
}

fn device_report(f: Finished) -> Result<DeviceReport> {
    let Progress { done, total } = f.progress;
    if done != total {
        return Err(Error::Device(format!("the page compared {done} steps of {total}")));
    }
    let mut devices = f.report.devices.into_iter();
    devices.next().ok_or_else(|| Error::Device("the page's report names no device".into()))
}

/// What a request told.
enum Said {
    Nothing,
    /// For a file of the folder: it is alive.
    Asked,
    Progress(Progress),
    Finished(Box<Finished>),
    Answer(serde_json::Value),
    Failed(Failed),
}

fn answer(dir: &Path, mut request: Request) -> Result<Said> {
    let url = request.url().split('?').next().unwrap_or("").trim_start_matches('/').to_string();
    let said = match request.method() {
        Method::Get => return Ok(send_file(dir, &url, request)),
        Method::Post => match url.as_str() {
            "progress" => Said::Progress(read(&mut request)?),
            "report" => Said::Finished(Box::new(read(&mut request)?)),
            "answer" => Said::Answer(read(&mut request)?),
            "failed" => Said::Failed(read(&mut request)?),
            _ => Said::Nothing,
        },
        _ => Said::Nothing,
    };
    // A page that does not wait for the answer is no error.
    let _ = respond(request, "200 OK", "text/plain", b"");
    Ok(said)
}

fn read<T: for<'a> Deserialize<'a>>(request: &mut Request) -> Result<T> {
    let wrong = |e: serde_json::Error| Error::Device(format!("what the page sent cannot be read: {e}"));
    serde_json::from_reader(request.as_reader()).map_err(wrong)
}

/// Sends a file of the folder itself; nothing beside or below it.
fn send_file(dir: &Path, name: &str, request: Request) -> Said {
    let path = Path::new(name);
    let plain = path.components().count() == 1 && path.components().all(|c| matches!(c, Component::Normal(_)));
    let content = plain.then(|| std::fs::read(dir.join(path)).ok()).flatten();
    let kind = match path.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    let sent = match content {
        Some(content) => respond(request, "200 OK", kind, &content),
        None => respond(request, "404 Not Found", kind, b""),
    };
    if sent.is_ok() { Said::Asked } else { Said::Nothing }
}

/// Answers, and asks the browser to end the connection. The server gives each connection a thread until it ends, and
/// when several begin at once some may be left waiting for one.
fn respond(request: Request, status: &str, kind: &str, content: &[u8]) -> std::io::Result<()> {
    let length = content.len();
    let mut to = request.into_writer();
    write!(to, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")?;
    to.write_all(content)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn only_files_of_the_folder_are_served() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("in")).unwrap();
        std::fs::write(place.path().join("secret"), "no").unwrap();
        std::fs::write(place.path().join("in/main.js"), "yes").unwrap();
        let server = Server::http("127.0.0.1:0").unwrap();
        let address = server.server_addr().to_ip().unwrap();
        let get = |name: &'static str| {
            let client = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                write!(stream, "GET {name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                text
            });
            let request = server.recv().unwrap();
            answer(&place.path().join("in"), request).unwrap();
            client.join().unwrap()
        };
        let text = get("/main.js?x");
        assert!(
            text.starts_with("HTTP/1.1 200") && text.contains("text/javascript") && text.ends_with("yes"),
            "{text}"
        );
        for name in ["/../secret", "/secret", "/", "/..", "/in/main.js"] {
            assert!(get(name).starts_with("HTTP/1.1 404"), "{name}");
        }
    }
}
