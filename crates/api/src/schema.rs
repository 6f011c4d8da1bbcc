//! Parts of the schemas that Rust types do not say: bounds, and rules that kube-apiserver checks (CEL).
//!
//! Everything that a rule looks at has a bound, or kube-apiserver refuses the schema for what the rule may cost. A rule
//! names what is to be done; kube-apiserver puts the path of the field before it. What rules cannot say, and what
//! [`parse`](crate::parse) demands, is the same: that of a newer or older schema is not trusted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::words::{self, Words};

/// A type that is a schema and nothing else.
macro_rules! schema {
    ($(#[$of:meta])* $name:ident, $schema:expr) => {
        $(#[$of])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A label value (apimachinery `pkg/util/validation`, `IsValidLabelValue`).
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// A name as those of Namespaces and Services (`IsDNS1123Label`).
pub(crate) const NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

schema!(
    /// Names of Namespaces.
    Namespaces,
    json_schema!({
        "type": "array",
        "maxItems": 256,
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": 63, "pattern": NAME },
    })
);

schema!(
    /// Labels, by key.
    Labels,
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 63, "pattern": LABEL_VALUE },
    })
);

schema!(
    /// Values that a label may have.
    LabelValues,
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 63, "pattern": LABEL_VALUE },
    })
);

schema!(
    /// Networks of which Services get addresses.
    Cidrs,
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 43,
            "x-kubernetes-validations": [
                rule("isCIDR(self)", "must be a network such as 10.96.8.0/22 or fd00:10:96:8::/64"),
                canonical_cidr("!isCIDR(self) || string(cidr(self).masked()) == self"),
                rule(
                    "!isCIDR(self) || (cidr(self).ip().family() == 4 ? cidr(self).prefixLength() <= 30 : \
                     (cidr(self).prefixLength() >= 64 && cidr(self).prefixLength() <= 126))",
                    "an IPv4 network must be a /30 or larger, an IPv6 network from /64 to /126: kube-apiserver gives \
                     out no address of others",
                ),
            ],
        },
    })
);

schema!(
    /// Networks in a status.
    EffectiveCidrs,
    json_schema!({
        "type": "array",
        "maxItems": 4096,
        "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 43 },
    })
);

schema!(
    /// Addresses and networks.
    Excluded,
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 43,
            "x-kubernetes-validations": [
                rule(
                    "isIP(self) || isCIDR(self)",
                    "must be an address such as 10.96.8.1 or a network such as 10.96.8.0/28",
                ),
                canonical_address("!isIP(self) || ip.isCanonical(self)"),
                canonical_cidr("!isCIDR(self) || string(cidr(self).masked()) == self"),
            ],
        },
    })
);

schema!(
    /// One address.
    Address,
    address()
);

schema!(
    /// Addresses of one Service.
    ServiceAddresses,
    json_schema!({
        "type": "array",
        "maxItems": 2,
        "x-kubernetes-list-type": "set",
        "items": address(),
        "x-kubernetes-validations": [rule(
            "size(self) < 2 || !isIP(self[0]) || !isIP(self[1]) || ip(self[0]).family() != ip(self[1]).family()",
            "must have at most one address of each family: make another ServiceReservation for another Service",
        )],
    })
);

schema!(
    /// A number that may be larger than JSON's are.
    CountText,
    json_schema!({ "type": "string", "maxLength": 39, "pattern": "^[0-9]+$" })
);

schema!(
    /// Conditions as in `meta/v1`.
    Conditions,
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What is true or false.",
                    "type": "string", "minLength": 1, "maxLength": 316,
                },
                "status": {
                    "description": "Whether it is.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The generation of the object that this was said of.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When the status became what it is.",
                    "type": "string", "format": "date-time",
                },
                "reason": {
                    "description": "Why, in one word for programs.",
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "Why, for people, and what can be done.",
                    "type": "string", "maxLength": 32768,
                },
            },
        },
    })
);

fn address() -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 39,
        "x-kubernetes-validations": [
            rule("isIP(self)", "must be an address such as 10.96.8.1 or fd00:10:96:8::1"),
            canonical_address("!isIP(self) || ip.isCanonical(self)"),
        ],
    })
}

/// A rule, and what is to be done where it does not hold.
fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// A rule whose message says how the address is written.
fn canonical_address(rule: &str) -> Value {
    json!({
        "rule": rule,
        "message": "must be in canonical form",
        "messageExpression": "'must be in canonical form: write %s'.format([string(ip(self))])",
    })
}

/// A rule whose message says how the network is written.
fn canonical_cidr(rule: &str) -> Value {
    json!({
        "rule": rule,
        "message": "must be in canonical form, without bits behind the prefix",
        "messageExpression":
            "'must be in canonical form, without bits behind the prefix: write %s'.format([string(cidr(self).masked())])",
    })
}

/// Puts rules on a type.
fn add(schema: &mut Schema, rules: Vec<Value>) {
    schema.insert("x-kubernetes-validations".to_owned(), Value::Array(rules));
}

/// That one threshold is not below the other.
pub(crate) fn thresholds(schema: &mut Schema) {
    add(
        schema,
        vec![rule(
            "self.criticalPercent >= self.warnPercent",
            "criticalPercent must not be smaller than warnPercent: raise one or lower the other",
        )],
    );
}

/// That a condition on a label has values exactly where its operator needs them.
pub(crate) fn requirement(schema: &mut Schema) {
    add(
        schema,
        vec![rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "operators In and NotIn need at least one of values, Exists and DoesNotExist none",
        )],
    );
}

/// That a range of ports begins before it ends.
pub(crate) fn port_range(schema: &mut Schema) {
    add(
        schema,
        vec![rule(
            "self.first <= self.last",
            "first must not be larger than last: exchange them; of a single port both are the same",
        )],
    );
}

/// That a range of addresses is of one family, in one /64, and begins before it ends.
///
/// CEL cannot compare addresses. But the first one is smaller if at the first bit in which they differ it has no 1: then the
/// network that begins with what they have in common is the same as the one with that bit, and only the first address is in
/// the latter.
pub(crate) fn address_range(schema: &mut Schema) {
    let addresses = "!isIP(self.first) || !isIP(self.last)";
    let family = "ip(self.first).family() == ip(self.last).family()";
    let same = format!("{addresses} || !({family})");
    let part = format!(
        "ip(self.first).family() == 4 || {}.containsIP(self.last)",
        network("'64'")
    );
    let (bits, next) = (network(&prefix("p")), network(&prefix("(p + 1)")));
    let lower = format!(
        "{bits}.containsIP(self.last) && !{next}.containsIP(self.last) && {bits}.masked().ip() == {next}.masked().ip()"
    );
    let list = |bits: Range<u8>| json!(bits.collect::<Vec<u8>>());
    add(
        schema,
        vec![
            rule(
                &format!("{addresses} || {family}"),
                "first and last must be of one family: make a range of each",
            ),
            rule(
                &format!("{same} || {part}"),
                "an IPv6 range must lie in one /64: cut it into several",
            ),
            rule(
                &format!(
                    "{same} || !({part}) || ip(self.first) == ip(self.last) || (ip(self.first).family() == 4 ? {} : {}).exists(p, {lower})",
                    list(0..32),
                    list(64..128)
                ),
                "first must not be larger than last: exchange them; of a single address both are the same",
            ),
        ],
    );
}

/// The network of this length that the first address of a range is in.
fn network(prefix: &str) -> String {
    format!("cidr(self.first + '/' + {prefix})")
}

/// A number as text. `string()` would do it, but not say how long its text may be, and what is made of it would cost too
/// much.
fn prefix(number: &str) -> String {
    let digit = |number: &str| format!("'0123456789'.substring({number} % 10, {number} % 10 + 1)");
    format!(
        "({number} > 99 ? '1' : '') + ({number} > 9 ? {} : '') + {}",
        digit(&format!("{number} / 10")),
        digit(number)
    )
}

/// That a field keeps what it was made with.
pub(crate) fn immutable(schema: &mut Schema) {
    add(
        schema,
        vec![rule(
            "self == oldSelf",
            "must stay as it was made: make a new object and delete this one",
        )],
    );
}

/// That a pool of addresses has any.
pub(crate) fn address_pool(schema: &mut Schema) {
    add(
        schema,
        vec![rule(
            "(has(self.cidrs) && size(self.cidrs) > 0) || (has(self.ranges) && size(self.ranges) > 0)",
            "cidrs and ranges must not both be empty: say which addresses the pool has",
        )],
    );
}

/// That a reservation reserves something, and no port for two purposes.
pub(crate) fn reservation(schema: &mut Schema) {
    add(
        schema,
        vec![
            rule(
                "(has(self.clusterIPs) && size(self.clusterIPs) > 0) || \
                 (has(self.nodePorts) && size(self.nodePorts) > 0) || has(self.healthCheckNodePort)",
                "clusterIPs, nodePorts and healthCheckNodePort must not all be empty: say what is reserved",
            ),
            rule(
                "!has(self.healthCheckNodePort) || !has(self.nodePorts) || \
                 self.nodePorts.all(p, p.nodePort != self.healthCheckNodePort)",
                "healthCheckNodePort must not be one of nodePorts: a port has one purpose",
            ),
        ],
    );
}

/// That a claim is for one Service, and stays as it was made.
pub(crate) fn claim(schema: &mut Schema) {
    add(
        schema,
        vec![
            rule("self == oldSelf", "a claim must stay as it was made"),
            rule(
                "has(self.name) != has(self.generateName)",
                "must have either name or generateName",
            ),
        ],
    );
}

/// What kube's derive makes of a definition, in the form that is shipped.
///
/// `nullable` goes: fields are left out, not null, as with all of Kubernetes. Lines of documentation are joined, and
/// what words mean is told with their field, for `kubectl explain`.
pub(crate) fn finish(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let versions = &mut definition.spec.versions;
    for version in versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            tidy(schema);
        }
    }
    definition
}

/// What words mean, one on each line.
fn meanings(words: &[JSON]) -> Option<String> {
    let of = |known: &&Words| {
        words
            .iter()
            .map(|word| word.0.as_str())
            .eq(known.iter().map(|(word, _)| Some(*word)))
    };
    let known = words::ALL.iter().find(of)?;
    let lines = known
        .iter()
        .map(|(word, meaning)| format!("- `{word}`:{meaning}"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    let items = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => items.enum_.as_ref(),
        _ => None,
    };
    let meanings = schema.enum_.as_ref().or(items).and_then(|words| meanings(words));
    if let (Some(text), Some(meanings)) = (&mut schema.description, meanings) {
        text.push('\n');
        text.push_str(&meanings);
    }
    for field in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        tidy(field);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}

#[cfg(test)]
mod tests;
