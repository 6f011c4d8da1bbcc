//! What is told goes into the world.

use quaymaster_model::{NodeRecord, PodRecord, ServiceRecord, SliceRecord, Uid};
use quaymaster_watch::{Batch, Item};
use quaymaster_world::{Kind, View, World};

use crate::decoder::Gone;
use crate::feed::Told;

/// How records of a kind go into the world.
trait Observed: Sized {
    const KIND: Kind;
    fn apply(self, world: &mut World, views: &mut dyn View);
    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View);
    /// UID of what is held under that name.
    fn held(gone: &Gone, world: &World) -> Option<Uid>;
}

/// Applies a batch. Returns the kind whose list it completed.
pub(crate) fn apply(told: Told, world: &mut World, views: &mut dyn View) -> Option<Kind> {
    match told {
        Told::Pods(batch) => apply_batch(batch, world, views),
        Told::Services(batch) => apply_batch(batch, world, views),
        Told::Nodes(batch) => apply_batch(batch, world, views),
        Told::Slices(batch) => apply_batch(batch, world, views),
    }
}

fn apply_batch<R: Observed>(batch: Batch<R, Gone>, world: &mut World, views: &mut dyn View) -> Option<Kind> {
    let mut synced = None;
    for item in batch.items {
        match item {
            Item::Restart { history_lost: false } => world.begin(R::KIND),
            Item::Restart { history_lost: true } => world.begin_after_loss(R::KIND),
            Item::Apply(record) => record.apply(world, views),
            Item::Delete(gone) => {
                // Without a UID the deletion can only be of what is held.
                if let Some(uid) = gone.uid.clone().or_else(|| R::held(&gone, world)) {
                    R::delete(&gone, &uid, world, views);
                }
            }
            Item::Unreadable(gone) => world.keep(R::KIND, &gone.key),
            Item::Synced(version) => {
                world.end(R::KIND, &version, views);
                synced = Some(R::KIND);
            }
        }
    }
    synced
}

impl Observed for PodRecord {
    const KIND: Kind = Kind::Pod;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_pod(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_pod(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        world
            .pod_id(&gone.key)
            .and_then(|id| world.pod(id))
            .map(|pod| pod.uid.clone())
    }
}

impl Observed for ServiceRecord {
    const KIND: Kind = Kind::Service;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_service(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_service(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        world
            .service_id(&gone.key)
            .and_then(|id| world.service(id))
            .map(|service| service.uid.clone())
    }
}

impl Observed for NodeRecord {
    const KIND: Kind = Kind::Node;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_node(self, views);
    }

    fn delete(gone: &Gone, _: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_node(&gone.key.name, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        // Nodes are known by name alone.
        world.node(&gone.key.name).map(|_| Uid::new(""))
    }
}

impl Observed for SliceRecord {
    const KIND: Kind = Kind::Slice;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_slice(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_slice(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        world.slice(&gone.key).map(|slice| slice.uid.clone())
    }
}

#[cfg(test)]
mod tests;
