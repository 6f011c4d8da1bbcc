//! The steps: what a user does, and which slices should follow.

/// Stands in arguments for the name of the Pod that was chosen.
pub(crate) const POD: &str = "POD";

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) title: &'static str,
    pub(crate) actions: Vec<Action>,
    /// In words, what [`Self::wants`] says.
    pub(crate) expected: &'static str,
    pub(crate) wants: Vec<Want>,
}

/// What is done.
#[derive(Debug)]
pub(crate) enum Action {
    Kubectl(Vec<&'static str>),
    /// To the first Pod with these labels.
    OfOnePod {
        selector: Labels,
        arguments: Vec<&'static str>,
        /// Its address is never to be seen again.
        deletes: bool,
    },
    /// The apiserver refuses it.
    Refused {
        arguments: Vec<&'static str>,
        reason: &'static str,
    },
}

/// The slices of one Service; without groups a single one without endpoints.
#[derive(Debug)]
pub(crate) struct Want {
    pub(crate) service: &'static str,
    pub(crate) groups: Vec<Group>,
}

/// The slices with one set of ports.
#[derive(Debug)]
pub(crate) struct Group {
    /// As `name number/protocol`, sorted.
    pub(crate) ports: Vec<&'static str>,
    /// The labels of the Pods that stand in them.
    pub(crate) selector: Labels,
    pub(crate) ready: usize,
    pub(crate) unready: usize,
}

pub(crate) type Labels = &'static [(&'static str, &'static str)];

const TEST1: Labels = &[("app", "test1")];
const NAMED_V1: Labels = &[("app", "test-named"), ("version", "v1")];
const NAMED_V2: Labels = &[("app", "test-named"), ("version", "v2")];
const SLEEP_2: Labels = &[("app", "sleep-2")];
const WEB_V1: Labels = &[("app", "numbers-web"), ("version", "v1")];
const WEB_V2: Labels = &[("app", "numbers-web"), ("version", "v2")];

fn apply(file: &'static str) -> Action {
    Action::Kubectl(vec!["apply", "-f", file])
}

fn want(service: &'static str, groups: Vec<Group>) -> Want {
    Want { service, groups }
}

fn group(ports: &[&'static str], selector: Labels, ready: usize, unready: usize) -> Group {
    Group {
        ports: ports.to_vec(),
        selector,
        ready,
        unready,
    }
}

/// Both Services over the Pods of `test-rc`.
fn test1(ready: usize, unready: usize) -> Vec<Want> {
    vec![
        want("test-svc", vec![group(&["8080/TCP"], TEST1, ready, unready)]),
        want(
            "test-svc-ports",
            vec![group(&["http 8080/TCP", "https 8443/TCP"], TEST1, ready, unready)],
        ),
    ]
}

/// All steps, in order.
pub(crate) fn all() -> Vec<Step> {
    let mut steps = first_steps();
    steps.extend(changes());
    steps
}

fn first_steps() -> Vec<Step> {
    vec![
        Step {
            title: "a ReplicationController with three Pods, and a Service in front of them",
            actions: vec![apply("crates/xtask/manifests/replication-controller.yaml")],
            expected: "test-svc has a ClusterIP and one slice, port 8080, three ready Pods",
            wants: vec![want("test-svc", vec![group(&["8080/TCP"], TEST1, 3, 0)])],
        },
        Step {
            title: "a Service with two ports; without names the apiserver refuses it",
            actions: vec![
                Action::Refused {
                    arguments: vec!["apply", "-f", "crates/xtask/manifests/unnamed-port.yaml"],
                    reason: "spec.ports[1].name: Required value",
                },
                apply("crates/xtask/manifests/two-ports.yaml"),
            ],
            expected: "both Services have the three Pods, test-svc-ports by two ports in one slice",
            wants: test1(3, 0),
        },
        Step {
            title: "ports by name: two versions of the Pods give the same names other numbers",
            actions: vec![apply("crates/xtask/manifests/named-ports.yaml")],
            expected: "two slices: v1 by 8080 and 8443, v2 by 80 and 443, two ready Pods each",
            wants: vec![want(
                "test-svc-named",
                vec![
                    group(&["http 8080/TCP", "https 8443/TCP"], NAMED_V1, 2, 0),
                    group(&["http 80/TCP", "https 443/TCP"], NAMED_V2, 2, 0),
                ],
            )],
        },
        Step {
            title: "a Service that says port: 80 and nothing else",
            actions: vec![apply("crates/xtask/manifests/deployments.yaml")],
            expected: "sleep-2 has one slice, port 80, with the Pod of sleep-2 and not that of sleep-1",
            wants: vec![want("sleep-2", vec![group(&["80/TCP"], SLEEP_2, 1, 0)])],
        },
    ]
}

fn changes() -> Vec<Step> {
    vec![
        Step {
            title: "the ReplicationController is scaled to five",
            actions: vec![Action::Kubectl(vec!["scale", "rc", "test-rc", "--replicas=5"])],
            expected: "five ready Pods in each of both Services",
            wants: test1(5, 0),
        },
        Step {
            title: "a Pod is deleted; its Deployment replaces it",
            actions: vec![Action::OfOnePod {
                selector: SLEEP_2,
                arguments: vec!["delete", "pod", POD, "--wait=false"],
                deletes: true,
            }],
            expected: "the new Pod's address in place of the old one, the ClusterIP as before",
            wants: vec![want("sleep-2", vec![group(&["80/TCP"], SLEEP_2, 1, 0)])],
        },
        Step {
            title: "a Pod becomes unready",
            actions: vec![Action::OfOnePod {
                selector: TEST1,
                arguments: vec![
                    "annotate",
                    "pod",
                    POD,
                    "demo.quaymaster.dev/ready=false",
                    "--overwrite",
                ],
                deletes: false,
            }],
            expected: "it stays in the slices and is marked as not ready",
            wants: test1(4, 1),
        },
        Step {
            title: "and ready again",
            actions: vec![Action::OfOnePod {
                selector: TEST1,
                arguments: vec![
                    "annotate",
                    "pod",
                    POD,
                    "demo.quaymaster.dev/ready=true",
                    "--overwrite",
                ],
                deletes: false,
            }],
            expected: "five ready Pods",
            wants: test1(5, 0),
        },
        Step {
            title: "two versions run; the Service selects v1 by label",
            actions: vec![apply("crates/xtask/manifests/two-versions.yaml")],
            expected: "one slice with the three Pods of v1",
            wants: vec![want("numbers-web", vec![group(&["80/TCP"], WEB_V1, 3, 0)])],
        },
        Step {
            title: "once v2 is ready, the selector is switched",
            actions: vec![
                Action::Kubectl(vec![
                    "wait",
                    "pod",
                    "-l",
                    "app=numbers-web,version=v2",
                    "--for=condition=Ready",
                    "--timeout=60s",
                ]),
                Action::Kubectl(vec![
                    "set",
                    "selector",
                    "service",
                    "numbers-web",
                    "app=numbers-web,version=v2",
                ]),
            ],
            expected: "one slice with the three Pods of v2 and none of v1",
            wants: vec![want("numbers-web", vec![group(&["80/TCP"], WEB_V2, 3, 0)])],
        },
        Step {
            title: "the Deployment is deleted; the Service stays",
            actions: vec![Action::Kubectl(vec![
                "delete",
                "deployment",
                "sleep-2",
                "--cascade=foreground",
            ])],
            expected: "one slice without endpoints, so that consumers know the Service was looked at",
            wants: vec![want("sleep-2", Vec::new())],
        },
    ]
}
