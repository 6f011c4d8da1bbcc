//! Where the API has a kind.

use quaymaster_model::ObjectKey;
use quaymaster_runtime::api::Verb;
use quaymaster_watch::Source;

use crate::controller::Part;

/// Where the API has a kind, and what is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version of the group.
    pub version: &'static str,
    /// Plural name, as RBAC and metrics have it.
    pub name: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Field selector of what is read; empty for everything.
    pub(crate) fields: &'static str,
    /// Whether a cluster need not have it: that of a custom resource is not installed everywhere. What reads it starts all
    /// the same, with none of its objects, and is told of them when there are some.
    pub optional: bool,
}

impl Resource {
    /// The name with the group, where there is one: `endpointslices.discovery.k8s.io`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.name, self.group)
        }
    }

    fn base(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    /// What is listed and watched: all namespaces.
    pub(crate) fn source(&self) -> Source {
        let mut source = Source::new(self.qualified(), format!("{}/{}", self.base(), self.name));
        if !self.fields.is_empty() {
            source = source.fields(self.fields);
        }
        if self.optional {
            source = source.optional();
        }
        source
    }

    /// Path of a call for one object: that of its collection for a create, its own or that of its part else. `manager` is
    /// who is to own the fields that are set, and takes them from whoever has them.
    pub(crate) fn path(&self, verb: Verb, part: Part, object: &ObjectKey, manager: Option<&str>) -> String {
        let Self { name, namespaced, .. } = *self;
        let base = self.base();
        let collection = if namespaced {
            format!("{base}/namespaces/{}/{name}", object.namespace)
        } else {
            format!("{base}/{name}")
        };
        let path = match part {
            _ if verb == Verb::Create => collection,
            Part::Object => format!("{collection}/{}", object.name),
            Part::Status => format!("{collection}/{}/status", object.name),
        };
        match manager {
            Some(manager) => format!("{path}?fieldManager={manager}&force=true"),
            None => path,
        }
    }
}
