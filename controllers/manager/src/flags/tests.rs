use super::*;

fn syncs(arguments: &[&str]) -> Result<Option<u16>, clap::Error> {
    let arguments = ["quaymaster"].iter().chain(arguments);
    Flags::try_parse_from(arguments).map(|flags| flags.endpointslice.concurrent_service_endpoint_syncs)
}

#[test]
fn services_written_at_once_are_unbounded_unless_a_number_from_1_to_50_is_given() {
    assert_eq!(syncs(&[]).unwrap(), None);
    for number in [1, 5, 50] {
        let flag = format!("--concurrent-service-endpoint-syncs={number}");
        assert_eq!(syncs(&[&flag]).unwrap(), Some(number));
    }
    for wrong in ["0", "51", "-1", "many"] {
        let flag = format!("--concurrent-service-endpoint-syncs={wrong}");
        let error = syncs(&[&flag]).unwrap_err().to_string();
        assert!(error.contains("--concurrent-service-endpoint-syncs"), "{error}");
    }
}
