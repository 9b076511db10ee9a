#import shared/color
// What a retouch must know of a whole image, by one workgroup each: the mean luma, the least and the greatest of each
// channel, and for each channel what its 256 levels become when its histogram is made even.
override IMAGES: u32;
override PIXELS: u32;
override C: u32;
override SLOT: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<f32>;

var<workgroup> sums: array<f32, 64>;
var<workgroup> least: array<vec3<f32>, 64>;
var<workgroup> greatest: array<vec3<f32>, 64>;
var<workgroup> bins: array<atomic<u32>, 768>;

fn pixel(at: u32) -> vec3<f32> {
    if C == 3u {
        return vec3<f32>(x[at], x[at + 1u], x[at + 2u]);
    }
    return vec3<f32>(x[at]);
}

// What the levels of a channel become (torchvision's equalize): of `others`, the pixels below the greatest level that
// occurs, each of the 255 steps takes as many.
fn even_out(channel: u32, to: u32) {
    var last = 0u;
    for (var level = 0u; level < 256u; level++) {
        let n = atomicLoad(&bins[channel * 256u + level]);
        last = select(last, n, n > 0u);
    }
    let step = (PIXELS - last) / 255u;
    var below = 0u;
    for (var level = 0u; level < 256u; level++) {
        var made = level;
        if step > 0u {
            made = min((below + step / 2u) / step, 255u);
        }
        statistics[to + level] = f32(made) / 255.0;
        below += atomicLoad(&bins[channel * 256u + level]);
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = wid.x + wid.y * nwg.x;
    let there = n < IMAGES;
    var kind = ${KEEP}u;
    if there {
        kind = u32(params[n * ${COLUMNS}u + SLOT]);
    }
    for (var bin = lane; bin < 768u; bin += 64u) {
        atomicStore(&bins[bin], 0u);
    }
    workgroupBarrier();
    var sum = 0.0;
    var low = vec3<f32>(3.4e38);
    var high = vec3<f32>(-3.4e38);
    if kind == ${CONTRASTED}u || kind == ${STRETCHED}u || kind == ${EQUALIZED}u {
        for (var i = lane; i < PIXELS; i += 64u) {
            let p = pixel((n * PIXELS + i) * C);
            sum += luma(p, C);
            low = min(low, p);
            high = max(high, p);
            if kind == ${EQUALIZED}u {
                for (var c = 0u; c < C; c++) {
                    atomicAdd(&bins[c * 256u + level_of(p[c])], 1u);
                }
            }
        }
    }
    sums[lane] = sum;
    least[lane] = low;
    greatest[lane] = high;
    workgroupBarrier();
    let to = n * ${STATISTICS}u;
    if there && lane == 0u {
        for (var i = 1u; i < 64u; i++) {
            sum += sums[i];
            low = min(low, least[i]);
            high = max(high, greatest[i]);
        }
        statistics[to] = sum / f32(PIXELS);
        for (var c = 0u; c < 3u; c++) {
            statistics[to + 1u + c] = low[c];
            statistics[to + 4u + c] = high[c];
        }
    }
    if there && kind == ${EQUALIZED}u && lane < C {
        even_out(lane, to + 7u + lane * 256u);
    }
}
