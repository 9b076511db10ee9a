//! What the benches share: the device, the filter, and least times.

use onebit::device::Device;
use onebit::gpu::{GpuDevice, GpuOptions, adapters};
use std::time::{Duration, Instant};

pub struct Args {
    pub device: Device,
    pub seconds: f64,
    /// Batch sizes that were asked for; none for each case's own.
    pub batches: Vec<usize>,
    names: Vec<String>,
}

impl Args {
    pub fn parse() -> Args {
        let (mut device, mut seconds, mut batches, mut names) = ("cpu".to_string(), 0.5, Vec::new(), Vec::new());
        let mut args = std::env::args().skip(1);
        while let Some(a) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{a} wants a value"));
            match a.as_str() {
                "--device" => device = value(),
                "--seconds" => seconds = value().parse().expect("--seconds wants a number"),
                "--batch" => {
                    let number = |n: &str| n.parse().expect("--batch wants numbers: 32,128");
                    batches = value().split(',').map(number).collect();
                }
                "--bench" => {}
                _ if a.starts_with("--") => {}
                _ => names.push(a),
            }
        }
        let device = match device.as_str() {
            "cpu" => Device::Cpu,
            name => {
                let found = adapters();
                let pick = found
                    .iter()
                    .enumerate()
                    .find(|(i, a)| name == i.to_string() || a.describe().to_lowercase().contains(&name.to_lowercase()))
                    .unwrap_or_else(|| {
                        panic!(
                            "no adapter is called {name}: {:?}",
                            found.iter().map(|a| a.describe()).collect::<Vec<_>>()
                        )
                    });
                Device::Gpu(GpuDevice::open(pick.1, GpuOptions::default()).unwrap_or_else(|e| panic!("{e}")))
            }
        };
        Args { device, seconds, batches, names }
    }

    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| name.contains(n.as_str()))
    }
}

/// Least milliseconds of a call, after one warm-up call, over at least three calls and `--seconds`.
pub fn time(args: &Args, mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    let mut least = f64::INFINITY;
    let mut n = 0;
    while n < 3 || start.elapsed() < Duration::from_secs_f64(args.seconds) {
        let t = Instant::now();
        f();
        least = least.min(t.elapsed().as_secs_f64() * 1e3);
        n += 1;
    }
    least
}
