use super::*;

#[test]
fn equal_texts_share_one_allocation() {
    let interner = Interner::new();
    assert!(interner.text("default").same(&interner.text("default")));
    assert_eq!(interner.sizes().texts, 1);
}

#[test]
fn texts_of_different_interners_are_equal_by_content() {
    assert_eq!(Interner::new().text("a"), Interner::new().text("a"));
    assert_ne!(Interner::new().text("a"), Interner::new().text("b"));
}

#[test]
fn a_value_that_nothing_refers_to_is_forgotten_by_a_sweep() {
    let interner = Interner::new();
    let kept = interner.text("kept");
    drop(interner.text("dropped"));
    interner.sweep();
    assert_eq!(interner.sizes().texts, 1);
    assert!(kept.same(&interner.text("kept")));
}

#[test]
fn a_sweep_frees_the_strings_of_a_dropped_label_set() {
    let interner = Interner::new();
    let labels = LabelSet::new([(interner.text("app"), interner.text("a"))]);
    let shared = interner.labels(labels);
    drop(shared);
    interner.sweep();
    assert_eq!(
        interner.sizes(),
        InternerSizes {
            texts: 0,
            label_sets: 0,
            container_ports: 0,
            port_sets: 0
        }
    );
}

#[test]
fn tables_stay_bounded_under_unique_values_without_any_call_to_sweep() {
    let interner = Interner::new();
    let live: Vec<Text> = (0..100).map(|n| interner.text(&format!("live-{n}"))).collect();
    for n in 0..100_000 {
        drop(interner.text(&format!("job-{n}")));
    }
    assert!(interner.sizes().texts <= SWEEP_MINIMUM, "{:?}", interner.sizes());
    assert!(live.iter().all(|text| interner.text(text).same(text)));
}
