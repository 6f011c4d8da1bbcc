//! Which requests reach the webhook, in CEL: each that lacks a value that we would choose, and none that lacks none.
//!
//! The expressions follow `pkg/registry/core/service/storage/{alloc,storage}.go` of kubernetes, as `quaymaster_ipam::needs` does.
//! They err towards asking: a question too many costs a hop, one too few gets a value of the apiserver's choice. Only functions
//! that an apiserver of 1.33 knows are used.

use serde_json::{Value, json};

/// A request of the apiserver itself, such as the Service `kubernetes` in `default`. Without the webhook it has to be possible, or
/// a cluster does not come up again.
pub const NOT_THE_APISERVER: &str = "quaymaster-not-the-apiserver";

/// A request in a namespace that has to do without the webhook.
pub const NOT_EXEMPT: &str = "quaymaster-namespace-not-exempt";

/// A request that a value is to be chosen for, or looked at.
pub const LACKS_A_VALUE: &str = "quaymaster-lacks-a-value";

/// The user of requests of the apiserver itself.
pub(crate) const APISERVER: &str = "system:apiserver";

/// What the conditions hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Namespaces that do without the webhook.
    pub exempt: Vec<String>,
    /// The cluster has addresses of both families.
    pub both_families: bool,
    /// Values that somebody asks for are to be looked at as well.
    pub explicit: bool,
}

/// With more ports than these the search for what is carried over by name, which is quadratic, is left out: above some 450 it
/// would exceed the limit of cost (1,000,000 for an expression, `k8s.io/apiserver/pkg/apis/cel/config.go`), and the request be
/// refused, or not be asked about.
const MOST_COMPARED: usize = 100;

const UPDATE: &str = "request.operation == 'UPDATE'";

/// `spec.type`, which the apiserver has defaulted before.
const TYPE: &str = "object.spec.?type.orValue('ClusterIP')";
const OLD_TYPE: &str = "oldObject.spec.?type.orValue('ClusterIP')";

/// No ClusterIP, and none that is carried over.
const NO_ADDRESS: &str = "object.spec.?clusterIP.orValue('') == '' \
    && (request.operation == 'CREATE' || oldObject.spec.?type.orValue('ClusterIP') == 'ExternalName')";

/// Two families and fewer addresses. What prefers two and has one is left as it is while nothing about it changes
/// (`isMatchingPreferDualStackClusterIPFields`); an update that says no policy has that of before.
const NO_SECOND: &str = "object.spec.?ipFamilyPolicy.orValue(request.operation == 'UPDATE' \
    ? oldObject.spec.?ipFamilyPolicy.orValue('') : '') in ['PreferDualStack', 'RequireDualStack'] \
    && object.spec.?clusterIP.orValue('') != 'None' \
    && object.spec.?clusterIPs.orValue([]).size() < 2 \
    && !(request.operation == 'UPDATE' && (\
    oldObject.spec.?clusterIPs.orValue([]).size() == 2 \
    || oldObject.spec.?clusterIP.orValue('') == 'None' \
    || object.spec.?ipFamilyPolicy.orValue('') == 'PreferDualStack' \
    && oldObject.spec.?ipFamilyPolicy.orValue('') == 'PreferDualStack' \
    && object.spec.?type.orValue('ClusterIP') == oldObject.spec.?type.orValue('ClusterIP') \
    && object.spec.?ipFamilies.orValue([]) == oldObject.spec.?ipFamilies.orValue([]) \
    && object.spec.?clusterIPs.orValue([]) == oldObject.spec.?clusterIPs.orValue([])))";

/// No port of health checks, and none that is carried over.
const NO_HEALTH_CHECK: &str = "object.spec.?type.orValue('ClusterIP') == 'LoadBalancer' \
    && object.spec.?externalTrafficPolicy.orValue('') == 'Local' \
    && object.spec.?healthCheckNodePort.orValue(0) == 0 \
    && !(request.operation == 'UPDATE' && oldObject.spec.?type.orValue('ClusterIP') == 'LoadBalancer' \
    && oldObject.spec.?externalTrafficPolicy.orValue('') == 'Local' \
    && oldObject.spec.?healthCheckNodePort.orValue(0) != 0)";

/// Something that was asked for, and is not as it was.
const EXPLICIT: &str = "!(object.spec.?clusterIP.orValue('') in ['', 'None']) && (request.operation == 'CREATE' \
    || object.spec.?clusterIP.orValue('') != oldObject.spec.?clusterIP.orValue('') \
    || object.spec.?clusterIPs.orValue([]).size() > 0 \
    && object.spec.?clusterIPs.orValue([]) != oldObject.spec.?clusterIPs.orValue([])) \
    || object.spec.?ports.orValue([]).exists(p, p.?nodePort.orValue(0) != 0) && (request.operation == 'CREATE' \
    || object.spec.?ports.orValue([]).map(p, p.?nodePort.orValue(0)) \
    != oldObject.spec.?ports.orValue([]).map(p, p.?nodePort.orValue(0))) \
    || object.spec.?healthCheckNodePort.orValue(0) != 0 && (request.operation == 'CREATE' \
    || object.spec.?healthCheckNodePort.orValue(0) != oldObject.spec.?healthCheckNodePort.orValue(0))";

impl Asks {
    /// The conditions, in the order in which the apiserver looks at them.
    pub fn conditions(&self) -> Vec<Value> {
        let condition = |name: &str, expression: String| json!({"name": name, "expression": expression});
        let mut conditions = vec![condition(
            NOT_THE_APISERVER,
            format!("request.userInfo.username != '{APISERVER}'"),
        )];
        if !self.exempt.is_empty() {
            let exempt = list(&self.exempt);
            conditions.push(condition(NOT_EXEMPT, format!("!(request.namespace in {exempt})")));
        }
        conditions.push(condition(LACKS_A_VALUE, self.lacks_a_value()));
        conditions
    }

    fn lacks_a_value(&self) -> String {
        let ports = no_node_port();
        let mut any = vec![NO_ADDRESS];
        if self.both_families {
            any.push(NO_SECOND);
        }
        any.extend([ports.as_str(), NO_HEALTH_CHECK]);
        if self.explicit {
            any.push(EXPLICIT);
        }
        format!("{TYPE} != 'ExternalName' && ({})", any.join(" || "))
    }
}

/// A port without a node port, and none that is carried over: by the name of the port, from a Service that had node ports, unless
/// the new object has that number elsewhere.
fn no_node_port() -> String {
    let carried = format!(
        "{UPDATE} && ({OLD_TYPE} == 'NodePort' \
        || {OLD_TYPE} == 'LoadBalancer' && oldObject.spec.?allocateLoadBalancerNodePorts.orValue(true)) \
        && oldObject.spec.?ports.orValue([]).exists(q, q.?name.orValue('') == p.?name.orValue('') \
        && q.?nodePort.orValue(0) != 0 \
        && !object.spec.ports.exists(r, r.?nodePort.orValue(0) == q.?nodePort.orValue(0)))"
    );
    format!(
        "({TYPE} == 'NodePort' \
        || {TYPE} == 'LoadBalancer' && object.spec.?allocateLoadBalancerNodePorts.orValue(true)) \
        && (object.spec.?ports.orValue([]).size() > {MOST_COMPARED} \
        ? object.spec.ports.exists(p, p.?nodePort.orValue(0) == 0) \
        : object.spec.?ports.orValue([]).exists(p, p.?nodePort.orValue(0) == 0 && !({carried})))"
    )
}

/// Text as CEL has it, whose escapes are those of JSON as far as these occur.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A list of texts.
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}
