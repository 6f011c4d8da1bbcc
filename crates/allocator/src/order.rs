//! Where the search for a free value begins.

/// In which order the values of a range are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// Anywhere: two that choose at once seldom choose alike.
    #[default]
    Random,
    /// After the one that was given last.
    Sequential,
    /// At a place that hangs on the name of who asks, so that it gets the same again where that is free.
    Stable,
}

/// What an order goes by. Each is used modulo the size of the range.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// A random number.
    pub random: u128,
    /// A digest of the name of who asks.
    pub name: u128,
    /// The value that was given last, if any was.
    pub last: Option<u128>,
}

impl Order {
    /// Where to begin in a range of so many values; 0 in one without any.
    pub fn start(self, size: u128, given: Given) -> u128 {
        let number = match self {
            Self::Random => given.random,
            Self::Sequential => given.last.map_or(0, |last| last.wrapping_add(1)),
            Self::Stable => given.name,
        };
        number.checked_rem(size).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_begins_where_it_says_and_within_the_range() {
        let given = Given {
            random: 107,
            name: 23,
            last: Some(9),
        };
        let starts = [Order::Random, Order::Sequential, Order::Stable].map(|order| order.start(10, given));
        assert_eq!(starts, [7, 0, 3]);
        assert_eq!(Order::Sequential.start(10, Given::default()), 0);
        assert_eq!(Order::Random.start(0, given), 0);
    }
}
