// Philox 4x32-10 (Salmon et al., SC 2011), word for word that of src/rng.rs.

// The upper 32 bits of a * b, by halves: WGSL has no wide product.
fn mul_high(a: u32, b: u32) -> u32 {
    let a0 = a & 0xFFFFu;
    let a1 = a >> 16u;
    let b0 = b & 0xFFFFu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 16u);
    let cross = a0 * b1 + (mid & 0xFFFFu);
    return a1 * b1 + (mid >> 16u) + (cross >> 16u);
}

// Four random words at counter (index, step), both below 2^32.
fn philox(key: vec2<u32>, step: u32, index: u32) -> vec4<u32> {
    var x = vec4<u32>(index, 0u, step, 0u);
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let a = 0xD2511F53u * x.x;
        let b = 0xCD9E8D57u * x.z;
        let a_high = mul_high(0xD2511F53u, x.x);
        let b_high = mul_high(0xCD9E8D57u, x.z);
        x = vec4<u32>(b_high ^ x.y ^ k.x, b, a_high ^ x.w ^ k.y, a);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return x;
}
