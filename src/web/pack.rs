//! Arrays as text: base64 of little-endian words, in the smallest type that loses nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::collections::HashMap;

/// An array in a data file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packed {
    /// 32-bit words.
    U32(String),
    /// Numbers that are whole and in 0..256, a byte each.
    U8(String),
    /// Numbers that are f32.
    F32(String),
    /// Numbers.
    F64(String),
    /// So many times the same number, which is given as an f64.
    Same(usize, String),
}

impl Packed {
    /// Words as they are.
    pub fn words(words: &[u32]) -> Packed {
        Packed::U32(base64(words.iter().flat_map(|w| w.to_le_bytes())))
    }

    /// Numbers, exactly; of NaNs the payload is lost.
    pub fn numbers(x: &[f64]) -> Packed {
        let f64s = |x: &[f64]| base64(x.iter().flat_map(|v| v.to_le_bytes()));
        let bits = |v: f64| v.to_bits();
        if x.len() > 1 && x.iter().all(|v| bits(*v) == bits(x[0])) {
            return Packed::Same(x.len(), f64s(&x[..1]));
        }
        if x.iter().all(|v| bits(*v as u8 as f64) == bits(*v)) {
            return Packed::U8(base64(x.iter().map(|v| *v as u8)));
        }
        if x.iter().all(|v| v.is_nan() || bits(*v as f32 as f64) == bits(*v)) {
            return Packed::F32(base64(x.iter().flat_map(|v| (*v as f32).to_le_bytes())));
        }
        Packed::F64(f64s(x))
    }

    /// Characters that it takes.
    pub fn len(&self) -> usize {
        match self {
            Packed::U32(s) | Packed::U8(s) | Packed::F32(s) | Packed::F64(s) | Packed::Same(_, s) => s.len(),
        }
    }
}

fn base64(bytes: impl Iterator<Item = u8>) -> String {
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

/// A list without repetitions: the same content is stored once and known by its number.
#[derive(Clone, Debug)]
pub struct Table<T> {
    items: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { items: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    /// The number of an item, which is added if it is new.
    pub fn number(&mut self, item: &T) -> usize {
        if let Some(n) = self.numbers.get(item) {
            return *n;
        }
        self.items.push(item.clone());
        self.numbers.insert(item.clone(), self.items.len() - 1);
        self.items.len() - 1
    }

    /// All items by number.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(s: &str) -> Vec<u8> {
        STANDARD.decode(s).unwrap()
    }

    #[test]
    fn the_smallest_exact_type_is_taken() {
        assert_eq!(Packed::words(&[1, 0x0403_0201]), Packed::U32("AQAAAAECAwQ=".into()));
        let Packed::Same(3, one) = Packed::numbers(&[0.1; 3]) else { panic!("one number") };
        assert_eq!(decode(&one), 0.1f64.to_le_bytes());
        assert_eq!(Packed::numbers(&[0.0, 255.0]), Packed::U8("AP8=".into()));
        assert!(matches!(Packed::numbers(&[0.0, 256.0]), Packed::F32(_)));
        // A negative zero is a float, and what f32 would round is not.
        assert!(matches!(Packed::numbers(&[1.0, -0.0]), Packed::F32(_)));
        assert!(matches!(Packed::numbers(&[1.0, f64::INFINITY, f64::NAN]), Packed::F32(_)));
        let Packed::F64(s) = Packed::numbers(&[1.0, 0.1]) else { panic!("0.1 is no f32") };
        assert_eq!(decode(&s), [1.0f64.to_le_bytes(), 0.1f64.to_le_bytes()].concat());
        assert_eq!(Packed::numbers(&[]), Packed::U8(String::new()));
    }

    #[test]
    fn the_same_is_stored_once() {
        let mut t = Table::default();
        assert_eq!(["a", "b", "a"].map(|s| t.number(&s)), [0, 1, 0]);
        assert_eq!(t.items(), ["a", "b"]);
    }
}
