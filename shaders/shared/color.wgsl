// Adjustments of one pixel in 0..1, as src/ops/image/color.rs defines them. With one channel, saturation
// and hue change nothing.

struct Jitter {
    brightness: f32,
    contrast: f32,
    saturation: f32,
    hue: f32,
}

fn luma(p: vec3<f32>, channels: u32) -> f32 {
    return select(p.x, 0.299 * p.x + 0.587 * p.y + 0.114 * p.z, channels == 3u);
}

fn blend(a: vec3<f32>, b: f32, factor: f32) -> vec3<f32> {
    return clamp(factor * a + vec3<f32>((1.0 - factor) * b), vec3<f32>(0.0), vec3<f32>(1.0));
}

// Which of 256 levels a number in 0..1 has.
fn level_of(v: f32) -> u32 {
    return u32(clamp(v, 0.0, 1.0) * 255.999);
}

fn turn_hue(p: vec3<f32>, shift: f32) -> vec3<f32> {
    let high = max(p.x, max(p.y, p.z));
    let low = min(p.x, min(p.y, p.z));
    let range = high - low;
    if range <= 0.0 {
        return p;
    }
    let c = (vec3<f32>(high) - p) / range;
    var hue = 4.0 + c.y - c.x;
    if p.x == high {
        hue = c.z - c.y;
    } else if p.y == high {
        hue = 2.0 + c.x - c.z;
    }
    hue += 6.0 * shift;
    if hue < 0.0 {
        hue += 6.0;
    }
    if hue >= 6.0 {
        hue -= 6.0;
    }
    let sector = clamp(floor(hue), 0.0, 5.0);
    let f = hue - sector;
    let falling = high - range * f;
    let rising = high - range * (1.0 - f);
    var made = vec3<f32>(high, low, falling);
    switch u32(sector) {
        case 0u: { made = vec3<f32>(high, rising, low); }
        case 1u: { made = vec3<f32>(falling, high, low); }
        case 2u: { made = vec3<f32>(low, high, rising); }
        case 3u: { made = vec3<f32>(low, falling, high); }
        case 4u: { made = vec3<f32>(rising, low, high); }
        default: {}
    }
    return clamp(made, vec3<f32>(0.0), vec3<f32>(1.0));
}

// Adjustment `kind` of a pixel: 0 brightness, 1 contrast, 2 saturation, 3 hue.
fn adjust(p: vec3<f32>, kind: u32, jitter: Jitter, mean: f32, channels: u32) -> vec3<f32> {
    switch kind {
        case 0u: { return clamp(p * jitter.brightness, vec3<f32>(0.0), vec3<f32>(1.0)); }
        case 1u: { return blend(p, mean, jitter.contrast); }
        case 2u: { return blend(p, luma(p, channels), jitter.saturation); }
        default: {}
    }
    if channels == 3u && jitter.hue != 0.0 {
        return turn_hue(p, jitter.hue);
    }
    return p;
}
