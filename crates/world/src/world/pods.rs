//! Pods.

use quaymaster_membership::{Moved, PodId};
use quaymaster_model::{ObjectKey, PodRecord, Uid};

use crate::{Change, Delta, View, World};

impl World {
    /// A watch or a list told a Pod. One with another UID than the one held is another Pod: that one is removed
    /// first.
    pub fn apply_pod(&mut self, pod: PodRecord, views: &mut dyn View) {
        if let Some(id) = self.pod_id(&pod.key)
            && let Some(held) = self.pod(id)
        {
            if held.uid == pod.uid {
                let changed = *held != pod;
                self.pods.mark_seen(id.0);
                if changed {
                    self.update_pod(id, pod, views);
                }
                return;
            }
            self.remove_pod(id, views);
        }
        let id = PodId(self.pods.insert(pod));
        self.pods.mark_seen(id.0);
        let Some(new) = self.pods.get(id.0) else { return };
        if let Some(node) = &new.node {
            self.pods_by_node.insert(node.clone(), id.0);
        }
        let moved = self.membership.upsert_pod(id, &new.key.namespace, &new.labels);
        views.on(
            self,
            &Delta::Pod {
                id,
                change: Change::Added(new),
                moved: &moved,
            },
        );
    }

    /// A watch told that a Pod was deleted. The deletion of a former Pod of that name changes nothing.
    pub fn delete_pod(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = self.pod_id(key)
            && self.pod(id).is_some_and(|held| held.uid == *uid)
        {
            self.remove_pod(id, views);
        }
    }

    fn update_pod(&mut self, id: PodId, pod: PodRecord, views: &mut dyn View) {
        let old = self.pods.replace(id.0, pod);
        let Some(new) = self.pods.get(id.0) else { return };
        if old.node != new.node {
            if let Some(node) = &old.node {
                self.pods_by_node.remove(node.as_str(), id.0);
            }
            if let Some(node) = &new.node {
                self.pods_by_node.insert(node.clone(), id.0);
            }
        }
        let moved = self.membership.upsert_pod(id, &new.key.namespace, &new.labels);
        views.on(
            self,
            &Delta::Pod {
                id,
                change: Change::Updated { old: &old, new },
                moved: &moved,
            },
        );
    }

    pub(super) fn remove_pod(&mut self, id: PodId, views: &mut dyn View) {
        let Some(old) = self.pods.remove(id.0) else { return };
        if let Some(node) = &old.node {
            self.pods_by_node.remove(node.as_str(), id.0);
        }
        let moved = Moved::leaving(self.membership.remove_pod(id));
        views.on(
            self,
            &Delta::Pod {
                id,
                change: Change::Removed(&old),
                moved: &moved,
            },
        );
    }
}
