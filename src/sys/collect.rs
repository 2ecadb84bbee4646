//! `awl world`: this machine as a snapshot.
//!
//! Comes in: the running machine. Goes out: all that compiling a script may ask of it, or why it could not be had: a
//! snapshot that lacks the tracepoints would only mislead.

use super::world::LinuxWorld;
use super::{proc, tracefs};
use crate::btf::kind;
use crate::image::ProgType;
use crate::isa::helpers;
use crate::world::snapshot::Snapshot;
use crate::world::{Answer, Feature, Missing, TracepointFormat, World};
use std::fs;

/// kfuncs that matter to programs of awl, where BTF does not mark those that there are (before 6.10).
const KFUNCS: &[&str] = &[
    "bpf_task_from_pid",
    "bpf_task_acquire",
    "bpf_task_release",
    "bpf_task_from_vpid",
    "bpf_rcu_read_lock",
    "bpf_rcu_read_unlock",
    "bpf_rdonly_cast",
    "bpf_cast_to_kern_ctx",
    "bpf_map_sum_elem_count",
    "bpf_get_task_exe_file",
    "bpf_put_file",
    "bpf_path_d_path",
    "bpf_strnlen",
    "bpf_strstr",
];

/// Collects the snapshot.
pub fn snapshot(world: &LinuxWorld) -> Answer<Snapshot> {
    if !world.can_load() {
        return Err(Missing::Unreadable {
            why: "what the kernel can do is found out by loading programs, which is not permitted".into(),
            hint: "run as root".into(),
        });
    }
    let asked = world.features();
    let kernel = world.btf().ok();
    let modules = kernel.map(|k| k.modules().to_vec()).unwrap_or_default();
    let traceable = proc::traceable_functions();
    let kprobes_are_traceable = traceable.is_ok();
    let mut kprobes: Vec<(String, String)> = match traceable {
        Ok(functions) => functions.into_iter().collect(),
        Err(_) => proc::kprobe_functions(&|_| true, &|_| true)?,
    };
    kprobes.sort_unstable();
    Ok(Snapshot {
        arch: world.arch().name.to_owned(),
        release: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        n_cpus: world.n_cpus(),
        btf: kernel.map(|k| k.vmlinux().blob().to_vec()).unwrap_or_default(),
        modules: modules.into_iter().filter_map(|m| Some((m.clone(), super::btf::module(&m)?))).collect(),
        features: Feature::ALL.iter().map(|(f, _)| *f).filter(|f| asked.has(*f)).collect(),
        helpers: helpers::ALL.iter().filter(|h| asked.helper(h.helper)).map(|h| h.helper.0).collect(),
        direct_reads: types().filter(|ty| asked.direct_reads(*ty)).collect(),
        kfuncs: kfuncs(world),
        kprobes,
        kprobes_are_traceable,
        tracepoints: tracepoints()?,
    })
}

fn types() -> impl Iterator<Item = ProgType> {
    ProgType::ALL.iter().map(|(ty, _)| *ty)
}

fn kfuncs(world: &LinuxWorld) -> Vec<(String, ProgType)> {
    let Ok(kernel) = world.btf() else { return Vec::new() };
    let there = KFUNCS.iter().filter(|n| kernel.vmlinux().find(n, &[kind::FUNC]).is_some());
    let pairs = there.flat_map(|name| types().map(move |ty| (name.to_string(), ty)));
    pairs.filter(|(name, ty)| world.features().kfunc(name, *ty)).collect()
}

fn tracepoints() -> Answer<Vec<(String, String, TracepointFormat)>> {
    let mut all = Vec::new();
    for (category, name) in tracefs::events("*", "*")? {
        match tracefs::format(&category, &name) {
            Ok(format) => all.push((category, name, format)),
            // It went away with its module.
            Err(Missing::No) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::TypeTable;
    use crate::world::snapshot::SnapshotWorld;

    #[test]
    fn a_snapshot_of_this_machine_answers_as_the_machine() {
        let world = LinuxWorld::new();
        let snapshot = match snapshot(&world) {
            Ok(snapshot) if !snapshot.btf.is_empty() => snapshot,
            Ok(_) => return eprintln!("skipped: no BTF"),
            Err(e) => return eprintln!("skipped: {e:?}"),
        };
        let path = std::env::temp_dir().join(format!("awl-snapshot-{}", std::process::id()));
        fs::write(&path, snapshot.to_bytes()).unwrap();
        let saved = SnapshotWorld::open(&path);
        fs::remove_file(&path).unwrap();
        let saved = saved.unwrap();
        assert_eq!(saved.n_cpus(), world.n_cpus());
        let events = world.tracepoints("sched", "*").unwrap();
        assert_eq!(saved.tracepoints("sched", "*").unwrap(), events);
        for (category, name) in &events {
            assert_eq!(saved.tracepoint_format(category, name), world.tracepoint_format(category, name));
        }
        let mut both = [TypeTable::new(), TypeTable::new()];
        let worlds: [&dyn World; 2] = [&saved, &world];
        let members = [0, 1].map(|i| {
            let id = worlds[i].strukt(&mut both[i], None, "task_struct").unwrap();
            worlds[i].load_struct(&mut both[i], id);
            both[i].structs[id].members.clone().unwrap()
        });
        assert_eq!(members[0], members[1]);
        for (feature, name) in Feature::ALL {
            assert_eq!(saved.features().has(*feature), world.features().has(*feature), "{name}");
        }
    }
}
