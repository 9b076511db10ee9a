#import shared/philox
// 24 bits of random word e as a number in [0, 1); four words to a block. The key comes in halves that
// f32 holds exactly.
fn random_uniform(e: u32, step: f32, k0l: f32, k0h: f32, k1l: f32, k1h: f32, shift: f32) -> f32 {
    let key = vec2<u32>(u32(k0l) | (u32(k0h) << 16u), u32(k1l) | (u32(k1h) << 16u));
    let bits = philox(key, u32(step), e / 4u)[e % 4u] >> u32(shift);
    return f32(bits & 0xFFFFFFu) * 0x1p-24f;
}
