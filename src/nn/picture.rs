//! A network as a picture: its layers from top to bottom, blocks around theirs, what a block adds to its own result beside it, and
//! on the right a line from each layer to those further down that read it by name.

use super::builder::{LayerInfo, Read};
use std::fmt::Write;

/// Pixels of a layer's row, of the space between rows, by which a block is wider than what stands in it, and from one line on
/// the right to the next.
const ROW: usize = 22;
const GAP: usize = 4;
const INSET: usize = 12;
const LANE: usize = 9;
const WIDTH: usize = 560;

/// Colours of what a block adds to its result, and of what is read by name.
const ADDED: &str = "#e65100";
const READ: &str = "#6a1b9a";

/// Extents for people: `8x8x16`.
pub fn shown(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Where a row lies: from its upper edge to its lower one; of a block, with all that stands in it.
#[derive(Clone, Copy, Default)]
struct Place {
    top: usize,
    bottom: usize,
}

/// Places of all rows, and where the last one ends.
fn places(layers: &[LayerInfo]) -> (Vec<Place>, usize) {
    let mut all = vec![Place::default(); layers.len()];
    let mut y = 2 * ROW;
    let mut open: Vec<usize> = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        close(&mut all, layers, &mut open, layer.depth, &mut y);
        all[i].top = y;
        y += ROW;
        if layer.is_block {
            open.push(i);
        } else {
            all[i].bottom = y;
            y += GAP;
        }
    }
    close(&mut all, layers, &mut open, 0, &mut y);
    (all, y)
}

/// Ends the blocks that stand as deep, or deeper.
fn close(all: &mut [Place], layers: &[LayerInfo], open: &mut Vec<usize>, depth: usize, y: &mut usize) {
    while let Some(block) = open.pop_if(|i| layers[*i].depth >= depth) {
        all[block].bottom = *y;
        *y += GAP;
    }
}

/// The picture as SVG.
pub fn svg(title: &str, layers: &[LayerInfo]) -> String {
    let (places, end) = places(layers);
    let deepest = layers.iter().map(|l| l.depth).max().unwrap_or(0);
    let right = WIDTH + 2 * INSET * (deepest + 1);
    let mut body = String::new();
    for (layer, place) in layers.iter().zip(&places) {
        match layer.is_block {
            true => frame(&mut body, layer, *place, right),
            false => row(&mut body, layer, *place, right),
        }
    }
    let lanes = lines(&mut body, layers, &places, right);
    let (width, height) = (right + LANE * lanes + INSET, end + ROW);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    text(&mut out, (INSET, ROW), "start", "#000", title);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// The left edge of what stands so deep.
fn left(depth: usize) -> usize {
    INSET * (depth + 1)
}

/// A layer: what it is, what it makes, what it costs.
fn row(body: &mut String, layer: &LayerInfo, Place { top, .. }: Place, right: usize) {
    let x = left(layer.depth);
    let width = right - 2 * x;
    let (fill, ink) = match layer.op.as_str() {
        _ if layer.count.binary_weights > 0 => ("#1b5e20", "#fff"),
        "conv" | "binary-conv" | "linear" | "classifier" => ("#1565c0", "#fff"),
        _ => ("#eceff1", "#222"),
    };
    let _ = writeln!(body, "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{ROW}\" rx=\"3\" fill=\"{fill}\"/>");
    let name = if layer.path == layer.op { layer.op.clone() } else { format!("{}  {}", layer.path, layer.op) };
    text(body, (x + 8, top + 15), "start", ink, &name);
    text(body, (x + width - 8, top + 15), "end", ink, &shown(&layer.extents));
}

/// A block around what stands in it; where what it was given meets what was made of it, a line beside it with what is done.
fn frame(body: &mut String, layer: &LayerInfo, Place { top, bottom }: Place, right: usize) {
    let x = left(layer.depth) - INSET / 2;
    let (width, height) = (right - 2 * x, bottom - top);
    let _ = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"none\" stroke=\"#90a4ae\"/>"
    );
    let op = if layer.repeat > 1 { format!("{} times {}", layer.repeat, layer.op) } else { layer.op.clone() };
    text(body, (left(layer.depth) + 6, top + 15), "start", "#444", &format!("{} ({op})", layer.path));
    let edge = x + width;
    let sign = match layer.op.as_str() {
        // Each repetition has a frame of its own.
        _ if layer.repeat > 1 => return,
        "residual" => "+",
        "dense" => "++",
        "gate" => "×",
        // Given what the block around them is given, not what stands above.
        "branch" | "shortcut" => {
            arrow(body, x + width / 2, top, "#444");
            return;
        }
        _ => return,
    };
    let to = edge + INSET / 2;
    line(body, ADDED, &format!("M {edge} {} H {to} V {} H {edge}", top + 4, bottom - 4));
    text(body, (edge - 4, bottom - 6), "end", ADDED, sign);
}

/// Lines from layers to those that read them by name, beside one another where they would cross; how many stand side by side.
fn lines(body: &mut String, layers: &[LayerInfo], places: &[Place], right: usize) -> usize {
    let mut all = Vec::new();
    for (layer, place) in layers.iter().zip(places) {
        for read in &layer.reads {
            let (from, depth) = match *read {
                Read::Image => (2 * ROW - ROW / 2, 0),
                Read::GivenTo(block) => (places[block].top + 4, layers[block].depth),
                Read::MadeBy(of) if layers[of].is_block => (places[of].bottom - 4, layers[of].depth),
                Read::MadeBy(of) => (places[of].top + ROW / 2, layers[of].depth),
            };
            all.push((from, depth, place.top + ROW / 2, layer.depth));
        }
    }
    // Short ones stand further in.
    all.sort_by_key(|(from, _, to, _)| (to - from, *from));
    let mut lanes: Vec<Vec<(usize, usize)>> = Vec::new();
    for (from, from_depth, to, to_depth) in all {
        let is_free = |lane: &Vec<(usize, usize)>| lane.iter().all(|(a, b)| to < *a || *b < from);
        let lane = lanes.iter().position(is_free).unwrap_or_else(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        lanes[lane].push((from, to));
        let (x, start, end) = (right + LANE * lane, right - left(from_depth), right - left(to_depth));
        line(body, READ, &format!("M {start} {from} H {x} V {to} H {end}"));
        let _ = writeln!(
            body,
            "<path d=\"M {end} {to} l 6 -4 v 8 z\" fill=\"{READ}\"/><circle cx=\"{start}\" cy=\"{from}\" r=\"2\" fill=\"{READ}\"/>"
        );
    }
    lanes.len()
}

/// A head that points down.
fn arrow(body: &mut String, x: usize, y: usize, fill: &str) {
    let _ = writeln!(body, "<path d=\"M {x} {} l -4 -6 h 8 z\" fill=\"{fill}\"/>", y + 3);
}

fn line(body: &mut String, stroke: &str, d: &str) {
    let _ = writeln!(body, "<path d=\"{d}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>");
}

fn text(body: &mut String, (x, y): (usize, usize), anchor: &str, fill: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{what}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, Meta};
    use crate::nn::{Mode, NetSpec};

    /// A network with everything that is not a chain.
    const NET: &str = r#"
        [[layer]]
        op = "conv"
        name = "stem"
        width = 4
        [[layer]]
        op = "residual"
        name = "a"
        repeat = 3
        body = [{ op = "conv", width = 4 }]
        [[layer]]
        op = "add"
        with = "stem"
        [[layer]]
        op = "branches"
        name = "b"
        branch = [[{ op = "relu" }], [{ op = "conv", width = 4 }]]
        [[layer]]
        op = "concat"
        with = ["input", "a"]
        [[layer]]
        op = "global-avg-pool"
        [[layer]]
        op = "classifier"
    "#;

    #[test]
    fn every_way_of_a_value_is_drawn() {
        let net: NetSpec = toml::from_str(NET).unwrap();
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([1, 4, 4, 3])).unwrap();
        let layers = net.network(&mut g, x, 2, Mode::Eval, None).unwrap().layers;
        let svg = svg("a < b", &layers);
        let times = |what: &str| svg.matches(what).count();
        assert!(svg.contains("a &lt; b") && svg.contains("a (3 times residual)"));
        // A shortcut a repetition; a line for each of the names of add and concat; an arrow into each branch.
        assert_eq!((times(&format!("fill=\"none\" stroke=\"{ADDED}\"")), times(">+</text>")), (3, 3));
        assert_eq!((times(&format!("fill=\"none\" stroke=\"{READ}\"")), times("(branch)")), (3, 2));
        let row = |path: &str| layers.iter().position(|l| l.path == path).unwrap();
        assert_eq!(layers[row("2")].reads, [Read::MadeBy(row("stem"))]);
        assert_eq!(layers[row("4")].reads, [Read::Image, Read::MadeBy(row("a"))]);
        assert_eq!((layers[row("a")].repeat, layers[row("a.1")].repeat), (3, 1));
        // Rows follow one another, blocks hold theirs, and nothing reads what comes later.
        let (places, end) = places(&layers);
        assert!(places.iter().all(|p| p.top + ROW <= p.bottom && p.bottom <= end));
        assert!(places[row("a.2")].bottom < places[row("a")].bottom);
        let counts: u64 = layers.iter().filter(|l| l.depth == 0).map(|l| l.count.real_weights).sum();
        assert_eq!(counts, layers.iter().filter(|l| !l.is_block).map(|l| l.count.real_weights).sum::<u64>());
    }
}
