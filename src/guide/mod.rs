//! [own_pictures]: crate::guide::own_pictures
//! [own_network]: crate::guide::own_network
//! [methods]: crate::guide::methods
//! [without_labels]: crate::guide::without_labels
//! [masks]: crate::guide::masks
//! [clusters]: crate::guide::clusters
//! [shipping]: crate::guide::shipping
//! [prove]: crate::guide::prove
//! [profiling]: crate::guide::profiling
//! [machines]: crate::guide::machines
//! [extend]: crate::guide::extend
//! [stored]: crate::guide::stored
//! [errors]: crate::guide::errors
//! [python]: crate::guide::python
//! [results]: crate::guide::results
//!
#![doc = include_str!("README.md")]

/// A module without content for each chapter. In the files links lead to files; the definitions that stand before a text here
/// count before its own, so that in the documentation they lead to modules.
macro_rules! chapters {
    ($($name:ident $file:literal)*) => {
        $(
            #[doc = "[clusters]: crate::guide::clusters"]
            #[doc = "[errors]: crate::guide::errors"]
            #[doc = "[extend]: crate::guide::extend"]
            #[doc = "[machines]: crate::guide::machines"]
            #[doc = "[masks]: crate::guide::masks"]
            #[doc = "[methods]: crate::guide::methods"]
            #[doc = "[own_network]: crate::guide::own_network"]
            #[doc = "[own_pictures]: crate::guide::own_pictures"]
            #[doc = "[profiling]: crate::guide::profiling"]
            #[doc = "[prove]: crate::guide::prove"]
            #[doc = "[python]: crate::guide::python"]
            #[doc = "[results]: crate::guide::results"]
            #[doc = "[shipping]: crate::guide::shipping"]
            #[doc = "[stored]: crate::guide::stored"]
            #[doc = "[weights]: crate::guide::own_network"]
            #[doc = "[without_labels]: crate::guide::without_labels"]
            #[doc = ""]
            #[doc = include_str!($file)]
            pub mod $name {}
        )*
    };
}

chapters! {
    own_pictures "own_pictures.md"
    own_network "own_network.md"
    methods "methods.md"
    without_labels "without_labels.md"
    masks "masks.md"
    clusters "clusters.md"
    shipping "shipping.md"
    python "python.md"
    prove "prove.md"
    profiling "profiling.md"
    machines "machines.md"
    extend "extend.md"
    stored "stored.md"
    errors "errors.md"
    results "../../benches/RESULTS.md"
}
