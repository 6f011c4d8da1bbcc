//! Random clusters, and streams of changes to them, from a seed.
//!
//! The objects are such as a real API server serves: defaulted, with uid, resource version and creation time, and
//! changed only in ways it would allow. A scenario is plain data: a test that fails may drop steps and try again,
//! since every step carries the whole new object and does not need the steps before it.

use std::collections::VecDeque;

use k8s_openapi::api::core::v1::{Pod, Service};

mod cidrs;
mod cluster;
mod edit;
mod endpoints;
mod nodes;
mod object;
mod pods;
mod ports;
mod rng;
mod services;
mod step;
mod surgery;
#[cfg(test)]
mod tests;

pub use cidrs::{SPACE, in_space};
pub use cluster::{Change, ChangeKind, Cluster};
pub use edit::{
    CidrEdit, CidrEditKind, EndpointsEdit, EndpointsEditKind, EndpointsWrite, SliceEdit, SliceEditKind,
};
pub use object::{Key, Kind, Object, Typed};
pub use rng::Rng;
pub use step::{Action, Step, StepKind};

/// How large a generated cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One namespace, a handful of nodes and Services, some 20 Pods, 48 steps.
    Small,
    /// Two namespaces, some 150 Pods, 180 steps.
    Medium,
    /// Three namespaces, some 1,200 Pods, of which one Service selects those of its namespace, with more addresses than
    /// Endpoints have room for; 450 steps.
    Large,
}

/// The numbers behind a [`Size`].
#[derive(Clone, Copy, Debug)]
struct Numbers {
    namespaces: usize,
    nodes: usize,
    services: usize,
    pods: usize,
    steps: usize,
}

impl Size {
    fn numbers(self) -> Numbers {
        match self {
            Self::Small => Numbers {
                namespaces: 1,
                nodes: 5,
                services: 6,
                pods: 20,
                steps: 48,
            },
            Self::Medium => Numbers {
                namespaces: 2,
                nodes: 10,
                services: 20,
                pods: 150,
                steps: 180,
            },
            Self::Large => Numbers {
                namespaces: 3,
                nodes: 30,
                services: 45,
                pods: 1200,
                steps: 450,
            },
        }
    }
}

/// A cluster, and what happens to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed it was made from.
    pub seed: u64,
    /// The cluster at the start.
    pub cluster: Cluster,
    /// The changes, in order.
    pub steps: Vec<Step>,
}

/// Makes a scenario. The same seed and size give the same scenario, on every machine.
pub fn generate(seed: u64, size: Size) -> Scenario {
    let mut generator = Generator::new(seed, size);
    generator.populate();
    let cluster = generator.cluster.clone();
    let mut steps = Vec::new();
    while steps.len() < generator.numbers.steps {
        for step in generator.next_steps() {
            generator.cluster.apply(&step);
            steps.push(step);
        }
    }
    Scenario { seed, cluster, steps }
}

/// The state of generation: the cluster as all steps so far left it, and counters for fresh names and addresses.
struct Generator {
    rng: Rng,
    cluster: Cluster,
    numbers: Numbers,
    /// Whether every node has a zone and CPU, without which hints by annotation never appear.
    zoned: bool,
    /// Whether Pods have addresses of both families.
    dual_stack: bool,
    /// Whether Pods have very many ports, each some of them, so that few Pods make more addresses than Endpoints have room
    /// for.
    wide: bool,
    next_name: u32,
    next_address: u32,
    /// How many addresses of ServiceCIDRs were given out.
    next_held: usize,
    /// Second halves of changes that take two steps, such as deletion and re-creation.
    later: VecDeque<Step>,
}

impl Generator {
    fn new(seed: u64, size: Size) -> Self {
        let mut rng = Rng::new(seed);
        let (zoned, dual_stack) = (rng.chance(60), rng.chance(70));
        let wide = size == Size::Small && rng.chance(7);
        Self {
            rng,
            cluster: Cluster::default(),
            numbers: size.numbers(),
            zoned,
            dual_stack,
            wide,
            next_name: 0,
            next_address: 0,
            next_held: 0,
            later: VecDeque::new(),
        }
    }

    /// Nodes, ServiceCIDRs, Services, Endpoints, and Pods somewhere in their life.
    fn populate(&mut self) {
        let Numbers {
            nodes,
            services,
            pods,
            ..
        } = self.numbers;
        for _ in 0..nodes {
            let step = self.new_node();
            self.cluster.apply(&step);
        }
        self.populate_cidrs();
        for _ in 0..services {
            let step = self.new_service();
            self.cluster.apply(&step);
        }
        if self.wide || self.numbers.namespaces > 2 {
            let step = self.service_of_all();
            self.cluster.apply(&step);
        }
        self.populate_endpoints();
        for _ in 0..pods {
            let step = self.new_pod();
            self.cluster.apply(&step);
            let Action::Put(pod) = step.action else {
                continue;
            };
            let key = pod.key();
            // Most Pods of a cluster that was there before are running, and ready.
            for _ in 0..self.rng.below(4) {
                if let Some(pod) = self.cluster.object(&key).and_then(Pod::of).cloned() {
                    let step = self.advance(pod);
                    self.cluster.apply(&step);
                }
            }
        }
    }

    /// The next change, which may be more than one step.
    fn next_steps(&mut self) -> Vec<Step> {
        if self.rng.chance(30)
            && let Some(step) = self.later.pop_front()
        {
            return vec![step];
        }
        let step = match self.rng.below(100) {
            0..12 => Some(self.new_pod()),
            12..48 => self.change_pod(),
            48..53 => Some(self.new_service()),
            53..71 => self.change_service(),
            71..76 => Some(self.change_node()),
            76..86 => self.change_endpoints(),
            86..91 => self.change_cidr(),
            _ => self.edit(),
        };
        step.into_iter().collect()
    }

    fn namespace(&mut self) -> String {
        format!("ns-{}", self.rng.below(self.numbers.namespaces))
    }

    /// A number no other name has, for names and uids.
    fn serial(&mut self) -> u32 {
        self.next_name += 1;
        self.next_name
    }

    /// A Service that exists, if there is one.
    fn any_service(&mut self) -> Option<Service> {
        let services: Vec<&Service> = self.cluster.all().collect();
        self.rng.pick_opt(&services).map(|service| (*service).clone())
    }
}
