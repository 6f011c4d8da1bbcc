//! Services.

use quaymaster_membership::ServiceId;
use quaymaster_model::{ObjectKey, ServiceRecord, Uid};

use crate::{Change, Delta, View, World};

impl World {
    /// A watch or a list told a Service. One with another UID than the one held is another Service: that one is
    /// removed first.
    pub fn apply_service(&mut self, service: ServiceRecord, views: &mut dyn View) {
        if let Some(id) = self.service_id(&service.key)
            && let Some(held) = self.service(id)
        {
            if held.uid == service.uid {
                let changed = *held != service;
                self.services.mark_seen(id.0);
                if changed {
                    self.update_service(id, service, views);
                }
                return;
            }
            self.remove_service(id, views);
        }
        let id = ServiceId(self.services.insert(service));
        self.services.mark_seen(id.0);
        let Some(new) = self.services.get(id.0) else {
            return;
        };
        self.membership
            .upsert_service(id, &new.key.namespace, new.selector.as_ref());
        views.on(
            self,
            &Delta::Service {
                id,
                change: Change::Added(new),
            },
        );
    }

    /// A watch told that a Service was deleted. The deletion of a former Service of that name changes nothing.
    pub fn delete_service(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = self.service_id(key)
            && self.service(id).is_some_and(|held| held.uid == *uid)
        {
            self.remove_service(id, views);
        }
    }

    fn update_service(&mut self, id: ServiceId, service: ServiceRecord, views: &mut dyn View) {
        let old = self.services.replace(id.0, service);
        let Some(new) = self.services.get(id.0) else {
            return;
        };
        self.membership
            .upsert_service(id, &new.key.namespace, new.selector.as_ref());
        views.on(
            self,
            &Delta::Service {
                id,
                change: Change::Updated { old: &old, new },
            },
        );
    }

    pub(super) fn remove_service(&mut self, id: ServiceId, views: &mut dyn View) {
        let Some(old) = self.services.remove(id.0) else {
            return;
        };
        self.membership.remove_service(id);
        views.on(
            self,
            &Delta::Service {
                id,
                change: Change::Removed(&old),
            },
        );
    }
}
