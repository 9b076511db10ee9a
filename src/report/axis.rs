//! Labels of axes, and colours of lines.

use plotters::style::{Color, HSLColor, RGBColor};
use std::ops::Range;

/// The labels of an axis.
pub struct Ticks {
    /// About how many.
    pub n: usize,
    digits: usize,
    thousands: bool,
}

impl Ticks {
    /// Of an axis of that range, about `n` of them.
    pub fn of(range: &Range<f64>, n: usize) -> Ticks {
        let step = (range.end - range.start).abs() / n as f64;
        let digits = if step > 0.0 { (-step.log10().floor()).clamp(0.0, 8.0) as usize } else { 0 };
        Ticks { n, digits, thousands: range.end.abs().max(range.start.abs()) >= 20_000.0 && step >= 100.0 }
    }

    /// A label: as many digits as the distance of labels needs, and no sign where it rounds to nothing.
    pub fn text(&self, value: f64) -> String {
        let (digits, unit) = if self.thousands { (usize::from(value % 1000.0 != 0.0), "k") } else { (self.digits, "") };
        let value = if self.thousands { value / 1000.0 } else { value };
        let text = format!("{value:.digits$}");
        let nothing = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        format!("{}{unit}", if nothing { text.trim_start_matches('-') } else { &text })
    }
}

/// Colours that are told apart by people with any kind of colour vision (Okabe and Ito 2008).
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// The colour of line `i` of `n`.
pub fn colour(i: usize, n: usize) -> RGBColor {
    match PALETTE.get(i).filter(|_| n <= PALETTE.len()) {
        Some(colour) => *colour,
        None => {
            let (r, g, b) = HSLColor(i as f64 / n as f64, 0.7, 0.42).to_backend_color().rgb;
            RGBColor(r, g, b)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_digits_that_they_need_and_no_sign_of_nothing() {
        let t = Ticks::of(&(-0.1..0.1), 5);
        assert_eq!((t.text(-0.0), t.text(-1e-12), t.text(0.04)), ("0.00".into(), "0.00".into(), "0.04".into()));
        assert_eq!(Ticks::of(&(60.0..90.0), 5).text(75.0), "75");
        assert_eq!(Ticks::of(&(0.0..120_000.0), 6).text(40_000.0), "40k");
        assert_eq!(Ticks::of(&(0.0..1500.0), 6).text(500.0), "500");
    }
}
