//! From a list of layers to nodes of a graph.

use super::expr::Known;
use super::{Expr, Join, Layer, LayerKind, Names, Side};
use crate::error::{Error, Result};
use crate::graph::{Graph, Role, Value};
use crate::nn::builder::{Builder, LayerInfo, Mode, Scaled};
use crate::nn::count::Count;
use crate::nn::layers::Filters;
use crate::nn::spec::Activation;
use crate::rng::streams;
use crate::suggest::nearest;
use crate::tensor::Windows;
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
    /// What layers made, by their paths.
    made: BTreeMap<String, Flow>,
    /// Names of the blocks around; an empty one has no name of its own.
    around: Vec<String>,
    /// What the blocks around were given.
    given: Vec<Flow>,
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
        given: vec![x.into()],
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
        self.layers += 1;
        if self.layers > MOST_LAYERS {
            return fail(format!("the network has more than {MOST_LAYERS} layers"));
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
        let from = match &layer.from {
            Some(name) => self.find(name).or_else(fail)?,
            None => x,
        };
        let (row, before) = (self.b.layers.len(), self.b.count);
        let (depth, is_block) = (self.around.len(), layer.op.is_block());
        let given = self.b.g.shape(from.y)[1..].to_vec();
        let (op, nothing) = (word.clone(), Count::default());
        let shown = if path.is_empty() { op.clone() } else { path.clone() };
        self.b.layers.push(LayerInfo {
            path: shown,
            op,
            depth,
            is_block,
            from: given,
            extents: Vec::new(),
            count: nothing,
        });
        // What is wrong further inside names its own layer.
        let made = match self.apply(layer, label, from) {
            Err(Error::Config(what)) if what.starts_with("net.layer") => return Err(Error::Config(what)),
            Err(e) => return fail(e.to_string()),
            Ok(made) => made,
        };
        let extents = self.b.g.shape(made.y)[1..].to_vec();
        let count = self.b.count - before;
        self.b.layers[row] = LayerInfo { extents, count, ..self.b.layers[row].clone() };
        if self.per_image(made.y) > MOST {
            return fail(format!("it makes {} of an image, more than {MOST} numbers", self.extents(made.y)));
        }
        if layer.stage && self.repeated.iter().all(|(i, n)| i + 1 == *n) {
            let y = self.plain(made)?;
            self.b.stage(y, true);
        }
        if !path.is_empty() && !label.is_empty() && self.made.insert(path.clone(), made).is_some() {
            return fail(format!("there are two of the name `{label}`"));
        }
        Ok(made)
    }

    /// What a layer before this one made.
    fn find(&self, name: &str) -> std::result::Result<Flow, String> {
        match name {
            "in" => return Ok(*self.given.last().expect("the image is given")),
            "input" => return Ok(self.given[0]),
            _ => {}
        }
        for depth in (0..=self.around.len()).rev() {
            let parts = self.around[..depth].iter().map(String::as_str).chain([name]).filter(|p| !p.is_empty());
            if let Some(flow) = self.made.get(&parts.collect::<Vec<_>>().join(".")) {
                return Ok(*flow);
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
        let given = *self.given.last().expect("the image is given");
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
        self.given.push(x);
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
    fn beside(&mut self, label: &str, part: &str, x: Flow, layers: &[Layer]) -> Result<Flow> {
        if label.is_empty() {
            return self.within("", x, layers);
        }
        self.around.push(label.into());
        self.b.g.enter(label);
        let made = self.within(part, x, layers);
        self.b.g.leave();
        self.around.pop();
        made
    }

    fn apply(&mut self, layer: &Layer, label: &str, x: Flow) -> Result<Flow> {
        let Some(repeat) = &layer.repeat else { return self.once(layer, label, x) };
        let n = self.number(x.y, "repeat", repeat)?;
        // The block's own name, then the number of the repetition.
        self.around.push(label.into());
        if !label.is_empty() {
            self.b.g.enter(label);
        }
        let mut made = Ok(x);
        for i in 0..n {
            self.repeated.push((i, n));
            made = made.and_then(|x| self.once(layer, &i.to_string(), x));
            self.repeated.pop();
            if made.is_err() {
                break;
            }
        }
        if !label.is_empty() {
            self.b.g.leave();
        }
        self.around.pop();
        made
    }

    fn once(&mut self, layer: &Layer, label: &str, x: Flow) -> Result<Flow> {
        use LayerKind as K;
        match &layer.op {
            K::Conv { width, kernel, stride, padding, dilation, groups, bias } => {
                let x = self.map(x)?;
                let f = self.filters(x, [width, stride, dilation, groups], (*kernel, *padding, *bias))?;
                Ok(self.b.conv_by(label, x, f)?.into())
            }
            K::BinaryConv { width, kernel, stride, padding, dilation, groups, shortcut } => {
                let x = self.map(x)?;
                let f = self.filters(x, [width, stride, dilation, groups], (*kernel, *padding, false))?;
                let role = if *shortcut { Role::BinaryShortcut } else { Role::BinaryWeight };
                Ok(self.b.inner_conv_by(label, x, f, role)?.into())
            }
            K::Linear { width, bias } => {
                let x = self.rows(x)?;
                let width = self.number(x, "width", width)?;
                self.fits(width, self.b.channels(x))?;
                Ok(self.b.linear_by(label, x, width, *bias)?.into())
            }
            K::Classifier {} => {
                let x = self.rows(x)?;
                self.fits(self.classes, self.b.channels(x))?;
                let logits = if self.classes == 0 { x } else { self.b.linear(label, x, self.classes)? };
                self.b.features = Some(x);
                self.ended = Some(logits);
                Ok(logits.into())
            }
            K::BatchNorm { affine: false, gain: Some(gain) } => {
                Err(Error::Config(format!("gain = {gain} beside affine = false: there are no factors")))
            }
            K::BatchNorm { affine: false, gain: None } => {
                Ok(self.b.standardised(label, Scaled { y: x.y, scale: x.scale })?.into())
            }
            K::BatchNorm { gain, .. } => {
                let gain = gain.or(self.b.spec.bn_gain).unwrap_or(1.0);
                if !(gain.is_finite() && gain != 0.0) {
                    return Err(Error::Config(format!("gain = {gain}: give a number that is not 0")));
                }
                Ok(self.b.batch_norm_from(label, Scaled { y: x.y, scale: x.scale }, gain)?.into())
            }
            K::Relu {} => self.activation(Activation::Relu, label, x),
            K::Prelu {} => self.activation(Activation::Prelu, label, x),
            K::Rprelu {} => self.activation(Activation::Rprelu, label, x),
            K::Maxout {} => self.activation(Activation::Maxout, label, x),
            K::Hardtanh {} => self.activation(Activation::Hardtanh, label, x),
            K::LeakyRelu { slope } => {
                let x = self.plain(x)?;
                Ok(self.b.g.leaky_relu(x, *slope)?.into())
            }
            K::Clip { low, high } => {
                let x = self.plain(x)?;
                Ok(self.b.g.clamp(x, *low, *high)?.into())
            }
            K::Sigmoid {} => {
                let x = self.plain(x)?;
                Ok(self.b.g.sigmoid(x)?.into())
            }
            K::Tanh {} => {
                let x = self.plain(x)?;
                Ok(self.b.g.tanh(x)?.into())
            }
            K::Gelu {} => {
                let x = self.plain(x)?;
                Ok(self.b.g.gelu(x)?.into())
            }
            K::MaxPool { kernel, stride, padding } => {
                let (x, stride) = self.pool(x, *kernel, stride.as_ref())?;
                Ok(self.b.g.max_pool2d(x, *kernel, stride, *padding)?.into())
            }
            K::AvgPool { kernel, stride, padding } => {
                let (x, stride) = self.pool(x, *kernel, stride.as_ref())?;
                Ok(self.b.g.avg_pool2d(x, *kernel, stride, *padding, true)?.into())
            }
            K::BlurPool { kernel, stride } => {
                let x = self.map(x)?;
                let stride = self.number(x, "stride", stride)?;
                Ok(self.b.blur_pool(x, *kernel, stride)?.into())
            }
            K::GlobalAvgPool {} => {
                let x = self.map(x)?;
                Ok(self.b.g.global_avg_pool(x)?.into())
            }
            K::Pad { rows, columns } => {
                let x = self.map(x)?;
                let sides = [(0, 0), (rows[0], rows[1]), (columns[0], columns[1]), (0, 0)];
                if sides.iter().any(|(a, b)| *a > MOST || *b > MOST) {
                    return Err(Error::Config(format!("rows = {rows:?} and columns = {columns:?}: too many")));
                }
                Ok(self.b.g.pad(x, &sides, 0.0)?.into())
            }
            K::Subsample { stride } => {
                let x = self.map(x)?;
                let stride = self.number(x, "stride", stride)?;
                Ok(self.b.every_nth_pixel(x, stride)?.into())
            }
            K::PadChannels { width, side } => {
                let x = self.map(x)?;
                let (c, width) = (self.b.channels(x), self.number(x, "width", width)?);
                let new = width.checked_sub(c).ok_or_else(|| {
                    Error::Config(format!("width is {width}, but there are {c} channels, and none is taken away"))
                })?;
                let before = match side {
                    Side::Both => new / 2,
                    Side::Before => new,
                    Side::Behind => 0,
                };
                Ok(self.b.g.pad(x, &[(0, 0), (0, 0), (0, 0), (before, new - before)], 0.0)?.into())
            }
            K::Flatten {} => {
                let x = self.plain(x)?;
                let (n, d) = (self.b.g.shape(x)[0], self.per_image(x));
                Ok(self.b.g.reshape(x, [n, 1, 1, d])?.into())
            }
            K::Dropout { share } => self.dropout(x, *share),
            K::Add { with } => self.joined(x, with, |a, y, other| a.sum(y, other)),
            K::Multiply { with } => self.joined(x, with, |a, y, other| a.product(y, other)),
            K::Concat { with } => {
                let mut all = vec![x];
                for name in with.all() {
                    all.push(self.find(name).map_err(Error::Config)?);
                }
                self.concatenated(&all)
            }
            K::Own(own) => {
                let x = self.plain(x)?;
                Ok(own.layer.build(self.b, label, x, &own.settings)?.into())
            }
            K::Block { body } => self.within(label, x, body),
            K::Residual { body, shortcut } => self.residual(label, x, body, shortcut),
            K::Dense { body } => {
                let made = self.within(label, x, body)?;
                self.concatenated(&[x, made])
            }
            K::Branches { branch, join } => self.branches(label, x, branch, *join),
            K::Gate { body, of } => {
                let given = match of {
                    Some(name) => self.find(name).map_err(Error::Config)?,
                    None => x,
                };
                self.gated.push(self.b.channels(x.y));
                let factors = self.within(label, given, body);
                self.gated.pop();
                self.product(x, factors?)
            }
        }
    }

    /// The filters of a convolution of `x`.
    fn filters(
        &self,
        x: Value,
        [width, stride, dilation, groups]: [&Expr; 4],
        (kernel, padding, bias): (usize, Option<usize>, bool),
    ) -> Result<Filters> {
        let (width, stride) = (self.number(x, "width", width)?, self.number(x, "stride", stride)?);
        let (dilation, groups) = (self.number(x, "dilation", dilation)?, self.number(x, "groups", groups)?);
        let c = self.b.channels(x);
        if kernel == 0 || kernel > 1 << 12 || dilation > 1 << 12 {
            let what = format!("kernel = {kernel} with dilation {dilation}: give each from 1 to 4096");
            return Err(Error::Config(what));
        }
        if !c.is_multiple_of(groups) || !width.is_multiple_of(groups) {
            return Err(Error::Config(format!("groups is {groups}, which does not divide {c} channels to {width}")));
        }
        self.fits(width, kernel * kernel * (c / groups))?;
        let padding = padding.unwrap_or(kernel / 2 * dilation);
        if padding > kernel * dilation {
            let what = format!("padding = {padding} around windows of {kernel} taps: more than they see");
            return Err(Error::Config(what));
        }
        Ok(Filters { width, kernel, windows: Windows { stride, padding, dilation, groups }, bias })
    }

    /// Whether as many weights fit.
    fn fits(&self, outputs: usize, each: usize) -> Result<()> {
        match outputs.checked_mul(each) {
            Some(n) if n <= MOST => Ok(()),
            _ => Err(Error::Config(format!(
                "{outputs} outputs of {each} weights each: more than {MOST} weights in a layer"
            ))),
        }
    }

    fn activation(&mut self, activation: Activation, label: &str, x: Flow) -> Result<Flow> {
        let x = self.plain(x)?;
        Ok(self.b.activate_by(activation, label, x)?.into())
    }

    /// What is pooled, and the step.
    fn pool(&mut self, x: Flow, kernel: usize, stride: Option<&Expr>) -> Result<(Value, usize)> {
        let x = self.map(x)?;
        let stride = match stride {
            Some(e) => self.number(x, "stride", e)?,
            None => kernel.max(1),
        };
        Ok((x, stride))
    }

    fn dropout(&mut self, x: Flow, share: f32) -> Result<Flow> {
        if !(0.0..1.0).contains(&share) {
            return Err(Error::Config(format!("share = {share}: give a share from 0 up to, but not, 1")));
        }
        self.dropouts += 1;
        let x = self.plain(x)?;
        if share == 0.0 || self.b.mode() != Mode::Train {
            return Ok(x.into());
        }
        let step = self.b.g.scalar("step")?;
        let stream = streams::DROPOUT + (self.dropouts << 32);
        Ok(self.b.g.dropout(x, share, self.b.spec.seed, stream, step)?.into())
    }

    fn joined(&mut self, x: Flow, with: &Names, f: fn(&mut Self, Flow, Flow) -> Result<Flow>) -> Result<Flow> {
        with.all().iter().try_fold(x, |y, name| {
            let other = self.find(name).map_err(Error::Config)?;
            f(self, y, other)
        })
    }

    fn sum(&mut self, x: Flow, other: Flow) -> Result<Flow> {
        let (y, other) = (self.plain(x)?, self.plain(other)?);
        if self.b.g.shape(y) != self.b.g.shape(other) {
            let (a, b) = (self.extents(y), self.extents(other));
            return Err(Error::Config(format!("{b} cannot be added to {a}: both must have the same extents")));
        }
        Ok(self.b.g.add(y, other)?.into())
    }

    /// Of equal extents, or by the numbers of one pixel.
    fn product(&mut self, x: Flow, factors: Flow) -> Result<Flow> {
        let y = self.plain(x)?;
        let factors = if self.b.g.shape(y).len() == 4 { self.map(factors)? } else { self.plain(factors)? };
        let (of, by) = (self.b.g.shape(y).clone(), self.b.g.shape(factors).clone());
        let one_pixel = by.len() == 4 && by[1..3] == [1, 1] && by.columns() == of.columns();
        if of != by && !one_pixel {
            let (a, b) = (self.extents(y), self.extents(factors));
            let c = of.columns();
            let what = format!("{a} cannot be multiplied by {b}: give {a}, or a number a channel (1x1x{c})");
            return Err(Error::Config(what));
        }
        Ok(self.b.g.mul(y, factors)?.into())
    }

    fn concatenated(&mut self, all: &[Flow]) -> Result<Flow> {
        let maps = all.iter().map(|x| self.map(*x)).collect::<Result<Vec<_>>>()?;
        let first = self.b.g.shape(maps[0])[1..3].to_vec();
        if let Some(other) = maps.iter().find(|v| self.b.g.shape(**v)[1..3] != first[..]) {
            let (a, b) = (self.extents(maps[0]), self.extents(*other));
            let what =
                format!("the channels of {b} cannot be put behind those of {a}: rows and columns must be the same");
            return Err(Error::Config(what));
        }
        if maps.len() == 1 { Ok(maps[0].into()) } else { Ok(self.b.g.concat(&maps, 3)?.into()) }
    }

    fn residual(&mut self, label: &str, x: Flow, body: &[Layer], shortcut: &[Layer]) -> Result<Flow> {
        let given: Flow = self.plain(x)?.into();
        let made = self.within(label, given, body)?;
        let made = self.plain(made)?;
        let same = self.b.g.shape(made) == self.b.g.shape(given.y);
        let skip = if same || shortcut.is_empty() { given } else { self.beside(label, "shortcut", given, shortcut)? };
        let skip = self.plain(skip)?;
        if self.b.g.shape(made) != self.b.g.shape(skip) {
            let (of, made, skip) = (self.extents(given.y), self.extents(made), self.extents(skip));
            return Err(Error::Config(match shortcut {
                [] => {
                    format!("its body makes {made} of {of}, which cannot be added: give it a shortcut that does so too")
                }
                _ => format!("its body makes {made} of {of}, and its shortcut {skip}: they cannot be added"),
            }));
        }
        Ok(self.b.g.add(made, skip)?.into())
    }

    fn branches(&mut self, label: &str, x: Flow, branches: &[Vec<Layer>], join: Join) -> Result<Flow> {
        if branches.is_empty() {
            return Err(Error::Config("it has no branches".into()));
        }
        let given: Flow = self.plain(x)?.into();
        let named = branches.iter().enumerate();
        let made =
            named.map(|(i, layers)| self.beside(label, &i.to_string(), given, layers)).collect::<Result<Vec<_>>>()?;
        match join {
            Join::Concat => self.concatenated(&made),
            Join::Add => made[1..].iter().try_fold(made[0], |y, other| self.sum(y, *other)),
        }
    }
}

impl LayerKind {
    fn is_block(&self) -> bool {
        use LayerKind as K;
        matches!(self, K::Block { .. } | K::Residual { .. } | K::Dense { .. } | K::Branches { .. } | K::Gate { .. })
    }
}
