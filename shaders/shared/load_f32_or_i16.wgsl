// Element of a row-major [ROWS, COLUMNS] operand that is f32 or, with HALVES = 1, i16 packed by rows.
override ROWS: u32;
override COLUMNS: u32;
override CHUNK: u32;
override CHUNKS: u32;
override HALVES: u32;

fn load(row: u32, c: u32) -> f32 {
    if HALVES == 1u {
        let word = bitcast<i32>(x[row * ((COLUMNS + 1u) / 2u) + c / 2u]);
        return f32(extractBits(word, 16u * (c % 2u), 16u));
    }
    return bitcast<f32>(x[row * COLUMNS + c]);
}
