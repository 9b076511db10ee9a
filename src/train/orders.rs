//! What rank 0 tells the others to do.

use crate::error::{Error, Result};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// A step, by its number since the start.
    Step(u64),
    /// What the network makes of a set, by its number.
    Outputs(usize),
    /// Rank 0 gives its weights and state to all.
    State,
    /// All tell what weights they have.
    Weights,
    /// That was all.
    End,
}

impl Order {
    /// As it is sent.
    pub fn words(self) -> [u32; 3] {
        let number = |kind: u32, n: u64| [kind, n as u32, (n >> 32) as u32];
        match self {
            Order::Step(step) => number(0, step),
            Order::Outputs(set) => number(1, set as u64),
            Order::State => number(2, 0),
            Order::Weights => number(3, 0),
            Order::End => number(4, 0),
        }
    }

    /// Of what was sent.
    pub fn of(words: &[u32]) -> Result<Order> {
        let &[kind, low, high] = words else {
            return Err(Error::Config(
                "rank 0 said nothing that this rank knows: start the same program in all".into(),
            ));
        };
        let n = low as u64 | (high as u64) << 32;
        Ok(match kind {
            0 => Order::Step(n),
            1 => Order::Outputs(n as usize),
            2 => Order::State,
            3 => Order::Weights,
            4 => Order::End,
            other => return Err(Error::Config(format!("rank 0 gave an order {other} that this rank does not know"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_arrive_as_they_were_given() {
        for order in [Order::Step(7 << 33 | 5), Order::Outputs(2), Order::State, Order::Weights, Order::End] {
            assert_eq!(Order::of(&order.words()).unwrap(), order);
        }
        assert!(Order::of(&[]).is_err() && Order::of(&[9, 0, 0]).is_err());
    }
}
