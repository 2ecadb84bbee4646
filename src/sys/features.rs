//! What this kernel can do, by asking it: each answer is a trial load or two (about 50 µs), made once.
//!
//! Without the right to load programs nothing can be tried. Then the kernel's BTF is asked instead: an enumerator
//! of the feature says that the kernel was built from sources that have it. So a script can be compiled without
//! root, and what the guess has wrong shows when it is loaded.

use super::trial::{self, Trial};
use super::world::{LazyKernel, LinuxWorld};
use crate::btf::kind;
use crate::image::ProgType;
use crate::isa::Insn;
use crate::isa::helpers::{self, Helper};
use crate::ty::TypeTable;
use crate::world::{Feature, Features, World};
use libbpf_sys as sys;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// The answers so far.
pub struct LiveFeatures {
    kernel: Rc<LazyKernel>,
    /// Not to be used, whether they are there or not.
    without: Vec<Feature>,
    /// No kernel function is to be called.
    no_kfuncs: bool,
    can_load: OnceCell<bool>,
    features: RefCell<BTreeMap<Feature, bool>>,
    helpers: RefCell<BTreeMap<Helper, bool>>,
    direct: RefCell<BTreeMap<u32, bool>>,
    kfuncs: RefCell<BTreeMap<(String, u32), bool>>,
}

impl LiveFeatures {
    pub fn new(kernel: Rc<LazyKernel>, without: Vec<Feature>) -> LiveFeatures {
        LiveFeatures {
            kernel,
            without,
            no_kfuncs: false,
            can_load: OnceCell::new(),
            features: RefCell::default(),
            helpers: RefCell::default(),
            direct: RefCell::default(),
            kfuncs: RefCell::default(),
        }
    }

    /// The same, but that programs may not call kernel functions.
    pub fn without_kfuncs(self) -> LiveFeatures {
        LiveFeatures { no_kfuncs: true, ..self }
    }

    /// Whether this process may load programs at all.
    pub fn can_load(&self) -> bool {
        *self.can_load.get_or_init(|| {
            let trial = Trial { insns: &RETURN_0, ..of_type(ProgType::RawTracepoint) };
            trial::load(&trial).is_ok()
        })
    }

    fn probe(&self, feature: Feature) -> bool {
        match feature {
            Feature::Btf => self.kernel.get().is_some(),
            // perf's kprobe device is there for all to see.
            Feature::SteadyRawTp => !self.has_type("class_srcu_fast_notrace_t", kind::TYPEDEF),
            Feature::FprobeGraph => self.has_type("fprobe_hlist", kind::STRUCT),
            Feature::Kprobe => Path::new("/sys/bus/event_source/devices/kprobe").exists(),
            Feature::TaskStorage => self.helper(Helper::TASK_STORAGE_GET),
            _ if !self.can_load() => self.guess(feature),
            Feature::AtomicFetch => loads(ProgType::RawTracepoint, &ATOMIC_FETCH),
            Feature::MapNoPrealloc => map_no_prealloc(),
            Feature::BigKeys => trial::map(sys::BPF_MAP_TYPE_HASH, 1024, 8, 1, 0).is_ok(),
            Feature::Ringbuf => trial::map(sys::BPF_MAP_TYPE_RINGBUF, 0, 0, page_bytes(), 0).is_ok(),
            Feature::TpBtf => self.tracing(&READ_ARGUMENT, sys::BPF_TRACE_RAW_TP),
            Feature::Fentry => self.tracing(&RETURN_0, sys::BPF_TRACE_FENTRY),
            Feature::Iter => self.tracing(&RETURN_0, sys::BPF_TRACE_ITER),
            Feature::SyscallProg => loads(ProgType::Syscall, &RETURN_0),
            Feature::PerfLink => {
                let loaded = trial::load(&Trial { insns: &RETURN_0, ..of_type(ProgType::Tracepoint) });
                loaded.is_ok_and(|prog| trial::link_perf_event(&prog) == libc::EBADF)
            }
            Feature::KprobeMulti => multi(sys::BPF_TRACE_KPROBE_MULTI),
            Feature::KprobeSession => multi(sys::BPF_TRACE_KPROBE_SESSION),
            Feature::UprobeMulti => {
                let trial = Trial { insns: &RETURN_0, ..of_type(ProgType::Kprobe) };
                let loaded = trial::load(&Trial { attach_type: sys::BPF_TRACE_UPROBE_MULTI, ..trial });
                loaded.is_ok_and(|prog| trial::link_uprobe_multi(&prog) == libc::EBADF)
            }
        }
    }

    /// By the kernel's BTF, where nothing can be loaded.
    fn guess(&self, feature: Feature) -> bool {
        match feature {
            Feature::Btf => self.kernel.get().is_some(),
            Feature::SteadyRawTp | Feature::FprobeGraph | Feature::Kprobe | Feature::TaskStorage => {
                self.has(feature)
            }
            Feature::AtomicFetch => self.has_enumerator("BPF_FUNC_for_each_map_elem"),
            Feature::MapNoPrealloc => self.has_enumerator("BPF_FUNC_ktime_get_tai_ns"),
            Feature::BigKeys => self.has_enumerator("BPF_FUNC_loop"),
            Feature::Ringbuf => self.has_enumerator("BPF_MAP_TYPE_RINGBUF"),
            Feature::TpBtf => self.has_enumerator("BPF_TRACE_RAW_TP"),
            Feature::Fentry => self.has_enumerator("BPF_TRACE_FENTRY"),
            Feature::Iter => self.has_enumerator("BPF_TRACE_ITER"),
            Feature::SyscallProg => self.has_enumerator("BPF_PROG_TYPE_SYSCALL"),
            Feature::PerfLink => self.has_enumerator("BPF_LINK_TYPE_PERF_EVENT"),
            Feature::KprobeMulti => {
                self.has(Feature::Kprobe) && self.has_enumerator("BPF_TRACE_KPROBE_MULTI")
            }
            Feature::KprobeSession => {
                self.has(Feature::Kprobe) && self.has_enumerator("BPF_TRACE_KPROBE_SESSION")
            }
            Feature::UprobeMulti => self.has_enumerator("BPF_TRACE_UPROBE_MULTI"),
        }
    }

    fn has_enumerator(&self, name: &str) -> bool {
        self.kernel.get().is_some_and(|k| k.enumerator(&mut TypeTable::new(), name).is_some())
    }

    fn has_type(&self, name: &str, kind: u8) -> bool {
        self.kernel.get().is_some_and(|k| k.vmlinux().find(name, &[kind]).is_some())
    }

    /// Whether a tracing program loads: for a raw tracepoint on `sys_enter`, else on a function that every
    /// kernel has.
    fn tracing(&self, insns: &[Insn], attach_type: u32) -> bool {
        let Some(kernel) = self.kernel.get() else { return false };
        let find = |name: &str, kind: u8| kernel.vmlinux().find(name, &[kind]);
        let target = match attach_type {
            sys::BPF_TRACE_RAW_TP => find("btf_trace_sys_enter", kind::TYPEDEF),
            sys::BPF_TRACE_ITER => find("bpf_iter_task", kind::FUNC),
            _ => find("vfs_read", kind::FUNC),
        };
        let Some(attach_btf_id) = target else { return false };
        let trial = Trial { attach_type, attach_btf_id, insns, ..of_type(ProgType::Tracing) };
        trial::load(&trial).is_ok()
    }

    fn probe_helper(&self, helper: Helper) -> bool {
        if !self.can_load() {
            let name = helper.row().map_or("", |row| row.name);
            return self.has_enumerator(&format!("BPF_FUNC_{name}"));
        }
        // Allowed in tracing programs of some functions only: their being there is all that can be asked.
        let tracing_only = match helper {
            Helper::D_PATH => Some("bpf_d_path"),
            Helper::GET_SOCKET_COOKIE => Some("bpf_get_socket_ptr_cookie"),
            _ => None,
        };
        if let Some(name) = tracing_only {
            return self.kernel.get().is_some_and(|k| k.vmlinux().find(name, &[kind::FUNC]).is_some());
        }
        let ty = if helper == Helper::PERF_PROG_READ_VALUE { ProgType::PerfEvent } else { ProgType::Kprobe };
        let insns = [Insn::new(CALL, 0, 0, 0, helper.0 as i32), RETURN_0[0], RETURN_0[1]];
        match trial::load(&Trial { insns: &insns, ..of_type(ty) }) {
            Ok(_) => true,
            // A known helper is refused for its arguments.
            Err(refused) => {
                !["unknown func", "invalid func", "cannot use helper"].iter().any(|m| refused.log.contains(m))
            }
        }
    }

    fn probe_direct(&self, ty: ProgType) -> bool {
        match ty {
            ProgType::Tracing => self.has(Feature::TpBtf),
            _ if !self.can_load() => self.helper(Helper::GET_CURRENT_TASK_BTF),
            ProgType::Kprobe
            | ProgType::Tracepoint
            | ProgType::PerfEvent
            | ProgType::RawTracepoint
            | ProgType::Syscall
            | ProgType::Xdp => loads(ty, &READ_TASK),
        }
    }

    fn probe_kfunc(&self, name: &str, ty: ProgType) -> bool {
        let Some(kernel) = self.kernel.get() else { return false };
        let Some(id) = kernel.vmlinux().find(name, &[kind::FUNC]) else { return false };
        if !self.can_load() {
            return true;
        }
        let insns = [Insn::new(CALL, 0, CALL_KFUNC, 0, id as i32), RETURN_0[0], RETURN_0[1]];
        let mut trial = Trial { insns: &insns, ..of_type(ty) };
        if ty == ProgType::Tracing {
            let Some(target) = kernel.vmlinux().find("btf_trace_sys_enter", &[kind::TYPEDEF]) else {
                return false;
            };
            trial = Trial { attach_type: sys::BPF_TRACE_RAW_TP, attach_btf_id: target, ..trial };
        }
        match trial::load(&trial) {
            Ok(_) => true,
            // One that may be called is refused for its arguments, which name a register.
            Err(refused) => {
                ["!read_ok", "arg#0", "R1 ", "Unreleased reference"].iter().any(|m| refused.log.contains(m))
            }
        }
    }
}

impl Features for LiveFeatures {
    fn has(&self, feature: Feature) -> bool {
        !self.without.contains(&feature) && cached(&self.features, feature, || self.probe(feature))
    }
    fn helper(&self, helper: Helper) -> bool {
        cached(&self.helpers, helper, || self.probe_helper(helper))
    }
    fn direct_reads(&self, ty: ProgType) -> bool {
        cached(&self.direct, prog_type(ty), || self.probe_direct(ty))
    }
    fn kfunc(&self, name: &str, ty: ProgType) -> bool {
        !self.no_kfuncs
            && cached(&self.kfuncs, (name.to_owned(), prog_type(ty)), || self.probe_kfunc(name, ty))
    }
}

/// The answer in the table, found out if it is not there.
fn cached<K: Ord>(table: &RefCell<BTreeMap<K, bool>>, key: K, probe: impl FnOnce() -> bool) -> bool {
    if let Some(known) = table.borrow().get(&key) {
        return *known;
    }
    let answer = probe();
    table.borrow_mut().insert(key, answer);
    answer
}

/// All answers for `awl --info`: group, name, yes or no.
pub fn report(world: &LinuxWorld) -> Vec<(&'static str, String, bool)> {
    let features = world.features();
    let rows = Feature::ALL.iter().map(|(f, name)| ("feature", name.to_string(), features.has(*f)));
    let helpers = helpers::ALL.iter().map(|row| ("helper", row.name.to_owned(), features.helper(row.helper)));
    let direct =
        ProgType::ALL.iter().map(|(ty, name)| ("direct reads", name.to_string(), features.direct_reads(*ty)));
    rows.chain(helpers).chain(direct).collect()
}

/// `enum bpf_prog_type`
pub fn prog_type(ty: ProgType) -> u32 {
    match ty {
        ProgType::Kprobe => sys::BPF_PROG_TYPE_KPROBE,
        ProgType::Tracepoint => sys::BPF_PROG_TYPE_TRACEPOINT,
        ProgType::PerfEvent => sys::BPF_PROG_TYPE_PERF_EVENT,
        ProgType::RawTracepoint => sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
        ProgType::Tracing => sys::BPF_PROG_TYPE_TRACING,
        ProgType::Syscall => sys::BPF_PROG_TYPE_SYSCALL,
        ProgType::Xdp => sys::BPF_PROG_TYPE_XDP,
    }
}

// --- the programs that are tried ---------------------------------------------------------------------------

const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`
const CALL_KFUNC: u8 = 2;

const fn insn(code: u8, regs: u8, off: i16, imm: i32) -> Insn {
    Insn { code, regs, off, imm }
}

/// `r0 = 0; exit`
const RETURN_0: [Insn; 2] = [insn(0xb7, 0, 0, 0), insn(0x95, 0, 0, 0)];

/// `r1 = 1; *(u64 *)(r10 - 8) = r1; r1 = atomic_fetch_add((u64 *)(r10 - 8), r1); r0 = 0; exit`
const ATOMIC_FETCH: [Insn; 5] =
    [insn(0xb7, 1, 0, 1), insn(0x7b, 0x1a, -8, 0), insn(0xdb, 0x1a, -8, 1), RETURN_0[0], RETURN_0[1]];

/// `r0 = bpf_get_current_task_btf(); r0 = *(u64 *)(r0 + 0); r0 = 0; exit`
const READ_TASK: [Insn; 4] =
    [insn(CALL, 0, 0, Helper::GET_CURRENT_TASK_BTF.0 as i32), insn(0x79, 0, 0, 0), RETURN_0[0], RETURN_0[1]];

/// `r1 = *(u64 *)(r1 + 0); r1 = *(u64 *)(r1 + 0); r0 = 0; exit`: a field of the first argument.
const READ_ARGUMENT: [Insn; 4] = [insn(0x79, 0x11, 0, 0), insn(0x79, 0x11, 0, 0), RETURN_0[0], RETURN_0[1]];

fn of_type(ty: ProgType) -> Trial<'static> {
    // Programs of type syscall are always sleepable, and have to say so.
    let flags = if ty == ProgType::Syscall { sys::BPF_F_SLEEPABLE } else { 0 };
    Trial { prog_type: prog_type(ty), attach_type: 0, attach_btf_id: 0, flags, insns: &[] }
}

fn loads(ty: ProgType, insns: &[Insn]) -> bool {
    trial::load(&Trial { insns, ..of_type(ty) }).is_ok()
}

/// Before 6.1 the kernel refuses such maps in perf-event programs, and only warns in others.
fn map_no_prealloc() -> bool {
    use std::os::fd::AsRawFd;
    let Ok(map) = trial::map(sys::BPF_MAP_TYPE_HASH, 8, 8, 1, sys::BPF_F_NO_PREALLOC) else { return false };
    // ld_imm64 r1, map; r0 = 0; exit
    let load_map = [insn(0x18, 0x11, 0, map.as_raw_fd()), insn(0, 0, 0, 0), RETURN_0[0], RETURN_0[1]];
    loads(ProgType::PerfEvent, &load_map)
}

/// kprobe.multi, or session: loads, and linking fails only because there is no such function.
fn multi(attach_type: u32) -> bool {
    let trial = Trial { attach_type, insns: &RETURN_0, ..of_type(ProgType::Kprobe) };
    let Ok(prog) = trial::load(&trial) else { return false };
    let errno = trial::link_kprobe_multi(&prog, attach_type);
    ![0, libc::EOPNOTSUPP, libc::EINVAL, libc::EPERM].contains(&errno)
}

fn page_bytes() -> u32 {
    crate::isa::arch::native().page_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_kernel_can_do() {
        let kernel = Rc::new(LazyKernel::default());
        let features = LiveFeatures::new(kernel.clone(), Vec::new());
        if !features.can_load() || kernel.get().is_none() {
            eprintln!("skipped: programs cannot be loaded here, or there is no BTF");
            return;
        }
        // Every kernel that awl runs on.
        assert!(features.has(Feature::Ringbuf));
        assert!(features.has(Feature::TpBtf));
        assert!(features.helper(Helper::MAP_LOOKUP_ELEM));
        assert!(features.helper(Helper::GET_CURRENT_PID_TGID));
        assert!(!features.helper(Helper(100_000)));
        // What follows from each other.
        let has_loop = features.helper(Helper::LOOP);
        assert!(!has_loop || features.helper(Helper::FOR_EACH_MAP_ELEM));
        assert!(!has_loop || features.has(Feature::AtomicFetch));
        assert_eq!(
            features.direct_reads(ProgType::Tracepoint),
            features.helper(Helper::GET_CURRENT_TASK_BTF)
        );
        assert!(!features.has(Feature::KprobeMulti) || features.has(Feature::Kprobe));
        assert!(!features.kfunc("bpf_no_such_kfunc", ProgType::Syscall));
        assert!(!features.kfunc("vfs_read", ProgType::Syscall));
        if kernel.get().is_some_and(|k| k.vmlinux().find("bpf_task_from_pid", &[kind::FUNC]).is_some()) {
            assert!(features.kfunc("bpf_task_from_pid", ProgType::Syscall));
            assert!(!features.kfunc("bpf_task_from_pid", ProgType::Kprobe));
        }
    }

    #[test]
    fn guesses_agree_with_trials_on_what_btf_can_know() {
        let kernel = Rc::new(LazyKernel::default());
        let tried = LiveFeatures::new(kernel.clone(), Vec::new());
        if !tried.can_load() || kernel.get().is_none() {
            eprintln!("skipped: programs cannot be loaded here, or there is no BTF");
            return;
        }
        let guessed = LiveFeatures::new(kernel, Vec::new());
        assert!(guessed.can_load.set(false).is_ok());
        for row in helpers::ALL {
            // The kernel may withhold a helper that its sources have (lockdown, a missing capability).
            assert!(guessed.helper(row.helper) || !tried.helper(row.helper), "{}", row.name);
        }
        for feature in [Feature::AtomicFetch, Feature::BigKeys, Feature::Ringbuf, Feature::PerfLink] {
            assert_eq!(guessed.has(feature), tried.has(feature), "{feature:?}");
        }
    }
}
