//! Namespaces.

use quaymaster_model::NamespaceRecord;

use crate::{Change, Delta, View, World};

impl World {
    /// A watch or a list told a Namespace. Namespaces are known by name alone: one that was created again is an update.
    pub fn apply_namespace(&mut self, namespace: NamespaceRecord, views: &mut dyn View) {
        let Some(id) = self.namespaces.find(&namespace.name) else {
            let id = self.namespaces.insert(namespace);
            self.namespaces.mark_seen(id);
            if let Some(new) = self.namespaces.get(id) {
                let change = Change::Added(new);
                views.on(self, &Delta::Namespace { change });
            }
            return;
        };
        self.namespaces.mark_seen(id);
        if self.namespaces.get(id) == Some(&namespace) {
            return;
        }
        let old = self.namespaces.replace(id, namespace);
        if let Some(new) = self.namespaces.get(id) {
            let change = Change::Updated { old: &old, new };
            views.on(self, &Delta::Namespace { change });
        }
    }

    /// A watch told that a Namespace was deleted.
    pub fn delete_namespace(&mut self, name: &str, views: &mut dyn View) {
        if let Some(id) = self.namespaces.find(name) {
            self.remove_namespace(id, views);
        }
    }

    pub(super) fn remove_namespace(&mut self, id: u32, views: &mut dyn View) {
        if let Some(old) = self.namespaces.remove(id) {
            let change = Change::Removed(&old);
            views.on(self, &Delta::Namespace { change });
        }
    }
}
