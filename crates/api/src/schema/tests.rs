//! The schemas as they are shipped.

use serde_json::Value;

/// Schemas of all kinds, by name.
fn schemas() -> Vec<(String, Value)> {
    crate::definitions()
        .into_iter()
        .flat_map(|definition| {
            let kind = definition.spec.names.kind.clone();
            definition.spec.versions.into_iter().map(move |version| {
                let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
                (kind.clone(), serde_json::to_value(schema).unwrap())
            })
        })
        .collect()
}

/// Calls for a schema and all below it, with the path of each.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, visit);
    }
    for (suffix, below) in [("[]", "items"), ("{}", "additionalProperties")] {
        if schema[below].is_object() {
            walk(&format!("{path}{suffix}"), &schema[below], visit);
        }
    }
}

/// What has no bound: lists, maps, and text that is not one of some words or a time.
fn unbounded(schema: &Value) -> bool {
    match schema["type"].as_str() {
        Some("array") => schema["maxItems"].is_null(),
        Some("object") => schema["additionalProperties"].is_object() && schema["maxProperties"].is_null(),
        Some("string") => {
            schema["maxLength"].is_null() && schema["enum"].is_null() && schema["format"] != "date-time"
        }
        _ => false,
    }
}

#[test]
fn all_of_a_spec_is_bounded_so_that_rules_may_look_at_it() {
    for (kind, schema) in schemas() {
        let mut found = Vec::new();
        let spec = &schema["properties"]["spec"];
        walk("spec", spec, &mut |path, schema| {
            if unbounded(schema) {
                found.push(path.to_owned());
            }
        });
        assert_eq!(found, [""; 0], "{kind}");
    }
}

#[test]
fn what_has_no_bound_is_noticed() {
    for schema in [
        serde_json::json!({ "type": "string" }),
        serde_json::json!({ "type": "array" }),
        serde_json::json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    ] {
        assert!(unbounded(&schema), "{schema}");
    }
}

#[test]
fn every_field_is_described_and_every_rule_says_what_to_do() {
    for (kind, schema) in schemas() {
        walk("", &schema, &mut |path, schema| {
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let top = path.is_empty() && (name == "spec" || name == "status");
                let description = field["description"].as_str().unwrap_or_default();
                assert!(
                    top || !description.is_empty(),
                    "{kind}{path}.{name} has no description"
                );
                assert!(!description.contains("[`"), "{kind}{path}.{name}: {description}");
            }
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                assert!(rule["message"].is_string(), "{kind}{path}: {rule}");
            }
        });
    }
}

#[test]
fn every_word_is_explained_with_its_field() {
    for (kind, schema) in schemas() {
        walk("", &schema, &mut |path, schema| {
            let words = [&schema["enum"], &schema["items"]["enum"]];
            let words: Vec<&str> = words
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let known_elsewhere = [".operator", "conditions[].status", "[]"];
            if known_elsewhere.iter().any(|end| path.ends_with(end)) {
                return;
            }
            let description = schema["description"].as_str().unwrap_or_default();
            for word in words {
                assert!(
                    description.contains(&format!("\n- `{word}`: ")),
                    "{kind}{path}: {description}"
                );
            }
        });
    }
}

#[test]
fn lists_say_how_they_are_merged() {
    for (kind, schema) in schemas() {
        walk("", &schema, &mut |path, schema| {
            if schema["type"] == "array" {
                assert!(schema["x-kubernetes-list-type"].is_string(), "{kind}{path}");
            }
        });
    }
}

#[test]
fn nothing_of_load_balancers_and_no_unknown_word_is_offered() {
    for (kind, schema) in schemas() {
        walk("", &schema, &mut |path, schema| {
            let words: Vec<&str> = schema["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let conditions = path.ends_with("conditions[].status");
            assert!(conditions || !words.contains(&"Unknown"), "{kind}{path}");
            assert!(!path.to_lowercase().contains("loadbalancer"), "{kind}{path}");
            if path == ".spec.usage" {
                assert_eq!(words, ["ClusterIP"]);
                assert_eq!(schema["x-kubernetes-validations"][0]["rule"], "self == oldSelf");
            }
        });
    }
}
