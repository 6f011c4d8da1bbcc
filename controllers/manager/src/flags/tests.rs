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

/// What is said of these arguments, which are wrong.
fn refusal(arguments: &[&str]) -> String {
    let arguments = ["quaymaster"].iter().chain(arguments);
    let error = Flags::try_parse_from(arguments).unwrap_err();
    assert_eq!(error.exit_code(), i32::from(crate::start::EXIT_USAGE));
    error.to_string()
}

#[test]
fn a_misspelled_log_level_is_refused_with_the_accepted_form() {
    for wrong in [
        "inof",
        "",
        "info,",
        "debug,quaymaster",
        "quaymaster=loud",
        "=info",
    ] {
        let error = refusal(&["--log-level", wrong]);
        assert!(
            error.contains("--log-level") && error.contains("info,quaymaster=debug"),
            "{wrong}: {error}"
        );
    }
    for right in [
        "INFO",
        "off",
        "info,quaymaster=debug",
        "kube_client::client=trace,warn",
    ] {
        assert!(
            Flags::try_parse_from(["quaymaster", "--log-level", right]).is_ok(),
            "{right}"
        );
    }
}

#[test]
fn negative_values_are_taken_for_values_and_refused_by_name_of_their_flag() {
    for (flag, value, reason) in [
        ("--start-timeout", "-1s", "must not be negative"),
        (
            "--endpointslice-updates-batch-period",
            "-500ms",
            "must not be negative",
        ),
        ("--max-endpoints-per-slice", "-1", "1..=1000"),
        ("--concurrent-service-endpoint-syncs", "-1", "1..=50"),
        ("--port", "-1", "0..=65535"),
    ] {
        let error = refusal(&[flag, value]);
        assert!(error.contains(flag) && error.contains(reason), "{error}");
    }
}
