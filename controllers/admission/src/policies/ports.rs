//! The policy about node ports.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicySpec, Variable};
use quaymaster_api::{PortUse, State};
use quaymaster_ipam::{Class, Pool};

use super::{about, cel, policy, validation, variable};
use crate::conditions::{list, quoted};

/// With more ports than these they are not compared one by one with those of before, which is quadratic: then all of them are new
/// ones, unless none has changed.
const MOST_COMPARED: usize = 300;

/// The node ports that the Service did not have before.
fn fresh() -> [Variable; 4] {
    let of = |object: &str| {
        format!("{object}.spec.?ports.orValue([]).map(p, p.?nodePort.orValue(0)).filter(v, v != 0)")
    };
    [
        variable("now", of("object")),
        variable(
            "before",
            format!("request.operation == 'UPDATE' ? {} : []", of("oldObject")),
        ),
        variable(
            "fresh",
            format!(
                "variables.now.size() > {MOST_COMPARED} ? (variables.now == variables.before ? [] : variables.now) \
                 : variables.now.filter(v, !(v in variables.before))"
            ),
        ),
        variable(
            "health",
            "[object.spec.?healthCheckNodePort.orValue(0)].filter(v, v != 0 && !(request.operation == 'UPDATE' \
             && oldObject.spec.?healthCheckNodePort.orValue(0) == v))",
        ),
    ]
}

/// A pool as ranges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a>(pub(super) &'a Pool);

impl Part<'_> {
    pub(super) fn len(self) -> usize {
        self.0.serves(Class::Port).iter().count()
    }
}

pub(super) fn exclusive(parts: &[Part<'_>], exempt: &[String]) -> ValidatingAdmissionPolicySpec {
    let pools: Vec<&Pool> = parts.iter().map(|part| part.0).collect();
    let mut variables = Vec::from(about());
    variables.extend(fresh());
    let (mut validations, mut own) = (Vec::new(), Vec::new());
    for (nth, pool) in pools.iter().enumerate() {
        variables.push(variable(format!("serves{nth}"), cel::serves(&pool.policy)));
        let (has, name) = (cel::among(pool.serves(Class::Port)), &pool.name);
        let theirs = format!("(variables.fresh + variables.health).filter(v, {has})");
        validations.push(validation(
            format!("variables.serves{nth} || !(variables.fresh + variables.health).exists(v, {has})"),
            format!("a node port is of NodePortPool {name}, which is exclusive and does not serve this Service"),
            format!(
                "variables.service + ' cannot have the node port ' + string({theirs}[0]) + {}",
                quoted(&format!(
                    ", which is of NodePortPool {name}: that pool is exclusive and does not serve it; leave nodePort out and try \
                     again, or let the pool serve it (spec.namespaces, spec.namespaceSelector, spec.serviceSelector)"
                ))
            ),
            "Forbidden",
        ));
        own.push(format!("variables.serves{nth} && ({has})"));
    }
    let own = own.join(" || ");
    let bound = |port_use: PortUse| {
        let binds = |pool: &Pool| pool.uses.contains(&port_use) && pool.policy.state == State::Active;
        let all: Vec<String> = pools
            .iter()
            .enumerate()
            .filter(|(_, pool)| binds(pool))
            .map(|(nth, _)| format!("variables.serves{nth}"))
            .collect();
        if all.is_empty() {
            "false".to_owned()
        } else {
            format!("({})", all.join(" || "))
        }
    };
    let names: Vec<String> = pools
        .iter()
        .enumerate()
        .map(|(nth, pool)| format!("(variables.serves{nth} ? {} : [])", list(&[&pool.name])))
        .collect();
    variables.extend([
        variable(
            "bound",
            format!(
                "object.spec.?type.orValue('ClusterIP') == 'LoadBalancer' ? {} : {}",
                bound(PortUse::LoadBalancer),
                bound(PortUse::NodePort)
            ),
        ),
        variable("boundHealth", bound(PortUse::HealthCheck)),
        variable("pools", names.join(" + ")),
        variable(
            "wrong",
            format!(
                "(variables.bound ? variables.fresh.filter(v, !({own})) : []) \
                 + (variables.boundHealth ? variables.health.filter(v, !({own})) : [])"
            ),
        ),
    ]);
    validations.push(validation(
        "variables.wrong.size() == 0".to_owned(),
        "this Service may have only node ports of the exclusive NodePortPools that serve it",
        "variables.service + ' cannot have the node port ' + string(variables.wrong[0]) + ', which is of none of the exclusive \
         NodePortPools that serve it (' + variables.pools.join(', ') + '): leave nodePort out and try again, so that one of theirs \
         is chosen'"
            .to_owned(),
        "Forbidden",
    ));
    policy(exempt, variables, validations)
}
