//! Nodes.

use quaymaster_model::NodeRecord;

use crate::{Change, Delta, View, World};

impl World {
    /// A watch or a list told a Node. Nodes are known by name alone: one that was created again is an update.
    pub fn apply_node(&mut self, node: NodeRecord, views: &mut dyn View) {
        let Some(id) = self.nodes.find(&node.name) else {
            let id = self.nodes.insert(node);
            self.nodes.mark_seen(id);
            if let Some(new) = self.nodes.get(id) {
                let change = Change::Added(new);
                views.on(self, &Delta::Node { change });
            }
            return;
        };
        self.nodes.mark_seen(id);
        if self.nodes.get(id) == Some(&node) {
            return;
        }
        let old = self.nodes.replace(id, node);
        if let Some(new) = self.nodes.get(id) {
            let change = Change::Updated { old: &old, new };
            views.on(self, &Delta::Node { change });
        }
    }

    /// A watch told that a Node was deleted.
    pub fn delete_node(&mut self, name: &str, views: &mut dyn View) {
        if let Some(id) = self.nodes.find(name) {
            self.remove_node(id, views);
        }
    }

    pub(super) fn remove_node(&mut self, id: u32, views: &mut dyn View) {
        if let Some(old) = self.nodes.remove(id) {
            let change = Change::Removed(&old);
            views.on(self, &Delta::Node { change });
        }
    }
}
