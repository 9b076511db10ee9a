//! Matrix products: transposes, batches, tails of every tile size.

use crate::rng::Philox;
use crate::tensor::HostTensor;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for (m, k, n) in
        [(1, 1, 1), (3, 5, 7), (16, 16, 16), (64, 64, 64), (128, 20, 16), (65, 33, 67), (130, 40, 9), (5, 300, 70)]
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            all.push(CaseSpec::new("matmul", format!("{m}x{k}x{n}, transposes {ta} {tb}"), move |c| {
                let a = c.random(if ta { [k, m] } else { [m, k] });
                let b = c.random(if tb { [n, k] } else { [k, n] });
                let y = c.graph.matmul(a, b, ta, tb)?;
                c.grad(y)
            }));
        }
    }
    for (name, a, b) in [
        ("batch of 3", &[3, 6, 5][..], &[3, 5, 4][..]),
        ("one A for all", &[6, 5], &[3, 5, 4]),
        ("one B for all", &[3, 6, 5], &[5, 4]),
        ("large batch of 3", &[3, 36, 20], &[3, 20, 40]),
        ("one large A for all", &[33, 20], &[3, 20, 35]),
        ("one large B for all", &[3, 33, 20], &[20, 40]),
    ] {
        all.push(CaseSpec::new("matmul", name, move |c| {
            let (a, b) = (c.random(a), c.random(b));
            let y = c.graph.matmul(a, b, false, false)?;
            c.grad(y)
        }));
    }
    all.extend(of_any_magnitude());
    all.push(CaseSpec::new("linear", "with bias", move |c| {
        let (x, w, b) = (c.random([5, 33]), c.random([10, 33]), c.random([10]));
        let y = c.graph.linear(x, w, Some(b))?;
        c.grad(y)
    }));
    all
}

/// Random numbers by line, each line times a power of two of its own, each number by one of its own below.
fn spread(seed: u64, lines: usize, depth: usize, of_line: i32, of_number: i32) -> Vec<f32> {
    let p = Philox::new(seed, 0);
    let power =
        |span: i32, step: u64, i: usize| ((2 * span + 1) as f32 * p.uniform(step, i as u64)).floor() as i32 - span;
    let number = |i: usize| {
        let exponent = power(of_line, 1, i / depth) - power(of_number, 2, i).abs();
        (p.normal(0, i as u64) as f64 * f64::from(2).powi(exponent)) as f32
    };
    (0..lines * depth).map(number).collect()
}

/// What kernels that scale numbers must not lose: lines of all magnitudes, numbers far below the others of their line, lines
/// of zeros, infinities.
fn of_any_magnitude() -> Vec<CaseSpec> {
    let case = |name: &'static str, change: fn(&mut [f32], &mut [f32])| {
        let spans = if name.contains("lines") { (45, 0) } else { (0, 30) };
        CaseSpec::new("matmul", name, move |c| {
            let (m, k, n) = (70, 128, 40);
            let (mut a, mut b) = (spread(1, m, k, spans.0, spans.1), spread(2, n, k, spans.0, spans.1));
            change(&mut a, &mut b);
            let (a, b) = (c.leaf(HostTensor::from_f32([m, k], a)), c.leaf(HostTensor::from_f32([n, k], b)));
            let y = c.graph.matmul(a, b, false, true)?;
            c.keep(y)
        })
    };
    vec![
        case("lines of all magnitudes", |_, _| {}),
        case("numbers of all magnitudes", |_, _| {}),
        case("lines with zeros", |a, b| {
            a[128..256].fill(0.0);
            b[..128].fill(0.0);
            b[128..192].fill(0.0);
        }),
        // Products of the large numbers meet zeros: what is left are tiny ones.
        case("numbers far below their line's largest", |a, b| {
            for (line, x) in a.chunks_mut(128).enumerate() {
                x[line % 128] = 1e9;
            }
            for x in b.chunks_mut(128) {
                x[..70].fill(0.0);
            }
        }),
        case("numbers beside infinity", |a, b| {
            a[7] = f32::INFINITY;
            b[9] = f32::NEG_INFINITY;
        }),
    ]
}
