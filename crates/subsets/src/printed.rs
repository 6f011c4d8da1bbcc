//! How upstream prints ports and subsets of Endpoints before it takes their digest
//! (`k8s.io/apimachinery/pkg/util/dump`, `ForHash`, of the types of `k8s.io/api/core/v1`).

use std::fmt::Write as _;

use quaymaster_model::{Subset, SubsetAddress, SubsetPort, Text};

/// A port by itself.
pub(crate) fn port(port: &SubsetPort) -> String {
    let mut out = String::from("(v1.EndpointPort)");
    port_fields(&mut out, port);
    out
}

/// A subset by itself.
pub(crate) fn subset(subset: &Subset) -> String {
    // An address of a Pod takes some 300 bytes.
    let addresses = subset.ready.len() + subset.not_ready.len();
    let mut out = String::with_capacity(256 + 320 * addresses);
    out.push_str("(v1.EndpointSubset){Addresses:([]v1.EndpointAddress)");
    list(&mut out, &subset.ready, address);
    out.push_str(" NotReadyAddresses:([]v1.EndpointAddress)");
    list(&mut out, &subset.not_ready, address);
    out.push_str(" Ports:([]v1.EndpointPort)");
    list(&mut out, &subset.ports, port_fields);
    out.push('}');
    out
}

fn list<T>(out: &mut String, items: &[T], item: fn(&mut String, &T)) {
    if items.is_empty() {
        out.push_str("<nil>");
        return;
    }
    for (index, each) in items.iter().enumerate() {
        out.push(if index == 0 { '[' } else { ' ' });
        item(out, each);
    }
    out.push(']');
}

// Writing to a String cannot fail, so that results are dropped from here on.

fn port_fields(out: &mut String, port: &SubsetPort) {
    _ = write!(
        out,
        "{{Name:(string){} Port:(int32){} Protocol:(v1.Protocol){} AppProtocol:(*string){}}}",
        port.name,
        port.port,
        port.protocol,
        or_nil(port.app_protocol.as_ref()),
    );
}

fn address(out: &mut String, address: &SubsetAddress) {
    let hostname = address.hostname.as_ref().map_or("", Text::as_str);
    _ = write!(
        out,
        "{{IP:(string){} Hostname:(string){hostname} NodeName:(*string){} TargetRef:(*v1.ObjectReference)",
        address.ip,
        or_nil(address.node.as_ref()),
    );
    match address.target.as_deref() {
        None => out.push_str("<nil>"),
        Some(target) => {
            _ = write!(
                out,
                "{{Kind:(string){} Namespace:(string){} Name:(string){} UID:(types.UID){} APIVersion:(string){} \
                 ResourceVersion:(string){} FieldPath:(string){}}}",
                target.kind,
                target.namespace,
                target.name,
                target.uid,
                or_empty(target.api_version()),
                or_empty(target.resource_version()),
                or_empty(target.field_path()),
            );
        }
    }
    out.push('}');
}

fn or_empty(value: Option<&Text>) -> &str {
    value.map_or("", Text::as_str)
}

fn or_nil(value: Option<&Text>) -> &str {
    value.map_or("<nil>", Text::as_str)
}
