//! Long work in named stages, with the seconds of each.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The stages done so far.
#[derive(Debug)]
pub(crate) struct Stages {
    begun: Instant,
    done: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    took: Duration,
    outcome: Result<String, String>,
}

impl Stages {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs a stage. A failed one does not keep the next from running; what it gives is shown in the summary.
    pub(crate) fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<String>) {
        eprintln!("\n==> {name}");
        let begun = Instant::now();
        let outcome = stage().map_err(|error| format!("{error:#}"));
        let took = begun.elapsed();
        match &outcome {
            Ok(_) => eprintln!("<== {name}: {:.1} s", took.as_secs_f64()),
            Err(error) => eprintln!("<== {name}: FAILED after {:.1} s: {error}", took.as_secs_f64()),
        }
        self.done.push(Stage {
            name: name.to_owned(),
            took,
            outcome,
        });
    }

    /// As [`Self::run`], for what all later stages need.
    pub(crate) fn require(&mut self, name: &str, stage: impl FnOnce() -> Result<String>) -> Result<()> {
        self.run(name, stage);
        if self.done.last().is_some_and(|stage| stage.outcome.is_err()) {
            anyhow::bail!("{name} failed, and the rest needs it");
        }
        Ok(())
    }

    /// Prints a line for each stage and the total; an error if one failed.
    pub(crate) fn end(self) -> Result<()> {
        let width = self.done.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
        eprintln!();
        for Stage { name, took, outcome } in &self.done {
            let seconds = took.as_secs_f64();
            match outcome {
                Ok(note) => eprintln!("{name:width$}  {seconds:7.1} s  ok      {note}"),
                Err(_) => eprintln!("{name:width$}  {seconds:7.1} s  FAILED"),
            }
        }
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|stage| stage.outcome.is_err())
            .map(|stage| stage.name.as_str())
            .collect();
        eprintln!("{:width$}  {:7.1} s", "total", self.begun.elapsed().as_secs_f64());
        if failed.is_empty() {
            Ok(())
        } else {
            anyhow::bail!("failed: {}", failed.join(", "))
        }
    }
}
