//! What each layer does.

use super::{Assembly, Flow, MOST};
use crate::error::{Error, Result};
use crate::graph::{Role, Value};
use crate::nn::builder::{Mode, Scaled};
use crate::nn::layer::{Expr, Layer, LayerKind, Side};
use crate::nn::layers::Filters;
use crate::nn::spec::Activation;
use crate::rng::streams;
use crate::tensor::Windows;

impl Assembly<'_, '_> {
    pub(super) fn apply(&mut self, layer: &Layer, label: &str, x: Flow) -> Result<Flow> {
        let Some(repeat) = &layer.repeat else { return self.once(layer, label, x) };
        let n = self.number(x.y, "repeat", repeat)?;
        if let Some(row) = self.rows.last() {
            self.b.layers[*row].repeat = n;
        }
        // The block's own name, then the number of the repetition.
        self.around.push(label.into());
        if !label.is_empty() {
            self.b.g.enter(label);
        }
        let mut x = x;
        for i in 0..n {
            self.counted().map_err(Error::Config)?;
            let (before, part) = (self.b.count, i.to_string());
            let row = self.open(&self.path(&part), &layer.op.word(), true, x);
            self.repeated.push((i, n));
            x = self.once(layer, &part, x)?;
            self.repeated.pop();
            self.close(row, x, before);
            self.note_part(label, &part, x, row);
        }
        if !label.is_empty() {
            self.b.g.leave();
        }
        self.around.pop();
        Ok(x)
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
            K::QuickGelu {} => {
                let x = self.plain(x)?;
                Ok(self.b.g.quick_gelu(x)?.into())
            }
            K::LayerNorm { eps } => {
                if !(*eps > 0.0 && eps.is_finite()) {
                    return Err(Error::Config(format!("eps = {eps}: give a number over 0")));
                }
                let x = self.plain(x)?;
                Ok(self.b.layer_norm(label, x, *eps)?.into())
            }
            K::Attention { heads, key, value } | K::BinaryAttention { heads, key, value } => {
                let other = |a: &mut Self, name: &str| {
                    let found = a.find(name).map_err(Error::Config)?;
                    a.map(found)
                };
                let (q, k, v) = (self.map(x)?, other(self, key)?, other(self, value)?);
                match layer.op {
                    K::BinaryAttention { .. } if self.b.spec.is_binary() => {
                        Ok(self.b.binary_attention(label, q, k, v, *heads)?.into())
                    }
                    _ => Ok(self.b.attention(q, k, v, *heads)?.into()),
                }
            }
            K::ClassToken {} => {
                let x = self.map(x)?;
                Ok(self.b.class_token(label, x)?.into())
            }
            K::TakeClassToken {} => {
                let x = self.map(x)?;
                Ok(self.b.take_class_token(x)?.into())
            }
            K::Position {} => {
                let x = self.map(x)?;
                self.fits(self.b.pixels(x), self.b.channels(x))?;
                Ok(self.b.position(label, x)?.into())
            }
            K::LayerScale { start } => {
                if !(start.is_finite() && *start != 0.0) {
                    return Err(Error::Config(format!("start = {start}: give a number that is not 0")));
                }
                let x = self.plain(x)?;
                Ok(self.b.layer_scale(label, x, *start)?.into())
            }
            K::MeanChannels { of } => {
                let x = self.map(x)?;
                let (c, of) = (self.b.channels(x), self.number(x, "of", of)?);
                if !c.is_multiple_of(of) {
                    return Err(Error::Config(format!("of is {of}, which does not divide {c} channels")));
                }
                Ok(self.b.mean_channels(x, of)?.into())
            }
            K::DropPath { share } => {
                if !(0.0..1.0).contains(share) {
                    return Err(Error::Config(format!("share = {share}: give a share from 0 up to, but not, 1")));
                }
                self.dropouts += 1;
                let x = self.map(x)?;
                Ok(self.b.drop_path(x, *share, self.dropouts)?.into())
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
                if with.all().is_empty() {
                    return Err(Error::Config("with = []: name at least one layer".into()));
                }
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
}
