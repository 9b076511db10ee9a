//! FNV-1a of 64 bits: random streams by name, keys of caches, and numbers by which a run notices that it goes on with
//! something else. They stand in checkpoints and file names, so the function never changes.

/// FNV-1a of `parts`, each taken whole: of bytes it is the function that everybody knows; words and letters are taken
/// as one part, not as their bytes.
pub fn fnv1a(parts: impl IntoIterator<Item = impl Into<u64>>) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    parts.into_iter().fold(START, |hash, part| (hash ^ part.into()).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    /// From the authors' list of test vectors.
    #[test]
    fn bytes_give_the_published_values() {
        assert_eq!(fnv1a("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a".bytes()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar".bytes()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn words_are_taken_whole() {
        assert_eq!(fnv1a([97u32]), fnv1a("a".bytes()));
        assert_ne!(fnv1a([0x0100u32]), fnv1a([0u8, 1]));
        assert_eq!(fnv1a([1u64 << 40]), (0xcbf2_9ce4_8422_2325u64 ^ (1 << 40)).wrapping_mul(0x0100_0000_01b3));
    }
}
