//! The augmentation pipeline against numbers of PyTorch and Python's colorsys (`tests/golden/augment.py`),
//! on every device.

use crate::devices::devices;
use crate::near::near;
use onebit::device::{Device, Store};
use onebit::graph::{Graph, Meta};
use onebit::ops::image::{AugmentPlan, columns};
use onebit::tensor::{DType, HostTensor};

const H: usize = 4;
const W: usize = 5;

fn image() -> Vec<u8> {
    (0..H * W * 3).map(|i| ((37 * i + i * i / 7) % 256) as u8).collect()
}

fn row(changes: &[(usize, f32)]) -> Vec<f32> {
    let mut row = vec![0.0; columns::COUNT];
    row[columns::CROP_HEIGHT] = H as f32;
    row[columns::CROP_WIDTH] = W as f32;
    row[columns::BRIGHTNESS..=columns::SATURATION].fill(1.0);
    row[columns::MIX_SHARE] = 1.0;
    (0..4).for_each(|k| row[columns::JITTER_ORDER + k] = k as f32);
    changes.iter().for_each(|(c, v)| row[*c] = *v);
    row
}

const BOX: [(usize, f32); 5] = [
    (columns::CROP_Y, 1.0),
    (columns::CROP_X, 1.0),
    (columns::CROP_HEIGHT, 3.0),
    (columns::CROP_WIDTH, 4.0),
    (columns::FLIP, 1.0),
];

/// Contrast, hue, brightness, saturation.
const COLOURS: [(usize, f32); 8] = [
    (columns::JITTER_ORDER, 1.0),
    (columns::JITTER_ORDER + 1, 3.0),
    (columns::JITTER_ORDER + 2, 0.0),
    (columns::JITTER_ORDER + 3, 2.0),
    (columns::BRIGHTNESS, 1.25),
    (columns::CONTRAST, 1.5),
    (columns::SATURATION, 0.4),
    (columns::HUE, -0.3),
];

fn augmented(device: &Device, row: Vec<f32>, output: [usize; 2], blur_radius: Option<usize>) -> Vec<f32> {
    let mut g = Graph::new();
    let images = g.input("images", Meta::new([1, H * W * 3], DType::U8)).unwrap();
    let params = g.input("params", Meta::f32([1, columns::COUNT])).unwrap();
    let plan = AugmentPlan { output, jitter: true, gray: true, blur_radius, ..AugmentPlan::plain([H, W, 3]) };
    let y = g.augment(images, params, &plan).unwrap();
    g.output("y", y);
    let mut store = Store::new(device.clone());
    let mut exe = store.load(g).unwrap();
    store.write("images", &HostTensor::from_u8([1, H * W * 3], &image())).unwrap();
    store.write("params", &HostTensor::from_f32([1, columns::COUNT], row)).unwrap();
    exe.run(&[]).unwrap();
    exe.read("y").unwrap().f32s().to_vec()
}

fn assert_near(label: &str, got: &[f32], expected: &[f64]) {
    let got: Vec<f64> = got.iter().map(|g| *g as f64).collect();
    // Some dozens of roundings of numbers up to 1.5.
    near(label, &got, expected, |_| 4e-6);
}

#[rustfmt::skip]
const CROP: [f64; 18] = [
    0.32434641, 0.50408497, 0.55849673,
    0.57990196, 0.62892157, 0.42794118,
    0.64264706, 0.77091503, 0.31617647,
    0.11748366, 0.32124183, 0.52761438,
    0.64754902, 0.34656863, 0.54852941,
    0.35980392, 0.38905229, 0.58578431,
];
#[rustfmt::skip]
const JITTERED: [f64; 18] = [
    0.60770811, 0.68363949, 0.50802674,
    0.73560672, 0.58487142, 0.66869495,
    0.73299891, 0.45034851, 0.62699067,
    0.33850205, 0.54846707, 0.27253904,
    0.48257789, 0.58890142, 0.70831319,
    0.52645256, 0.69593786, 0.53841335,
];
#[rustfmt::skip]
const BLURRED: [f64; 18] = [
    0.54386083, 0.60362262, 0.53511817,
    0.58693352, 0.58994541, 0.59319439,
    0.62489863, 0.57684801, 0.63387512,
    0.53235000, 0.60060109, 0.53054022,
    0.57611330, 0.59119974, 0.59069527,
    0.61482775, 0.58257657, 0.63267324,
];

#[test]
fn as_torchvision() {
    for (name, d) in devices() {
        let crop = augmented(&d, row(&BOX), [2, 3], None);
        assert_near(&format!("crop on {name}"), &crop, &CROP);
        let jittered = augmented(&d, row(&[&BOX[..], &COLOURS].concat()), [2, 3], None);
        assert_near(&format!("colours on {name}"), &jittered, &JITTERED);
        let blur = row(&[&BOX[..], &COLOURS, &[(columns::BLUR, 0.8)]].concat());
        assert_near(&format!("blur on {name}"), &augmented(&d, blur, [2, 3], Some(1)), &BLURRED);
        let gray = row(&[&BOX[..], &COLOURS, &[(columns::GRAY, 1.0)]].concat());
        let lumas: Vec<f64> =
            JITTERED.chunks(3).flat_map(|p| [0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; 3]).collect();
        assert_near(&format!("grey on {name}"), &augmented(&d, gray, [2, 3], None), &lumas);
    }
}

/// Neutral parameters move bytes to numbers; a box of the output's size moves pixels, with zeros from
/// beyond the image, which no pixel of this image is.
#[test]
fn crops_of_the_output_size_only_move_pixels() {
    let bytes = image();
    assert!(bytes[1..].iter().all(|b| *b != 0), "the picture must not hold what stands for its outside");
    for (name, d) in devices() {
        for (dy, dx, flip, flip_y) in
            [(0i64, 0i64, false, false), (-2, 1, false, true), (1, -3, true, false), (4, 0, true, true)]
        {
            let changes = [
                (columns::CROP_Y, dy as f32),
                (columns::CROP_X, dx as f32),
                (columns::FLIP, flip as u8 as f32),
                (columns::FLIP_Y, flip_y as u8 as f32),
            ];
            let got = augmented(&d, row(&changes), [H, W], None);
            let expected: Vec<f64> = (0..H * W * 3)
                .map(|i| {
                    let (y, x, c) = (i / 3 / W, i / 3 % W, i % 3);
                    let y = if flip_y { H - 1 - y } else { y };
                    let (y, x) = (y as i64 + dy, if flip { W - 1 - x } else { x } as i64 + dx);
                    let inside = (0..H as i64).contains(&y) && (0..W as i64).contains(&x);
                    if inside { bytes[(y as usize * W + x as usize) * 3 + c] as f64 / 255.0 } else { 0.0 }
                })
                .collect();
            assert_eq!(got.len(), expected.len(), "{name}");
            for (g, e) in got.iter().zip(&expected) {
                assert!((*g as f64 - e).abs() < 2e-7, "{name}, by {dy}, {dx}: {g} instead of {e}");
            }
        }
    }
}
