//! A small store that is kept level by a watch, and the changes that it makes of what it is told.

use std::collections::HashMap;

use quaymaster_model::ObjectKey;
use quaymaster_watch::{Batch, Item};

use crate::records::Record;

/// What the server holds, as far as the watch has told.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    records: HashMap<String, Held>,
    /// Counts the lists: what bears another number at the end of one was not in it.
    list: u32,
    synced: bool,
}

#[derive(Debug)]
struct Held {
    record: Record,
    seen: u32,
}

impl Mirror {
    /// Takes a batch. Returns what changed: `+name` of what is there now, `-name` of what is gone, each deletion once,
    /// whether the watch told it or a list left the object out.
    pub(crate) fn apply(&mut self, batch: Batch<Record>) -> Vec<String> {
        let mut changes = Vec::new();
        for item in batch.items {
            match item {
                Item::Restart { .. } => self.list += 1,
                Item::Apply(record) => {
                    changes.push(format!("+{}", record.name));
                    let (name, seen) = (record.name.clone(), self.list);
                    self.records.insert(name, Held { record, seen });
                }
                Item::Delete(gone) => {
                    let name = gone.key.name.to_string();
                    changes.extend(self.records.remove(&name).map(|_| format!("-{name}")));
                }
                Item::Unreadable(ObjectKey { name, .. }) => {
                    if let Some(held) = self.records.get_mut(name.as_str()) {
                        held.seen = self.list;
                    }
                }
                Item::Absent => {
                    self.synced = true;
                    let mut gone: Vec<String> =
                        self.records.drain().map(|(name, _)| format!("-{name}")).collect();
                    gone.sort_unstable();
                    changes.extend(gone);
                }
                Item::Synced(_) => {
                    self.synced = true;
                    let list = self.list;
                    let gone = self.records.extract_if(|_, held| held.seen != list);
                    changes.extend(gone.map(|(name, _)| format!("-{name}")));
                }
            }
        }
        changes
    }

    /// The object of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Record> {
        self.records.get(name).map(|held| &held.record)
    }

    /// Names of all objects, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.records.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether a list was completed at least once.
    pub(crate) fn has_synced(&self) -> bool {
        self.synced
    }
}
