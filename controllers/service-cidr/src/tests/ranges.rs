use crate::ranges::gives;

#[test]
fn the_first_address_of_a_range_is_given_to_nobody_and_of_ipv4_neither_is_the_last() {
    for (range, address, given) in [
        ("10.0.0.0/24", "10.0.0.1", true),
        ("10.0.0.0/24", "10.0.0.254", true),
        ("10.0.0.0/24", "10.0.0.0", false),
        ("10.0.0.0/24", "10.0.0.255", false),
        ("10.0.0.0/24", "10.0.1.1", false),
        ("10.0.0.0/23", "10.0.0.255", true),
        ("2001:db8::/120", "2001:db8::", false),
        ("2001:db8::/120", "2001:db8::1", true),
        ("2001:db8::/120", "2001:db8::ff", true),
        ("2001:db8::/120", "10.0.0.1", false),
        ("10.0.0.0/24", "2001:db8::1", false),
    ] {
        let is = gives(&range.parse().unwrap(), address.parse().unwrap());
        assert_eq!(is, given, "{address} of {range}");
    }
}
