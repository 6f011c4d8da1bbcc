//! Random clusters, step by step.

mod merging;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_engine::Request;
use quaymaster_model::{KubernetesVersion, ObjectKey, Text, UpstreamRules};
use quaymaster_oracle::generate::{Action, Change, ChangeKind, Cluster, Object, Size, Step, generate};
use quaymaster_oracle::sim::ApiServer;
use quaymaster_oracle::slices::{Config, Write, auto, check_invariants, desired, reconcile};
use quaymaster_oracle::{Rules, selects};

use quaymaster_slices::Settings;

use crate::compare::{adopts_placeholder, against_desired, against_other, some_pod_moves};
use crate::driver::{Counts, Driver, slices_of};

/// How often each kind of comparison was made, so that a test cannot pass by comparing nothing.
#[derive(Debug, Default)]
struct Tally {
    contents: usize,
    prices: usize,
    writes: usize,
    restarts: usize,
    take_overs: usize,
    /// Prices of Services that are being deleted.
    going: usize,
    /// Merges of sparse slices.
    merges: usize,
}

struct Run {
    objects: Cluster,
    server: ApiServer,
    driver: Driver,
    config: Config,
    /// The garbage collector comes after the controller, not before.
    late_collection: bool,
    lag: bool,
}

impl Run {
    fn step(&mut self, step: &Step) {
        if let Action::EditSlice(edit) = &step.action
            && let Some(write) = edit.write(&self.server.slices())
        {
            self.server.perform(&write).unwrap();
        }
        for change in self.objects.apply(step) {
            self.driver.tell(&change);
        }
        if !self.late_collection {
            self.collect_garbage();
        }
        self.driver.tell_slices(&self.server);
    }

    /// Every Service is being deleted from now on, and finalizers hold them back.
    fn delete_services(&mut self) {
        for service in self.objects.all_mut::<Service>() {
            let time = serde_json::json!("2026-01-01T00:00:00Z");
            service.metadata.deletion_timestamp = serde_json::from_value(time).unwrap();
            self.driver.tell(&Change {
                kind: ChangeKind::Modified,
                object: Object::Service(Box::new(service.clone())),
            });
        }
    }

    fn collect_garbage(&mut self) {
        let live: BTreeSet<Option<String>> = self
            .objects
            .all::<Service>()
            .map(|service| service.metadata.uid.clone())
            .collect();
        for slice in self.server.slices() {
            let owners = slice.metadata.owner_references.clone().unwrap_or_default();
            if !owners.is_empty() && owners.into_iter().all(|owner| !live.contains(&Some(owner.uid))) {
                self.server.perform(&Write::Delete(slice)).unwrap();
            }
        }
    }

    /// Writes for one Service. Compares what comes out of it, if anything does or if it is to be `compared` anyway, and
    /// also with a new process if `thorough`.
    fn sync(&mut self, service: &Service, compared: bool, thorough: bool, tally: &mut Tally) -> Vec<String> {
        let (namespace, name) = (
            service.metadata.namespace.clone().unwrap(),
            service.metadata.name.clone().unwrap(),
        );
        let key = ObjectKey::new(Text::new(&namespace), Text::new(&name));
        if !self.driver.knows(&key) {
            return vec!["not held".to_owned()];
        }
        let due = self.driver.is_due(&key);
        self.driver.ask(&key);
        let start = slices_of(&self.server, &namespace, &name);
        let counts = self.driver.settle(&mut self.server, &key, self.lag);
        self.driver.tell_slices(&self.server);
        if counts == Counts::default() && !compared && !thorough {
            return Vec::new();
        }
        tally.writes += counts.creates + counts.updates + counts.deletes;
        let result = slices_of(&self.server, &namespace, &name);
        let pods = self.objects.pods_in(&namespace);
        let nodes = self.objects.nodes();
        let rules = Rules {
            minor: self.config.minor,
        };
        let wanted = desired(service, &pods, &nodes, rules);
        if !wanted.managed {
            let kept = counts == Counts::default();
            return if kept {
                Vec::new()
            } else {
                vec![format!("{counts:?} for a Service that is not ours")]
            };
        }
        let auto = auto(service);
        let mut wrong = Vec::new();
        // What Nodes offer does not matter to hints by annotation until they are far from it.
        if !due && !auto && counts != Counts::default() {
            wrong.push(format!("{counts:?}, of which nobody was told"));
        }
        self.driver.ask(&key);
        let again = self.driver.settle(&mut self.server, &key, self.lag);
        if again != Counts::default() {
            wrong.push(format!("{again:?} after it settled"));
        }
        let terminating = service.metadata.deletion_timestamp.is_some();
        if !terminating {
            tally.contents += 1;
            wrong.extend(against_desired(service, &wanted, &result));
        }
        let max = self.config.max_endpoints_per_slice;
        wrong.extend(
            check_invariants(&result, &start, max)
                .iter()
                .map(ToString::to_string),
        );

        let theirs = reconcile(service, &pods, &nodes, &start, self.config);
        // Of a Service that is going nothing is created, and no Pod waits for a place elsewhere.
        let moves = !terminating && some_pod_moves(service, &wanted, &start);
        let adopts = adopts_placeholder(service, &start);
        if !auto && !moves && !adopts {
            tally.prices += 1;
            tally.going += usize::from(terminating && counts != Counts::default());
            let price = Counts {
                creates: theirs.creates().len(),
                updates: theirs.updates().len(),
                deletes: theirs.deletes().len(),
            };
            if counts != price {
                wrong.push(format!("quaymaster needs {counts:?}, upstream {price:?}"));
            }
        }
        if thorough {
            tally.restarts += 1;
            let restarted = self.driver.first_writes(&key);
            if !restarted.is_empty() {
                wrong.push(format!(
                    "quaymaster writes after a restart: {}",
                    requests(&restarted)
                ));
            }
        }
        if !auto {
            let back = reconcile(service, &pods, &nodes, &result, self.config).writes;
            if !back.is_empty() {
                wrong.push(format!(
                    "upstream writes over quaymaster's result: {}",
                    summary(&back)
                ));
            }
        }
        if !auto && !adopts && (thorough || tally.writes.is_multiple_of(6)) {
            tally.take_overs += 1;
            wrong.extend(self.take_over(service, &start, &result, &theirs.writes, moves));
        }
        wrong
    }

    /// Upstream writes over the same start, and a new process of ours looks at the result.
    fn take_over(
        &self,
        service: &Service,
        start: &[EndpointSlice],
        ours: &[EndpointSlice],
        writes: &[Write],
        moves: bool,
    ) -> Vec<String> {
        let mut server = ApiServer::new();
        for slice in start {
            let mut body = serde_json::to_value(slice).unwrap();
            body["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("resourceVersion");
            server.create(body).unwrap();
        }
        for write in writes {
            let mut write = write.clone();
            if let Write::Update(slice) = &mut write {
                slice.metadata.resource_version = None;
                slice.metadata.uid = None;
            }
            server.perform(&write).unwrap();
        }
        let (namespace, name) = (
            service.metadata.namespace.as_deref().unwrap(),
            service.metadata.name.as_deref().unwrap(),
        );
        let theirs = slices_of(&server, namespace, name);
        let mut wrong = Vec::new();
        if !moves {
            wrong.extend(against_other(service, ours, &theirs));
        }
        let mut objects = self.objects.clone();
        objects.retain(|object| match object {
            Object::Service(other) => other.metadata.name == service.metadata.name,
            Object::Pod(pod) => selects(service, pod),
            _ => true,
        });
        let driver = Driver::start(&objects, &server, settings(self.config, None));
        let key = ObjectKey::new(Text::new(namespace), Text::new(name));
        let first = driver.first_writes(&key);
        if !first.is_empty() {
            wrong.push(format!(
                "quaymaster writes over upstream's result: {}",
                requests(&first)
            ));
        }
        wrong
    }
}

/// Verb and name of each request.
fn requests(requests: &[Request]) -> String {
    let each = requests
        .iter()
        .map(|request| format!("{} {}", request.verb.label(), request.object));
    each.collect::<Vec<_>>().join(", ")
}

/// As [`requests`], of what upstream writes.
fn summary(writes: &[Write]) -> String {
    let each = writes.iter().map(|write| {
        let (verb, slice) = match write {
            Write::Create(slice) => ("create", slice),
            Write::Update(slice) => ("update", slice),
            Write::Delete(slice) => ("delete", slice),
        };
        let meta = &slice.metadata;
        let name = meta.name.as_ref().or(meta.generate_name.as_ref());
        let endpoints = slice.endpoints.as_ref().map_or(0, Vec::len);
        format!(
            "{verb} {} of {endpoints} endpoints",
            name.map_or("", String::as_str)
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

fn settings(config: Config, rebalance_after: Option<Duration>) -> Settings {
    Settings {
        max_endpoints: config.max_endpoints_per_slice,
        rules: UpstreamRules::of(KubernetesVersion { minor: config.minor }),
        rebalance_after,
    }
}

/// `quiet` is how long a Service is quiet before its sparse slices are merged; none where they are not.
fn play(
    seed: u64,
    quiet: Option<Duration>,
    objects: &Cluster,
    steps: &[Step],
    tally: &mut Tally,
) -> Result<(), String> {
    let max = [1, 2, 3, 4, 100][usize::try_from(seed % 5).unwrap()];
    let config = Config {
        max_endpoints_per_slice: max,
        minor: if seed.is_multiple_of(4) { 36 } else { 37 },
    };
    let server = ApiServer::new();
    let driver = Driver::start(objects, &server, settings(config, quiet));
    let mut run = Run {
        objects: objects.clone(),
        server,
        driver,
        config,
        late_collection: seed % 2 == 1,
        lag: seed.is_multiple_of(3),
    };
    for at in 0..=steps.len() {
        let step = at.checked_sub(1).map(|at| &steps[at]);
        if let Some(step) = step {
            run.step(step);
        }
        if at == 2 && seed % 4 == 3 {
            run.delete_services();
        }
        if at == 3 && seed % 8 == 5 {
            run.driver.restart();
        }
        if at == 2 && quiet.is_some() {
            run.raise_maximum(100);
        }
        let services: Vec<Service> = run.objects.all().cloned().collect();
        for (n, service) in services.iter().enumerate() {
            let thorough = (n + at).is_multiple_of(16);
            // Whatever nobody was told on the way is missing at the end.
            let wrong = run.sync(service, at == steps.len(), thorough, tally);
            if !wrong.is_empty() {
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                let (namespace, name) = (text(&service.metadata.namespace), text(&service.metadata.name));
                let what = step.map_or("start".to_owned(), |step| format!("{:?}", step.kind));
                return Err(format!(
                    "step {at} ({what}), Service {namespace}/{name}:\n  {}",
                    wrong.join("\n  ")
                ));
            }
        }
        let wrong = run.rest(tally);
        if !wrong.is_empty() {
            return Err(format!("step {at}, at rest:\n  {}", wrong.join("\n  ")));
        }
        if run.late_collection {
            run.collect_garbage();
            run.driver.tell_slices(&run.server);
        }
    }
    Ok(())
}

/// The fewest steps that still go wrong.
fn shrink(seed: u64, quiet: Option<Duration>, objects: &Cluster, mut steps: Vec<Step>) -> Vec<Step> {
    let fails = |steps: &[Step]| play(seed, quiet, objects, steps, &mut Tally::default()).is_err();
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.contents += other.contents;
        self.prices += other.prices;
        self.writes += other.writes;
        self.restarts += other.restarts;
        self.take_overs += other.take_overs;
        self.going += other.going;
        self.merges += other.merges;
    }
}

fn play_all(seeds: impl Iterator<Item = u64>, quiet: Option<Duration>, count: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let scenario = generate(seed, Size::Small);
        let steps: Vec<Step> = scenario.steps.into_iter().take(count).collect();
        if let Err(wrong) = play(seed, quiet, &scenario.cluster, &steps, &mut tally) {
            let steps = shrink(seed, quiet, &scenario.cluster, steps);
            let again = play(seed, quiet, &scenario.cluster, &steps, &mut Tally::default())
                .err()
                .unwrap_or(wrong);
            let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
            panic!("seed {seed}, steps {kinds:?}: {again}");
        }
    }
    tally
}

/// Number of random clusters; more by `QUAYMASTER_TEST_SEEDS`.
fn seeds() -> u64 {
    let asked_for = std::env::var("QUAYMASTER_TEST_SEEDS").ok();
    asked_for.map_or(100, |seeds| seeds.parse().unwrap())
}

/// Plays the first so many clusters on two threads.
fn play_seeds(seeds: u64, quiet: Option<Duration>) -> Tally {
    const STEPS: usize = 5;
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || play_all((half..seeds).step_by(2), quiet, STEPS)));
        for half in halves {
            match half.join() {
                Ok(half) => tally.add(&half),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    tally
}

#[test]
fn each_step_ends_where_a_computation_from_scratch_ends_at_the_price_upstream_pays() {
    let seeds = seeds();
    let tally = play_seeds(seeds, None);
    assert_eq!(tally.merges, 0);
    // For each cluster, about two thirds of what the first four hundred come to.
    let each = |count: usize| count as u64 * 100 / seeds;
    assert!(
        each(tally.contents) > 750 && each(tally.prices) > 700,
        "{tally:?}"
    );
    assert!(
        each(tally.writes) > 1_500 && each(tally.restarts) > 55,
        "{tally:?}"
    );
    assert!(
        each(tally.take_overs) > 150 && each(tally.going) > 27,
        "{tally:?}"
    );
}
