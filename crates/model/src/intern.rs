//! Sharing of equal values between records.
//!
//! The Pods of one workload carry equal labels, ports and node names. Each distinct value is held once and shared
//! by reference count; [`Interner::sweep`] drops what no record refers to any more, so that labels which are unique
//! to a Pod (`statefulset.kubernetes.io/pod-name`, job indexes) do not pile up for ever.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::labels::LabelSet;
use crate::pod::ContainerPort;
use crate::port::PortSet;

/// A shared, immutable value.
///
/// Equality is by content, with a fast path for values that came from the same [`Interner`]; two interners, or
/// none at all, therefore never change a result, only the memory used.
pub struct Interned<T: ?Sized>(Arc<T>);

/// A shared string: namespaces, names, label keys and values, node and port names.
pub type Text = Interned<str>;

impl<T: ?Sized> Interned<T> {
    /// Whether both are the very same allocation, which implies equality. Different allocations may still be equal.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Text {
    /// A string that no interner knows of. For tests and for values that are used once.
    pub fn new(value: &str) -> Self {
        Self(Arc::from(value))
    }

    /// The string itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> Interned<T> {
    /// A value that no interner knows of. For tests and for values that are used once.
    pub fn from_value(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Interned<[T]> {
    /// A list that no interner knows of. For tests and for values that are used once.
    pub fn from_list(value: Vec<T>) -> Self {
        Self(Arc::from(value))
    }
}

impl<T: ?Sized> Clone for Interned<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Interned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> AsRef<T> for Interned<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Borrow<T> for Interned<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Interned<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: ?Sized + Eq> Eq for Interned<T> {}

impl<T: ?Sized + PartialOrd> PartialOrd for Interned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl<T: ?Sized + Ord> Ord for Interned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            std::cmp::Ordering::Equal
        } else {
            self.0.cmp(&other.0)
        }
    }
}

impl<T: ?Sized + Hash> Hash for Interned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Interned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Interned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// One table of distinct values.
struct Table<T: ?Sized> {
    entries: Mutex<Entries<T>>,
    hasher: DefaultHashBuilder,
}

struct Entries<T: ?Sized> {
    table: HashTable<Arc<T>>,
    /// Size at which the next insertion sweeps first. Doubling keeps the cost of sweeping constant per insertion.
    sweep_at: usize,
}

/// Below this size a table is never swept: the walk would cost more than the few values it frees.
const SWEEP_MINIMUM: usize = 1024;

impl<T: ?Sized + Eq + Hash> Table<T> {
    fn new() -> Self {
        Self {
            entries: Mutex::new(Entries {
                table: HashTable::new(),
                sweep_at: SWEEP_MINIMUM,
            }),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        // A panic while the lock was held cannot leave a table half-changed in a way that matters: entries are
        // inserted and removed whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn intern<Q>(&self, value: Q) -> Interned<T>
    where
        Q: Borrow<T> + Into<Arc<T>>,
    {
        let hash = self.hasher.hash_one(value.borrow());
        let mut entries = self.lock();
        if let Some(found) = entries.table.find(hash, |entry| **entry == *value.borrow()) {
            return Interned(Arc::clone(found));
        }
        if entries.table.len() >= entries.sweep_at {
            entries.sweep();
        }
        let entry: Arc<T> = value.into();
        entries
            .table
            .insert_unique(hash, Arc::clone(&entry), |entry| self.hasher.hash_one(&**entry));
        Interned(entry)
    }
}

impl<T: ?Sized> Entries<T> {
    fn sweep(&mut self) {
        self.table.retain(|entry| Arc::strong_count(entry) > 1);
        self.sweep_at = (self.table.len() * 2).max(SWEEP_MINIMUM);
    }
}

/// The tables of all shared values of a process.
///
/// May be used from several decoding tasks at once; each call holds one short lock.
pub struct Interner {
    texts: Table<str>,
    labels: Table<LabelSet>,
    container_ports: Table<[ContainerPort]>,
    port_sets: Table<PortSet>,
}

/// How many distinct values each table holds; shown as metrics, since a table that only grows is a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternerSizes {
    /// Strings.
    pub texts: usize,
    /// Label sets.
    pub label_sets: usize,
    /// Lists of container ports.
    pub container_ports: usize,
    /// Port lists of slices.
    pub port_sets: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Self::new()
    }
}

impl Interner {
    /// Empty tables.
    pub fn new() -> Self {
        Self {
            texts: Table::new(),
            labels: Table::new(),
            container_ports: Table::new(),
            port_sets: Table::new(),
        }
    }

    /// The shared form of a string.
    pub fn text(&self, value: &str) -> Text {
        self.texts.intern(value)
    }

    /// The shared form of a label set.
    pub fn labels(&self, value: LabelSet) -> Interned<LabelSet> {
        self.labels.intern(value)
    }

    /// The shared form of the container ports of a Pod.
    pub fn container_ports(&self, value: Vec<ContainerPort>) -> Interned<[ContainerPort]> {
        self.container_ports.intern(value)
    }

    /// The shared form of the ports of a slice.
    pub fn port_set(&self, value: PortSet) -> Interned<PortSet> {
        self.port_sets.intern(value)
    }

    /// Forgets all values that nothing refers to. Cost follows the size of the tables: for a relist or a timer,
    /// not for an event. Tables also sweep themselves each time they have doubled.
    pub fn sweep(&self) {
        // Label sets and port lists hold strings, so they go first.
        self.labels.lock().sweep();
        self.container_ports.lock().sweep();
        self.port_sets.lock().sweep();
        self.texts.lock().sweep();
    }

    /// Current sizes.
    pub fn sizes(&self) -> InternerSizes {
        InternerSizes {
            texts: self.texts.lock().table.len(),
            label_sets: self.labels.lock().table.len(),
            container_ports: self.container_ports.lock().table.len(),
            port_sets: self.port_sets.lock().table.len(),
        }
    }
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sizes().fmt(f)
    }
}

#[cfg(test)]
mod tests;
