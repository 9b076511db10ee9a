//! How convolutions are dispatched.
//!
//! GPUs get the `_tiles` kernels: products of matrices that are never written, by tiles that share workgroup memory.
//! Software adapters get the `_lanes` kernels where they have subgroups: tiles in the registers of a subgroup. Where not,
//! and for bits, the `_blocked` kernels, which keep a register tile an invocation; their sizes must divide the
//! channels. The `_matrix` kernels are for matrix units, and never by the rule. Whatever fits no variant takes the plain kernel, one invocation an element. So goes the rule; all that fit
//! are variants.

use super::lanes::Lanes;
use super::matrix::{DEPTH, Factor, Lines, MatrixTile, Product};
use super::tiles::{Quads, Tile, access};
use super::variants::{Form, Variant, Variants};
use super::{Launch, Lowering, Operand, Target, block_rows, fold_groups, sum_partials};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

type Defines = Vec<(&'static str, u32)>;
type Constants = Vec<(&'static str, f64)>;

/// What of a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// y from x and w.
    Forward,
    /// dx from dy and w.
    InputGrad,
    /// dw from dy and x.
    WeightGrad,
}

/// A convolution to be dispatched.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a> {
    /// Where its windows lie.
    pub geometry: &'a Conv2dGeometry,
    /// What is computed.
    pub pass: Pass,
    /// What the bits of the packed operand stand for; `None` for a convolution of floats. Forward, both operands are
    /// packed.
    pub bits: Option<WeightCode>,
}

fn constants(g: &Conv2dGeometry) -> Constants {
    [
        ("NB", g.n),
        ("H", g.h),
        ("W", g.w),
        ("CI", g.c),
        ("O", g.o),
        ("KH", g.kh),
        ("KW", g.kw),
        ("STRIDE", g.stride),
        ("PADDING", g.padding),
        ("DILATION", g.dilation),
        ("GROUPS", g.groups),
        ("OH", g.oh),
        ("OW", g.ow),
    ]
    .map(|(name, v)| (name, v as f64))
    .to_vec()
}

/// Channels of a word that an invocation of a `_blocked` kernel handles: all 32, or all 16 there are.
fn word_bits(c: usize) -> Option<usize> {
    if c.is_multiple_of(32) { Some(32) } else { (c == 16).then_some(16) }
}

fn one(shader: &'static str, defines: Defines, constants: Constants, groups: usize) -> Lowering {
    let operands = vec![Operand::In(0), Operand::In(1), Operand::Out(0)];
    Launch { shader, defines, constants, workgroups: fold_groups(groups), operands }.into()
}

/// Invocations that keep a software adapter's cores busy.
const SOFTWARE_INVOCATIONS: usize = 1024;
/// Invocations that fill a GPU.
const GPU_INVOCATIONS: usize = 16384;

impl Conv<'_> {
    /// The dispatches that the rule takes.
    pub fn lower(&self, target: &Target) -> Lowering {
        let rule = self.rule(target);
        self.build(rule, self.chunk(rule, target), target)
    }

    /// All ways to run it. Weight gradients add partial sums of chunks of the output pixels: every form comes with the
    /// chunks of the rule, so that it may add in the same order, and with those that suit it.
    pub fn variants(&self, target: &Target) -> Variants {
        let rule = self.rule(target);
        let chunk = self.chunk(rule, target);
        let mut all = vec![Variant { name: rule.to_string(), lowering: self.build(rule, chunk, target) }];
        for form in Form::worth(target, rule, self.widths()).into_iter().filter(|f| self.fits(*f, target)) {
            let own = self.chunk(form, target);
            if form != rule && self.takes(form, chunk) {
                all.push(Variant { name: form.to_string(), lowering: self.build(form, chunk, target) });
            }
            if own != chunk {
                all.push(Variant { name: format!("{form}, own chunks"), lowering: self.build(form, own, target) });
            }
        }
        let g = self.geometry;
        let class = format!(
            "{}{} of {}x{}x{}x{} to {}, kernel {}x{}, stride {}, padding {}, dilation {}, groups {}, by rule {rule}",
            self.op(),
            if self.bits == Some(WeightCode::ZeroOne) { " by 0 and 1" } else { "" },
            g.n.next_power_of_two(),
            g.h,
            g.w,
            g.c,
            g.o,
            g.kh,
            g.kw,
            g.stride,
            g.padding,
            g.dilation,
            g.groups
        );
        Variants { class, all }
    }

    /// The field's name of the op.
    fn op(&self) -> &'static str {
        match (self.bits.is_some(), self.pass) {
            (false, Pass::Forward) => "conv2d",
            (false, Pass::InputGrad) => "conv2d_input_grad",
            (false, Pass::WeightGrad) => "conv2d_weight_grad",
            (true, Pass::Forward) => "xnor_conv2d",
            (true, Pass::InputGrad) => "xnor_conv2d_input_grad",
            (true, Pass::WeightGrad) => "xnor_conv2d_weight_grad",
        }
    }

    /// The product of matrices that it is: rows and columns of the result, and how many there are. A strided input
    /// gradient is one for each phase of the input (`shaders/shared/phase.wgsl`).
    fn product(&self) -> [usize; 3] {
        let g = self.geometry;
        match self.pass {
            Pass::Forward => [1, g.n * g.oh * g.ow, g.o],
            Pass::InputGrad => [g.stride * g.stride, g.n * g.h.div_ceil(g.stride) * g.w.div_ceil(g.stride), g.c],
            Pass::WeightGrad => [1, g.o, g.kh * g.kw * g.c],
        }
    }

    fn rule(&self, target: &Target) -> Form {
        let matrix = MatrixTile::of_rule(target).map(Form::Matrix);
        if let Some(form) = matrix.filter(|f| self.fits(*f, target)) {
            return form;
        }
        let [slices, m, n] = self.product();
        // A weight gradient is cut into as many slices as keep the GPU busy.
        let slices = if self.pass == Pass::WeightGrad { target.busy_workgroups } else { slices };
        let tile = self.in_tiles().then(|| Tile::choose(target, slices, m, n)).flatten();
        let blocked = self.rule_blocked(target).filter(|f| target.software && self.fits(*f, target));
        let lanes = self.rule_lanes(target, blocked.is_some()).filter(|f| self.fits(*f, target));
        tile.map(Form::Tiles).or(lanes).or(blocked).unwrap_or(Form::Plain)
    }

    /// Tiles of a subgroup by the rule, if it takes any; `other` is whether there are register tiles.
    fn rule_lanes(&self, target: &Target, other: bool) -> Option<Form> {
        let [slices, m, n] = self.product();
        // A weight gradient is cut into as many slices as keep all cores busy.
        let slices = if self.pass == Pass::WeightGrad { SOFTWARE_INVOCATIONS } else { slices };
        Lanes::choose(target, slices, m, n, other).map(Form::Lanes)
    }

    /// Register tiles by the rule, if the channels divide into any.
    fn rule_blocked(&self, target: &Target) -> Option<Form> {
        let g = self.geometry;
        let most = target.accumulators;
        // The widest that divides, of those of which a square fits.
        let least = if self.bits.is_some() { 2 } else { 4 };
        let square =
            |n: usize| [16, 8, 4, 2].into_iter().find(|c| c * c <= most && n.is_multiple_of(*c) && *c >= least);
        let [slices, m, n] = self.product();
        let (rows, columns) = match (self.bits.is_some(), self.pass) {
            (false, Pass::Forward | Pass::InputGrad) => {
                let columns = square(n)?;
                (block_rows(m, n / columns * slices).min(most / columns), columns)
            }
            (false, Pass::WeightGrad) => (square(g.o)?, square(g.c)?),
            (true, Pass::Forward) => {
                let columns = square(n)?;
                (block_rows(m, n / columns).min(8).min(most / columns), columns)
            }
            (true, Pass::InputGrad) => {
                let bits = word_bits(g.c)?;
                ((most / bits).max(1), bits)
            }
            (true, Pass::WeightGrad) => {
                let bits = word_bits(g.c)?;
                let rows = [16, 8, 4].into_iter().find(|r| *r <= (most / bits).max(4) && g.o.is_multiple_of(*r))?;
                (rows, bits)
            }
        };
        Some(Form::Blocked { rows, columns })
    }

    /// Widths of register tiles that are tried.
    fn widths(&self) -> &'static [usize] {
        match (self.bits.is_some(), self.pass) {
            (false, _) => &[4, 8, 16],
            (true, Pass::Forward) => &[2, 4, 8, 16],
            (true, _) => &[16, 32],
        }
    }

    /// Whether kernels by tiles take such windows: those of the input gradient go from a phase's first tap to its next by the
    /// stride, which leaves out none only where taps, or outputs, are neighbours.
    fn in_tiles(&self) -> bool {
        let g = self.geometry;
        g.groups == 1 && (self.pass != Pass::InputGrad || g.dilation == 1 || g.stride == 1)
    }

    /// Whether a kernel takes such channels.
    fn fits(&self, form: Form, target: &Target) -> bool {
        let g = self.geometry;
        match form {
            Form::Plain => true,
            Form::Tiles(_) => self.in_tiles(),
            Form::Lanes(_) => self.in_tiles() && self.bits.is_none(),
            Form::Matrix(tile) => {
                let [a, b] = self.factors();
                self.in_tiles() && tile.takes(target, self.products(), &a, &b)
            }
            Form::Blocked { rows, columns } => {
                self.in_tiles()
                    && match (self.bits.is_some(), self.pass) {
                        (false, Pass::Forward) => g.c.is_multiple_of(4) && g.o.is_multiple_of(columns),
                        (false, Pass::InputGrad) => g.o.is_multiple_of(4) && g.c.is_multiple_of(columns),
                        (false, Pass::WeightGrad) => g.o.is_multiple_of(rows) && g.c.is_multiple_of(columns),
                        (true, Pass::Forward) => g.o.is_multiple_of(columns),
                        (true, Pass::InputGrad) => g.o.is_multiple_of(4) && word_bits(g.c) == Some(columns),
                        (true, Pass::WeightGrad) => g.o.is_multiple_of(rows) && word_bits(g.c) == Some(columns),
                    }
            }
        }
    }

    /// Output pixels of a chunk of a weight gradient that keep the device busy in this form; all of them for the other
    /// passes.
    fn chunk(&self, form: Form, target: &Target) -> usize {
        let g = self.geometry;
        let pixels = g.n * g.oh * g.ow;
        let [_, m, n] = self.product();
        let units = |units: usize, wanted: usize| units.div_ceil(wanted.clamp(1, units.min(256)));
        match form {
            _ if self.pass != Pass::WeightGrad => pixels,
            // In whole steps of the kernel.
            Form::Tiles(tile) => pixels.div_ceil(tile.splits(target, m, n)).next_multiple_of(16),
            Form::Matrix(tile) => pixels.div_ceil(tile.splits(target, m, n)).next_multiple_of(DEPTH),
            Form::Blocked { .. } | Form::Lanes(_) => {
                units(g.n * g.oh, SOFTWARE_INVOCATIONS / self.invocations(form)) * g.ow
            }
            Form::Plain => units(pixels, GPU_INVOCATIONS / self.invocations(form)),
        }
    }

    /// Whether a kernel can cut its sum into such chunks.
    fn takes(&self, form: Form, chunk: usize) -> bool {
        let whole_rows = self.pass == Pass::WeightGrad && matches!(form, Form::Blocked { .. } | Form::Lanes(_));
        !whole_rows || chunk.is_multiple_of(self.geometry.ow)
    }

    /// Invocations that work, of a weight gradient for each chunk.
    fn invocations(&self, form: Form) -> usize {
        let g = self.geometry;
        let [slices, m, n] = self.product();
        match (form, self.pass) {
            (Form::Lanes(lanes), _) => lanes.invocations(slices, m, n),
            (Form::Blocked { rows, columns }, Pass::WeightGrad) => g.o / rows * (g.c / columns) * g.kh * g.kw,
            (Form::Blocked { rows, columns }, _) => m.div_ceil(rows) * (n / columns) * slices,
            (_, Pass::WeightGrad) => g.o * g.kh * g.kw * g.c / g.groups,
            (_, Pass::InputGrad) => g.n * g.h * g.w * g.c,
            // Of packed bits, a word of two results each.
            (_, Pass::Forward) if self.bits.is_some() => m * n.div_ceil(2),
            (_, Pass::Forward) => m * n,
        }
    }

    /// Whether kernels of subgroups can load four channels at a time.
    fn quads(&self) -> bool {
        let g = self.geometry;
        g.c.is_multiple_of(4) && (self.pass != Pass::InputGrad || g.o.is_multiple_of(4))
    }

    /// The dispatches of a form; `chunk` pixels at a time for a weight gradient.
    fn build(&self, form: Form, chunk: usize, target: &Target) -> Lowering {
        match (form, self.pass) {
            (Form::Matrix(tile), _) => self.by_matrices(tile, chunk, target),
            (Form::Tiles(tile), Pass::WeightGrad) => self.weight_grad_by_tiles(tile, chunk),
            (Form::Tiles(tile), _) => self.by_tiles(tile),
            (_, Pass::WeightGrad) => self.in_chunks(form, chunk),
            (Form::Blocked { rows, columns }, _) => {
                let (shader, width) = match (self.bits, self.pass) {
                    (None, Pass::Forward) => ("conv/conv2d_blocked", "COLUMNS"),
                    (None, _) => ("conv/conv2d_input_grad_blocked", "COLUMNS"),
                    (Some(_), Pass::Forward) => ("conv/xnor_conv2d_blocked", "COLUMNS"),
                    (Some(_), _) => ("conv/xnor_conv2d_input_grad_blocked", "BITS"),
                };
                let mut defines = vec![("ROWS", rows as u32), (width, columns as u32)];
                defines.extend(self.bits.map(zero_one));
                one(shader, defines, constants(self.geometry), self.invocations(form).div_ceil(32))
            }
            (Form::Lanes(lanes), _) => {
                let shader = match self.pass {
                    Pass::Forward => "conv/conv2d_lanes",
                    _ => "conv/conv2d_input_grad_lanes",
                };
                let groups = lanes.groups(self.invocations(form));
                one(shader, lanes.defines(self.quads()), constants(self.geometry), groups)
            }
            (Form::Plain, _) => {
                let shader = match (self.bits, self.pass) {
                    (None, Pass::Forward) => "conv/conv2d",
                    (None, _) => "conv/conv2d_input_grad",
                    (Some(_), Pass::Forward) => "conv/xnor_conv2d",
                    (Some(_), _) => "conv/xnor_conv2d_input_grad",
                };
                let mut constants = constants(self.geometry);
                constants.extend(self.bits.map(zero_one).map(|(name, v)| (name, v as f64)));
                one(shader, vec![], constants, self.invocations(form).div_ceil(64))
            }
        }
    }

    /// How kernels by tiles read the operands; nothing of that where both are bits.
    fn access(&self) -> Vec<(&'static str, u32)> {
        let g = self.geometry;
        let [_, _, n] = self.product();
        match (self.bits, self.pass) {
            (None, Pass::Forward) => {
                // Four neighbours of a window lie in one pixel only if pixels are whole vectors; then filters are.
                let quads = Quads::Deep.fitting(g.c);
                access(quads, quads, None, n)
            }
            (Some(code), Pass::Forward) => vec![zero_one(code)],
            (bits, Pass::InputGrad) => {
                // Rows of bits are whole words.
                let b = if bits.is_some() { Quads::Flat } else { Quads::Flat.fitting(g.c) };
                access(Quads::Deep.fitting(g.o), b, bits, n)
            }
            (bits, Pass::WeightGrad) => access(Quads::Flat.fitting(g.o), Quads::Flat.fitting(g.c), bits, n),
        }
    }

    fn by_tiles(&self, tile: Tile) -> Lowering {
        let shader = match (self.bits, self.pass) {
            (None, Pass::Forward) => "conv/conv2d_tiles",
            (Some(_), Pass::Forward) => "conv/xnor_conv2d_tiles",
            _ => "conv/conv2d_input_grad_tiles",
        };
        tile.launch(shader, self.product(), self.access(), constants(self.geometry), Operand::Out(0)).into()
    }

    /// Output channels by taps and input channels. The sum over the output pixels is cut into slices, then added up in
    /// order.
    fn weight_grad_by_tiles(&self, tile: Tile, chunk: usize) -> Lowering {
        let (constants, slices, to, rest) = self.slices(chunk);
        let [_, m, n] = self.product();
        let launch = tile.launch("conv/conv2d_weight_grad_tiles", [slices, m, n], self.access(), constants, to);
        rest.after(launch.into())
    }

    /// Of a weight gradient in chunks: constants, how many chunks, where they are made, and what adds them up.
    fn slices(&self, chunk: usize) -> (Constants, usize, Operand, Rest) {
        let g = self.geometry;
        let [_, m, n] = self.product();
        let slices = (g.n * g.oh * g.ow).div_ceil(chunk);
        let constants = [constants(g), vec![("CHUNK", chunk as f64)]].concat();
        let to = if slices == 1 { Operand::Out(0) } else { Operand::Temp(0) };
        (constants, slices, to, Rest { slices, numbers: m * n })
    }

    /// Products that meet in a sum, at most: what its bound counts.
    fn products(&self) -> usize {
        let g = self.geometry;
        match self.pass {
            Pass::Forward => g.kh * g.kw * g.c,
            Pass::InputGrad => g.kh * g.kw * g.o,
            Pass::WeightGrad => g.n * g.oh * g.ow,
        }
    }

    /// What the product is of, for matrix units. Floats have a largest number for each image of an input or of its gradient,
    /// and for each channel of what is neither summed over.
    fn factors(&self) -> [Factor; 2] {
        let g = self.geometry;
        let whole = |lines: usize, depth: usize| {
            Factor::Floats(Lines { sets: 1, lines, depth, set_pitch: 0, line_pitch: depth, pitch: 1 })
        };
        let channels = |lines: usize, depth: usize| {
            Factor::Floats(Lines { sets: 1, lines, depth, set_pitch: 0, line_pitch: 1, pitch: lines })
        };
        let packed = |floats: Factor| if self.bits.is_some() { Factor::Bits } else { floats };
        match self.pass {
            Pass::Forward => [packed(whole(g.n, g.h * g.w * g.c)), packed(whole(g.o, g.kh * g.kw * g.c))],
            Pass::InputGrad => [whole(g.n, g.oh * g.ow * g.o), packed(channels(g.c, g.o * g.kh * g.kw))],
            Pass::WeightGrad => [channels(g.o, g.n * g.oh * g.ow), packed(channels(g.c, g.n * g.h * g.w))],
        }
    }

    fn by_matrices(&self, tile: MatrixTile, chunk: usize, target: &Target) -> Lowering {
        let [slices, m, n] = self.product();
        let [a, b] = &self.factors();
        let (constants, slices, to, rest) = match self.pass {
            Pass::WeightGrad => self.slices(chunk),
            _ => (constants(self.geometry), slices, Operand::Out(0), Rest { slices: 1, numbers: 0 }),
        };
        let shader = match (self.bits, self.pass) {
            (None, Pass::Forward) => "conv/conv2d_matrix",
            (Some(_), Pass::Forward) => "conv/xnor_conv2d_matrix",
            (_, Pass::InputGrad) => "conv/conv2d_input_grad_matrix",
            (_, Pass::WeightGrad) => "conv/conv2d_weight_grad_matrix",
        };
        let product = Product { shader, extents: [slices, m, n], access: self.access(), constants, a, b };
        rest.after(tile.launch(target, product, to, rest.temps()))
    }

    /// A weight gradient in two stages: partial sums over chunks, which register tiles take in rows of pixels, then
    /// their sum.
    fn in_chunks(&self, form: Form, chunk: usize) -> Lowering {
        let g = self.geometry;
        let (shader, defines, units, chunk, group) = match form {
            Form::Lanes(lanes) => {
                let defines = lanes.defines(self.quads());
                ("conv/conv2d_weight_grad_lanes", defines, g.n * g.oh, chunk / g.ow, 4 * lanes.lanes)
            }
            Form::Blocked { rows, columns } => {
                let (shader, width) = match self.bits {
                    None => ("conv/conv2d_weight_grad_blocked", "COLUMNS"),
                    Some(_) => ("conv/xnor_conv2d_weight_grad_blocked", "BITS"),
                };
                (shader, vec![("ROWS", rows as u32), (width, columns as u32)], g.n * g.oh, chunk / g.ow, 32)
            }
            _ => {
                let packed = self.bits.is_some();
                let shader = if packed { "conv/xnor_conv2d_weight_grad" } else { "conv/conv2d_weight_grad" };
                (shader, vec![], g.n * g.oh * g.ow, chunk, 64)
            }
        };
        let weights = g.o * g.kh * g.kw * g.c / g.groups;
        let chunks = units.div_ceil(chunk);
        let extra = vec![("CHUNK", chunk as f64), ("CHUNKS", chunks as f64)];
        Lowering {
            temps: vec![chunks * weights],
            launches: vec![
                Launch {
                    shader,
                    defines,
                    constants: [constants(g), extra].concat(),
                    workgroups: fold_groups((chunks * self.invocations(form)).div_ceil(group)),
                    operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0)],
                },
                sum_partials(chunks, weights, Operand::Temp(0), Operand::Out(0)),
            ],
        }
    }
}

/// What is left of a sum that was cut into slices, the first of whose scratch buffers they are.
struct Rest {
    slices: usize,
    numbers: usize,
}

impl Rest {
    /// Scratch buffers of its own.
    fn temps(&self) -> usize {
        (self.slices > 1) as usize
    }

    /// Adds it behind what makes the slices.
    fn after(&self, mut lowering: Lowering) -> Lowering {
        if self.slices > 1 {
            lowering.temps.insert(0, self.slices * self.numbers);
            lowering.launches.push(sum_partials(self.slices, self.numbers, Operand::Temp(0), Operand::Out(0)));
        }
        lowering
    }
}

fn zero_one(code: WeightCode) -> (&'static str, u32) {
    ("ZERO_ONE", (code == WeightCode::ZeroOne) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also for a device that somebody made up.
    #[test]
    fn register_tiles_have_sizes_that_their_kernels_take_whatever_the_registers() {
        let mut tiles = 0;
        for accumulators in 0..=300 {
            let target = Target { software: true, accumulators, ..Target::default() };
            for channels in [4, 10, 12, 16, 20, 32, 36, 64] {
                let g = Conv2dGeometry::new("conv2d", &[8, 16, 16, channels], &[channels, 3, 3, channels], 1, 1, 1)
                    .unwrap();
                for pass in [Pass::Forward, Pass::InputGrad, Pass::WeightGrad] {
                    for bits in [None, Some(WeightCode::PlusMinus)] {
                        let Form::Blocked { rows, columns } = (Conv { geometry: &g, pass, bits }).rule(&target) else {
                            continue;
                        };
                        tiles += 1;
                        let widths = match (bits.is_some(), pass) {
                            (false, _) => &[4, 8, 16][..],
                            (true, Pass::Forward) => &[2, 4, 8, 16],
                            (true, _) => &[16, 32],
                        };
                        let title = format!("{pass:?} {bits:?} of {channels} with {accumulators}: {rows}x{columns}");
                        assert!(widths.contains(&columns) && channels % columns == 0, "{title}");
                        let whole_fours = pass == Pass::WeightGrad;
                        assert!(rows > 0 && (!whole_fours || rows % 4 == 0 && channels % rows == 0), "{title}");
                    }
                }
            }
        }
        assert!(tiles > 1000, "{tiles}");
    }
}
