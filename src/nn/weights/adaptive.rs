//! AdaBin (Tu et al. 2022), as released: both values of a binary convolution's weights and of its activations adapt. With s and b
//! the signs, of a layer's activations and of a filter o,
//!
//! ```text
//! x_b = alpha_a (s + beta_a)        s = sign((x - beta_a) / alpha_a), alpha_a and beta_a trained, one of each a layer
//! W_b = alpha_o b + beta_o          b = sign(W - beta_o), beta_o the mean of the filter, alpha_o its deviation (of all n)
//! ```
//!
//! and nothing is detached: the gradient of a weight goes through the mean and the deviation of its filter too. Where the window
//! reaches over the border nothing is summed, neither value. By popcounts, V being the window within the image, of n_V bits,
//!
//! ```text
//! y = alpha_a ( alpha_o (D + beta_a S_w) + beta_o (S_x + beta_a n_V) )
//! D = sum_V s b,  S_x = sum_V s  (one plane for all filters),  S_w = sum_V b  (the same for all images)
//! ```

use crate::error::{Error, Result};
use crate::graph::{Init, Meta, Role, Value};
use crate::nn::builder::{BinaryLayer, Builder, Mode, Scaled};
use crate::tensor::bits::{WeightCode, pack};
use crate::tensor::{Conv2dGeometry, DType, HostTensor, Windows};

/// The two values of a filter's weights: `scale b + centre`.
struct Filter {
    latent: Option<Value>,
    bits: Value,
    /// `[o]`.
    scale: Value,
    /// `[o]`.
    centre: Value,
}

impl Builder<'_> {
    /// The convolution of the layer in whose scope it is called.
    pub(in crate::nn) fn adaptive_conv(
        &mut self,
        x: Value,
        shape: [usize; 4],
        windows: Windows,
        role: Role,
    ) -> Result<Scaled> {
        let [_, k, _, c] = shape;
        if k * k * c < 2 {
            return Err(Error::Config("weights = \"adaptive\": a filter of one weight has no deviation".into()));
        }
        let scale = self.param("alpha_a", [1], Init::Constant(1.0), Role::Other)?;
        let centre = self.param("beta_a", [1], Init::Zeros, Role::Other)?;
        let ste = self.ste(self.spec.binarization.activation_ste);
        let moved = self.g.sub(x, centre)?;
        let moved = self.g.div(moved, scale)?;
        let signs = self.g.sign(moved, ste)?;
        let filter = self.adaptive_filter(shape, role)?;
        let y = match self.is_training() && windows.groups == 1 {
            true => self.by_popcounts(signs, [scale, centre], &filter, windows)?,
            false => self.by_floats(signs, [scale, centre], &filter, windows)?,
        };
        self.count_binary(y, shape, windows.groups);
        let mut name = self.g.path("");
        name.pop();
        self.binary.push(BinaryLayer {
            name,
            weight: filter.latent,
            bits: Some(filter.bits),
            scale: Some(filter.scale),
            centre: Some(filter.centre),
            matrix: None,
        });
        Ok(Scaled { y, scale: None })
    }

    fn adaptive_filter(&mut self, shape: [usize; 4], role: Role) -> Result<Filter> {
        let o = shape[0];
        if self.mode == Mode::Packed {
            let number = |b: &mut Self, name| b.g.state(name, Meta::f32([o]), Init::Constant(1.0));
            let (scale, centre) = (number(self, "alpha")?, number(self, "beta")?);
            return Ok(Filter { latent: None, bits: self.stored_bits(shape)?, scale, centre });
        }
        let ste = self.ste(self.spec.binarization.weight_ste);
        let w = self.latent(shape, role)?;
        let centre = self.g.mean(w, &[1, 2, 3])?;
        let variance = self.g.var(w, &[1, 2, 3], false)?;
        let scale = self.g.sqrt(variance)?;
        let [to, by] = [centre, scale].map(|v| self.g.reshape(v, [o, 1, 1, 1]));
        let z = self.g.sub(w, to?)?;
        let z = self.g.div(z, by?)?;
        let bits = self.g.sign(z, ste)?;
        let [centre, scale] = [centre, scale].map(|v| self.g.reshape(v, [o]));
        Ok(Filter { latent: Some(w), bits, scale: scale?, centre: centre? })
    }

    /// The formula over the popcounts.
    fn by_popcounts(
        &mut self,
        signs: Value,
        [scale, centre]: [Value; 2],
        f: &Filter,
        windows: Windows,
    ) -> Result<Value> {
        let (x, w) = (self.g.shape(signs).clone(), self.g.shape(f.bits).clone());
        let ones = |n: usize, columns: usize| pack(columns, vec![true; n]);
        let filter = HostTensor::from_words([1, w[1], w[2], w[3]], DType::Bits, ones(w[1] * w[2] * w[3], w[3]));
        let image = HostTensor::from_words([1, x[1], x[2], x[3]], DType::Bits, ones(x[1] * x[2] * x[3], x[3]));
        let (filter, image) = (self.g.constant(filter), self.g.constant(image));
        let code = WeightCode::PlusMinus;
        let both = self.g.xnor_conv2d_by(signs, f.bits, windows, code)?;
        let of_image = self.g.xnor_conv2d_by(signs, filter, windows, code)?;
        let of_filter = self.g.xnor_conv2d_by(image, f.bits, windows, code)?;
        let seen = self.g.constant(bits_seen(&x, &w, windows)?);
        let shifted = self.g.mul(of_filter, centre)?;
        let first = self.g.add(both, shifted)?;
        let first = self.g.mul(first, f.scale)?;
        let shifted = self.g.mul(seen, centre)?;
        let second = self.g.add(of_image, shifted)?;
        let second = self.g.mul(second, f.centre)?;
        let sum = self.g.add(first, second)?;
        self.g.mul(sum, scale)
    }

    /// The values themselves, convolved as floats.
    fn by_floats(&mut self, signs: Value, [scale, centre]: [Value; 2], f: &Filter, windows: Windows) -> Result<Value> {
        let o = self.g.shape(f.bits)[0];
        let x = self.g.signed(signs)?;
        let x = self.g.add(x, centre)?;
        let x = self.g.mul(x, scale)?;
        let w = self.g.signed(f.bits)?;
        let [by, to] = [f.scale, f.centre].map(|v| self.g.reshape(v, [o, 1, 1, 1]));
        let w = self.g.mul(w, by?)?;
        let w = self.g.add(w, to?)?;
        self.g.conv2d_by(x, w, windows)
    }
}

/// How many bits each window sees of an image, `[1, rows, columns, 1]`.
fn bits_seen(x: &[usize], w: &[usize], windows: Windows) -> Result<HostTensor> {
    let g = Conv2dGeometry::of("conv", x, w, windows)?;
    let inside = |out: usize, taps: usize, size: usize| {
        (0..taps)
            .filter(|k| {
                (out * windows.stride + k * windows.dilation).checked_sub(windows.padding).is_some_and(|i| i < size)
            })
            .count()
    };
    let rows = (0..g.oh).map(|y| inside(y, g.kh, g.h) * g.c);
    let seen = rows.flat_map(|rows| (0..g.ow).map(move |x| (rows * inside(x, g.kw, g.w)) as f32)).collect();
    Ok(HostTensor::from_f32([1, g.oh, g.ow, 1], seen))
}
