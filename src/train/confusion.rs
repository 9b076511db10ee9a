//! The confusion matrix as a picture.

use super::evaluate::Evaluation;
use std::fmt::Write;

const CAPTION: &str = "rows: the class of the image, columns: the answer";

/// An SVG drawing: rows are what an image is, columns what it was taken for; the share of the row is the darkness.
pub fn confusion_svg(e: &Evaluation, title: &str) -> String {
    let n = e.classes.len();
    // Many classes get small cells and no numbers.
    let cell = if n <= 20 { 44 } else { (880 / n.max(1)).max(4) };
    let longest = e.classes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let (left, top) = (40 + 8 * longest.max(4), 60 + 7 * longest.max(4));
    // The words are as wide as they are, however few the classes.
    let words = 24 + 8 * title.chars().count().max(CAPTION.len());
    let (width, height) = ((left + n * cell + 30 + 4 * longest).max(words), top + n * cell + 30);
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"14\">{}</text>\n",
        escape(title)
    );
    let mut put = |text: std::fmt::Arguments<'_>| s.write_fmt(text).expect("writing to a string works");
    for (r, class) in e.classes.iter().enumerate() {
        let (y, name) = (top + r * cell, escape(&class.name));
        put(format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n", left - 8, y + cell / 2 + 5));
        let x = left + r * cell + cell / 2;
        put(format_args!("<text transform=\"translate({x},{}) rotate(-60)\">{name}</text>\n", top - 8));
        for (c, &count) in e.confusion[r].iter().enumerate() {
            let share = count as f64 / class.images.max(1) as f64;
            let x = left + c * cell;
            let (hue, light) = (if r == c { 212.0 } else { 14.0 }, 97.0 - 55.0 * share.sqrt());
            put(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{cell}\" fill=\"{}\" \
                 stroke=\"white\"><title>{name} taken for {}: {count}</title></rect>\n",
                rgb(hue, light),
                escape(&e.classes[c].name)
            ));
            if n <= 20 && count > 0 {
                let ink = if light < 60.0 { "white" } else { "black" };
                put(format_args!(
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{count}</text>\n",
                    x + cell / 2,
                    y + cell / 2 + 5
                ));
            }
        }
    }
    put(format_args!("<text x=\"12\" y=\"{}\" fill=\"gray\">{CAPTION}</text>\n</svg>\n", height - 10));
    s
}

/// A colour of that hue in degrees and that lightness in percent, 70 % saturated, as SVG 1.1 has colours: it knows no `hsl()`,
/// and programs that read no more draw it black.
fn rgb(hue: f64, light: f64) -> String {
    let light = light / 100.0;
    let reach = 0.7 * light.min(1.0 - light);
    // CSS Color Module Level 4, section 7.1.
    let channel = |n: f64| {
        let k = (n + hue / 30.0) % 12.0;
        let value = light - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (255.0 * value).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0.0), channel(8.0), channel(4.0))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::evaluate::ClassResult;

    #[test]
    fn the_picture_holds_names_and_counts() {
        let class = |name: &str, images| ClassResult {
            name: name.into(),
            images,
            recall: Some(0.5),
            precision: None,
            f1: None,
        };
        let e = Evaluation {
            images: 42,
            accuracy: 0.5,
            top5: 1.0,
            loss: 1.0,
            balanced_accuracy: 0.5,
            macro_f1: 0.5,
            classes: vec![class("T-shirt <top>", 40), class("bag & box", 2)],
            confusion: vec![vec![37, 3], vec![0, 2]],
        };
        let svg = confusion_svg(&e, "a run");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(
            svg.contains("T-shirt &lt;top&gt;") && svg.contains(">37<") && svg.contains("taken for bag &amp; box: 3")
        );
        // One cell is not labelled, because nothing is in it.
        assert_eq!(svg.matches("<rect").count(), 5);
        assert!(!svg.contains(">0<"));
        // A title that is wider than the matrix is shown whole.
        let wide = confusion_svg(&e, &"a long title ".repeat(10));
        let width = |svg: &str| -> usize {
            svg["<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"".len()..]
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        assert!(width(&wide) > 900 && width(&svg) < 500, "{} {}", width(&wide), width(&svg));
        assert!(!svg.contains("hsl(") && svg.contains("fill=\"#"), "{svg}");
    }

    #[test]
    fn colours_are_those_of_css() {
        // hsl(212, 70%, 42%) and hsl(14, 70%, 97%), as browsers compute them.
        assert_eq!((rgb(212.0, 42.0), rgb(14.0, 97.0)), ("#2066b6".to_string(), "#fdf4f2".to_string()));
    }
}
