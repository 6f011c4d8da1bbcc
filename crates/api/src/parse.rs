//! Addresses, networks and ports out of the text of fields.
//!
//! The rules of the schema once more, since an object may be older than they are, or newer; one that this version does not
//! understand wholly is not to be acted upon. All that is wrong is told at once.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::{
    AddressRange, LabelSelector, NodePortPoolSpec, Operator, Policy, PortRange, ServiceIPPoolSpec,
    ServiceReservationSpec,
};

/// What is wrong in an object, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The path of the field, such as `spec.cidrs[2]`.
    pub field: String,
    /// What is wrong, and what is to be done.
    pub message: String,
}

impl Display for Problem {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for Problem {}

/// The addresses of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolAddresses {
    /// `cidrs`.
    pub networks: Vec<IpNet>,
    /// `ranges`.
    pub ranges: Vec<RangeInclusive<IpAddr>>,
    /// `exclude`; an address as the network of it alone.
    pub exclude: Vec<IpNet>,
}

/// The node ports of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolPorts {
    /// `ranges`.
    pub ranges: Vec<RangeInclusive<u16>>,
    /// `exclude`.
    pub exclude: Vec<RangeInclusive<u16>>,
}

impl ServiceIPPoolSpec {
    /// The addresses of the pool; or all that is wrong in the spec, words that this version does not know among it.
    pub fn addresses(&self) -> Result<PoolAddresses, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.word("spec.usage", self.usage.is_unknown());
        problems.word("spec.quarantine.enforce", self.quarantine.enforce.is_unknown());
        problems.policy(&self.policy);
        if self.cidrs.is_empty() && self.ranges.is_empty() {
            problems.add(
                "spec",
                "cidrs and ranges are both empty: say which addresses the pool has",
            );
        }
        let addresses = PoolAddresses {
            networks: problems.each("spec.cidrs", &self.cidrs, |text| served(network(text)?)),
            ranges: self
                .ranges
                .iter()
                .enumerate()
                .filter_map(|(index, range)| problems.range(&format!("spec.ranges[{index}]"), range))
                .collect(),
            exclude: problems.each("spec.exclude", &self.exclude, |text| {
                if text.contains('/') {
                    network(text)
                } else {
                    address(text).map(IpNet::from)
                }
            }),
        };
        problems.or(addresses)
    }
}

impl NodePortPoolSpec {
    /// The node ports of the pool; or all that is wrong in the spec, words that this version does not know among it.
    pub fn ports(&self) -> Result<PoolPorts, Vec<Problem>> {
        let mut problems = Problems::default();
        for (index, word) in self.uses.iter().enumerate() {
            problems.word(&format!("spec.use[{index}]"), word.is_unknown());
        }
        problems.word("spec.quarantine.enforce", self.quarantine.enforce.is_unknown());
        problems.policy(&self.policy);
        if self.ranges.is_empty() {
            problems.add("spec.ranges", "is empty: say which node ports the pool has");
        }
        let ports = PoolPorts {
            ranges: problems.each("spec.ranges", &self.ranges, |range| ports(*range)),
            exclude: problems.each("spec.exclude", &self.exclude, |range| ports(*range)),
        };
        problems.or(ports)
    }
}

impl ServiceReservationSpec {
    /// The addresses that are reserved; or all that is wrong in the spec, words that this version does not know among it.
    pub fn addresses(&self) -> Result<Vec<IpAddr>, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.word("spec.enforce", self.enforce.is_unknown());
        let addresses = problems.each("spec.clusterIPs", &self.cluster_ips, |text| address(text));
        for family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            if addresses.iter().filter(|address| family(address)).count() > 1 {
                problems.add(
                    "spec.clusterIPs",
                    "has two addresses of one family: a Service has one of each",
                );
            }
        }
        for (index, port) in self.node_ports.iter().enumerate() {
            let field = format!("spec.nodePorts[{index}].nodePort");
            if port.node_port == 0 {
                problems.add(&field, "is 0: ports are from 1 to 65535");
            }
            if self.health_check_node_port == Some(port.node_port) {
                problems.add(&field, "is healthCheckNodePort as well: a port has one purpose");
            }
        }
        problems.or(addresses)
    }
}

/// A network, in canonical form.
///
/// # Errors
/// What is wrong with the text, and how it is written.
pub fn network(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text.parse().map_err(|_| {
        format!("{text:?} is no network: write one such as 10.96.8.0/22 or fd00:10:96:8::/64")
    })?;
    no_mapped(text, net.network())?;
    let canonical = net.trunc();
    if canonical.to_string() == text {
        Ok(canonical)
    } else {
        Err(format!("{text:?} is not in canonical form: write {canonical}"))
    }
}

/// An address, in canonical form: of others kube-apiserver loses track (it compares their text).
///
/// # Errors
/// What is wrong with the text, and how it is written.
pub fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is no address: write one such as 10.96.8.1 or fd00:10:96:8::1"))?;
    no_mapped(text, address)?;
    if address.to_string() == text {
        Ok(address)
    } else {
        Err(format!("{text:?} is not in canonical form: write {address}"))
    }
}

/// IPv4 in the form of IPv6 is neither to Kubernetes.
fn no_mapped(text: &str, address: IpAddr) -> Result<(), String> {
    match address {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Err(format!("{text:?} is IPv4 in the form of IPv6: write it as IPv4"))
        }
        _ => Ok(()),
    }
}

/// A network of which kube-apiserver gives out addresses: it makes no allocator of an IPv6 network larger than a /64, and
/// smaller ones than these have no address between their edges (`pkg/registry/core/service/ipallocator/ipallocator.go`).
fn served(net: IpNet) -> Result<IpNet, String> {
    let fits = match net {
        IpNet::V4(_) => net.prefix_len() <= 30,
        IpNet::V6(_) => (64..=126).contains(&net.prefix_len()),
    };
    if fits {
        Ok(net)
    } else {
        Err(format!(
            "{net} has no address that kube-apiserver gives out: an IPv4 network must be a /30 or larger, an IPv6 network \
             from /64 to /126"
        ))
    }
}

fn ports(range: PortRange) -> Result<RangeInclusive<u16>, String> {
    let PortRange { first, last } = range;
    if first == 0 {
        Err("first is 0: ports are from 1 to 65535".to_owned())
    } else if first > last {
        Err(format!(
            "first, {first}, is larger than last, {last}: exchange them"
        ))
    } else {
        Ok(first..=last)
    }
}

/// What was found wrong so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Problem {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    fn or<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// What each item of a list becomes, without those that are wrong.
    fn each<I, T>(&mut self, field: &str, items: &[I], read: impl Fn(&I) -> Result<T, String>) -> Vec<T> {
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => all.push(value),
                Err(message) => self.add(&format!("{field}[{index}]"), message),
            }
        }
        all
    }

    fn word(&mut self, field: &str, unknown: bool) {
        if unknown {
            self.add(
                field,
                "holds a word that this version of Quaymaster does not know: it was written for a newer one, upgrade or \
                 choose another word",
            );
        }
    }

    fn policy(&mut self, policy: &Policy) {
        self.word("spec.state", policy.state.is_unknown());
        self.word("spec.strategy", policy.strategy.is_unknown());
        self.word("spec.consistency", policy.consistency.is_unknown());
        self.word("spec.onExhausted", policy.on_exhausted.is_unknown());
        self.selector("spec.namespaceSelector", policy.namespace_selector.as_ref());
        self.selector("spec.serviceSelector", policy.service_selector.as_ref());
        if policy.thresholds.critical_percent < policy.thresholds.warn_percent {
            self.add(
                "spec.thresholds",
                "criticalPercent is smaller than warnPercent: raise one or lower the other",
            );
        }
    }

    fn selector(&mut self, field: &str, selector: Option<&LabelSelector>) {
        let requirements = selector.map_or(&[][..], |selector| &selector.match_expressions);
        for (index, requirement) in requirements.iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            match requirement.operator {
                Operator::In | Operator::NotIn if requirement.values.is_empty() => {
                    self.add(&field, "has no values, which its operator needs: add one");
                }
                Operator::Exists | Operator::DoesNotExist if !requirement.values.is_empty() => {
                    self.add(
                        &field,
                        "has values, which its operator does not take: remove them",
                    );
                }
                Operator::Unknown => self.word(&format!("{field}.operator"), true),
                _ => {}
            }
        }
    }

    fn range(&mut self, field: &str, range: &AddressRange) -> Option<RangeInclusive<IpAddr>> {
        let mut end = |name: &str, text: &str| match address(text) {
            Ok(address) => Some(address),
            Err(message) => {
                self.add(&format!("{field}.{name}"), message);
                None
            }
        };
        let (first, last) = (end("first", &range.first), end("last", &range.last));
        let (first, last) = (first?, last?);
        let problem = match (first, last) {
            (IpAddr::V6(first), IpAddr::V6(last)) if first.segments()[..4] != last.segments()[..4] => {
                "lies in more than one /64: cut it into several"
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                "is of two families: make a range of each"
            }
            _ if first > last => "first is larger than last: exchange them",
            _ => return Some(first..=last),
        };
        self.add(field, problem);
        None
    }
}

#[cfg(test)]
mod tests;
