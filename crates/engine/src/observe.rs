//! What is told goes into the world.

use quaymaster_watch::{Batch, Item};
use quaymaster_world::{Kind, View, World};

use crate::feed::Tell;
use crate::kinds::Known;

impl<R: Known> Tell for Batch<R> {
    fn apply(self: Box<Self>, world: &mut World, views: &mut dyn View) -> Option<Kind> {
        let mut synced = None;
        for item in self.items {
            match item {
                Item::Restart { history_lost: false } => world.begin(R::KIND),
                Item::Restart { history_lost: true } => world.begin_after_loss(R::KIND),
                Item::Apply(record) => record.apply(world, views),
                Item::Delete(gone) => R::delete(&gone, world, views),
                Item::Unreadable(key) => world.keep(R::KIND, &key),
                Item::Absent => {
                    world.absent(R::KIND, views);
                    synced = Some(R::KIND);
                }
                Item::Synced(version) => {
                    world.end(R::KIND, &version, views);
                    synced = Some(R::KIND);
                }
            }
        }
        synced
    }
}

#[cfg(test)]
mod tests;
