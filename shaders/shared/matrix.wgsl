// C[slice] = A[slice] B[slice] by tiles on matrix units: cooperative matrices of SIZE x SIZE, which the invocations of a
// subgroup hold and multiply together, their sums in f32. A workgroup makes HEIGHT x WIDTH sums in PARTS parts of
// DOWN x ACROSS matrices, one a subgroup. Nobody knows before how many subgroups it has: if fewer, they take several
// parts after each other; if more, the rest makes the last part too, and nobody stores it.
//
// The importing shader says how long the sums are (`depth(slice)`), writes DEPTH columns of A and rows of B into
// workgroup memory (`fill`), and takes two neighbours of a row of C at a time (`put`). With LOW_A or LOW_B an operand is
// the sum of two factors, of which the second is times 2^11 (shared/matrix_floats); products of both second ones are
// left out. With FRESH every DEPTH products are added apart and then to the rest, because matrix units may round each
// addition towards zero. After Ootomo and Yokota, Recovering single precision accuracy from tensor cores, 2022.
#import shared/tile_grid

#if HALF
alias Factor = f16;
#else
alias Factor = f32;
#end

// By k, neighbouring rows or columns together.
var<workgroup> high_a: array<Factor, ${DEPTH*HEIGHT}>;
var<workgroup> high_b: array<Factor, ${DEPTH*WIDTH}>;
#if LOW_A
var<workgroup> low_a: array<Factor, ${DEPTH*HEIGHT}>;
#end
#if LOW_B
var<workgroup> low_b: array<Factor, ${DEPTH*WIDTH}>;
#end
// A matrix of each part, and one of nobody.
var<workgroup> made: array<f32, ${PARTS*SIZE*SIZE+SIZE*SIZE}>;

#if LOW
// Whether a number was met that two factors are too coarse for.
var<workgroup> faint: atomic<u32>;
#end

@compute @workgroup_size(${THREADS})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let t = tile(wid.x + wid.y * nwg.x);
    // Matrices want all invocations at work, so that workgroups behind the last slice do not leave here.
    let real = t.slice < SLICES;
    let end = select(0u, depth(min(t.slice, SLICES - 1u)), real);
#if LOW
    if lane == 0u {
        atomicStore(&faint, 0u);
    }
    workgroupBarrier();
#end
    for (var round = 0u; round < $PARTSu; round += subgroups) {
        let part = min(round + subgroup, $PARTSu - 1u);
        let y = part / $PARTS_ACROSSu * ${DOWN*SIZE}u;
        let x = part % $PARTS_ACROSSu * ${ACROSS*SIZE}u;
#unroll i DOWN
#unroll j ACROSS
        var total$i_$j: coop_mat$SIZEx$SIZE<f32, C>;
#if LOW
        var cross$i_$j: coop_mat$SIZEx$SIZE<f32, C>;
#end
#end
#end
        for (var k = 0u; k < end; k += $DEPTHu) {
            fill(t, k, lane);
            workgroupBarrier();
#if FRESH
#unroll i DOWN
#unroll j ACROSS
            var sum$i_$j: coop_mat$SIZEx$SIZE<f32, C>;
#end
#end
#end
#unroll q DEPTH/SIZE
            {
#unroll i DOWN
                let a$i = coopLoad<coop_mat$SIZEx$SIZE<Factor, A>>(&high_a[y + ${q*SIZE*HEIGHT+i*SIZE}u], $HEIGHTu);
#if LOW_A
                let m$i = coopLoad<coop_mat$SIZEx$SIZE<Factor, A>>(&low_a[y + ${q*SIZE*HEIGHT+i*SIZE}u], $HEIGHTu);
#end
#end
#unroll j ACROSS
                let b$j = coopLoadT<coop_mat$SIZEx$SIZE<Factor, B>>(&high_b[x + ${q*SIZE*WIDTH+j*SIZE}u], $WIDTHu);
#if LOW_B
                let n$j = coopLoadT<coop_mat$SIZEx$SIZE<Factor, B>>(&low_b[x + ${q*SIZE*WIDTH+j*SIZE}u], $WIDTHu);
#end
#end
#unroll i DOWN
#unroll j ACROSS
#if FRESH
                sum$i_$j = coopMultiplyAdd(a$i, b$j, sum$i_$j);
#else
                total$i_$j = coopMultiplyAdd(a$i, b$j, total$i_$j);
#end
#if LOW_A
                cross$i_$j = coopMultiplyAdd(m$i, b$j, cross$i_$j);
#end
#if LOW_B
                cross$i_$j = coopMultiplyAdd(a$i, n$j, cross$i_$j);
#end
#end
#end
            }
#end
#if FRESH
#unroll i DOWN
#unroll j ACROSS
            total$i_$j = total$i_$j + sum$i_$j;
#end
#end
#end
            workgroupBarrier();
        }
#if LOW
#unroll i DOWN
#unroll j ACROSS
        total$i_$j = total$i_$j + cross$i_$j * 0.00048828125;
#end
#end
#end
        // One matrix of each part after another, in a loop: what takes them is long.
        for (var m = 0u; m < ${DOWN*ACROSS}u; m++) {
#unroll i DOWN
#unroll j ACROSS
            if m == ${i*ACROSS+j}u {
                coopStoreT(total$i_$j, &made[min(subgroup, $PARTSu) * ${SIZE*SIZE}u], $SIZEu);
            }
#end
#end
            workgroupBarrier();
            for (var n = lane; n < min(subgroups, $PARTSu) * ${SIZE*SIZE/2}u; n += $THREADSu) {
                let nth = round + n / ${SIZE*SIZE/2}u;
                let inner = n % ${SIZE*SIZE/2}u;
                let down = nth / $PARTS_ACROSSu * ${DOWN}u + m / ${ACROSS}u;
                let right = nth % $PARTS_ACROSSu * ${ACROSS}u + m % ${ACROSS}u;
                let row = t.top + down * $SIZEu + inner / ${SIZE/2}u;
                let column = t.left + right * $SIZEu + inner % ${SIZE/2}u * 2u;
                if real && nth < $PARTSu && row < M && column < N {
                    put(t.slice, row, column, vec2<f32>(made[2u * n], made[2u * n + 1u]));
                }
            }
            workgroupBarrier();
        }
    }
}
