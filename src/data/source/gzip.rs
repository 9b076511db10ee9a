//! Gzip as `gzip -d` reads it: of several members one after the other, and zeros after the last, as tapes leave them.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The bytes that a stream of gzip members holds.
pub(super) struct Gunzip<R: BufRead> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub fn new(packed: R) -> Gunzip<R> {
        Gunzip { member: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(into)?;
            if n > 0 || into.is_empty() {
                return Ok(n);
            }
            if let Some(mut rest) = self.member.take().map(GzDecoder::into_inner)
                && skip_zeros(&mut rest)?
            {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Whether anything but zeros is left.
fn skip_zeros(stream: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = stream.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        let more = zeros < bytes.len();
        stream.consume(zeros);
        if more {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut out).unwrap();
        out
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        // A buffer that is smaller than a header.
        Gunzip::new(io::BufReader::with_capacity(7, bytes)).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn members_follow_one_another_and_zeros_end_them() {
        let (one, two) = (packed(b"one"), packed(b"two"));
        for zeros in [0, 1, 512] {
            let bytes = [&one[..], &two, &vec![0; zeros]].concat();
            assert_eq!(unpacked(&bytes).unwrap(), b"onetwo");
            assert_eq!(unpacked(&[&one[..], &vec![0; zeros], &two].concat()).unwrap(), b"onetwo");
        }
        assert!(unpacked(&[&one[..], b"garbage"].concat()).is_err());
        assert!(unpacked(&one[..one.len() - 3]).is_err());
        assert!(unpacked(b"").is_err());
    }
}
