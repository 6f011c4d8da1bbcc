//! Reviews of Services.

use std::time::Instant;

use quaymaster_ipam::service::Service;
use quaymaster_ipam::{Ask, Decision, Filled, Operation, Refusal, Shared, lock, review};
use quaymaster_webhook::review::Operation as Asked;
use quaymaster_webhook::{Admission, Denial, Outcome, Patch, Reason, Request, Response};

use crate::PATH;

/// Answers reviews of Services out of an index.
#[derive(Debug)]
pub struct Services {
    index: Shared,
    clock: fn() -> Instant,
}

impl Services {
    /// Answers out of this index, at the time that `clock` tells.
    pub fn new(index: Shared, clock: fn() -> Instant) -> Self {
        Self { index, clock }
    }

    fn decide(&self, request: &Request<'_>) -> Result<Decision, Box<Refusal>> {
        let operation = match request.operation {
            Asked::Create => Operation::Create,
            Asked::Update => Operation::Update,
            Asked::Delete | Asked::Connect => return Ok(Decision::Pass),
        };
        let is_service = request.kind.kind == "Service" && request.kind.group.is_empty();
        let Some(object) = request
            .object
            .filter(|_| is_service && request.sub_resource.is_empty())
        else {
            return Ok(Decision::Pass);
        };
        let read = |json: &str| {
            Service::read(json.as_bytes()).map_err(|error| {
                Box::new(Refusal::Unreadable {
                    service: format!("Service {}/{}", request.namespace, request.name),
                    error: error.to_string(),
                })
            })
        };
        let object = read(object.get())?;
        let old = request.old_object.map(|old| read(old.get())).transpose()?;
        let ask = Ask {
            uid: &request.uid,
            operation,
            dry_run: request.dry_run(),
            namespace: &request.namespace,
            name: &request.name,
            object: &object,
            old: old.as_ref(),
        };
        Ok(review(
            &mut lock(&self.index),
            &ask,
            (self.clock)(),
            &mut rand::random,
        ))
    }
}

impl Admission for Services {
    fn paths(&self) -> &'static [&'static str] {
        &[PATH]
    }

    fn review(&self, _: &'static str, request: &Request<'_>) -> Outcome {
        match self.decide(request) {
            Ok(Decision::Pass) => Response::allow().into(),
            Ok(Decision::Fill(filled)) => filling(&filled).into(),
            Ok(Decision::Refuse(refusal)) => refusing(&refusal).into(),
            Err(refusal) => refusing(&refusal).into(),
        }
    }
}

/// The values as changes of the object, and the pools for the audit log.
fn filling(filled: &Filled) -> Response {
    let mut patch = Patch::default();
    if let Some(ips) = &filled.cluster_ips {
        // The one without the other is refused, or the second is chosen by the apiserver.
        patch = patch.add("/spec/clusterIPs", ips.clone());
        if let Some(first) = ips.first() {
            patch = patch.add("/spec/clusterIP", first.clone());
        }
    }
    for (place, port) in &filled.node_ports {
        patch = patch.add(format!("/spec/ports/{place}/nodePort"), *port);
    }
    if let Some(port) = filled.health_check {
        patch = patch.add("/spec/healthCheckNodePort", port);
    }
    let pools: Vec<&str> = filled.pools.iter().map(String::as_str).collect();
    Response::patch(patch).annotate("pools", pools.join(","))
}

fn refusing(refusal: &Refusal) -> Response {
    let reason = match refusal.status().0 {
        403 => Reason::Forbidden,
        409 => Reason::Conflict,
        503 => Reason::ServiceUnavailable,
        _ => Reason::Invalid,
    };
    Response::deny(Denial::new(reason, refusal.label(), refusal.to_string()))
}
