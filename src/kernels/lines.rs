//! Numbers that begin on a cache line. A vector that lies across two lines takes two loads, and what an allocator gives begins
//! 16 bytes into one: there every second vector of AVX2 and each one of AVX-512 would.

use bytemuck::{Pod, Zeroable};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Asks for the line of a number that is read soon, where there is an instruction for it.
#[cfg(feature = "train")]
#[inline(always)]
pub(crate) fn soon(x: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(x) = x.get(at) {
        // SAFETY: every x86-64 machine has SSE; nothing is read, and the number is there.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(x).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, at);
}

/// A cache line, or one half of it on some machines.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Numbers, of which the first lies at the beginning of a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines<T> {
    lines: Vec<Line>,
    len: usize,
    numbers: PhantomData<T>,
}

impl<T: Pod> Lines<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Lines<T> {
        let mut lines = Lines { lines: Vec::new(), len: 0, numbers: PhantomData };
        lines.resize(len);
        lines
    }

    /// As many as asked for; those that are new are zeros.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize((len * size_of::<T>()).div_ceil(64), Line::zeroed());
        self.len = len;
    }
}

impl<T: Pod> Deref for Lines<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Pod> DerefMut for Lines<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_on_a_line_and_are_zeros() {
        let mut lines = Lines::<f32>::zeros(5);
        lines.fill(1.0);
        for len in [40, 3, 16, 0] {
            lines.resize(len);
            assert_eq!((lines.len(), lines.as_ptr() as usize % 64), (len, 0));
        }
        assert!(Lines::<u32>::zeros(40).iter().all(|x| *x == 0));
    }
}
