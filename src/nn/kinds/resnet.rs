//! Residual networks: ResNet-8/18/20/32/34/44/50/56 and the WRN skeleton, float or binary.

use super::{activation, batch_norm, binary_conv, block, conv, global_avg_pool, inner_conv, residual};
use crate::error::Result;
use crate::nn::layer::{Layer, LayerKind, Side};
use crate::nn::spec::{NetKind, NetSpec, Shortcut, Skip, Stem};

/// What tells the kinds of residual networks apart.
struct Layout {
    /// Widths of stem and stages.
    widths: &'static [usize],
    /// Blocks of each stage.
    blocks: &'static [usize],
    bottleneck: bool,
    stem: Stem,
    /// The usual shortcut of the float and of the binary network.
    shortcut: [Shortcut; 2],
}

fn layout(kind: NetKind) -> Layout {
    use Shortcut::{Float, OptionA};
    const SMALL: &[usize] = &[16, 16, 32, 64];
    const LARGE: &[usize] = &[64, 64, 128, 256, 512];
    let p = |widths, blocks, bottleneck, stem, shortcut| Layout { widths, blocks, bottleneck, stem, shortcut };
    match kind {
        NetKind::Resnet8 => p(SMALL, &[1, 1, 1], false, Stem::Cifar, [OptionA, OptionA]),
        NetKind::Resnet20 => p(SMALL, &[3, 3, 3], false, Stem::Cifar, [OptionA, OptionA]),
        NetKind::Resnet32 => p(SMALL, &[5, 5, 5], false, Stem::Cifar, [OptionA, OptionA]),
        NetKind::Resnet44 => p(SMALL, &[7, 7, 7], false, Stem::Cifar, [OptionA, OptionA]),
        NetKind::Resnet56 => p(SMALL, &[9, 9, 9], false, Stem::Cifar, [OptionA, OptionA]),
        NetKind::Wrn22 => p(SMALL, &[3, 3, 3], false, Stem::Cifar, [Float, Float]),
        NetKind::Wrn40 => p(SMALL, &[6, 6, 6], false, Stem::Cifar, [Float, Float]),
        NetKind::Resnet18 => p(LARGE, &[2, 2, 2, 2], false, Stem::Cifar, [Float, Float]),
        NetKind::Resnet34 => p(LARGE, &[3, 4, 6, 3], false, Stem::Imagenet, [Float, Float]),
        NetKind::Resnet50 => p(LARGE, &[3, 4, 6, 3], true, Stem::Imagenet, [Float, Float]),
        NetKind::Layers
        | NetKind::Convnet
        | NetKind::Mlp
        | NetKind::VggSmall
        | NetKind::ReactnetA
        | NetKind::Minireact
        | NetKind::VitTi16
        | NetKind::VitS16
        | NetKind::VitB16
        | NetKind::VitB32
        | NetKind::ClipB16
        | NetKind::ClipB32
        | NetKind::VitSmall => {
            unreachable!("not a residual network")
        }
    }
}

/// What a block is made of.
struct Block<'a> {
    spec: &'a NetSpec,
    /// Channels that it takes, and its own.
    from: usize,
    width: usize,
    stride: usize,
    shortcut: Shortcut,
    /// Whether it is the last one of its stage.
    ends: bool,
}

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let layout = layout(spec.kind);
    let widths = spec.widths(layout.widths)?;
    let shortcut = spec.shortcut.unwrap_or(layout.shortcut[spec.is_binary() as usize]);
    let mut layers = stem(spec, widths[0], spec.stem.unwrap_or(layout.stem));
    let mut from = widths[0];
    for (stage, (&blocks, &width)) in layout.blocks.iter().zip(&widths[1..]).enumerate() {
        let mut body = Vec::new();
        for i in 0..blocks {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            let b = Block { spec, from, width, stride, shortcut, ends: i + 1 == blocks };
            let (layers, made) = match (layout.bottleneck, spec.skip()) {
                (true, _) => (b.bottleneck(), 4 * width),
                (false, Skip::Single) => (b.single(), width),
                (false, Skip::Double) => (b.double(), width),
            };
            body.push(block(i.to_string(), layers));
            from = made;
        }
        layers.push(block(format!("layer{}", stage + 1), body));
    }
    layers.push(global_avg_pool());
    Ok(layers)
}

/// The first convolution, always float. The sign of a ReLU would be constant, so a binary network has none here unless
/// it is asked for.
fn stem(spec: &NetSpec, width: usize, stem: Stem) -> Vec<Layer> {
    let mut layers = vec![match stem {
        Stem::Cifar => conv("conv1", width, 3, 1),
        Stem::Imagenet => conv("conv1", width, 7, 2),
    }];
    layers.push(batch_norm("bn1"));
    layers.extend(activation(spec.stem_activation(), "act1"));
    if stem == Stem::Imagenet {
        layers.push(Layer::new(LayerKind::MaxPool { kernel: 3, stride: Some(2.into()), padding: 1 }));
    }
    layers
}

impl Block<'_> {
    /// He et al.: act(bn(conv(act(bn(conv(x))))) + shortcut(x)).
    fn single(&self) -> Vec<Layer> {
        let mut body = vec![inner_conv("conv1", self.width, 3, self.stride), batch_norm("bn1")];
        body.extend(activation(self.spec.activation(), "act1"));
        body.extend([inner_conv("conv2", self.width, 3, 1), batch_norm("bn2")]);
        let mut layers = vec![residual(body, self.downsample(self.width), self.ends)];
        layers.extend(activation(self.spec.activation(), "act2"));
        layers
    }

    /// Bi-Real Net: a shortcut around each convolution.
    fn double(&self) -> Vec<Layer> {
        let first = vec![inner_conv("conv1", self.width, 3, self.stride), batch_norm("bn1")];
        let mut layers = vec![residual(first, self.downsample(self.width), false)];
        layers.extend(activation(self.spec.activation(), "act1"));
        let second = vec![inner_conv("conv2", self.width, 3, 1), batch_norm("bn2")];
        layers.push(residual(second, vec![], self.ends));
        layers.extend(activation(self.spec.activation(), "act2"));
        layers
    }

    /// ResNet-50's block: 1x1, 3x3, 1x1 to four times the width.
    fn bottleneck(&self) -> Vec<Layer> {
        let mut body = vec![inner_conv("conv1", self.width, 1, 1), batch_norm("bn1")];
        body.extend(activation(self.spec.activation(), "act1"));
        body.extend([inner_conv("conv2", self.width, 3, self.stride), batch_norm("bn2")]);
        body.extend(activation(self.spec.activation(), "act2"));
        body.extend([inner_conv("conv3", 4 * self.width, 1, 1), batch_norm("bn3")]);
        let mut layers = vec![residual(body, self.downsample(4 * self.width), self.ends)];
        layers.extend(activation(self.spec.activation(), "act3"));
        layers
    }

    /// The shortcut where the shape changes.
    fn downsample(&self, width: usize) -> Vec<Layer> {
        let stride = self.stride;
        if self.from == width && stride == 1 {
            return Vec::new();
        }
        // A strided 1x1 convolution reads every second pixel: cut them out first, so that a quarter of the input is kept for
        // backward.
        let subsample =
            || (stride > 1).then(|| Layer::new(LayerKind::Subsample { stride: stride.into() }).named("pixels"));
        let average = || (stride > 1).then(|| averaged(stride));
        let zeros = || Layer::new(LayerKind::PadChannels { width: width.into(), side: Side::Both });
        let pixels = || [conv("0", width, 1, 1), batch_norm("1")];
        let body: Vec<Layer> = match self.shortcut {
            Shortcut::OptionA => return subsample().into_iter().chain([zeros()]).collect(),
            Shortcut::PooledOptionA => return average().into_iter().chain([zeros()]).collect(),
            Shortcut::PooledFloat => average().into_iter().chain(pixels()).collect(),
            Shortcut::FloatPooled => pixels().into_iter().chain(average()).collect(),
            Shortcut::Binary if self.spec.is_binary() => {
                vec![binary_conv("0", width, 1, stride, true), batch_norm("1")]
            }
            // That of a float network, and of the float twin of a network with binary shortcuts.
            Shortcut::Float | Shortcut::Binary => subsample().into_iter().chain(pixels()).collect(),
        };
        vec![block("downsample", body)]
    }
}

/// Means of `stride` times `stride` pixels, none of which is left out.
pub(super) fn averaged(stride: usize) -> Layer {
    Layer::new(LayerKind::AvgPool { kernel: stride, stride: None, padding: 0 }).named("pool")
}
