//! A network as a picture: its layers from top to bottom, blocks around theirs, shortcuts beside them.

use super::builder::LayerInfo;
use std::fmt::Write;

/// Pixels of a layer's row, of the space between rows, and by which a block is wider than what stands in it.
const ROW: usize = 22;
const GAP: usize = 4;
const INSET: usize = 12;
const WIDTH: usize = 560;

/// Extents for people: `8x8x16`.
pub fn shown(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// The picture as SVG.
pub fn svg(title: &str, layers: &[LayerInfo]) -> String {
    let deepest = layers.iter().map(|l| l.depth).max().unwrap_or(0);
    let right = WIDTH + 2 * INSET * (deepest + 1);
    let mut body = String::new();
    let mut y = 2 * ROW;
    // Blocks that are open: which, where their first row begins.
    let mut open: Vec<(&LayerInfo, usize)> = Vec::new();
    let close = |open: &mut Vec<(&LayerInfo, usize)>, depth: usize, y: &mut usize, body: &mut String| {
        while open.last().is_some_and(|(l, _)| l.depth >= depth) {
            let Some((layer, top)) = open.pop() else { break };
            frame(body, layer, (top, *y), right);
            *y += GAP;
        }
    };
    for layer in layers {
        close(&mut open, layer.depth, &mut y, &mut body);
        if layer.is_block {
            open.push((layer, y));
            let x = INSET * (layer.depth + 1);
            text(&mut body, (x + 6, y + 15), "start", "#444", &format!("{} ({})", layer.path, layer.op));
            y += ROW;
            continue;
        }
        row(&mut body, layer, y, right);
        y += ROW + GAP;
    }
    close(&mut open, 0, &mut y, &mut body);
    let height = y + ROW;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{height}\" viewBox=\"0 0 {right} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    text(&mut out, (INSET, ROW), "start", "#000", title);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// A layer: what it is, what it makes, what it costs.
fn row(body: &mut String, layer: &LayerInfo, y: usize, right: usize) {
    let x = INSET * (layer.depth + 1);
    let width = right - 2 * x;
    let (fill, ink) = match layer.op.as_str() {
        _ if layer.count.binary_weights > 0 => ("#1b5e20", "#fff"),
        "conv" | "binary-conv" | "linear" | "classifier" => ("#1565c0", "#fff"),
        _ => ("#eceff1", "#222"),
    };
    let _ = writeln!(body, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\" rx=\"3\" fill=\"{fill}\"/>");
    let name = if layer.path == layer.op { layer.op.clone() } else { format!("{}  {}", layer.path, layer.op) };
    text(body, (x + 8, y + 15), "start", ink, &name);
    text(body, (x + width - 8, y + 15), "end", ink, &shown(&layer.extents));
}

/// A block around what stands in it; a line beside it where what it was given is read behind it.
fn frame(body: &mut String, layer: &LayerInfo, (top, bottom): (usize, usize), right: usize) {
    let x = INSET * (layer.depth + 1) - INSET / 2;
    let (width, height) = (right - 2 * x, bottom - top);
    let _ = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"none\" stroke=\"#90a4ae\"/>"
    );
    let sign = match layer.op.as_str() {
        "residual" => "+",
        "dense" => "++",
        "gate" => "×",
        _ => return,
    };
    let (from, to) = (x + width, x + width + INSET / 2);
    let _ = writeln!(
        body,
        "<path d=\"M {from} {} H {to} V {} H {from}\" fill=\"none\" stroke=\"#e65100\" stroke-width=\"2\"/>",
        top + 4,
        bottom - 4
    );
    text(body, (from - 4, bottom - 6), "end", "#e65100", sign);
}

fn text(body: &mut String, (x, y): (usize, usize), anchor: &str, fill: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{what}</text>");
}
