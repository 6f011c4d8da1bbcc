//! Under which names the apiserver knows the webhook.

use std::net::IpAddr;

use quaymaster_webhook::authority::Names;
use serde_json::Value;

/// The names under which the apiserver verifies these webhooks: those of their Services, or hosts of their URLs.
pub(crate) fn names(webhooks: &[Value]) -> Names {
    webhooks.iter().fold(Names::new(), |names, webhook| {
        let text = |at: &str| webhook.pointer(at).and_then(Value::as_str);
        let service = (
            text("/clientConfig/service/namespace"),
            text("/clientConfig/service/name"),
        );
        match (service, text("/clientConfig/url").and_then(host)) {
            ((Some(namespace), Some(name)), _) => names.dns(format!("{name}.{namespace}.svc")),
            (_, Some(host)) => match host.parse::<IpAddr>() {
                Ok(address) => names.address(address),
                Err(_) => names.dns(host),
            },
            _ => names,
        }
    })
}

/// The host of `https://HOST[:PORT]/...`, without the brackets of IPv6.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next(),
        None => authority.split(':').next(),
    }
    .filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(url: &str) -> Names {
        names(&[json!({"clientConfig": {"url": url}})])
    }

    #[test]
    fn a_webhook_is_known_by_its_service_or_by_the_host_of_its_url() {
        let service = json!({"clientConfig": {"service": {"namespace": "system", "name": "quaymaster"}}});
        assert_eq!(
            names(std::slice::from_ref(&service)),
            Names::service("system", "quaymaster")
        );
        assert_eq!(
            url("https://hooks.example.org/allocate"),
            Names::new().dns("hooks.example.org")
        );
        assert_eq!(
            url("https://10.0.0.7:9443/allocate"),
            Names::new().address([10, 0, 0, 7].into())
        );
        assert_eq!(
            url("https://[fd00::7]:9443"),
            Names::new().address("fd00::7".parse().unwrap())
        );
        let other = json!({"clientConfig": {"url": "https://a"}});
        assert_eq!(
            names(&[service, other]),
            Names::service("system", "quaymaster").dns("a")
        );
        assert_eq!(names(&[json!({})]), Names::new());
    }
}
