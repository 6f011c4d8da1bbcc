//! What of the `MutatingWebhookConfiguration` is ours, and what has to change of it.
//!
//! Ours are `rules`, the `matchConditions` whose names begin with `quaymaster-`, `sideEffects`, `admissionReviewVersions`,
//! `reinvocationPolicy`, and `clientConfig.caBundle` where the authority is ours. All else is whoever's installed it:
//! `failurePolicy`, `timeoutSeconds`, the selectors, where the webhook is, and conditions of other names.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::conditions::Asks;

/// Names of conditions that are ours begin so.
const OURS: &str = "quaymaster-";

/// What its webhooks are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which requests are asked about; none as long as that is not known: then what is there stays.
    pub asks: Option<Asks>,
    /// The authorities that signed what is served, in base64; none where they are not ours.
    pub bundle: Option<String>,
}

impl Wanted {
    /// The webhooks as they are to be, if that is not what they are.
    pub fn corrected(&self, webhooks: &[Value]) -> Option<Vec<Value>> {
        let corrected: Vec<Value> = webhooks.iter().map(|one| self.of(one)).collect();
        (corrected != webhooks).then_some(corrected)
    }

    /// Whether all of them trust the authorities.
    pub fn is_trusted_by(&self, webhooks: &[Value]) -> bool {
        let trusts = |webhook: &Value| {
            let bundle = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str);
            bundle == self.bundle.as_deref()
        };
        !webhooks.is_empty() && webhooks.iter().all(trusts)
    }

    fn of(&self, webhook: &Value) -> Value {
        let mut webhook = webhook.clone();
        let Some(fields) = webhook.as_object_mut() else {
            return webhook;
        };
        fields.insert("rules".to_owned(), rules());
        fields.insert("admissionReviewVersions".to_owned(), json!(["v1"]));
        // Others may change a Service after us, so that it lacks a value after all.
        fields.insert("reinvocationPolicy".to_owned(), json!("IfNeeded"));
        let has_effects = |effects: &Value| matches!(effects.as_str(), Some("None" | "NoneOnDryRun"));
        if !fields.get("sideEffects").is_some_and(has_effects) {
            fields.insert("sideEffects".to_owned(), json!("NoneOnDryRun"));
        }
        if let Some(bundle) = &self.bundle {
            let client = fields.entry("clientConfig").or_insert_with(|| json!({}));
            if let Some(client) = client.as_object_mut() {
                client.insert("caBundle".to_owned(), json!(bundle));
            }
        }
        self.set_conditions(fields);
        webhook
    }

    fn set_conditions(&self, fields: &mut Map<String, Value>) {
        let none = Vec::new();
        let there = fields.get("matchConditions").and_then(Value::as_array);
        let is_ours = |condition: &&Value| {
            let name = condition.get("name").and_then(Value::as_str);
            name.is_some_and(|name| name.starts_with(OURS))
        };
        let there = there.unwrap_or(&none);
        let ours = match &self.asks {
            Some(asks) => asks.conditions(),
            None if there.iter().any(|condition| is_ours(&condition)) => return,
            // Nobody knows yet what there is to look at: all of it.
            None => Asks::all().conditions(),
        };
        let others = there.iter().filter(|condition| !is_ours(condition)).cloned();
        let conditions: Vec<Value> = ours.into_iter().chain(others).collect();
        fields.insert("matchConditions".to_owned(), Value::from(conditions));
    }
}

impl Asks {
    /// Asks about all that may have to be looked at.
    fn all() -> Self {
        Self {
            exempt: Vec::new(),
            both_families: true,
            explicit: true,
        }
    }
}

fn rules() -> Value {
    json!([{
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["services"],
        "scope": "Namespaced",
    }])
}
