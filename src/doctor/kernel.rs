//! What the kernel lacks.

use super::{Finding, Verdict};
use crate::kernel::{Report, State};

const TOPIC: &str = "kernel";

/// The features that are missing; lxc-checkconfig shows all.
pub fn examine(report: &Report) -> Vec<Finding> {
    let missing = report.checks.iter().filter(|check| check.state == State::Missing);
    let findings: Vec<Finding> = missing
        .map(|check| Finding {
            topic: TOPIC,
            what: check.name.to_owned(),
            verdict: if check.required { Verdict::Fails } else { Verdict::Limited },
            found: check.reason.clone().unwrap_or_else(|| "missing".to_owned()),
            fix: Some(check.hint.unwrap_or("a kernel that has it, or its module").to_owned()),
        })
        .collect();
    let there = report.checks.iter().filter(|check| check.state == State::Enabled).count();
    let summary = Finding::ok(TOPIC, "features", format!("{there} of {}", report.checks.len()));
    std::iter::once(summary).chain(findings).collect()
}
