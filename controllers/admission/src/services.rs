//! Reviews of Services.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use quaymaster_ipam::service::Service;
use quaymaster_ipam::{Ask, Decision, Filled, Operation, Refusal, Shared, Value, lock, review, take_back};
use quaymaster_webhook::review::Operation as Asked;
use quaymaster_webhook::{Admission, Denial, Outcome, Patch, Reason, Request, Response};

use crate::PATH;
use crate::claims::{Claimant, Claims, Outcome as Claimed};

/// How often a request is decided anew since other replicas were faster: each time shows at least one more value of theirs.
const MOST: usize = 64;

/// Answers reviews of Services out of an index.
pub struct Services(Arc<Inner>);

struct Inner {
    index: Shared,
    clock: fn() -> Instant,
    claims: Option<Box<dyn Claims>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// A review, without the body that it came in.
struct Question {
    uid: String,
    operation: Operation,
    dry_run: bool,
    namespace: String,
    name: String,
    object: Service,
    old: Option<Service>,
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        Ask {
            uid: &self.uid,
            operation: self.operation,
            dry_run: self.dry_run,
            namespace: &self.namespace,
            name: &self.name,
            object: &self.object,
            old: self.old.as_ref(),
        }
    }

    /// What is asked; `None` where it is nothing that is answered here.
    fn of(request: &Request<'_>) -> Result<Option<Self>, Box<Refusal>> {
        let operation = match request.operation {
            Asked::Create => Operation::Create,
            Asked::Update => Operation::Update,
            Asked::Delete | Asked::Connect => return Ok(None),
        };
        let is_service = request.kind.kind == "Service" && request.kind.group.is_empty();
        let Some(object) = request
            .object
            .filter(|_| is_service && request.sub_resource.is_empty())
        else {
            return Ok(None);
        };
        let read = |json: &str| {
            Service::read(json.as_bytes()).map_err(|error| {
                Box::new(Refusal::Unreadable {
                    service: format!("Service {}/{}", request.namespace, request.name),
                    error: error.to_string(),
                })
            })
        };
        Ok(Some(Self {
            uid: request.uid.clone().into_owned(),
            operation,
            dry_run: request.dry_run(),
            namespace: request.namespace.clone().into_owned(),
            name: request.name.clone().into_owned(),
            object: read(object.get())?,
            old: request.old_object.map(|old| read(old.get())).transpose()?,
        }))
    }
}

impl Services {
    /// Answers out of this index, at the time that `clock` tells. What other replicas may give as well is claimed first, by
    /// `claims`; without it is given as it is, and the apiserver may refuse it.
    pub fn new(index: Shared, clock: fn() -> Instant, claims: Option<Box<dyn Claims>>) -> Self {
        Self(Arc::new(Inner { index, clock, claims }))
    }
}

impl Inner {
    fn decide(&self, question: &Question) -> Decision {
        let now = (self.clock)();
        review(&mut lock(&self.index), &question.ask(), now, &mut rand::random)
    }

    /// Claims what other replicas may give as well, and decides anew where one of them was faster.
    async fn settle(&self, claims: &dyn Claims, question: &Question, mut filled: Filled) -> Response {
        let claimant = Claimant {
            namespace: question.namespace.clone(),
            name: question.name.clone(),
            request: question.uid.clone(),
        };
        for _ in 0..MOST {
            let outcomes = join_all(
                filled
                    .contested
                    .iter()
                    .map(|value| claims.claim(*value, &claimant)),
            )
            .await;
            let with = |wanted: fn(&Claimed) -> bool| -> Vec<Value> {
                let pairs = filled.contested.iter().zip(&outcomes);
                pairs
                    .filter(|(_, outcome)| wanted(outcome))
                    .map(|(value, _)| *value)
                    .collect()
            };
            let won = with(|outcome| *outcome == Claimed::Won);
            if won.len() == filled.contested.len() {
                return self.freed(claims, question, &filled).await;
            }
            let lost = with(|outcome| *outcome == Claimed::Lost);
            take_back(
                &mut lock(&self.index),
                &question.ask(),
                &filled,
                &lost,
                (self.clock)(),
            );
            join_all(won.into_iter().map(|value| claims.give_back(value))).await;
            if let Some(error) = outcomes.iter().find_map(|outcome| match outcome {
                Claimed::Failed(error) => Some(error),
                Claimed::Won | Claimed::Lost => None,
            }) {
                return unclaimed(error);
            }
            match self.decide(question) {
                Decision::Fill(again) if again.contested.is_empty() => {
                    return self.freed(claims, question, &again).await;
                }
                Decision::Fill(again) => filled = again,
                Decision::Pass => return Response::allow(),
                Decision::Refuse(refusal) => return refusing(&refusal),
            }
        }
        take_back(
            &mut lock(&self.index),
            &question.ask(),
            &filled,
            &[],
            (self.clock)(),
        );
        unclaimed("other replicas were faster each time")
    }
}

impl Inner {
    /// What keeps addresses from being given is taken away, now that they are.
    async fn freed(&self, claims: &dyn Claims, question: &Question, filled: &Filled) -> Response {
        let outcomes = join_all(filled.holds.iter().map(|value| claims.free(*value))).await;
        match outcomes.into_iter().find_map(|outcome| match outcome {
            Claimed::Failed(error) => Some(error),
            Claimed::Won | Claimed::Lost => None,
        }) {
            None => filling(filled),
            Some(error) => {
                take_back(
                    &mut lock(&self.index),
                    &question.ask(),
                    filled,
                    &[],
                    (self.clock)(),
                );
                unclaimed(&error)
            }
        }
    }
}

impl Admission for Services {
    fn paths(&self) -> &'static [&'static str] {
        &[PATH]
    }

    fn review(&self, _: &'static str, request: &Request<'_>) -> Outcome {
        let question = match Question::of(request) {
            Ok(Some(question)) => question,
            Ok(None) => return Response::allow().into(),
            Err(refusal) => return refusing(&refusal).into(),
        };
        match self.0.decide(&question) {
            Decision::Pass => Response::allow().into(),
            Decision::Refuse(refusal) => refusing(&refusal).into(),
            Decision::Fill(filled) => {
                let asks = !filled.contested.is_empty() || !filled.holds.is_empty();
                if !asks || question.dry_run || self.0.claims.is_none() {
                    return filling(&filled).into();
                }
                let inner = Arc::clone(&self.0);
                Outcome::later(async move {
                    match &inner.claims {
                        Some(claims) => inner.settle(&**claims, &question, filled).await,
                        None => filling(&filled),
                    }
                })
            }
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
    let denial = Denial::new(reason, refusal.label(), refusal.to_string());
    // Clients of client-go then try again by themselves.
    let denial = if reason == Reason::ServiceUnavailable {
        denial.retry_after(1)
    } else {
        denial
    };
    Response::deny(denial)
}

fn unclaimed(error: &str) -> Response {
    let message = format!("a value that several replicas may give could not be claimed: {error}; try again");
    Response::deny(Denial::new(Reason::ServiceUnavailable, "unclaimed", message).retry_after(1))
}

#[cfg(test)]
mod tests;
