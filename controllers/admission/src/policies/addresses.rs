//! Policies about ClusterIPs.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicySpec, Variable};
use quaymaster_api::State;
use quaymaster_ipam::{Class, Pool};

use super::{about, cel, policy, validation, variable};
use crate::conditions::{list, quoted};

/// A pool as networks.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) pool: &'a Pool,
    four: Vec<String>,
    six: Vec<String>,
}

impl<'a> Part<'a> {
    pub(super) fn of(pool: &'a Pool) -> Self {
        Self {
            pool,
            four: cel::four(pool.serves(Class::V4)),
            six: cel::six(pool.serves(Class::V6)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.four.len() + self.six.len()
    }
}

/// ClusterIPs that the Service did not have before.
fn fresh() -> Variable {
    let before = "request.operation == 'UPDATE' && a in oldObject.spec.?clusterIPs.orValue([])";
    variable(
        "fresh",
        format!("object.spec.?clusterIPs.orValue([]).filter(a, isIP(a) && !({before}))"),
    )
}

/// The repair loop of the apiserver compares ClusterIPs as text, so that one that is not canonical can be given to a second Service.
pub(super) fn canonical() -> ValidatingAdmissionPolicySpec {
    let [service, ..] = about();
    let odd = "variables.fresh.filter(a, !ip.isCanonical(a))";
    let validation = validation(
        "variables.fresh.all(a, ip.isCanonical(a))".to_owned(),
        "a ClusterIP is not in canonical form: write it so, or leave it out",
        format!(
            "variables.service + ' has the ClusterIP ' + {odd}[0] + ', which the apiserver could give to a second Service, as it \
             is not in canonical form: write it as ' + string(ip({odd}[0])) + ', or leave it out'"
        ),
        "Invalid",
    );
    policy(&[], vec![service, fresh()], vec![validation])
}

pub(super) fn exclusive(parts: &[Part<'_>], exempt: &[String]) -> ValidatingAdmissionPolicySpec {
    let mut variables = Vec::from(about());
    variables.push(fresh());
    let mut validations = Vec::new();
    for (nth, part) in parts.iter().enumerate() {
        variables.extend([
            variable(format!("serves{nth}"), cel::serves(&part.pool.policy)),
            variable(format!("four{nth}"), list(&part.four)),
            variable(format!("six{nth}"), list(&part.six)),
        ]);
        let has = format!(
            "(ip(a).family() == 4 ? variables.four{nth} : variables.six{nth}).exists(n, cidr(n).containsIP(a))"
        );
        let name = &part.pool.name;
        validations.push(validation(
            format!("variables.serves{nth} || !variables.fresh.exists(a, {has})"),
            format!("a ClusterIP is of ServiceIPPool {name}, which is exclusive and does not serve this Service"),
            format!(
                "variables.service + ' cannot have ' + variables.fresh.filter(a, {has})[0] + {}",
                quoted(&format!(
                    ", which is of ServiceIPPool {name}: that pool is exclusive and does not serve it; leave clusterIP empty and \
                     create it again, or let the pool serve it (spec.namespaces, spec.namespaceSelector, spec.serviceSelector)"
                ))
            ),
            "Forbidden",
        ));
    }
    variables.extend(owned(parts));
    let wrong = "variables.fresh.filter(a, ip(a).family() == 4 \
                 ? variables.bound4 && !variables.own4.exists(n, cidr(n).containsIP(a)) \
                 : variables.bound6 && !variables.own6.exists(n, cidr(n).containsIP(a)))";
    variables.push(variable("wrong", wrong));
    validations.push(validation(
        "variables.wrong.size() == 0".to_owned(),
        "this Service may have only ClusterIPs of the exclusive ServiceIPPools that serve it",
        "variables.service + ' cannot have ' + variables.wrong[0] + ', which is of none of the exclusive ServiceIPPools that serve \
         it (' + variables.pools.join(', ') + '): leave clusterIP empty and create it again, so that one of theirs is chosen'"
            .to_owned(),
        "Forbidden",
    ));
    policy(exempt, variables, validations)
}

/// What the exclusive pools that serve the Service have together, and whether an active one of them binds it to that.
fn owned(parts: &[Part<'_>]) -> [Variable; 5] {
    let each = |of: &dyn Fn(usize, &Part<'_>) -> Option<String>, by: &str, none: &str| {
        let all: Vec<String> = parts
            .iter()
            .enumerate()
            .filter_map(|(nth, part)| of(nth, part))
            .collect();
        if all.is_empty() {
            none.to_owned()
        } else {
            all.join(by)
        }
    };
    let own = |name: &str, has: &dyn Fn(&Part<'_>) -> bool| {
        let one = |nth: usize, part: &Part<'_>| {
            has(part).then(|| format!("(variables.serves{nth} ? variables.{name}{nth} : [])"))
        };
        each(&one, " + ", "[]")
    };
    let bound = |has: &dyn Fn(&Part<'_>) -> bool| {
        let one = |nth: usize, part: &Part<'_>| {
            let binds = has(part) && part.pool.policy.state == State::Active;
            binds.then(|| format!("variables.serves{nth}"))
        };
        each(&one, " || ", "false")
    };
    let (four, six) = (
        |part: &Part<'_>| !part.four.is_empty(),
        |part: &Part<'_>| !part.six.is_empty(),
    );
    let names = |nth: usize, part: &Part<'_>| {
        let name = list(&[&part.pool.name]);
        Some(format!("(variables.serves{nth} ? {name} : [])"))
    };
    [
        variable("own4", own("four", &four)),
        variable("own6", own("six", &six)),
        variable("bound4", bound(&four)),
        variable("bound6", bound(&six)),
        variable("pools", each(&names, " + ", "[]")),
    ]
}
