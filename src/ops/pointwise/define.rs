//! Defines a pointwise op in one place: the formula that the CPU device runs in f32, and the reference in f64, which is
//! written apart from it, as textbooks have it: one text for both would not show a mistake in it.

/// ```text
/// pointwise! {
///     /// What it computes.
///     Name { field: f32, … } "name" (x, y) => …;  // f32, of the fields (WGSL gets them after the inputs) and x, y
///     // or `"name" as "wgsl_name"`, where WGSL has a built-in function called name
///     reference …;                                // f64, of the same names
///     bound |x, y| …;                             // optional: rounding bound, f64
///     grad |me, g, x, y, dy| …                    // Result<Grads>; dy is the gradient of output 0
/// }
/// ```
macro_rules! pointwise {
    (
        $(#[$doc:meta])*
        $ty:ident { $($field:ident : f32),* } $name:literal $(as $wgsl:literal)? ($($x:ident),+) => $formula:expr;
        reference $reference:expr;
        $(bound |$bx:ident, $by:ident| $bound:expr;)?
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

            $(fn wgsl(&self, _port: usize) -> &'static str {
                $wgsl
            })?

            fn constants(&self) -> Vec<f32> {
                vec![$(self.$field),*]
            }

            fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], out: &mut [f32]) {
                let n = out.len();
                let mut inputs = x.iter();
                $(let $x = &inputs.next().expect("as many inputs as the formula has")[..n];)+
                for i in 0..n {
                    out[i] = self.formula($($x[i]),+);
                }
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
