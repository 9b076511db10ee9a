//! What an op must say of itself.

use super::{GradientOf, Graph, Meta, Value};
use crate::error::Result;
use crate::kernels::Isa;
use crate::launch::{Lowering, Target, Variants};
use crate::tensor::bits::WeightCode;
use crate::tensor::{HostTensor, RefTensor, Shape};
use std::any::Any;
use std::fmt::Debug;

/// Gradients with respect to an op's inputs; `None` where there is none.
pub type Grads = Vec<Option<Value>>;

/// An operation on tensors. One file per op in `src/ops`, with the WGSL of the same name in `shaders/`; an op of another
/// crate brings its WGSL along ([`Op::shaders`]). One that works element by element implements [`Pointwise`] instead.
pub trait Op: Any + Debug + Send + Sync {
    /// The field's name of the op; also the name of its files.
    fn name(&self) -> &'static str;

    /// Shapes and types of the outputs, or why the inputs do not fit.
    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>>;

    /// Appends the nodes that compute the inputs' gradients from those of the outputs (`dy`, `None`
    /// where nothing depends on an output). Called only when at least one output has a gradient.
    fn grad(&self, g: &mut Graph, inputs: &[Value], outputs: &[Value], dy: &[Option<Value>]) -> Result<Grads>;

    /// What the gradients of [`Op::grad`] are gradients of: a check against differences must know.
    fn gradient_of(&self) -> GradientOf {
        GradientOf::Inputs
    }

    /// The numbers that the bits of an input stand for: its gradient is one with respect to them.
    fn bits_are(&self, _input: usize) -> WeightCode {
        WeightCode::PlusMinus
    }

    /// The textbook: computed from the formula in f64. The oracle of every test.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor>;

    /// For each output element, how far a device's f32 result may lie from the reference's: a bound
    /// derived from the op's arithmetic. Zero for bits and integers.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>>;

    /// Runs the op on the CPU device. The default runs the reference, which is right but slow: ops
    /// that matter override it.
    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let inputs: Vec<RefTensor> = (0..io.inputs.len()).map(|i| RefTensor::from(&io.host(i))).collect();
        let refs: Vec<&RefTensor> = inputs.iter().collect();
        let outputs = self.reference(&refs, io.output_metas());
        for (port, out) in outputs.iter().enumerate() {
            io.set(port, &HostTensor::from(out));
        }
        Ok(())
    }

    /// The dispatches that compute the op.
    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering>;

    /// The WGSL of an op from outside of this crate: path (as in [`Launch::shader`](crate::launch::Launch::shader)) and text of
    /// each file, which may `#import` others, those of this crate too. A device runs kernels that hold any of it with bounds
    /// checks.
    fn shaders(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The ways to run the op on a device, if there are several: the first is that of [`Op::lower`].
    fn variants(&self, _cx: &LowerCx<'_>) -> Option<Variants> {
        None
    }

    /// Operations of the formula (a multiply-add is two) and whether they are on single bits, for ops whose
    /// rate people quote: products and convolutions. Memory bounds the others.
    fn operations(&self, _inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        (0.0, false)
    }

    /// Element by element, if it is: then it is fused with its neighbours instead of lowered.
    fn pointwise(&self) -> Option<&dyn Pointwise> {
        None
    }

    /// Whether output 0 is input 0 under another shape, word for word.
    fn is_view(&self) -> bool {
        false
    }
}

/// What a lowering sees.
#[derive(Debug)]
pub struct LowerCx<'a> {
    /// Shapes and types of the inputs.
    pub inputs: &'a [Meta],
    /// Shapes and types of the outputs.
    pub outputs: &'a [Meta],
    /// The device.
    pub target: &'a Target,
}

/// An op that computes every output element from the input elements at the same (broadcast) place.
///
/// Inputs are read as f32 whatever their type (bits as 0 and 1; integers up to 2^24 are exact).
/// Output `port` may be f32 or packed bits (set where the computed number is over 0.5).
pub trait Pointwise: Debug + Send + Sync + 'static {
    /// The field's name of the op.
    fn name(&self) -> &'static str;

    /// Number of inputs.
    fn arity(&self) -> usize;

    /// Number of outputs.
    fn ports(&self) -> usize {
        1
    }

    /// Type of an output.
    fn dtype(&self, _port: usize) -> crate::tensor::DType {
        crate::tensor::DType::F32
    }

    /// A shape that the inputs are broadcast to besides each other's.
    fn shape(&self) -> Option<&Shape> {
        None
    }

    /// Name of the WGSL function of an output, in `shaders/pointwise/<name>.wgsl` or in [`Pointwise::wgsl_text`]. It takes
    /// the element's index as u32 first if [`Pointwise::uses_index`], then the inputs, then the constants.
    fn wgsl(&self, _port: usize) -> &'static str {
        self.name()
    }

    /// The text of that function, of an op from outside of this crate. It shares a kernel with the functions of other ops:
    /// what else it defines wants names of its own.
    fn wgsl_text(&self, _port: usize) -> Option<String> {
        None
    }

    /// Numbers fixed when the graph was built, passed to the function as literals.
    fn constants(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Whether the function takes the element's row-major index.
    fn uses_index(&self) -> bool {
        false
    }

    /// Evaluates a run of elements, the first at `index`, in f32.
    fn eval(&self, port: usize, index: usize, x: &[&[f32]], y: &mut [f32]);

    /// The reference: the formula in f64, written apart from [`Pointwise::eval`].
    fn eval64(&self, port: usize, index: usize, x: &[f64]) -> f64;

    /// Rounding error of one f32 evaluation whose inputs are exact: covers internal cancellation.
    /// The default is right for up to four correctly rounded operations without cancellation.
    fn bound(&self, _port: usize, _x: &[f64], y: f64) -> f64 {
        4.0 * EPS * y.abs() + f32::MIN_POSITIVE as f64
    }

    /// As [`Op::grad`]; gradients of broadcast inputs are summed to their shape by the caller.
    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads>;

    /// As [`Op::gradient_of`].
    fn gradient_of(&self) -> GradientOf {
        GradientOf::Inputs
    }

    /// As [`Op::bits_are`]: the formula reads 0 and 1.
    fn bits_are(&self, _input: usize) -> WeightCode {
        WeightCode::ZeroOne
    }
}

/// Half the distance from 1 to the next f32: the relative error of one rounding.
pub const EPS: f64 = f32::EPSILON as f64 / 2.0;

/// The buffers of one op on the CPU device.
pub struct CpuIo<'a> {
    pub(crate) isa: Isa,
    pub(crate) inputs: Vec<(&'a Meta, &'a [u32])>,
    pub(crate) outputs: Vec<&'a mut [u32]>,
    pub(crate) metas: &'a [Meta],
}

impl<'a> CpuIo<'a> {
    /// The instruction set that kernels are to take.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Shape and type of an input.
    pub fn meta(&self, i: usize) -> &'a Meta {
        self.inputs[i].0
    }

    /// Shapes and types of the outputs.
    pub fn output_metas(&self) -> &'a [Meta] {
        self.metas
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The stored words of an input.
    pub fn words(&self, i: usize) -> &'a [u32] {
        self.inputs[i].1
    }

    /// An f32 input.
    pub fn f32(&self, i: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.inputs[i].1)
    }

    /// A copy of an input.
    pub fn host(&self, i: usize) -> HostTensor {
        let (meta, words) = self.inputs[i];
        HostTensor::from_words(meta.shape.clone(), meta.dtype, words.to_vec())
    }

    /// The stored words of an output.
    pub fn out_words(&mut self, port: usize) -> &mut [u32] {
        self.outputs[port]
    }

    /// An f32 output.
    pub fn out(&mut self, port: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.outputs[port])
    }

    /// Two f32 outputs at once.
    pub fn out2(&mut self) -> (&mut [f32], &mut [f32]) {
        let (a, b) = self.outputs.split_at_mut(1);
        (bytemuck::cast_slice_mut(a[0]), bytemuck::cast_slice_mut(b[0]))
    }

    /// Three f32 outputs at once.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn out3(&mut self) -> [&mut [f32]; 3] {
        let [a, b, c, ..] = &mut self.outputs[..] else { panic!("an op of {} outputs", self.metas.len()) };
        [a, b, c].map(|words| bytemuck::cast_slice_mut(words))
    }

    /// Four f32 outputs at once.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn out4(&mut self) -> [&mut [f32]; 4] {
        let [a, b, c, d, ..] = &mut self.outputs[..] else { panic!("an op of {} outputs", self.metas.len()) };
        [a, b, c, d].map(|words| bytemuck::cast_slice_mut(words))
    }

    /// Replaces an output.
    pub fn set(&mut self, port: usize, t: &HostTensor) {
        self.outputs[port].copy_from_slice(t.words());
    }
}
