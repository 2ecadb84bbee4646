//! What a kernel can do, as far as it shapes compilation and attachment. Probed, never guessed from versions.

use crate::image::ProgType;
use crate::isa::Helper;

/// A row per feature: `awl --info` prints them, kernel test cases name them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Feature {
    /// `/sys/kernel/btf/vmlinux`
    Btf,
    /// Atomic fetch, exchange and compare-exchange (5.12).
    AtomicFetch,
    /// Hash maps without preallocation are safe in every program (6.1).
    MapNoPrealloc,
    /// Hash keys over 512 bytes.
    BigKeys,
    /// `tp_btf` programs.
    TpBtf,
    /// Programs on raw tracepoints are not preempted. Where the kernel guards tracepoints by SRCU (7.0) they are,
    /// and meanwhile skipped for other tasks of the CPU.
    SteadyRawTp,
    /// kprobes by perf event.
    Kprobe,
    KprobeMulti,
    KprobeSession,
    /// Multi links see every return, however many tasks are in the functions (6.14).
    FprobeGraph,
    /// fentry and fexit.
    Fentry,
    UprobeMulti,
    /// `iter` programs (5.8).
    Iter,
    /// BPF links on perf events, and so attach cookies (5.15).
    PerfLink,
    /// Task storage in tracing programs.
    TaskStorage,
    /// `BPF_PROG_TYPE_SYSCALL` (5.14).
    SyscallProg,
    /// Ring buffer maps (5.8).
    Ringbuf,
}

impl Feature {
    /// All rows: feature, name.
    pub const ALL: &'static [(Feature, &'static str)] = &[
        (Feature::Btf, "btf"),
        (Feature::AtomicFetch, "atomic_fetch"),
        (Feature::MapNoPrealloc, "map_no_prealloc"),
        (Feature::BigKeys, "big_keys"),
        (Feature::TpBtf, "tp_btf"),
        (Feature::SteadyRawTp, "steady_raw_tp"),
        (Feature::Kprobe, "kprobe"),
        (Feature::KprobeMulti, "kprobe_multi"),
        (Feature::KprobeSession, "kprobe_session"),
        (Feature::FprobeGraph, "fprobe_graph"),
        (Feature::Fentry, "fentry"),
        (Feature::UprobeMulti, "uprobe_multi"),
        (Feature::Iter, "iter"),
        (Feature::PerfLink, "perf_link"),
        (Feature::TaskStorage, "task_storage"),
        (Feature::SyscallProg, "syscall_prog"),
        (Feature::Ringbuf, "ringbuf"),
    ];
}

/// Answers, each found out when first asked.
pub trait Features {
    fn has(&self, feature: Feature) -> bool;
    /// Whether tracing programs in general can call it.
    fn helper(&self, helper: Helper) -> bool;
    /// Whether BTF pointers that the program obtains may be dereferenced directly in programs of this type.
    fn direct_reads(&self, ty: ProgType) -> bool;
    /// Whether the kernel has this kfunc and lets programs of the type call it.
    fn kfunc(&self, name: &str, ty: ProgType) -> bool;
}
