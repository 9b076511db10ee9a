//! Which tables of a JPEG have been defined when a scan asks for them (ITU-T T.81, B.2.4).

use super::super::PixelError;

/// A table of codes: of the first coefficient (DC), or of the others (AC).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Codes {
    Dc,
    Ac,
}

/// The tables so far, by number.
#[derive(Default)]
pub(super) struct Tables {
    dc: [bool; 4],
    ac: [bool; 4],
    quantization: [bool; 4],
}

fn damaged<T>(what: &str) -> Result<T, PixelError> {
    Err(PixelError::Damaged(what.into()))
}

impl Tables {
    /// The tables of a DHT segment: class and number, how many codes there are of each of 16 lengths, and a symbol for each.
    pub(super) fn codes(&mut self, mut s: &[u8]) -> Result<(), PixelError> {
        while let Some((&place, rest)) = s.split_first() {
            let Some((counts, rest)) = rest.split_at_checked(16) else {
                return damaged("a table of its codes is too short");
            };
            let symbols: usize = counts.iter().map(|n| usize::from(*n)).sum();
            let (Some((symbols, rest)), 1..=256) = (rest.split_at_checked(symbols), symbols) else {
                return damaged("a table of its codes has another length than it says");
            };
            let tables = match place >> 4 {
                // Symbols are how many bits a difference has.
                0 if symbols.iter().all(|bits| *bits < 16) => &mut self.dc,
                1 => &mut self.ac,
                _ => return damaged("a table of its codes is of a class or has symbols that there are not"),
            };
            let Some(table) = tables.get_mut(usize::from(place & 15)) else {
                return damaged("a table of its codes has a number over 3");
            };
            *table = true;
            s = rest;
        }
        Ok(())
    }

    /// The tables of a DQT segment: precision and number, and 64 steps of one byte or two.
    pub(super) fn quantization(&mut self, mut s: &[u8]) -> Result<(), PixelError> {
        while let Some((&place, rest)) = s.split_first() {
            let (Some(rest), 0..=1) = (rest.get(64 * usize::from(1 + (place >> 4))..), place >> 4) else {
                return damaged("a table of its quantization has another length than it says");
            };
            let Some(table) = self.quantization.get_mut(usize::from(place & 15)) else {
                return damaged("a table of its quantization has a number over 3");
            };
            *table = true;
            s = rest;
        }
        Ok(())
    }

    /// That a scan finds a table of codes. Frames of Motion JPEG bring none at all and mean those of annex K.3; who brings
    /// some has lost the one that is missing.
    pub(super) fn has_codes(&self, class: Codes, number: u8) -> Result<(), PixelError> {
        let none_at_all = !self.dc.iter().chain(&self.ac).any(|there| *there);
        let there = match class {
            Codes::Dc => &self.dc,
            Codes::Ac => &self.ac,
        };
        match none_at_all && number < 2 || there.get(usize::from(number)) == Some(&true) {
            true => Ok(()),
            false => damaged("a scan needs a table of codes that is not there"),
        }
    }

    /// That a component finds its table of quantization.
    pub(super) fn has_quantization(&self, number: u8) -> Result<(), PixelError> {
        match self.quantization.get(usize::from(number)) {
            Some(true) => Ok(()),
            _ => damaged("a component needs a table of quantization that is not there"),
        }
    }
}
