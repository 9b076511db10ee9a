// A row (last axis) is the work of LANES invocations, 1 or 64. With 64 they combine what they have
// in workgroup memory, in a fixed order.
override ROWS: u32;
override COLUMNS: u32;
override LANES: u32;

var<workgroup> shares: array<f32, 64>;

struct Place {
    row: u32,
    // Whether this invocation stores what belongs to the row as a whole.
    stores: bool,
    // Elements first, first + LANES, ... below end are this invocation's.
    first: u32,
    end: u32,
}

// Places past the last row have nothing to do, but take part in the barriers.
fn place(group: u32, lane: u32) -> Place {
    let row = group * (64u / LANES) + lane / LANES;
    let live = row < ROWS;
    let base = row * COLUMNS;
    let own = lane % LANES;
    return Place(min(row, ROWS - 1u), live && own == 0u, base + own, select(0u, base + COLUMNS, live));
}

fn row_sum(lane: u32, own: f32) -> f32 {
    if LANES == 1u {
        return own;
    }
    shares[lane] = own;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            shares[lane] += shares[lane + half];
        }
        workgroupBarrier();
    }
    let sum = shares[0];
    workgroupBarrier();
    return sum;
}

fn row_max(lane: u32, own: f32) -> f32 {
    if LANES == 1u {
        return own;
    }
    shares[lane] = own;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            shares[lane] = max(shares[lane], shares[lane + half]);
        }
        workgroupBarrier();
    }
    let largest = shares[0];
    workgroupBarrier();
    return largest;
}
