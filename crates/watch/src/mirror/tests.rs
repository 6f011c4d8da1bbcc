use super::*;

const RESTART: Item<Named, &str> = Item::Restart { history_lost: false };

type Named = (&'static str, u32);

struct Story {
    mirror: Mirror<&'static str, Named>,
    generation: Generation,
}

impl Story {
    fn new() -> Self {
        Self {
            mirror: Mirror::default(),
            generation: Generation::default(),
        }
    }

    fn tell(&mut self, items: Vec<Item<Named, &'static str>>) -> Vec<(&'static str, bool)> {
        if matches!(items.first(), Some(Item::Restart { .. })) {
            self.generation = self.generation.next();
        }
        let mut deltas = Vec::new();
        let batch = Batch {
            generation: self.generation,
            items,
        };
        self.mirror.apply(batch, |record| record.0, &mut deltas);
        let mut told: Vec<_> = deltas
            .into_iter()
            .map(|delta| (delta.key, delta.exists))
            .collect();
        told.sort_unstable();
        told
    }

    fn held(&self) -> Vec<Named> {
        let mut held: Vec<Named> = self.mirror.iter().map(|(_, record)| *record).collect();
        held.sort_unstable();
        held
    }
}

#[test]
fn what_a_complete_list_does_not_name_is_reported_as_deleted() {
    let mut story = Story::new();
    story.tell(vec![
        RESTART,
        Item::Apply(("a", 1)),
        Item::Apply(("b", 1)),
        Item::Synced(quaymaster_model::ResourceVersion::new("1")),
    ]);
    assert_eq!(story.tell(vec![RESTART, Item::Apply(("b", 2))]), [("b", true)]);
    assert_eq!(
        story.held(),
        [("a", 1), ("b", 2)],
        "nothing is forgotten before the list is complete"
    );
    assert_eq!(
        story.tell(vec![Item::Synced(quaymaster_model::ResourceVersion::new("1"))]),
        [("a", false)]
    );
    assert_eq!(story.held(), [("b", 2)]);
}

#[test]
fn an_object_added_after_the_sync_survives_the_next_sweep_only_if_listed_again() {
    let mut story = Story::new();
    story.tell(vec![
        RESTART,
        Item::Synced(quaymaster_model::ResourceVersion::new("1")),
    ]);
    story.tell(vec![Item::Apply(("late", 1)), Item::Apply(("gone", 1))]);
    assert_eq!(
        story.tell(vec![
            RESTART,
            Item::Apply(("late", 1)),
            Item::Synced(quaymaster_model::ResourceVersion::new("1"))
        ]),
        [("gone", false), ("late", true)]
    );
}

#[test]
fn what_only_a_broken_list_named_does_not_stay() {
    let mut story = Story::new();
    story.tell(vec![RESTART, Item::Apply(("ghost", 1))]);
    assert!(!story.mirror.has_synced());
    assert_eq!(
        story.tell(vec![
            RESTART,
            Item::Apply(("a", 1)),
            Item::Synced(quaymaster_model::ResourceVersion::new("1"))
        ]),
        [("a", true), ("ghost", false)]
    );
    assert!(story.mirror.has_synced());
    assert_eq!(story.held(), [("a", 1)]);
}

#[test]
fn an_unreadable_object_keeps_its_last_readable_state() {
    let mut story = Story::new();
    story.tell(vec![
        RESTART,
        Item::Apply(("a", 1)),
        Item::Apply(("b", 1)),
        Item::Synced(quaymaster_model::ResourceVersion::new("1")),
    ]);
    assert_eq!(
        story.tell(vec![
            RESTART,
            Item::Unreadable("a"),
            Item::Synced(quaymaster_model::ResourceVersion::new("1"))
        ]),
        [("b", false)]
    );
    assert_eq!(story.held(), [("a", 1)]);
}

#[test]
fn a_deletion_is_reported_once_with_the_last_state() {
    let mut story = Story::new();
    story.tell(vec![
        RESTART,
        Item::Apply(("a", 1)),
        Item::Synced(quaymaster_model::ResourceVersion::new("1")),
    ]);
    let mut deltas = Vec::new();
    let items = vec![Item::Delete("a"), Item::Delete("a")];
    story.mirror.apply(
        Batch {
            generation: story.generation,
            items,
        },
        |record| record.0,
        &mut deltas,
    );
    assert_eq!(
        deltas,
        [Delta {
            key: "a",
            old: Some(("a", 1)),
            exists: false
        }]
    );
    assert!(story.mirror.is_empty());
}

#[test]
fn synced_stays_true_while_a_later_list_is_under_way() {
    let mut relist = Relist::default();
    assert!(!relist.has_synced());
    relist.restart(Generation::default().next());
    let _ = relist.synced();
    relist.restart(relist.mark().next());
    assert!(relist.has_synced() && relist.is_listing());
}
