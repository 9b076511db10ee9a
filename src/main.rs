//! The `onebit` program.

fn main() {}
