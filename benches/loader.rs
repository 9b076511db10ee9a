//! How fast images come from disk: decoded, cropped at random to 224 pixels and put into batches of 64, as an ImageNet recipe
//! does it.
//!
//!     cargo bench --bench loader -- DIR [FILE.1img ...] [--batch N] [--seconds S]
//!
//! For each source prints images/s (the best pass of at least S seconds), the seconds from nothing to the first batch, and the
//! most memory that the program held until then. Files are read once before, so that the disk is not what is measured.

use onebit::data::augment::{Flip, RandomResizedCrop};
use onebit::data::{AugmentSpec, Dataset, Loader, LoaderOptions, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let (mut sources, mut batch, mut seconds) = (Vec::new(), 64, 10.0);
    while let Some(arg) = args.next() {
        let mut number =
            || args.next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_else(|| panic!("{arg} takes a number"));
        match arg.as_str() {
            "--batch" => batch = number() as usize,
            "--seconds" => seconds = number(),
            _ => sources.push(arg),
        }
    }
    if sources.is_empty() {
        println!(
            "loader: give a folder of images (with a folder a class) or of Parquet files, or a .1img file: nothing was measured"
        );
        return;
    }
    println!("{:30} {:>8} {:>10} {:>14} {:>12}", "source", "images", "images/s", "first batch, s", "memory, MiB");
    for source in sources {
        measure(Path::new(&source), batch, Duration::from_secs_f64(seconds));
    }
}

fn measure(source: &Path, batch: usize, least: Duration) {
    let fail = |e: onebit::error::Error| -> ! { panic!("{e}") };
    let options = OpenOptions { size: Some([256, 256]), crops: true, memory: Some(0), ..OpenOptions::default() };
    let views = AugmentSpec {
        random_resized_crop: Some(RandomResizedCrop { size: Some([224, 224]), ..Default::default() }),
        flip: Some(Flip::default()),
        ..Default::default()
    };
    let loader = || {
        let split = Dataset::open(source, &options).unwrap_or_else(|e| fail(e));
        Loader::new(split.train, LoaderOptions::train(batch, 0, views.clone())).unwrap_or_else(|e| fail(e))
    };
    // The first opening fills the caches.
    drop(loader());
    let start = Instant::now();
    let loader = loader();
    let mut batches = loader.start_at(0, 0);
    let first = batches.next().expect("batches go on without end").unwrap_or_else(|e| fail(e));
    let to_first = start.elapsed().as_secs_f64();
    batches.recycle(first);
    let mut best = 0f64;
    for _ in 0..2 {
        let (start, mut images) = (Instant::now(), 0);
        while start.elapsed() < least {
            let b = batches.next().expect("batches go on without end").unwrap_or_else(|e| fail(e));
            images += b.valid;
            batches.recycle(b);
        }
        best = best.max(images as f64 / start.elapsed().as_secs_f64());
    }
    let name = source.file_name().unwrap_or(source.as_os_str()).to_string_lossy();
    println!("{name:30} {:>8} {best:>10.0} {to_first:>14.2} {:>12}", loader.dataset().len(), peak());
}

/// The most memory that the program held, in MiB; "?" where the system does not tell.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or("?".into(), |kib| (kib >> 10).to_string())
}
