//! From a list of layers to nodes of a graph.

mod each;
mod joins;

use super::expr::Known;
use super::{Expr, Layer, LayerKind};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::nn::builder::{Builder, LayerInfo, Read, Scaled};
use crate::nn::count::Count;
use crate::suggest::nearest;
use std::collections::BTreeMap;

/// Layers of a network, repetitions counted: far more than people train, few enough to be built at once.
const MOST_LAYERS: usize = 20_000;
/// Blocks in blocks.
const DEEPEST: usize = 32;
/// Numbers that a layer may have, and may make of one image: 4 GiB.
const MOST: usize = 1 << 30;

/// What a layer made: a value, and the factor a channel that is still to be applied to it.
#[derive(Clone, Copy)]
struct Flow {
    y: Value,
    scale: Option<Value>,
}

impl From<Value> for Flow {
    fn from(y: Value) -> Flow {
        Flow { y, scale: None }
    }
}

impl From<Scaled> for Flow {
    fn from(made: Scaled) -> Flow {
        Flow { y: made.y, scale: made.scale }
    }
}

/// Layers on their way into a graph.
struct Assembly<'b, 'a> {
    b: &'b mut Builder<'a>,
    classes: usize,
    /// What layers made, by their paths, and their rows in the list of layers.
    made: BTreeMap<String, (Flow, usize)>,
    /// Names of the blocks around; an empty one has no name of its own.
    around: Vec<String>,
    /// What the blocks around were given, and what that is called for a picture.
    given: Vec<(Flow, Read)>,
    /// Rows of the layers that are being built: a layer, and the blocks around it.
    rows: Vec<usize>,
    /// The repetitions of the blocks around: which, of how many.
    repeated: Vec<(usize, usize)>,
    /// Channels that the gates around multiply.
    gated: Vec<usize>,
    /// Layers so far, and those of them that drop numbers.
    layers: usize,
    dropouts: u64,
    /// What the layer of classes made.
    ended: Option<Value>,
}

/// Appends `layers`: `x` `[n, h, w, c]` to logits `[n, classes]`, or to the features where there are no classes.
///
/// # Errors
/// Naming the layer that is wrong, and why.
pub(in crate::nn) fn assemble(b: &mut Builder<'_>, layers: &[Layer], x: Value, classes: usize) -> Result<Value> {
    append(b, layers, x, classes, true)
}

/// Every parameter must have a way to the end: what has none would never be trained.
fn check_reached(g: &Graph, before: usize, end: Value) -> Result<()> {
    let mut reached = vec![false; g.values().len()];
    reached[end.index()] = true;
    for node in g.nodes().iter().rev() {
        if node.outputs.iter().any(|v| reached[v.index()]) {
            node.inputs.iter().for_each(|v| reached[v.index()] = true);
        }
    }
    match g.params().into_iter().skip(before).find(|p| !reached[p.index()]) {
        None => Ok(()),
        Some(p) => {
            let name = g.name(p).rsplit_once('.').map_or(g.name(p), |(layer, _)| layer);
            Err(Error::Config(format!(
                "net.layer {name}: nothing of it reaches the end of the network: leave it out, or name it where it is wanted"
            )))
        }
    }
}

fn append(b: &mut Builder<'_>, layers: &[Layer], x: Value, classes: usize, whole: bool) -> Result<Value> {
    let before = b.g.params().len();
    let mut a = Assembly {
        b,
        classes,
        made: BTreeMap::new(),
        around: Vec::new(),
        given: vec![(x.into(), Read::Image)],
        rows: Vec::new(),
        repeated: Vec::new(),
        gated: Vec::new(),
        layers: 0,
        dropouts: 0,
        ended: None,
    };
    let y = a.list(layers, x.into())?;
    let y = a.plain(y)?;
    if whole && a.ended != Some(y) {
        let shown = a.extents(y);
        return Err(Error::Config(format!(
            "net.layer: the network ends in {shown}, without a layer of classes: let its last layer be {{ op = \"classifier\" }}, \
             on its own or in a block"
        )));
    }
    check_reached(a.b.g, before, y)?;
    Ok(y)
}

impl Builder<'_> {
    /// Appends layers behind `x` (`[n, h, w, c]` or `[n, d]`), which need not end in a layer of classes.
    ///
    /// # Errors
    /// Naming the layer that is wrong, and why.
    pub fn layers(&mut self, layers: &[Layer], x: Value, classes: usize) -> Result<Value> {
        append(self, layers, x, classes, false)
    }
}

impl Assembly<'_, '_> {
    fn list(&mut self, layers: &[Layer], mut x: Flow) -> Result<Flow> {
        for (place, layer) in layers.iter().enumerate() {
            let label = layer.name.clone().unwrap_or_else(|| match layer.op {
                // What its weights are known by where a network starts from another one.
                LayerKind::Classifier {} => "fc".into(),
                _ => place.to_string(),
            });
            x = self.layer(layer, &label, x)?;
        }
        Ok(x)
    }

    /// The path of a name in the block at hand.
    fn path(&self, label: &str) -> String {
        let parts = self.around.iter().map(String::as_str).chain([label]).filter(|p| !p.is_empty());
        parts.collect::<Vec<_>>().join(".")
    }

    fn layer(&mut self, layer: &Layer, label: &str, x: Flow) -> Result<Flow> {
        let path = self.path(label);
        let word = layer.op.word();
        let fail = |what: String| {
            let name = if path.is_empty() { String::new() } else { format!(" {path}") };
            Err(Error::Config(format!("net.layer{name} ({word}): {what}")))
        };
        if let Err(e) = self.counted() {
            return fail(e);
        }
        if self.around.len() >= DEEPEST {
            return fail(format!("it stands in more than {DEEPEST} blocks"));
        }
        if label.contains(['.', '/']) || label.chars().any(char::is_whitespace) || ["in", "input"].contains(&label) {
            return fail("a name is no \"in\" or \"input\", and has no dots, slashes and spaces".into());
        }
        if label.is_empty() && !layer.op.is_block() {
            return fail("an empty name is for blocks, whose layers then stand beside those around it".into());
        }
        if layer.repeat.is_some() && !layer.op.is_block() {
            return fail("only blocks are repeated: put it into { op = \"block\", repeat = ..., body = [...] }".into());
        }
        if self.ended.is_some() {
            return fail("the layer of classes is the last one, nothing can follow it".into());
        }
        let before = self.b.count;
        let row = self.open(if path.is_empty() { &word } else { &path }, &word, layer.op.is_block(), x);
        let from = match &layer.from {
            Some(name) => self.find(name).or_else(fail)?,
            None => x,
        };
        self.b.layers[row].from = self.b.g.shape(from.y)[1..].to_vec();
        // What is wrong further inside names its own layer.
        let made = match self.apply(layer, label, from) {
            Err(Error::Config(what)) if what.starts_with("net.layer") => return Err(Error::Config(what)),
            Err(e) => return fail(e.to_string()),
            Ok(made) => made,
        };
        self.close(row, made, before);
        if let Some(last) = self.b.residuals.last_mut().filter(|last| layer.op.is_nonlinearity() && **last == from.y) {
            *last = made.y;
        }
        if self.per_image(made.y) > MOST {
            return fail(format!("it makes {} of an image, more than {MOST} numbers", self.extents(made.y)));
        }
        if layer.stage && self.repeated.iter().all(|(i, n)| i + 1 == *n) {
            let y = self.plain(made)?;
            self.b.stage(y, true);
        }
        if !path.is_empty() && !label.is_empty() && self.made.insert(path.clone(), (made, row)).is_some() {
            return fail(format!("there are two of the name `{label}`"));
        }
        Ok(made)
    }

    /// One more layer, or repetition of a block.
    fn counted(&mut self) -> std::result::Result<(), String> {
        self.layers += 1;
        match self.layers > MOST_LAYERS {
            true => Err(format!("the network has more than {MOST_LAYERS} layers")),
            false => Ok(()),
        }
    }

    /// Begins the row of a layer, a block, or a part of one.
    fn open(&mut self, path: &str, op: &str, is_block: bool, from: Flow) -> usize {
        let row = self.b.layers.len();
        self.b.layers.push(LayerInfo {
            path: path.into(),
            op: op.into(),
            depth: self.around.len(),
            is_block,
            repeat: 1,
            reads: Vec::new(),
            from: self.b.g.shape(from.y)[1..].to_vec(),
            extents: Vec::new(),
            count: Count::default(),
        });
        self.rows.push(row);
        row
    }

    /// Ends a row with what it made, and what the network cost before it.
    fn close(&mut self, row: usize, made: Flow, before: Count) {
        self.rows.pop();
        let info = &mut self.b.layers[row];
        info.extents = self.b.g.shape(made.y)[1..].to_vec();
        info.count = self.b.count - before;
    }

    /// What a layer before this one made; noted as read by the layer that is being built.
    fn find(&mut self, name: &str) -> std::result::Result<Flow, String> {
        let (flow, read) = self.called(name)?;
        if let Some(row) = self.rows.last() {
            self.b.layers[*row].reads.push(read);
        }
        Ok(flow)
    }

    fn called(&self, name: &str) -> std::result::Result<(Flow, Read), String> {
        match name {
            "in" => return Ok(*self.given.last().expect("the image is given")),
            "input" => return Ok(self.given[0]),
            _ => {}
        }
        for depth in (0..=self.around.len()).rev() {
            let parts = self.around[..depth].iter().map(String::as_str).chain([name]).filter(|p| !p.is_empty());
            if let Some((flow, row)) = self.made.get(&parts.collect::<Vec<_>>().join(".")) {
                return Ok((*flow, Read::MadeBy(*row)));
            }
        }
        let near = nearest(name, self.made.keys().map(String::as_str));
        let near = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        Err(format!("no layer before it is called `{name}`{near}"))
    }

    /// Numbers that a value has of one image.
    fn per_image(&self, v: Value) -> usize {
        let shape = self.b.g.shape(v);
        shape.elements() / shape[0].max(1)
    }

    /// Extents of one image for people.
    fn extents(&self, v: Value) -> String {
        let shape = &self.b.g.shape(v)[1..];
        shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
    }

    fn known(&self, x: Value) -> Known {
        let mut known: Known = self.b.spec.vars.iter().map(|(k, v)| (k.clone(), *v as i64)).collect();
        known.insert("c".into(), self.b.channels(x) as i64);
        let (given, _) = *self.given.last().expect("the image is given");
        known.insert("in".into(), self.b.channels(given.y) as i64);
        known.extend(self.gated.last().map(|n| ("gated".to_string(), *n as i64)));
        known.insert("classes".into(), self.classes as i64);
        known.insert("i".into(), self.repeated.last().map_or(0, |(i, _)| *i as i64));
        known
    }

    /// The number of a setting, which is at least 1.
    fn number(&self, x: Value, key: &str, e: &Expr) -> Result<usize> {
        match e.value(&self.known(x)) {
            Ok(0) => Err(Error::Config(format!("{key} is 0: give at least 1"))),
            Ok(n) if n > MOST => Err(Error::Config(format!("{key} is {n}: give at most {MOST}"))),
            Ok(n) => Ok(n),
            Err(e) => Err(Error::Config(format!("{key} = {e}"))),
        }
    }

    /// The value with its factor applied, as floats.
    fn plain(&mut self, x: Flow) -> Result<Value> {
        self.b.unscaled(Scaled { y: x.y, scale: x.scale })
    }

    /// The value as a map `[n, h, w, c]`.
    fn map(&mut self, x: Flow) -> Result<Value> {
        let x = self.plain(x)?;
        match self.b.g.shape(x)[..] {
            [n, d] => self.b.g.reshape(x, [n, 1, 1, d]),
            _ => Ok(x),
        }
    }

    /// The value as rows `[n, d]`.
    fn rows(&mut self, x: Flow) -> Result<Value> {
        let x = self.plain(x)?;
        match self.b.g.shape(x)[..] {
            [_, _] => Ok(x),
            [n, 1, 1, d] => self.b.g.reshape(x, [n, d]),
            _ => {
                let shown = self.extents(x);
                let how = "put { op = \"global-avg-pool\" } or { op = \"flatten\" } before it";
                Err(Error::Config(format!("it takes numbers of one pixel, and is given {shown}: {how}")))
            }
        }
    }

    /// Layers in a block of their own, given `x`.
    fn within(&mut self, label: &str, x: Flow, layers: &[Layer]) -> Result<Flow> {
        self.around.push(label.into());
        self.given.push((x, self.rows.last().map_or(Read::Image, |row| Read::GivenTo(*row))));
        let made = match label {
            "" => self.list(layers, x),
            _ => {
                self.b.g.enter(label);
                let made = self.list(layers, x);
                self.b.g.leave();
                made
            }
        };
        self.given.pop();
        self.around.pop();
        made
    }

    /// Layers in a part of a block, whose names begin with that of the block and of the part if the block has one.
    fn beside(&mut self, label: &str, (op, part): (&str, &str), x: Flow, layers: &[Layer]) -> Result<Flow> {
        let before = self.b.count;
        self.around.push(label.into());
        let path = self.path(part);
        let row = self.open(&path, op, true, x);
        let made = match label {
            "" => self.within("", x, layers),
            _ => {
                self.b.g.enter(label);
                let made = self.within(part, x, layers);
                self.b.g.leave();
                made
            }
        }?;
        self.close(row, made, before);
        self.note_part(label, part, made, row);
        self.around.pop();
        Ok(made)
    }

    /// A repetition of a block, a branch or a shortcut can be read by its name, where the block has one.
    fn note_part(&mut self, label: &str, part: &str, made: Flow, row: usize) {
        if !label.is_empty() {
            let path = self.path(part);
            self.made.entry(path).or_insert((made, row));
        }
    }
}

impl LayerKind {
    fn is_block(&self) -> bool {
        use LayerKind as K;
        matches!(self, K::Block { .. } | K::Residual { .. } | K::Dense { .. } | K::Branches { .. } | K::Gate { .. })
    }

    fn is_nonlinearity(&self) -> bool {
        use LayerKind as K;
        matches!(
            self,
            K::Relu {}
                | K::Prelu {}
                | K::Rprelu {}
                | K::Maxout {}
                | K::LeakyRelu { .. }
                | K::Hardtanh {}
                | K::Clip { .. }
                | K::Sigmoid {}
                | K::Tanh {}
                | K::Gelu {}
                | K::QuickGelu {}
        )
    }
}
