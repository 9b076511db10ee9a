//! A line plot in text: Braille dots, two across and four down a character.

/// Room for the labels of the y axis, the axis among it.
pub const LABELS: usize = 8;
/// Fewest characters that a line is drawn in.
const LEAST_WIDTH: usize = 16;

/// A line plot of `points` (x ascending), `width` columns and `height` rows in all: a title, the plot, the x axis and its
/// labels. Empty if there are fewer than two points or the width is too small to read.
pub fn line_plot(title: &str, x_name: &str, points: &[(f64, f64)], width: usize, height: usize) -> Vec<String> {
    let (columns, rows) = (width.saturating_sub(LABELS), height.saturating_sub(3));
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() < 2 || columns < LEAST_WIDTH || rows < 2 || last.0 <= first.0 {
        return Vec::new();
    }
    let (low, high, step) = range(points, rows);
    let mut dots = Dots::new(columns, rows);
    let x = |x: f64| (x - first.0) / (last.0 - first.0) * (2 * columns - 1) as f64;
    let y = |y: f64| (high - y) / (high - low) * (4 * rows - 1) as f64;
    for pair in points.windows(2) {
        dots.line((x(pair[0].0), y(pair[0].1)), (x(pair[1].0), y(pair[1].1)));
    }
    let ticks = (0..).map(|i| low + i as f64 * step).take_while(|t| *t <= high + 0.5 * step);
    let labels: Vec<(usize, String)> =
        ticks.map(|t| ((y(t) / 4.0) as usize, number(t, step))).filter(|(row, _)| *row < rows).collect();
    let mut lines = vec![format!("{:LABELS$}{title}", "")];
    for (row, text) in dots.rows().enumerate() {
        let label = labels.iter().find(|(r, _)| *r == row);
        let (label, axis) = label.map_or(("", '│'), |(_, l)| (l.as_str(), '┤'));
        lines.push(format!("{label:>w$} {axis}{text}", w = LABELS - 2));
    }
    lines.push(format!("{:>w$}└{}", "", "─".repeat(columns), w = LABELS - 1));
    let (from, to) = (number(first.0, 1.0), format!("{} {x_name}", number(last.0, 1.0)));
    let gap = columns.saturating_sub(from.len() + to.chars().count());
    lines.push(format!("{:LABELS$}{from}{:gap$}{to}", "", ""));
    // A title or name that is too long must not make lines of different lengths.
    lines.iter().map(|l| l.chars().take(width).collect()).collect()
}

/// Plots side by side, each line padded to `width` columns.
pub fn beside(left: &[String], right: &[String], width: usize) -> Vec<String> {
    let line = |i: usize| {
        let of = |lines: &[String]| lines.get(i).cloned().unwrap_or_default();
        let (l, r) = (of(left), of(right));
        format!("{l}{:pad$}{r}", "", pad = width.saturating_sub(l.chars().count())).trim_end().to_string()
    };
    (0..left.len().max(right.len())).map(line).collect()
}

/// Where the y axis begins and ends, and the distance of its labels: 1, 2 or 5 times a power of ten.
fn range(points: &[(f64, f64)], rows: usize) -> (f64, f64, f64) {
    let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p.1), b.max(p.1)));
    // A line of one value still has a place.
    let span = if high > low { high - low } else { high.abs().max(1.0) * 0.1 };
    let wanted = span / (rows as f64 / 2.0).clamp(1.0, 4.0);
    let power = 10f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= wanted).unwrap_or(10.0 * power);
    let (bottom, top) = ((low / step).floor() * step, (high / step).ceil() * step);
    (bottom, if top > bottom { top } else { bottom + step }, step)
}

/// A number with as many digits as the distance of labels needs.
fn number(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    // What rounds to nothing has no sign.
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_string() } else { text }
}

/// Dots of Braille.
struct Dots {
    columns: usize,
    cells: Vec<u8>,
}

impl Dots {
    fn new(columns: usize, rows: usize) -> Dots {
        Dots { columns, cells: vec![0; columns * rows] }
    }

    fn set(&mut self, x: usize, y: usize) {
        // The code of a character has a bit for each dot, the last row of dots behind the six of the older letters.
        const BIT: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if x / 2 < self.columns
            && let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2)
        {
            *cell |= BIT[y % 4][x % 2];
        }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
        for i in 0..=steps as usize {
            let at = i as f64 / steps;
            let (x, y) = (from.0 + at * (to.0 - from.0), from.1 + at * (to.1 - from.1));
            self.set(x.round() as usize, y.round() as usize);
        }
    }

    fn rows(&self) -> impl Iterator<Item = String> {
        let cell = |c: &u8| char::from_u32(0x2800 + u32::from(*c)).unwrap_or(' ');
        self.cells.chunks(self.columns).map(move |row| row.iter().map(cell).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let plot = line_plot("accuracy, %", "epoch", &[(1.0, 60.0), (3.0, 80.0)], 24, 8);
        assert_eq!(plot[0], "        accuracy, %");
        assert!(plot[1].starts_with("    80 ┤"), "{plot:?}");
        let rows: Vec<Vec<char>> = plot[1..6].iter().map(|l| l.chars().skip(8).collect()).collect();
        let empty = '\u{2800}';
        assert!(rows[0][15] != empty && rows[4][0] != empty, "{plot:?}");
        assert!(rows[0][0] == empty && rows[4][15] == empty, "{plot:?}");
        assert!(plot[5].starts_with("    60 ┤"), "{plot:?}");
        assert_eq!(plot[7], "        1        3 epoch");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        assert!(line_plot("t", "x", &[(1.0, 1.0)], 40, 10).is_empty());
        assert!(line_plot("t", "x", &[(1.0, 1.0), (2.0, 1.0)], 12, 10).is_empty());
        // A flat line has a place, at any size of its value.
        for value in [0.0, 1.0, -3e-7, 12_345.0] {
            let plot = line_plot("t", "x", &[(1.0, value), (2.0, value)], 40, 10);
            assert!(plot.len() == 10 && plot.iter().all(|l| l.chars().count() <= 40), "{plot:?}");
            assert!(!plot.iter().any(|l| l.contains("-0 ") || l.contains("-0.0 ")), "{plot:?}");
        }
    }

    #[test]
    fn plots_stand_beside_each_other() {
        let (left, right) = (["a".to_string(), "bc".to_string()], ["d".to_string()]);
        assert_eq!(beside(&left, &right, 4), ["a   d", "bc"]);
    }
}
