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

#[test]
fn mirroring_has_kube_controller_managers_defaults_and_bounds() {
    let flags = Flags::try_parse_from(["quaymaster"]).unwrap().mirroring;
    assert_eq!(flags.mirroring_max_endpoints_per_subset, 1000);
    assert_eq!(flags.mirroring_concurrent_service_endpoint_syncs, None);
    assert_eq!(flags.mirroring_endpointslice_updates_batch_period, Duration::ZERO);
    for (flag, right, wrong) in [
        (
            "--mirroring-max-endpoints-per-subset",
            ["1", "1000"],
            ["0", "1001"],
        ),
        (
            "--mirroring-concurrent-service-endpoint-syncs",
            ["1", "50"],
            ["0", "51"],
        ),
    ] {
        for value in right {
            assert!(
                Flags::try_parse_from(["quaymaster", flag, value]).is_ok(),
                "{flag} {value}"
            );
        }
        for value in wrong {
            let error = Flags::try_parse_from(["quaymaster", flag, value])
                .unwrap_err()
                .to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
}

#[test]
fn endpoints_written_at_once_are_unbounded_unless_a_number_from_1_on_is_given() {
    let syncs = |arguments: &[&str]| {
        let arguments = ["quaymaster"].iter().chain(arguments);
        Flags::try_parse_from(arguments).map(|flags| flags.endpoints.concurrent_endpoint_syncs)
    };
    assert_eq!(syncs(&[]).unwrap(), None);
    assert_eq!(syncs(&["--concurrent-endpoint-syncs=1"]).unwrap(), Some(1));
    assert_eq!(syncs(&["--concurrent-endpoint-syncs=500"]).unwrap(), Some(500));
    let error = syncs(&["--concurrent-endpoint-syncs=0"]).unwrap_err().to_string();
    assert!(error.contains("--concurrent-endpoint-syncs"), "{error}");
}

/// What is said of these arguments, which are wrong.
fn refusal(arguments: &[&str]) -> String {
    let arguments = ["quaymaster"].iter().chain(arguments);
    let error = Flags::read(arguments.map(std::ffi::OsString::from)).unwrap_err();
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
fn a_wrong_log_level_of_the_environment_is_told_with_the_variable() {
    let told = |variable| {
        let error = Flags::try_parse_from(["quaymaster", "--log-level=verbose="]).unwrap_err();
        with_hint(error, variable).to_string()
    };
    let text = told(Some("verbose="));
    assert!(
        text.contains("tip: this value comes from $QUAYMASTER_LOG"),
        "{text}"
    );
    for other in [None, Some("info")] {
        assert!(!told(other).contains("QUAYMASTER_LOG"));
    }
}

#[test]
fn values_out_of_bounds_and_negative_ones_are_refused_by_name_of_their_flag() {
    for (flag, value, reason) in [
        ("--start-timeout", "-1s", "must not be negative"),
        (
            "--endpointslice-updates-batch-period",
            "-500ms",
            "must not be negative",
        ),
        (
            "--endpoint-updates-batch-period",
            "-500ms",
            "must not be negative",
        ),
        ("--delete-unused-endpoints-after", "-1m", "must not be negative"),
        ("--delete-unused-endpoints-after", "0", "at least 1s"),
        ("--delete-stale-endpoints-after", "0", "at least 1s"),
        ("--rebalance-quiet", "-1s", "must not be negative"),
        ("--max-endpoints-per-slice", "-1", "1..=1000"),
        ("--concurrent-service-endpoint-syncs", "-1", "1..=50"),
        ("--port", "-1", "0..=65535"),
    ] {
        let error = refusal(&[flag, value]);
        assert!(error.contains(flag) && error.contains(reason), "{error}");
    }
}

#[test]
fn flags_of_kube_controller_manager_that_are_not_here_are_refused_with_what_to_do_instead() {
    for (argument, hint) in [
        ("--leader-elect-resource-lock=leases", "it is a Lease"),
        ("--kube-api-qps=100", "follows the apiserver's latency"),
        ("--kube-api-burst=100", "follows the apiserver's latency"),
        (
            "--kube-api-content-type=application/vnd.kubernetes.protobuf",
            "speak JSON",
        ),
        ("--min-resync-period=12h", "what differs is found when it changes"),
        ("--secure-port=10257", "give --port"),
        ("--master=https://api", "come from --kubeconfig"),
        ("--authentication-kubeconfig=x", "is not asked who it is"),
        ("--authorization-kubeconfig=x", "is not asked who it is"),
        (
            "--authorization-always-allow-paths=/healthz",
            "is not asked who it is",
        ),
        ("--profiling=false", "no profiles"),
        ("--v=2", "--log-level=debug"),
        ("-v=2", "--log-level=debug"),
        ("-v", "--log-level=debug"),
        ("--vmodule=x=2", "info,quaymaster=debug"),
        ("--context=prod", "current-context"),
        ("--use-service-account-credentials=true", "as the one user"),
        ("--service-account-private-key-file=x", "makes no tokens"),
    ] {
        let text = refusal(&[argument]);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            line.contains("unexpected argument") && line.contains(hint),
            "{argument}: {text}"
        );
        assert_eq!(text.matches("tip:").count(), 1, "{text}");
    }
    for own in [
        "--bind-address=0.0.0.0",
        "--port=10257",
        "--max-endpoints-per-slice=100",
    ] {
        assert!(Flags::try_parse_from(["quaymaster", own]).is_ok(), "{own}");
    }
    let text = refusal(&["--kubeconfg=x"]);
    assert!(
        text.contains("'--kubeconfig'") && !text.contains("leave this out"),
        "{text}"
    );
}

#[test]
fn the_webhooks_certificate_comes_out_of_files_or_out_of_a_secret() {
    let webhook = |arguments: &[&str]| {
        let arguments = ["quaymaster"].iter().chain(arguments);
        Flags::try_parse_from(arguments).map(|flags| flags.webhook)
    };
    let files = ["--webhook-cert-file=a", "--webhook-key-file=b"];
    assert!(webhook(&files).unwrap().webhook_secret.is_none());
    let secret = webhook(&["--webhook-secret=system/tls"])
        .unwrap()
        .webhook_secret
        .unwrap();
    assert_eq!((&*secret.namespace, &*secret.name), ("system", "tls"));
    assert!(webhook(&[files[0], files[1], "--webhook-secret=system/tls"]).is_err());
    assert!(webhook(&["--webhook-service=system/quaymaster"]).is_err());
    for wrong in ["tls", "/tls", "system/", "a/b/c"] {
        let error = webhook(&[&format!("--webhook-secret={wrong}")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("NAMESPACE/NAME"), "{error}");
    }
}

#[test]
fn a_leader_is_elected_only_where_that_is_asked_for() {
    let elects = |arguments: &[&str]| {
        let arguments = ["quaymaster"].iter().chain(arguments);
        Flags::try_parse_from(arguments).map(|flags| flags.election.leader_elect)
    };
    assert!(!elects(&[]).unwrap() && !elects(&["--leader-elect=false"]).unwrap());
    assert!(elects(&["--leader-elect"]).unwrap() && elects(&["--leader-elect=true"]).unwrap());
    assert!(elects(&["--leader-elect=maybe"]).is_err());
}
