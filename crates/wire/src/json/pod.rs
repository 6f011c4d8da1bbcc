//! Pods.

use std::net::IpAddr;

use quaymaster_model::ip::parse_ip;
use quaymaster_model::{ContainerPort, Interner, PodFlags, PodHostname, PodRecord, Protocol, Timestamp};
use serde::Deserialize;
use serde::de::Deserializer;
use smallvec::SmallVec;

use super::read::{Decoded, Meta, Read};
use super::time::timestamp;
use super::value::{Fold, Folded, Str, object, or_default};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "object")]
    spec: Spec<'a>,
    #[serde(borrow, deserialize_with = "object")]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Str<'a>,
    #[serde(borrow)]
    hostname: Str<'a>,
    #[serde(borrow)]
    subdomain: Str<'a>,
    #[serde(borrow)]
    containers: Folded<Containers<'a>>,
    #[serde(borrow)]
    init_containers: Folded<Sidecars<'a>>,
}

/// The named ports of all containers.
#[derive(Debug, Default)]
struct Containers<'a>(Vec<Port<'a>>);

impl<'de: 'a, 'a> Fold<'de> for Containers<'a> {
    type Item = Container<'a>;

    fn push(&mut self, container: Container<'a>) {
        // A container nearly always has one list; taking it over spares the copy.
        if self.0.is_empty() {
            self.0 = container.ports.0.0;
        } else {
            self.0.extend(container.ports.0.0);
        }
    }
}

/// The named ports of the init containers that go on running, which upstream resolves since 1.33
/// (`k8s.io/endpointslice/util`, `FindPort`).
#[derive(Debug, Default)]
struct Sidecars<'a>(Vec<Port<'a>>);

impl<'de: 'a, 'a> Fold<'de> for Sidecars<'a> {
    type Item = Container<'a>;

    fn push(&mut self, container: Container<'a>) {
        if &*container.restart_policy == "Always" {
            self.0.extend(container.ports.0.0);
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    ports: Folded<NamedPorts<'a>>,
    #[serde(borrow)]
    restart_policy: Str<'a>,
}

#[derive(Debug, Default)]
struct NamedPorts<'a>(Vec<Port<'a>>);

impl<'de: 'a, 'a> Fold<'de> for NamedPorts<'a> {
    type Item = Port<'a>;

    fn push(&mut self, port: Port<'a>) {
        if port.name.non_empty().is_some() {
            self.0.push(port);
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    protocol: Str<'a>,
    #[serde(rename = "containerPort", deserialize_with = "or_default")]
    number: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Str<'a>,
    #[serde(borrow)]
    conditions: Folded<Ready<'a>>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Str<'a>,
    #[serde(rename = "podIPs")]
    pod_ips: Folded<Addresses>,
}

/// The first condition of type `Ready`, as `podutil.GetPodCondition` finds it.
#[derive(Debug, Default)]
pub(super) struct Ready<'a>(Option<Condition<'a>>);

impl Ready<'_> {
    /// Whether the condition is there and `True`.
    pub(super) fn is_true(&self) -> bool {
        self.0.as_ref().is_some_and(|ready| &*ready.status == "True")
    }

    /// When it last changed.
    fn since(&self) -> Option<Timestamp> {
        self.0
            .as_ref()
            .and_then(|ready| timestamp(&ready.last_transition_time))
    }
}

impl<'de: 'a, 'a> Fold<'de> for Ready<'a> {
    type Item = Condition<'a>;

    fn push(&mut self, condition: Condition<'a>) {
        if self.0.is_none() && &*condition.kind == "Ready" {
            self.0 = Some(condition);
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    last_transition_time: Str<'a>,
}

/// `status.podIPs`: how many entries there are, and those that are addresses.
#[derive(Debug, Default)]
struct Addresses {
    any: bool,
    parsed: SmallVec<[IpAddr; 1]>,
}

impl Fold<'_> for Addresses {
    type Item = Address;

    fn push(&mut self, address: Address) {
        self.any = true;
        self.parsed.extend(address.ip.0);
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    ip: ParsedIp,
}

#[derive(Debug, Default)]
struct ParsedIp(Option<IpAddr>);

impl<'de> Deserialize<'de> for ParsedIp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Str::deserialize(deserializer).map(|text| Self(parse_ip(&text)))
    }
}

impl Pod<'_> {
    fn record(&self, interner: &Interner) -> Option<PodRecord> {
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let ports = spec.containers.0.0.iter().chain(&spec.init_containers.0.0);
        Some(PodRecord {
            key: metadata.key(interner)?,
            uid: metadata.uid(),
            node: spec.node_name.non_empty().map(|name| interner.text(name)),
            labels: metadata.labels.label_set(interner),
            ports: interner.container_ports(ports.map(|port| port.record(interner)).collect()),
            addresses: status.pod_ips.0.parsed.clone(),
            hostname: spec.hostname(interner),
            ready_since: status.conditions.0.since(),
            flags: PodFlags {
                ready: status.conditions.0.is_true(),
                terminating: metadata.deletion_timestamp.0,
                finished: matches!(&*status.phase, "Succeeded" | "Failed"),
                has_address: status.pod_ips.0.any || status.pod_ip.non_empty().is_some(),
            },
        })
    }
}

impl Spec<'_> {
    fn hostname(&self, interner: &Interner) -> Option<Box<PodHostname>> {
        let (hostname, subdomain) = (self.hostname.non_empty()?, self.subdomain.non_empty()?);
        Some(Box::new(PodHostname {
            hostname: interner.text(hostname),
            subdomain: interner.text(subdomain),
        }))
    }
}

impl Port<'_> {
    fn record(&self, interner: &Interner) -> ContainerPort {
        ContainerPort {
            name: interner.text(&self.name),
            protocol: Protocol::new(&self.protocol),
            number: self.number,
        }
    }
}

impl Read for PodRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let pod = object::<_, Pod<'_>>(deserializer)?;
        Ok(Decoded {
            record: pod.record(interner),
            version: pod.metadata.resource_version,
        })
    }
}
