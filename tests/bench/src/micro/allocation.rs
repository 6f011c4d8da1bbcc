//! A free value out of a range, at every fill.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use quaymaster_allocator::{Range, Reason};

use super::table::{Cost, line};

/// Values of the ranges: a /12 without its edges, as kubernetes has it in
/// `pkg/registry/core/service/ipallocator/ipallocator_test.go` (`BenchmarkIPAllocatorAllocateNextIPv4Size1048574`), and the node
/// ports that kube-apiserver has by default.
const RANGES: [(&str, u128); 2] = [("a /12", 1_048_574), ("node ports", 2_768)];
/// Of a thousand values so many are taken; of the last one all but one.
const FILLS: [u128; 6] = [0, 500, 900, 990, 999, 1_000];
/// The best of so many runs is shown.
const RUNS: usize = 5;

/// Prints what it costs to find a free value, take it, and free it again.
pub(crate) fn run(operations: usize) -> Result<()> {
    println!("\nAllocation: a free value is found from a random place on, taken, and freed");
    for (what, size) in RANGES {
        for fill in FILLS {
            let mut range = Range::new(size, []);
            let taken = (size * fill / 1_000).min(size - 1);
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for _ in 0..taken {
                let value = range.next_free(random.below(size)).context("the range is full")?;
                range.take(value, Reason::Used);
            }
            let mut best = Cost::default();
            for run in 0..RUNS {
                let mut cost = Cost::default();
                let starts: Vec<u128> = (0..operations).map(|_| random.below(size)).collect();
                // All at once: a reading of the clock costs more than one of them.
                let missed = cost.of(|| {
                    starts
                        .iter()
                        .filter(|start| {
                            let Some(value) = range.next_free(**start) else {
                                return true;
                            };
                            range.take(black_box(value), Reason::Pending);
                            range.free(value);
                            false
                        })
                        .count()
                });
                anyhow::ensure!(missed == 0, "{missed} times none was free");
                best = if run == 0 { cost } else { best.min(cost) };
            }
            line(
                &format!("{what}, {} of {size} free", size - taken),
                best,
                operations,
            );
        }
    }
    Ok(())
}

/// Numbers that are the same in each run (xorshift; Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u128) -> u128 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u128::from(self.0) % bound
    }
}
