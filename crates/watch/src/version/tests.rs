use super::*;

#[test]
fn a_version_is_sent_back_exactly_as_it_came() {
    for text in [
        "1",
        "1042",
        "18446744073709551615",
        "18446744073709551616",
        "007",
        "+7",
        "abc",
        "12a",
    ] {
        assert_eq!(ResourceVersion::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn empty_and_zero_are_no_place_to_resume_from() {
    assert_eq!(ResourceVersion::parse(""), None);
    assert_eq!(ResourceVersion::parse("0"), None);
}

#[test]
fn numbers_compare_as_numbers_and_other_text_only_for_equality() {
    let version = |text| ResourceVersion::parse(text).unwrap();
    assert_eq!(version("9").compare(&version("10")), Some(Ordering::Less));
    assert_eq!(version("x").compare(&version("x")), Some(Ordering::Equal));
    assert_eq!(version("x").compare(&version("10")), None);
}
