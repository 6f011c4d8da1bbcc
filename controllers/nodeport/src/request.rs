//! What is decided, as requests.

use bytes::Bytes;
use quaymaster_api::{GROUP, NodePortPoolStatus, VERSION};
use quaymaster_engine::{Part, Request};
use quaymaster_model::{ObjectKey, ServicePort, ServiceRecord, TargetPort};
use quaymaster_runtime::pool::Payload;
use quaymaster_world::{Kind, NodePortPoolRecord};
use serde_json::{Value, json};

use crate::range;

/// Writes the status of a pool, if it is still as it was read.
pub(crate) fn status(pool: &NodePortPoolRecord, status: &NodePortPoolStatus) -> Request {
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "NodePortPool",
        "metadata": {
            "name": pool.key.name.as_str(),
            "uid": pool.uid.to_string(),
            "resourceVersion": pool.resource_version.to_string(),
        },
        "status": status,
    });
    let (key, uid) = (pool.key.clone(), pool.uid.clone());
    Request::update_status(Kind::NodePortPool, key, uid, payload(&body), 0)
}

/// Asks for the apiserver's range.
pub(crate) fn ask(key: &ObjectKey, port: u16) -> Request {
    let body = range::body(&key.namespace, port);
    Request::create(Kind::Service, key.clone(), payload(&body), 0)
}

/// Gives ports of a Service, by their places, other node ports, if it is still as it was read.
///
/// A strategic merge patch tells entries of `spec.ports` apart by `port` alone, so that of those which share one (TCP and UDP)
/// it would change the first. The whole list is replaced then: a [`ServicePort`] has all that an entry can have.
pub(crate) fn move_ports(service: &ServiceRecord, to: &[(usize, u16)]) -> Request {
    let node_port = |place: usize| to.iter().find(|(at, _)| *at == place).map(|(_, port)| *port);
    let mut numbers: Vec<i32> = service.ports.iter().map(|port| port.port).collect();
    numbers.sort_unstable();
    let shared = numbers.windows(2).any(|pair| pair[0] == pair[1]);
    let ports = service.ports.iter().enumerate();
    let ports: Vec<Value> = if shared {
        let whole = ports.map(|(place, port)| whole(port, node_port(place).unwrap_or(port.node_port)));
        whole.chain([json!({ "$patch": "replace" })]).collect()
    } else {
        ports
            .filter_map(|(place, port)| Some(json!({ "port": port.port, "nodePort": node_port(place)? })))
            .collect()
    };
    let body = json!({
        "metadata": {
            "uid": service.uid.to_string(),
            "resourceVersion": service.resource_version.to_string(),
        },
        "spec": { "ports": ports },
    });
    let (key, uid) = (service.key.clone(), service.uid.clone());
    Request::patch(Kind::Service, key, Part::Object, uid, payload(&body), 0)
}

fn whole(port: &ServicePort, node_port: u16) -> Value {
    let mut whole = json!({
        "protocol": port.protocol.as_str(),
        "port": port.port,
        "targetPort": match &port.target {
            TargetPort::Number(number) => json!(number),
            TargetPort::Name(name) => json!(name.as_str()),
        },
    });
    if !port.name.is_empty() {
        whole["name"] = json!(port.name.as_str());
    }
    if let Some(protocol) = &port.app_protocol {
        whole["appProtocol"] = json!(protocol.as_str());
    }
    if node_port != 0 {
        whole["nodePort"] = json!(node_port);
    }
    whole
}

fn payload(body: &Value) -> Payload {
    Payload::Ready(Bytes::from(body.to_string()))
}
