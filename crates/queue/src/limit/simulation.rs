//! The limit against simulated servers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Limit, LimitConfig, Outcome, as_f64};

/// A server that works on `workers` requests at once, each for about `service`, and lets the rest queue; beyond
/// `queue_length` it refuses.
#[derive(Clone, Copy, Debug)]
struct Server {
    workers: usize,
    service: Duration,
    queue_length: usize,
}

struct Simulation {
    now: Instant,
    limit: Limit,
    server: Server,
    random: u64,
    /// Start times of requests that wait in the server.
    queued: VecDeque<Instant>,
    /// (end, start, refused) of requests being worked on.
    working: BinaryHeap<Reverse<(Instant, Instant, bool)>>,
    completed: usize,
    refused: usize,
}

impl Simulation {
    fn new(server: Server, seed: u64) -> Self {
        Self {
            now: Instant::now(),
            limit: Limit::new(LimitConfig::default()),
            server,
            random: seed | 1,
            queued: VecDeque::new(),
            working: BinaryHeap::new(),
            completed: 0,
            refused: 0,
        }
    }

    /// 0.75 to 1.25 of the service time.
    fn service(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let hundredths = u32::try_from(self.random % 51).unwrap();
        self.server.service * (75 + hundredths) / 100
    }

    fn busy(&self) -> usize {
        self.working
            .iter()
            .filter(|Reverse((_, _, refused))| !refused)
            .count()
    }

    fn begin_work(&mut self) {
        while self.busy() < self.server.workers {
            let Some(start) = self.queued.pop_front() else {
                return;
            };
            let end = self.now + self.service();
            self.working.push(Reverse((end, start, false)));
        }
    }

    /// Demand without end, for some simulated time.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            for _ in 0..self.limit.available(self.now) {
                self.limit.on_start();
                if self.queued.len() >= self.server.queue_length {
                    self.working
                        .push(Reverse((self.now + Duration::from_millis(1), self.now, true)));
                } else {
                    self.queued.push_back(self.now);
                    self.begin_work();
                }
            }
            let next = self.working.peek().map(|Reverse((end, ..))| *end);
            let resume = self.limit.paused_until(self.now);
            match (next, resume) {
                (Some(end), resume) if resume.is_none_or(|resume| end <= resume) => {
                    let Reverse((end, start, refused)) = self.working.pop().unwrap();
                    self.now = end;
                    let outcome = if refused {
                        self.refused += 1;
                        Outcome::Overloaded {
                            retry_after: Some(Duration::from_secs(1)),
                        }
                    } else {
                        self.completed += 1;
                        Outcome::Answered
                    };
                    self.limit.on_end(end, end - start, outcome);
                    self.begin_work();
                }
                (_, Some(resume)) => self.now = resume,
                (_, None) => panic!("neither work nor a pause: the limit is stuck"),
            }
        }
    }

    /// The limit, also while it is put aside to measure what the server can do.
    fn settled(&self) -> usize {
        let limit = &self.limit;
        // No more than some tens.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the bounds of the limit"
        )]
        limit
            .resume
            .map_or_else(|| limit.current(), |resume| resume as usize)
    }

    /// Completed requests as a part of what the server could have done.
    fn utilisation(&mut self, time: Duration) -> f64 {
        let before = self.completed;
        self.run(time);
        let possible = time.as_secs_f64() / self.server.service.as_secs_f64() * as_f64(self.server.workers);
        as_f64(self.completed - before) / possible
    }
}

fn servers() -> impl Strategy<Value = Server> {
    (1_usize..=24, 10_u64..100).prop_map(|(workers, ms)| Server {
        workers,
        service: Duration::from_millis(ms),
        queue_length: 1000,
    })
}

/// A few times what a server works on at once, and at the least twice what latency alone leaves, which may be taken for
/// that of the server.
fn most(server: Server) -> usize {
    (server.workers * 4 + 4).max(LimitConfig::default().patient * 2 + 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_limit_settles_near_the_knee_and_keeps_the_server_busy(server in servers(), seed in any::<u64>()) {
        let mut simulation = Simulation::new(server, seed);
        simulation.run(Duration::from_mins(1));
        let used = simulation.utilisation(Duration::from_mins(1));
        let limit = simulation.settled();
        prop_assert!(used > 0.85, "{:?} used by {}", server, used);
        prop_assert!(limit >= server.workers, "{:?} got {}", server, limit);
        prop_assert!(limit <= most(server), "{:?} got {}", server, limit);
    }

    #[test]
    fn a_server_that_others_make_slow_is_not_waited_for(server in servers(), seed in any::<u64>()) {
        // As many workers as could ever be asked for: what others do makes each request slow, and not more so the more
        // of them there are.
        let server = Server { workers: 1000, ..server };
        let mut simulation = Simulation::new(server, seed);
        simulation.run(Duration::from_secs(20));
        simulation.server.service *= 20;
        let slow = simulation.server.service;
        simulation.run(slow * 50);
        let before = simulation.completed;
        simulation.run(slow * 50);
        let in_flight = as_f64(simulation.completed - before) / 50.0;
        prop_assert!(in_flight >= 16.0, "{:?}: {} in flight", server, in_flight);
        // And when it is fast again, that is what counts.
        simulation.server.service = server.service;
        simulation.run(Duration::from_secs(20));
        simulation.server.workers = 4;
        simulation.run(Duration::from_mins(2));
        let limit = simulation.settled();
        prop_assert!(limit <= most(simulation.server), "{:?} got {}", server, limit);
    }

    #[test]
    fn the_limit_follows_a_server_that_loses_and_regains_its_capacity(server in servers(), seed in any::<u64>()) {
        let small = Server { workers: server.workers.div_ceil(8), ..server };
        let mut simulation = Simulation::new(server, seed);
        simulation.run(Duration::from_mins(1));
        simulation.server = small;
        simulation.run(Duration::from_mins(2));
        let shrunk = simulation.settled();
        prop_assert!(shrunk <= most(small), "{:?} got {}", small, shrunk);
        simulation.server = server;
        simulation.run(Duration::from_secs(90));
        let used = simulation.utilisation(Duration::from_secs(30));
        prop_assert!(used > 0.85, "{:?} used by {} after recovery", server, used);
    }

    #[test]
    fn a_server_that_refuses_soon_is_not_hammered(server in servers(), seed in any::<u64>()) {
        let server = Server { queue_length: 2, ..server };
        let mut simulation = Simulation::new(server, seed);
        simulation.run(Duration::from_mins(2));
        let asked = simulation.completed + simulation.refused;
        // Each refusal costs a pause of a second, so there can be few.
        prop_assert!(simulation.refused * 4 <= asked, "{} of {} refused", simulation.refused, asked);
        prop_assert!(simulation.completed > 0);
    }
}
