//! Residual networks: ResNet-8/18/20/34/50 and the WRN skeleton, float or binary.

use super::builder::Builder;
use super::spec::{NetKind, Shortcut, Skip, Stem};
use crate::error::{Error, Result};
use crate::graph::{Role, Value};

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
        NetKind::Wrn22 => p(SMALL, &[3, 3, 3], false, Stem::Cifar, [Float, Float]),
        NetKind::Wrn40 => p(SMALL, &[6, 6, 6], false, Stem::Cifar, [Float, Float]),
        NetKind::Resnet18 => p(LARGE, &[2, 2, 2, 2], false, Stem::Cifar, [Float, Float]),
        NetKind::Resnet34 => p(LARGE, &[3, 4, 6, 3], false, Stem::Imagenet, [Float, Float]),
        NetKind::Resnet50 => p(LARGE, &[3, 4, 6, 3], true, Stem::Imagenet, [Float, Float]),
        NetKind::Convnet | NetKind::Mlp | NetKind::VggSmall | NetKind::ReactnetA | NetKind::Minireact => {
            unreachable!("not a residual network")
        }
    }
}

/// `x` `[n, h, w, c]` to logits `[n, classes]`.
pub(super) fn build(b: &mut Builder<'_>, x: Value, classes: usize) -> Result<Value> {
    let layout = layout(b.spec.kind);
    let widths = b.spec.widths(layout.widths)?;
    let mut x = stem(b, x, widths[0], b.spec.stem.unwrap_or(layout.stem))?;
    for (stage, (&blocks, &width)) in layout.blocks.iter().zip(&widths[1..]).enumerate() {
        x = b.scoped(format!("layer{}", stage + 1), |b| {
            (0..blocks).try_fold(x, |x, block| {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let shortcut = b.spec.shortcut.unwrap_or(layout.shortcut[b.spec.binary as usize]);
                b.scoped(block.to_string(), |b| match (layout.bottleneck, b.spec.skip()) {
                    (true, _) => bottleneck(b, x, width, stride, shortcut, block + 1 == blocks),
                    (false, Skip::Single) => single(b, x, width, stride, shortcut, block + 1 == blocks),
                    (false, Skip::Double) => double(b, x, width, stride, shortcut, block + 1 == blocks),
                })
            })
        })?;
    }
    let x = b.g.global_avg_pool(x)?;
    b.head(x, classes)
}

/// The first convolution, always float. The sign of a ReLU would be constant, so a binary network has none here unless
/// it is asked for.
fn stem(b: &mut Builder<'_>, x: Value, width: usize, stem: Stem) -> Result<Value> {
    let y = match stem {
        Stem::Cifar => b.conv("conv1", x, width, 3, 1)?,
        Stem::Imagenet => b.conv("conv1", x, width, 7, 2)?,
    };
    let y = b.batch_norm("bn1", y)?;
    let y = b.activate_by(b.spec.stem_activation(), "act1", y)?;
    match stem {
        Stem::Cifar => Ok(y),
        Stem::Imagenet => b.g.max_pool2d(y, 3, 2, 1),
    }
}

/// He et al.: act(bn(conv(act(bn(conv(x))))) + shortcut(x)).
fn single(
    b: &mut Builder<'_>,
    x: Value,
    width: usize,
    stride: usize,
    shortcut: Shortcut,
    stage_ends: bool,
) -> Result<Value> {
    let skip = downsample(b, x, width, stride, shortcut)?;
    let y = b.inner_conv("conv1", x, width, 3, stride)?;
    let y = b.batch_norm("bn1", y)?;
    let y = b.activate("act1", y)?;
    let y = b.inner_conv("conv2", y, width, 3, 1)?;
    let y = b.batch_norm("bn2", y)?;
    let y = b.g.add(y, skip)?;
    b.stage(y, stage_ends);
    b.activate("act2", y)
}

/// Bi-Real Net: a shortcut around each convolution.
fn double(
    b: &mut Builder<'_>,
    x: Value,
    width: usize,
    stride: usize,
    shortcut: Shortcut,
    stage_ends: bool,
) -> Result<Value> {
    let skip = downsample(b, x, width, stride, shortcut)?;
    let y = b.inner_conv("conv1", x, width, 3, stride)?;
    let y = b.batch_norm("bn1", y)?;
    let y = b.g.add(y, skip)?;
    let u = b.activate("act1", y)?;
    let y = b.inner_conv("conv2", u, width, 3, 1)?;
    let y = b.batch_norm("bn2", y)?;
    let y = b.g.add(y, u)?;
    b.stage(y, stage_ends);
    b.activate("act2", y)
}

/// ResNet-50's block: 1x1, 3x3, 1x1 to four times the width.
fn bottleneck(
    b: &mut Builder<'_>,
    x: Value,
    width: usize,
    stride: usize,
    shortcut: Shortcut,
    stage_ends: bool,
) -> Result<Value> {
    let skip = downsample(b, x, 4 * width, stride, shortcut)?;
    let y = b.inner_conv("conv1", x, width, 1, 1)?;
    let y = b.batch_norm("bn1", y)?;
    let y = b.activate("act1", y)?;
    let y = b.inner_conv("conv2", y, width, 3, stride)?;
    let y = b.batch_norm("bn2", y)?;
    let y = b.activate("act2", y)?;
    let y = b.inner_conv("conv3", y, 4 * width, 1, 1)?;
    let y = b.batch_norm("bn3", y)?;
    let y = b.g.add(y, skip)?;
    b.stage(y, stage_ends);
    b.activate("act3", y)
}

/// The shortcut: the input itself where the shape stays.
fn downsample(b: &mut Builder<'_>, x: Value, width: usize, stride: usize, shortcut: Shortcut) -> Result<Value> {
    let c = b.channels(x);
    if c == width && stride == 1 {
        return Ok(x);
    }
    match shortcut {
        Shortcut::OptionA => option_a(b, x, width, stride),
        Shortcut::Float => b.scoped("downsample", |b| {
            // A strided 1x1 convolution reads every second pixel: cut them out first, so that a
            // quarter of the input is kept for backward.
            let x = every_nth_pixel(b, x, stride)?;
            let y = b.conv("0", x, width, 1, 1)?;
            b.batch_norm("1", y)
        }),
        Shortcut::PooledFloat => b.scoped("downsample", |b| {
            let x = averaged(b, x, stride)?;
            let y = b.conv("0", x, width, 1, 1)?;
            b.batch_norm("1", y)
        }),
        Shortcut::FloatPooled => b.scoped("downsample", |b| {
            let y = b.conv("0", x, width, 1, 1)?;
            let y = b.batch_norm("1", y)?;
            averaged(b, y, stride)
        }),
        Shortcut::Binary if b.spec.binary => b.scoped("downsample", |b| {
            let y = b.binary_conv("0", x, width, 1, stride, Role::BinaryShortcut)?;
            b.batch_norm("1", y)
        }),
        // The float twin of a network with binary shortcuts.
        Shortcut::Binary => downsample(b, x, width, stride, Shortcut::Float),
    }
}

/// Means of `stride` times `stride` pixels.
pub(super) fn averaged(b: &mut Builder<'_>, x: Value, stride: usize) -> Result<Value> {
    let (h, w) = (b.g.shape(x)[1], b.g.shape(x)[2]);
    match stride {
        1 => Ok(x),
        // The convolution beside it rounds up, pooling rounds down.
        _ if h % stride != 0 || w % stride != 0 => Err(Error::Config(format!(
            "a shortcut of this network (net.shortcut = {:?}) averages {stride}x{stride} pixels, but the feature map there \
             is {h}x{w}: give images of another size (data.size), or a residual network the shortcut \"float\"",
            b.spec.shortcut
        ))),
        _ => b.g.avg_pool2d(x, stride, stride, 0, true),
    }
}

fn every_nth_pixel(b: &mut Builder<'_>, x: Value, stride: usize) -> Result<Value> {
    match stride {
        1 => Ok(x),
        _ => {
            let &[n, h, w, c] = &b.g.shape(x)[..] else { unreachable!("activations are NHWC") };
            b.g.slice_axes(x, &[(0..n, 1), (0..h, stride), (0..w, stride), (0..c, 1)])
        }
    }
}

/// Every `stride`-th pixel, and zeros for the new channels, half before and half behind the old ones.
fn option_a(b: &mut Builder<'_>, x: Value, width: usize, stride: usize) -> Result<Value> {
    let x = every_nth_pixel(b, x, stride)?;
    let new = width.saturating_sub(b.channels(x));
    b.g.pad(x, &[(0, 0), (0, 0), (0, 0), (new / 2, new - new / 2)], 0.0)
}
