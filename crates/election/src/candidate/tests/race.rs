//! Candidates beside each other, with an apiserver between them that is slow, loses answers, and is edited by others.

use super::*;

/// Numbers that look random, the same for the same seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A request under way.
struct Call {
    step: Step,
    /// When it arrives; none where it has.
    arrives: Option<u64>,
    answer: Answer,
    /// When the answer is there.
    answered: u64,
}

struct Process {
    candidate: Candidate,
    call: Option<Call>,
    /// What a watch will tell, and when.
    watch: Vec<(u64, Option<Lease>)>,
    /// Stopped until then.
    paused: u64,
}

#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u32,
}

impl Server {
    fn store(&mut self, holder: &str, transitions: i32) -> Lease {
        self.version += 1;
        let lease = Lease {
            version: self.version.to_string(),
            holder: Some(holder.to_owned()),
            seconds: Some(3),
            transitions: Some(transitions),
        };
        self.lease = Some(lease.clone());
        lease
    }

    fn ask(&mut self, step: &Step, who: &str) -> Answer {
        match (step, self.lease.clone()) {
            (Step::Create, None) => Answer::Stored(self.store(who, 0)),
            (Step::Write { version, transitions }, Some(lease)) if lease.version == *version => {
                Answer::Stored(self.store(who, *transitions))
            }
            (Step::Read, Some(lease)) => Answer::Read(lease),
            (Step::Read | Step::Write { .. }, None) => Answer::Missing,
            _ => Answer::Conflict,
        }
    }

    /// Somebody else's doing.
    fn edit(&mut self, rng: &mut Rng) {
        match rng.below(3) {
            0 => self.lease = None,
            1 => drop(self.store("", -7)),
            _ => drop(self.store("somebody", i32::MAX)),
        }
    }
}

const END: u64 = 60_000;
/// After this nothing goes wrong any more.
const CALM: u64 = 40_000;

/// The longest time without a leader when nothing goes wrong any more, in milliseconds.
fn run(seed: u64, count: usize, troubles: bool) -> u64 {
    let start = Instant::now();
    let at = |millis: u64| start + Duration::from_millis(millis);
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut server = Server::default();
    let names: Vec<String> = (0..count).map(|index| format!("process-{index}")).collect();
    let mut processes: Vec<Process> = names
        .iter()
        .map(|name| Process {
            candidate: Candidate::new(name.clone(), Settings::default()),
            call: None,
            watch: Vec::new(),
            paused: 0,
        })
        .collect();
    let (mut last_led, mut longest) = (CALM, 0);
    for now in (0..END).step_by(10) {
        let trouble = troubles && now < CALM;
        let before = server.lease.clone();
        if trouble && rng.once_in(500) {
            server.edit(&mut rng);
        }
        for (process, name) in processes.iter_mut().zip(&names) {
            // Requests travel while who sent them stands still.
            if let Some(call) = &mut process.call
                && call.arrives.is_some_and(|arrives| arrives <= now)
            {
                call.arrives = None;
                call.answer = server.ask(&call.step, name);
                if trouble && rng.once_in(10) {
                    call.answer = Answer::Failed;
                }
            }
            if trouble && rng.once_in(2000) {
                process.paused = now + rng.below(8000);
            }
            if now >= process.paused {
                act(process, now, at(now), trouble, &mut rng);
            }
        }
        if server.lease != before {
            for process in &mut processes {
                // In order, each a while later than it happened.
                let last = process.watch.last().map_or(0, |(when, _)| *when);
                let delay = rng.below(if trouble { 1500 } else { 20 });
                process.watch.push((last.max(now + delay), server.lease.clone()));
            }
        }
        let leads = |process: &&Process| matches!(process.candidate.role(at(now)), Role::Leads(_));
        let leaders = processes.iter().filter(leads).count();
        assert!(leaders <= 1, "seed {seed}, {now} ms: {leaders} lead");
        if leaders == 1 {
            last_led = now;
        } else if now > CALM {
            longest = longest.max(now - last_led.max(CALM));
        }
    }
    longest
}

/// What a process that runs does.
fn act(process: &mut Process, now: u64, at: Instant, trouble: bool, rng: &mut Rng) {
    while process.watch.first().is_some_and(|(when, _)| *when <= now) {
        let (_, lease) = process.watch.remove(0);
        process.candidate.told(lease, at);
    }
    let done = |call: &mut Call| call.arrives.is_none() && call.answered <= now;
    if let Some(call) = process.call.take_if(done) {
        process.candidate.answered(call.answer, at);
    }
    let step = process.candidate.next(at);
    if process.call.is_none() && !matches!(step, Step::Wait(_)) {
        process.candidate.began(step.clone(), at);
        let mut way = || rng.below(if trouble { 900 } else { 20 });
        let arrives = now + way();
        process.call = Some(Call {
            step,
            arrives: Some(arrives),
            answer: Answer::Failed,
            answered: arrives + way(),
        });
    }
}

#[test]
fn at_most_one_leads_whatever_is_lost_late_edited_or_stopped_and_soon_one_does_again() {
    for seed in 0..200 {
        for count in [2, 3] {
            let without = run(seed, count, true);
            assert!(
                without <= 8000,
                "seed {seed}: nobody led for {without} ms when all was well again"
            );
        }
    }
}

#[test]
fn where_nothing_goes_wrong_one_leads_all_the_time() {
    for seed in 0..20 {
        assert_eq!(run(seed, 3, false), 0, "seed {seed}");
    }
}
