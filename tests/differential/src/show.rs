//! A scenario for people: its objects and its steps as YAML.

use std::fmt::Write as _;

use quaymaster_oracle::generate::{Action, Cluster, Object, Step};
use serde_json::{Map, Value};

use crate::apply::merge_patch;

/// What the harness gives or the apiserver adds, and nobody reads.
const NOISE: [&str; 3] = ["uid", "resourceVersion", "creationTimestamp"];

/// All of it: objects at the start, then steps, which show what they change of an object that is there.
pub(crate) fn scenario(cluster: &Cluster, steps: &[Step]) -> String {
    let mut text = String::new();
    let mut cluster = cluster.clone();
    for object in cluster.objects() {
        text.push_str("---\n");
        yaml(&body(object), 0, &mut text);
    }
    for (index, step) in steps.iter().enumerate() {
        let (what, body) = match &step.action {
            Action::Put(object) => put(cluster.object(&object.key()), object),
            Action::Delete(key) => (format!("delete {} {}", key.kind.name(), key.path()), None),
            Action::EditSlice(edit) => (
                format!(
                    "{:?} of a slice of Service {}/{}",
                    edit.kind, edit.namespace, edit.service
                ),
                None,
            ),
            Action::EditEndpoints(edit) => (
                format!("{:?} of Endpoints {}/{}", edit.kind, edit.namespace, edit.service),
                None,
            ),
            Action::EditCidr(edit) => (format!("{:?} of ServiceCIDR {}", edit.kind, edit.name), None),
        };
        // Writing to a String cannot fail.
        _ = writeln!(text, "--- # step {}: {what} ({:?})", index + 1, step.kind);
        if let Some(body) = body {
            yaml(&body, 0, &mut text);
        }
        cluster.apply(step);
    }
    text
}

/// A creation in full, a change as its merge patch.
fn put(old: Option<&Object>, new: &Object) -> (String, Option<Value>) {
    let path = format!("{} {}", new.kind().name(), new.key().path());
    match old.filter(|old| old.metadata().uid == new.metadata().uid) {
        None => (format!("create {path}"), Some(body(new))),
        Some(old) => {
            let (old, new) = (body(old), body(new));
            (format!("change {path}"), changes(&merge_patch(&old, &new), &old))
        }
    }
}

/// What of a merge patch differs from what is there.
fn changes(patch: &Value, old: &Value) -> Option<Value> {
    let Value::Object(fields) = patch else {
        return (patch != old).then(|| patch.clone());
    };
    let changed = fields.iter().filter_map(|(name, patch)| {
        let old = old.get(name).unwrap_or(&Value::Null);
        Some((name.clone(), changes(patch, old)?))
    });
    let changed: Map<String, Value> = changed.collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}

/// What of an object is for people.
fn body(object: &Object) -> Value {
    let mut value = object.to_json();
    if let Some(metadata) = value["metadata"].as_object_mut() {
        for name in NOISE {
            metadata.remove(name);
        }
    }
    value
}

/// Block style; strings that YAML could take for something else are quoted as in JSON.
fn yaml(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                _ = write!(text, "{margin}{}:", scalar(&Value::String(name.clone())));
                nested(value, indent + 2, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                yaml(item, indent + 2, &mut inner);
                _ = writeln!(text, "{margin}- {}", inner.trim());
            }
        }
        single => _ = writeln!(text, "{margin}{}", scalar(single)),
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if fields.is_empty() => text.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => text.push_str(" []\n"),
        Value::Object(_) | Value::Array(_) => {
            text.push('\n');
            yaml(value, indent, text);
        }
        single => _ = writeln!(text, " {}", scalar(single)),
    }
}

fn scalar(value: &Value) -> String {
    /// Words that are no strings in some version of YAML.
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match value {
        Value::String(word) => {
            let plain = word.starts_with(|c: char| c.is_ascii_alphabetic())
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c))
                && !TAKEN.contains(&word.to_ascii_lowercase().as_str());
            if plain { word.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use quaymaster_oracle::generate::{Size, generate};
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_quotes_what_is_no_plain_word() {
        let value = json!({"a": {"b": [{"name": "http", "port": 80}, {"name": ""}], "c": {}, "d": "true"}, "e": "10.0.0.1", "f": "web"});
        let mut text = String::new();
        yaml(&value, 0, &mut text);
        let wanted = "a:\n  b:\n    - name: http\n      port: 80\n    - name: \"\"\n  c: {}\n  d: \"true\"\ne: \"10.0.0.1\"\nf: web\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_change_shows_what_it_changes_and_a_deletion_its_name() {
        let made = generate(3, Size::Small);
        let text = scenario(&made.cluster, &made.steps);
        assert_eq!(text.matches("--- # step").count(), made.steps.len());
        let ready = text
            .split("--- # ")
            .find(|part| part.contains(": change Pod") && part.contains("(PodReady)"));
        let ready = ready.unwrap();
        assert!(
            ready.contains("Ready") && !ready.contains("containers"),
            "{ready}"
        );
        // Endpoints may name the UID of their target; that of the object itself is the server's.
        assert!(!text.contains("\n  uid:"));
    }
}
