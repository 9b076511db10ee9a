//! What an op's gradients are gradients of.

/// Most ops compute a function and its derivatives. Those that do not, on purpose, say so by this: `onebit verify --gradients`
/// holds the others against finite differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GradientOf {
    /// Of what the op computes, by each input alone: partial derivatives. An input without gradient has none because nothing
    /// changes with it.
    #[default]
    Inputs,
    /// As [`GradientOf::Inputs`], but that of the first input takes the way through the other inputs along, which were made of it
    /// behind [`Graph::detach`](super::Graph::detach): a normalisation by the statistics of a batch.
    Detached,
    /// Of something else, by definition: straight through a step, to another value than the one that was read, or to nowhere.
    Definition,
}
