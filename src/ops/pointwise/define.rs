//! Defines a pointwise op in one place: the formula that the CPU device runs in f32, and the reference in f64, which is
//! written apart from it, as textbooks have it: one text for both would not show a mistake in it.

/// Defines an op that works element by element: a struct that implements [`Pointwise`](crate::graph::Pointwise), with the
/// formula that the CPU device runs in f32 and the reference in f64. On a GPU it is a function of WGSL, fused with its
/// neighbours.
///
/// ```
/// use onebit::graph::EPS;
///
/// onebit::pointwise! {
///     /// x / (1 + slope |x|).
///     // In f32, of inputs and fields; WGSL gets the fields after the inputs. Where it has a function of that name itself:
///     // `"name" as "wgsl_name"`.
///     SoftSign { slope: f32 } "soft_sign" (x) => x / (1.0 + slope * x.abs());
///     // In f64, of the same names, written as textbooks have it.
///     reference x / (1.0 + slope * x.abs());
///     // Of an op outside of this crate: the text of the function.
///     wgsl "fn soft_sign(x: f32, slope: f32) -> f32 { return x / (1.0 + slope * abs(x)); }";
///     // If not that of `Pointwise::bound`: how far an f32 result y may be from the formula's.
///     bound |_x, y| 10.0 * EPS * y.abs() + f32::MIN_POSITIVE as f64;
///     // If its gradient is not the formula's derivative, on purpose: `gradient Definition;` (`GradientOf`).
///     // The inputs' gradients as nodes, from that of the output: Result<Grads>.
///     grad |me, g, x, y, dy| {
///         let magnitude = g.abs(x[0])?;
///         let scaled = g.scale(magnitude, me.slope)?;
///         let d = g.offset(scaled, 1.0)?;
///         let square = g.square(d)?;
///         Ok(vec![Some(g.div(dy, square)?)])
///     }
/// }
///
/// use onebit::graph::Pointwise;
/// assert_eq!(SoftSign { slope: 3.0 }.eval64(0, 0, &[-1.0]), -0.25);
/// ```
#[macro_export]
macro_rules! pointwise {
    (
        $(#[$doc:meta])*
        $ty:ident { $($field:ident : f32),* } $name:literal $(as $wgsl:literal)? ($($x:ident),+) => $formula:expr;
        reference $reference:expr;
        $(wgsl $text:expr;)?
        $(bound |$bx:ident, $by:ident| $bound:expr;)?
        $(bits $code:ident;)?
        $(gradient $of:ident;)?
        grad |$me:ident, $g:ident, $gx:ident, $gy:ident, $dy:ident| $grad:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $ty {
            $(
                /// A number of the formula.
                pub $field: f32,
            )*
        }

        impl $ty {
            #[inline(always)]
            fn formula(&self, $($x: f32),+) -> f32 {
                $(let $field = self.$field;)*
                $formula
            }
        }

        impl $crate::graph::Pointwise for $ty {
            fn name(&self) -> &'static str {
                $name
            }

            fn arity(&self) -> usize {
                [$(stringify!($x)),+].len()
            }

            $(fn wgsl(&self, _port: usize) -> &'static str {
                $wgsl
            })?

            $(fn wgsl_text(&self, _port: usize) -> Option<String> {
                Some($text.to_string())
            })?

            fn constants(&self) -> Vec<f32> {
                vec![$(self.$field),*]
            }

            fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], out: &mut [f32]) {
                let n = out.len();
                let mut inputs = x.iter();
                $(let $x = &inputs.next().expect("as many inputs as the formula has")[..n];)+
                $crate::kernels::isa::vectorised(
                    #[inline(always)]
                    || {
                        for i in 0..n {
                            out[i] = self.formula($($x[i]),+);
                        }
                    },
                );
            }

            fn eval64(&self, _port: usize, _index: usize, x: &[f64]) -> f64 {
                let mut inputs = x.iter();
                $(let $x = *inputs.next().expect("as many inputs as the formula has");)+
                $(let $field = self.$field as f64;)*
                $reference
            }

            $(fn bound(&self, _port: usize, $bx: &[f64], $by: f64) -> f64 {
                $bound
            })?

            $(fn bits_are(&self, _input: usize) -> $crate::tensor::bits::WeightCode {
                $crate::tensor::bits::WeightCode::$code
            })?

            $(fn gradient_of(&self) -> $crate::graph::GradientOf {
                $crate::graph::GradientOf::$of
            })?

            #[allow(unused_variables)]
            fn grad(
                &self,
                $g: &mut $crate::graph::Graph,
                $gx: &[$crate::graph::Value],
                $gy: &[$crate::graph::Value],
                dy: &[Option<$crate::graph::Value>],
            ) -> $crate::error::Result<$crate::graph::Grads> {
                let $me = self;
                let Some($dy) = dy[0] else { return Ok(vec![None; $gx.len()]) };
                $grad
            }
        }
    };
}
