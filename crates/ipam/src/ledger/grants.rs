//! What was handed out to Services that are not seen yet.

use std::time::Instant;

use quaymaster_model::ObjectKey;

use super::known::Pending;
use super::{Grant, Ledger, Owner, PENDING};
use crate::Value;

impl Ledger {
    /// Values are handed out: nobody else gets them before their time is over.
    pub fn grant(&mut self, owner: &Owner, grants: &[Grant], now: Instant) {
        let until = now + PENDING;
        for grant in grants {
            let known = self.values.entry(grant.value).or_default();
            known.pending = Some(Pending {
                owner: owner.clone(),
                until,
                own: true,
            });
            self.deadlines.push_back((until, grant.value));
            self.judge(grant.value);
            if let Some(pool) = self.pool_of(grant.value) {
                self.pools[pool].parts[grant.value.class as usize].gave(grant.value.number);
            }
        }
        if let Owner::Named(key) = owner {
            let granted = self.granted.entry(key.clone()).or_default();
            granted.retain(|old| grants.iter().all(|new| new.value != old.value));
            granted.extend_from_slice(grants);
        }
    }

    /// Another replica is about to give a value: nobody gets it here before its time is over.
    pub fn set_claimed(&mut self, value: Value, owner: Owner, now: Instant) {
        let known = self.values.entry(value).or_default();
        let by_another = known.pending.as_ref().is_none_or(|pending| !pending.own);
        if known.users.is_empty() && by_another {
            let until = now + PENDING;
            known.pending = Some(Pending {
                owner,
                until,
                own: false,
            });
            self.deadlines.push_back((until, value));
        }
        self.judge(value);
    }

    /// What another replica has claimed is given back.
    pub fn set_unclaimed(&mut self, value: Value) {
        let pending = self.values.get(&value).and_then(|known| known.pending.as_ref());
        if pending.is_some_and(|pending| !pending.own) {
            self.forget_grant(value);
            self.judge(value);
        }
    }

    /// What was handed out to this owner is not going to be used, and is free at once.
    pub fn take_back(&mut self, value: Value, owner: &Owner) {
        let pending = self.values.get(&value).and_then(|known| known.pending.as_ref());
        if pending.is_some_and(|pending| pending.own && pending.owner == *owner) {
            self.forget_grant(value);
            self.judge(value);
        }
    }

    /// What was handed out to a Service of this name and is still kept for it.
    pub fn granted(&self, key: &ObjectKey) -> &[Grant] {
        self.granted.get(key).map_or(&[], Vec::as_slice)
    }

    /// The Service was seen: what was handed out to it is its own by now, or nobody's.
    pub(super) fn withdraw(&mut self, key: &ObjectKey) {
        for grant in self.granted.remove(key).unwrap_or_default() {
            let Some(known) = self.values.get_mut(&grant.value) else {
                continue;
            };
            let of_it = |pending: &mut Pending| matches!(&pending.owner, Owner::Named(owner) if owner == key);
            if known.pending.take_if(of_it).is_some() {
                self.judge(grant.value);
            }
        }
    }

    /// A value waits for nobody any more.
    pub(super) fn forget_grant(&mut self, value: Value) {
        let pending = self.values.get_mut(&value).and_then(|known| known.pending.take());
        let Some(Pending {
            owner: Owner::Named(key),
            ..
        }) = pending
        else {
            return;
        };
        if let Some(granted) = self.granted.get_mut(&key) {
            granted.retain(|grant| grant.value != value);
            if granted.is_empty() {
                self.granted.remove(&key);
            }
        }
    }
}
