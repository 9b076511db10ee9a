//! Whether an op is one of this crate: then its kernels run without bounds checks.

/// Whether a type, and every type that it is made with, is one of this crate or of Rust itself. A type of this crate that holds
/// an op of another one launches what that op says. A name that is not understood is one of another: then a kernel is checked
/// in vain.
pub(super) fn is_built_in<T>(_: &T) -> bool {
    is_built_in_name(std::any::type_name::<T>())
}

/// As [`is_built_in`], of the name of a type as `type_name` writes it: paths, and what joins them.
fn is_built_in_name(name: &str) -> bool {
    let own = module_path!().split("::").next().unwrap_or_default();
    let in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let known = |part: &str| match part.split_once("::") {
        Some((of, rest)) => [own, "core", "alloc", "std"].contains(&of) && !rest.is_empty() && !rest.ends_with(':'),
        None => PRIMITIVES.contains(&part) || part.chars().all(|c| c.is_ascii_digit()),
    };
    name.chars().all(|c| in_path(c) || "<>, &[];()".contains(c))
        && name.split(|c| !in_path(c)).filter(|part| !part.is_empty()).all(known)
        && name.contains("::")
}

/// Types without a path that a name may hold.
const PRIMITIVES: [&str; 17] = [
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::conv::Conv2d;
    use crate::ops::rows::Rows;
    use crate::tensor::Windows;

    #[test]
    fn every_type_of_a_name_must_be_known() {
        assert!(is_built_in(&Conv2d { windows: Windows::new(1, 0) }));
        assert!(is_built_in(&Rows(Some([1.0f32; 3]))));
        for known in
            ["onebit::a::B", "onebit::a::B<onebit::c::D, 3>", "onebit::a::B<(u32, &[core::option::Option<f32>; 2])>"]
        {
            assert!(is_built_in_name(known), "{known}");
        }
        for foreign in [
            "mine::B",
            "onebit_more::B",
            "onebit",
            "onebit::ops::rows::Rows<mine::B>",
            "onebit::ops::rows::Rows<core::option::Option<mine::B>>",
            "onebit::a::B<(u32, mine::C)>",
            "onebit::a::B<T>",
            "onebit::a::B<dyn mine::C>",
            "onebit::a::B<dyn onebit::c::D>",
            "<mine::A as onebit::b::C>::D",
            "onebit::a::b::{{closure}}",
            "onebit::a::B<::mine::C>",
            "u32",
            "",
        ] {
            assert!(!is_built_in_name(foreign), "{foreign}");
        }
    }
}
