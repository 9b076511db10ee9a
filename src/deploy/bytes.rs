//! Numbers as the bytes of a packed model: little-endian, a count before what it counts.

use super::value::Window;

/// What is read, or what is wrong with it.
pub(super) type Read<T> = std::result::Result<T, String>;

/// Appends numbers.
pub(super) struct Writer {
    /// What has been written.
    pub bytes: Vec<u8>,
    /// The version of the layout.
    pub version: u32,
}

impl Writer {
    pub fn new(version: u32) -> Writer {
        Writer { bytes: Vec::new(), version }
    }

    pub fn u32(&mut self, x: usize) {
        self.bytes.extend((x as u32).to_le_bytes());
    }

    pub fn u32s(&mut self, all: &[usize]) {
        all.iter().for_each(|x| self.u32(*x));
    }

    pub fn f32(&mut self, x: f32) {
        self.bytes.extend(x.to_le_bytes());
    }

    pub fn floats(&mut self, x: &[f32]) {
        self.u32(x.len());
        x.iter().for_each(|x| self.f32(*x));
    }

    pub fn words(&mut self, x: &[u32]) {
        self.u32(x.len());
        x.iter().for_each(|x| self.bytes.extend(x.to_le_bytes()));
    }

    pub fn window(&mut self, w: &Window) {
        self.u32s(&[w.size[0], w.size[1], w.stride, w.padding]);
        if self.version >= DILATED {
            self.u32(w.dilation);
        }
    }
}

/// Takes numbers off; nothing is allocated that the bytes do not hold.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub at: usize,
    /// The version of the layout.
    pub version: u32,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], version: u32) -> Self {
        Reader { bytes, at: 0, version }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("byte {} announces {n} more, past the end", self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Read<usize> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    }

    pub fn pair(&mut self) -> Read<[usize; 2]> {
        Ok([self.u32()?, self.u32()?])
    }

    pub fn f32(&mut self) -> Read<f32> {
        let b = self.take(4)?;
        Ok(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// As many numbers of 4 bytes as stand before them.
    pub fn words<T>(&mut self, from: fn([u8; 4]) -> T) -> Read<Vec<T>> {
        let n = self.u32()?;
        let bytes = self.take(n.checked_mul(4).ok_or("a count that is too large")?)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| from(*b)).collect())
    }

    pub fn floats(&mut self) -> Read<Vec<f32>> {
        let at = self.at;
        let floats = self.words(f32::from_le_bytes)?;
        match floats.iter().all(|x| x.is_finite()) {
            true => Ok(floats),
            false => Err(format!("the numbers at byte {at} are not all finite")),
        }
    }

    pub fn window(&mut self) -> Read<Window> {
        let (size, stride, padding) = (self.pair()?, self.u32()?, self.u32()?);
        let dilation = if self.version < DILATED { 1 } else { self.u32()? };
        Ok(Window { size, stride, padding, dilation })
    }
}

/// The version in which convolutions have one group of taps that are neighbours.
pub(super) const PLAIN: u32 = 3;
/// The first version whose windows have a dilation, and whose convolutions of floats have groups.
pub(super) const DILATED: u32 = 4;
/// The version with operations on tokens.
pub(super) const TOKENS: u32 = 5;
