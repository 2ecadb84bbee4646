//! `--info`: what this machine and this process can do.

use super::privilege::{Lockdown, Privileges, lockdown, sysctl};
use crate::isa::helpers;
use crate::world::{Feature, World};

/// The report, in a fixed order.
pub fn report(world: &dyn World) -> String {
    let mut out = String::from("system\n");
    let mut line = |name: &str, value: &str| out.push_str(&format!("  {name}: {value}\n"));
    line("awl", env!("CARGO_PKG_VERSION"));
    line("kernel", &sysctl("kernel/osrelease").unwrap_or_else(|| "unknown".into()));
    line("arch", world.arch().name);
    line("possible CPUs", &world.n_cpus().to_string());
    let lockdown = match lockdown() {
        Lockdown::None => "none",
        Lockdown::Integrity => "integrity",
        Lockdown::Confidentiality => "confidentiality",
    };
    line("lockdown", lockdown);
    for key in ["kernel/unprivileged_bpf_disabled", "kernel/perf_event_paranoid", "kernel/kptr_restrict"] {
        line(&key.replace('/', "."), &sysctl(key).unwrap_or_else(|| "absent".into()));
    }
    match Privileges::of_self().missing() {
        Some(what) => line("privileges", &format!("missing {what}")),
        None => line("privileges", "sufficient"),
    }
    match world.tracepoints("raw_syscalls", "sys_enter") {
        Ok(_) => line("tracefs", "yes"),
        Err(crate::world::Missing::Unreadable { why, hint }) => line("tracefs", &format!("{why} ({hint})")),
        Err(crate::world::Missing::No) => line("tracefs", "no tracepoints"),
    }
    let yes_no = |b: bool| if b { "yes" } else { "no" };
    out.push_str("\nkernel features\n");
    for (feature, name) in Feature::ALL {
        out.push_str(&format!("  {name}: {}\n", yes_no(world.features().has(*feature))));
    }
    out.push_str("\nkernel helpers\n");
    for row in helpers::ALL {
        out.push_str(&format!("  {}: {}\n", row.name, yes_no(world.features().helper(row.helper))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    #[test]
    fn every_row_is_reported() {
        let world = FixtureWorld { without: vec![Feature::Fentry], ..FixtureWorld::new() };
        let text = report(&world);
        for (_, name) in Feature::ALL {
            assert!(text.contains(&format!("  {name}: ")), "{name}");
        }
        assert!(text.contains("  fentry: no\n"), "{text}");
        assert!(text.contains("  btf: yes\n"), "{text}");
    }
}
