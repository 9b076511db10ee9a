// SLICES products of M x N numbers, cut into tiles of HEIGHT x WIDTH: one workgroup each. Neighbouring
// workgroups take neighbouring columns, so that they read the same rows of A.
override SLICES: u32;
override M: u32;
override N: u32;

struct Tile {
    slice: u32,
    top: u32,
    left: u32,
}

fn tile(group: u32) -> Tile {
    let across = (N + $WIDTHu - 1u) / $WIDTHu;
    let down = (M + $HEIGHTu - 1u) / $HEIGHTu;
    return Tile(group / across / down, group / across % down * $HEIGHTu, group % across * $WIDTHu);
}
