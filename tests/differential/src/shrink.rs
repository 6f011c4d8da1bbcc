//! The smallest part of a scenario that still shows a difference.
//!
//! What may be left out are nodes, Services and Pods of the start, and steps: each step holds all it needs. Parts are
//! tried many side by side, since a run costs the same whether it holds one or twenty.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use quaymaster_oracle::generate::{Action, Key, Kind, Scenario};

/// Part of a scenario that may be left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    /// An object of the start.
    Object(Key),
    /// By its place among all steps.
    Step(usize),
}

/// Everything of a scenario.
pub(crate) fn units(scenario: &Scenario) -> Vec<Unit> {
    let objects = scenario.cluster.keys().cloned().map(Unit::Object);
    let steps = (0..scenario.steps.len()).map(Unit::Step);
    objects.chain(steps).collect()
}

/// What may have to do with some Services, by `namespace/name`, or ServiceCIDRs, by name: all but what is of other Services
/// or in other namespaces.
pub(crate) fn concerning(scenario: &Scenario, owners: &[String]) -> Vec<Unit> {
    let namespaces: BTreeSet<&str> = owners
        .iter()
        .filter_map(|owner| owner.split_once('/'))
        .map(|(namespace, _)| namespace)
        .collect();
    // Services hold ServiceCIDRs by their addresses.
    let cidrs = owners.iter().any(|owner| !owner.contains('/'));
    let of_object = |key: &Key| match key.kind {
        Kind::Service => cidrs || owners.contains(&key.path()),
        Kind::Endpoints => owners.contains(&key.path()),
        Kind::ServiceCIDR | Kind::IPAddress => cidrs,
        Kind::Node | Kind::EndpointSlice | Kind::Pod => {
            key.namespace.is_empty() || namespaces.contains(key.namespace.as_str())
        }
    };
    let of_service = |namespace: &str, service: &str| owners.contains(&format!("{namespace}/{service}"));
    let concerns = |unit: &Unit| match unit {
        Unit::Object(key) => of_object(key),
        Unit::Step(index) => match &scenario.steps[*index].action {
            Action::Put(object) => of_object(&object.key()),
            Action::Delete(key) => of_object(key),
            Action::EditSlice(edit) => of_service(&edit.namespace, &edit.service),
            Action::EditEndpoints(edit) => of_service(&edit.namespace, &edit.service),
            Action::EditCidr(_) => cidrs,
        },
    };
    units(scenario).into_iter().filter(concerns).collect()
}

/// The scenario with nothing but these parts.
pub(crate) fn only(scenario: &Scenario, units: &[Unit]) -> Scenario {
    let kept: BTreeSet<&Unit> = units.iter().collect();
    let mut part = scenario.clone();
    part.cluster
        .retain(|object| kept.contains(&Unit::Object(object.key())));
    let mut index = 0..;
    part.steps.retain(|_| {
        index
            .next()
            .is_some_and(|index| kept.contains(&Unit::Step(index)))
    });
    part
}

/// A search by delta debugging (Zeller and Hildebrandt, 2002) that asks for many answers at once.
#[derive(Debug)]
pub(crate) struct Search<T> {
    /// The smallest that is known to show it.
    best: Option<Vec<T>>,
    /// Without all that could be left out one by one: likely, and not known.
    guess: Option<Vec<T>>,
    /// Into how many pieces what is left is cut.
    pieces: usize,
    asked: Vec<Vec<T>>,
    done: bool,
}

impl<T: Clone + PartialEq> Search<T> {
    /// Most candidates at once, but for the guess.
    const WIDTH: usize = 24;

    /// Begins with these candidates, of which the smallest that shows it is taken.
    pub(crate) fn new(first: Vec<Vec<T>>) -> Self {
        Self {
            best: None,
            guess: None,
            pieces: 8,
            asked: first,
            done: false,
        }
    }

    /// The smallest known to show it.
    pub(crate) fn best(&self) -> Option<&[T]> {
        self.best.as_deref()
    }

    /// What to try next; empty at the end.
    pub(crate) fn candidates(&mut self) -> Vec<Vec<T>> {
        if self.done {
            return Vec::new();
        }
        if let Some(base) = self.guess.as_ref().or(self.best.as_ref()) {
            self.asked = self.guess.iter().cloned().collect();
            self.asked.extend(without_each(base, self.pieces));
        }
        self.asked.clone()
    }

    /// Which of the candidates showed it, in their order.
    pub(crate) fn answer(&mut self, shows: &[bool]) {
        let asked = std::mem::take(&mut self.asked);
        let showing = asked.iter().zip(shows).filter(|(_, it_does)| **it_does);
        let smallest = showing
            .map(|(candidate, _)| candidate)
            .min_by_key(|one| one.len());
        let Some(before) = self.best.clone() else {
            self.done = smallest.is_none();
            self.best = smallest.cloned();
            return;
        };
        if let Some(smallest) = smallest {
            self.best = Some(smallest.clone());
        }
        let guessed = self.guess.take();
        if guessed.is_some() && shows.first() == Some(&false) {
            return;
        }
        let base = guessed.clone().unwrap_or(before);
        let pieces = asked.iter().zip(shows).skip(usize::from(guessed.is_some()));
        let removable: Vec<&Vec<T>> = pieces.filter(|(_, shows)| **shows).map(|(one, _)| one).collect();
        match removable.as_slice() {
            [] if self.pieces >= base.len().min(Self::WIDTH) => self.done = true,
            [] => self.pieces *= 2,
            [_] => {}
            several => {
                let mut all = base;
                all.retain(|part| several.iter().all(|one| one.contains(part)));
                self.guess = Some(all);
            }
        }
    }
}

/// The whole without each of so many equal pieces of it.
fn without_each<T: Clone>(whole: &[T], pieces: usize) -> Vec<Vec<T>> {
    let size = whole.len().div_ceil(pieces.max(1)).max(1);
    let starts = (0..whole.len()).step_by(size);
    starts
        .map(|start| {
            let end = (start + size).min(whole.len());
            [&whole[..start], &whole[end..]].concat()
        })
        .collect()
}
