//! Which controllers are compared.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A controller of kube-controller-manager that quaymaster may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    /// Keeps EndpointSlices of Services with a selector.
    EndpointSlice,
    /// Keeps Endpoints of Services with a selector.
    Endpoints,
    /// Keeps EndpointSlices that mirror Endpoints of Services without.
    Mirroring,
    /// Keeps finalizers and conditions of ServiceCIDRs.
    ServiceCidr,
}

impl Controller {
    pub(crate) const ALL: [Self; 4] = [
        Self::EndpointSlice,
        Self::Endpoints,
        Self::Mirroring,
        Self::ServiceCidr,
    ];

    /// kube-controller-manager's name for it (`cmd/kube-controller-manager/names/controller_names.go`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EndpointSlice => "endpointslice-controller",
            Self::Endpoints => "endpoints-controller",
            Self::Mirroring => "endpointslice-mirroring-controller",
            Self::ServiceCidr => "service-cidr-controller",
        }
    }
}

/// The names of all controllers that can be compared.
pub fn controller_names() -> [&'static str; Controller::ALL.len()] {
    Controller::ALL.map(Controller::name)
}

/// The controllers of a run, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Controllers(BTreeSet<Controller>);

impl Controllers {
    /// Those with these names.
    ///
    /// # Errors
    /// Where a name is not known, or there is none.
    pub(crate) fn named(names: &[String]) -> Result<Self> {
        let controllers = names
            .iter()
            .map(|name| Self::one(name))
            .collect::<Result<BTreeSet<_>>>()?;
        if controllers.is_empty() {
            bail!("no controller was given");
        }
        Ok(Self(controllers))
    }

    /// These, of which there is at least one.
    pub(crate) fn these(controllers: &[Controller]) -> Self {
        Self(controllers.iter().copied().collect())
    }

    /// The controller with this name.
    ///
    /// # Errors
    /// Where the name is not known.
    pub(crate) fn one(name: &str) -> Result<Controller> {
        let found = Controller::ALL
            .into_iter()
            .find(|controller| controller.name() == name);
        found.with_context(|| format!("there is no controller {name:?}; known are {}", Self::all()))
    }

    fn all() -> Self {
        Self(Controller::ALL.into())
    }

    /// Those that this quaymaster says it has.
    ///
    /// # Errors
    /// Where it cannot be asked, or has none of those that are known here.
    pub(crate) fn of_program(program: &Path) -> Result<Self> {
        let output = Command::new(program).arg("--help").output();
        let output = output.with_context(|| format!("asking {} for help", program.display()))?;
        let help = String::from_utf8_lossy(&output.stdout);
        let found = Self::of_help(&help);
        if found.0.is_empty() {
            bail!(
                "{} --help names no controller that is known here",
                program.display()
            );
        }
        Ok(found)
    }

    /// The names that follow `Known:`, up to the end of that help.
    fn of_help(help: &str) -> Self {
        let known = help.split_once("Known:").map_or("", |(_, rest)| rest);
        let known = known.split(['[', '.']).next().unwrap_or_default();
        let names: BTreeSet<&str> = known.split(|c: char| c == ',' || c.is_whitespace()).collect();
        let all = Controller::ALL.into_iter();
        Self(
            all.filter(|controller| names.contains(controller.name()))
                .collect(),
        )
    }

    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.0.contains(&controller)
    }

    /// All but one.
    pub(crate) fn without(&self, left_out: Controller) -> Self {
        let mut controllers = self.0.clone();
        controllers.remove(&left_out);
        Self(controllers)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|controller| controller.name()).collect()
    }
}

impl fmt::Display for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_read_off_the_help_of_the_program_and_from_nowhere_else_in_it() {
        let help = "keeps what endpoints-controller keeps\n  --controllers <LIST>\n   * is all. Known: \
                    endpointslice-controller,\n          service-cidr-controller [default: *]\n  -h  Known as \
                    endpointslice-mirroring-controller";
        let found = Controllers::of_help(help);
        assert_eq!(
            found.names(),
            ["endpointslice-controller", "service-cidr-controller"]
        );
        assert_eq!(Controllers::of_help("nothing of it").names(), [""; 0]);
    }

    #[test]
    fn a_name_that_is_not_known_is_told_with_those_that_are() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Controllers::named(&names)
        };
        assert_eq!(
            named(&["endpoints-controller"]).unwrap().names(),
            ["endpoints-controller"]
        );
        let error = named(&["endpoints"]).unwrap_err().to_string();
        assert!(error.contains("endpoints-controller, "), "{error}");
        assert!(named(&[]).is_err());
    }
}
