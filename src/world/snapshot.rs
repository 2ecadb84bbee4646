//! A machine's answers in a file, to compile elsewhere.
//!
//! Comes in: a [`Snapshot`], collected by `sys::collect` on the machine, or its bytes. Goes out: a [`World`]
//! that answers from it. What belongs to a moment or to other files of that machine (addresses of symbols, binaries,
//! cgroups) is not in it, and asking for it says so. Files that a script names are those of this machine.

mod format;

use super::folder;
use super::{
    Answer, Feature, Features, FuncSig, Missing, PerCpu, TracepointFormat, UsdtProbe, UserSymbol, World,
    glob, is_glob,
};
use crate::btf::{Btf, Kernel, ModuleSource};
use crate::image::ProgType;
use crate::isa::Helper;
use crate::isa::arch::{self, Arch};
use crate::ty::{EnumId, StructId, StructKind, Ty, TypeTable};
use std::fs;
use std::path::Path;

/// All that a snapshot holds. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The processor's name.
    pub arch: String,
    /// The kernel's release, for messages.
    pub release: String,
    pub n_cpus: u32,
    /// BTF of vmlinux; empty if the kernel has none.
    pub btf: Vec<u8>,
    /// Name and BTF.
    pub modules: Vec<(String, Vec<u8>)>,
    /// What the kernel has; all else it has not.
    pub features: Vec<Feature>,
    pub helpers: Vec<u32>,
    pub direct_reads: Vec<ProgType>,
    pub kfuncs: Vec<(String, ProgType)>,
    /// `(module, name)` of functions for kprobes.
    pub kprobes: Vec<(String, String)>,
    /// The list is ftrace's, and so holds for fentry as well.
    pub kprobes_are_traceable: bool,
    /// `(category, name, format)`
    pub tracepoints: Vec<(String, String, TracepointFormat)>,
}

impl Snapshot {
    pub fn to_bytes(&self) -> Vec<u8> {
        format::to_bytes(self)
    }
    pub fn parse(bytes: &[u8]) -> Result<Snapshot, String> {
        format::parse(bytes)
    }
}

/// A snapshot as a world.
pub struct SnapshotWorld {
    snapshot: Snapshot,
    arch: &'static Arch,
    kernel: Option<Kernel>,
    include_dirs: Vec<String>,
}

/// The modules of a snapshot.
struct SavedModules(Vec<(String, Vec<u8>)>);

impl ModuleSource for SavedModules {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, btf)| btf.clone())
    }
}

impl SnapshotWorld {
    /// With folders for headers.
    pub fn with_include_dirs(self, include_dirs: Vec<String>) -> SnapshotWorld {
        SnapshotWorld { include_dirs, ..self }
    }

    /// The same machine without these features.
    pub fn without(mut self, features: &[Feature]) -> SnapshotWorld {
        self.snapshot.features.retain(|f| !features.contains(f));
        self
    }

    /// The same, but that programs may not call kernel functions.
    pub fn without_kfuncs(mut self) -> SnapshotWorld {
        self.snapshot.kfuncs.clear();
        self
    }

    /// Opens the file that `awl world` wrote.
    pub fn open(path: &Path) -> Result<SnapshotWorld, String> {
        let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let snapshot = Snapshot::parse(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        // The file begins with the BTF.
        SnapshotWorld::new(snapshot, |btf| Btf::open(path, Box::new(btf)))
    }

    /// A small snapshot in memory.
    pub fn from_snapshot(snapshot: Snapshot) -> Result<SnapshotWorld, String> {
        SnapshotWorld::new(snapshot, Btf::from_bytes)
    }

    fn new(
        mut snapshot: Snapshot,
        open: impl FnOnce(Vec<u8>) -> Result<std::rc::Rc<Btf>, String>,
    ) -> Result<SnapshotWorld, String> {
        let arch = arch::native();
        if snapshot.arch != arch.name {
            return Err(format!("a snapshot of {}, this awl compiles for {}", snapshot.arch, arch.name));
        }
        let btf = std::mem::take(&mut snapshot.btf);
        let modules = std::mem::take(&mut snapshot.modules);
        let kernel = match btf.is_empty() {
            true => None,
            false => Some(Kernel::new(open(btf)?, Box::new(SavedModules(modules)))),
        };
        Ok(SnapshotWorld { snapshot, arch, kernel, include_dirs: Vec::new() })
    }

    /// The release of the kernel that was saved.
    pub fn release(&self) -> &str {
        &self.snapshot.release
    }

    fn matching(&self, module: &str, pattern: &str) -> Vec<(String, String)> {
        let kprobes = self.snapshot.kprobes.iter();
        kprobes.filter(|(m, n)| glob(pattern, n) && in_module(module, m)).cloned().collect()
    }
}

/// Whether a module (empty: vmlinux) is meant by a pattern (empty: any).
fn in_module(pattern: &str, module: &str) -> bool {
    let name = if module.is_empty() { "vmlinux" } else { module };
    pattern.is_empty() || glob(pattern, name)
}

fn not_saved<T>(what: &str, hint: &str) -> Answer<T> {
    Err(Missing::Unreadable { why: format!("a snapshot holds no {what}"), hint: hint.into() })
}

impl Features for SnapshotWorld {
    fn has(&self, feature: Feature) -> bool {
        self.snapshot.features.contains(&feature)
    }
    fn helper(&self, helper: Helper) -> bool {
        self.snapshot.helpers.contains(&helper.0)
    }
    fn direct_reads(&self, ty: ProgType) -> bool {
        self.snapshot.direct_reads.contains(&ty)
    }
    fn kfunc(&self, name: &str, ty: ProgType) -> bool {
        self.snapshot.kfuncs.iter().any(|(n, t)| n == name && *t == ty)
    }
}

impl World for SnapshotWorld {
    fn arch(&self) -> &'static Arch {
        self.arch
    }
    fn features(&self) -> &dyn Features {
        self
    }
    fn n_cpus(&self) -> u32 {
        self.snapshot.n_cpus
    }

    fn strukt(&self, types: &mut TypeTable, kind: Option<StructKind>, name: &str) -> Option<StructId> {
        self.kernel.as_ref()?.strukt(types, kind, name)
    }
    fn enumeration(&self, types: &mut TypeTable, name: &str) -> Option<EnumId> {
        self.kernel.as_ref()?.enumeration(types, name)
    }
    fn typedef(&self, types: &mut TypeTable, name: &str) -> Option<Ty> {
        self.kernel.as_ref()?.typedef(types, name)
    }
    fn enumerator(&self, types: &mut TypeTable, name: &str) -> Option<(i64, EnumId)> {
        self.kernel.as_ref()?.enumerator(types, name)
    }
    fn load_struct(&self, types: &mut TypeTable, id: StructId) {
        if let Some(kernel) = &self.kernel {
            kernel.load_struct(types, id);
        }
    }
    fn struct_names(&self) -> Vec<String> {
        self.kernel.as_ref().map(Kernel::struct_names).unwrap_or_default()
    }

    fn tracepoints(&self, category: &str, name: &str) -> Answer<Vec<(String, String)>> {
        let all = self.snapshot.tracepoints.iter();
        let matching = all.filter(|(c, n, _)| glob(category, c) && glob(name, n));
        Ok(matching.map(|(c, n, _)| (c.clone(), n.clone())).collect())
    }
    fn tracepoint_format(&self, category: &str, name: &str) -> Answer<TracepointFormat> {
        let found = self.snapshot.tracepoints.iter().find(|(c, n, _)| c == category && n == name);
        found.map(|(_, _, format)| format.clone()).ok_or(Missing::No)
    }
    fn raw_tracepoints(&self, pattern: &str) -> Vec<(String, String)> {
        self.kernel.as_ref().map(|k| k.raw_tracepoints(pattern, &glob)).unwrap_or_default()
    }
    fn raw_tracepoint_args(&self, types: &mut TypeTable, name: &str) -> Option<FuncSig> {
        self.kernel.as_ref()?.raw_tracepoint_args(types, name).map(FuncSig::from)
    }
    fn kprobe_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        Ok(self.matching(module, pattern))
    }
    fn fentry_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        let Some(kernel) = &self.kernel else {
            return Err(Missing::Unreadable {
                why: "this kernel has no BTF".into(),
                hint: "use a kprobe".into(),
            });
        };
        if !is_glob(pattern) {
            return Ok(kernel.functions_named(&|m| in_module(module, m), pattern));
        }
        let mut found = kernel.functions(&|m| in_module(module, m), &|n| glob(pattern, n));
        if self.snapshot.kprobes_are_traceable {
            found.retain(|f| self.snapshot.kprobes.binary_search(f).is_ok());
        }
        Ok(found)
    }
    fn function(&self, types: &mut TypeTable, module: &str, name: &str) -> Option<FuncSig> {
        self.kernel.as_ref()?.function(types, module, name).map(FuncSig::from)
    }
    fn syscall_nr(&self, name: &str) -> Option<u32> {
        self.arch.syscall(name)
    }

    fn kernel_release(&self) -> Option<String> {
        Some(self.snapshot.release.clone())
    }

    fn binaries(&self, _target: &str, _pid: Option<u32>) -> Answer<Vec<String>> {
        not_saved("binaries", "compile probes of binaries on the machine itself")
    }
    fn user_functions(&self, _path: &str, _pattern: &str) -> Answer<Vec<UserSymbol>> {
        not_saved("binaries", "compile probes of binaries on the machine itself")
    }
    fn user_file_offset(&self, _path: &str, _addr: u64) -> Answer<u64> {
        not_saved("binaries", "compile probes of binaries on the machine itself")
    }
    fn usdt_probes(&self, _path: &str, _provider: &str, _name: &str) -> Answer<Vec<UsdtProbe>> {
        not_saved("binaries", "compile probes of binaries on the machine itself")
    }
    fn kernel_symbol(&self, _name: &str) -> Answer<u64> {
        not_saved("addresses of kernel symbols", "they change with each boot: compile on the machine itself")
    }
    fn per_cpu(&self, _types: &mut TypeTable, name: &str) -> Answer<PerCpu> {
        self.kernel_symbol(name).map(|addr| PerCpu { addr, bases_at: 0, ty: None })
    }
    fn cgroup_id(&self, _path: &str) -> Answer<u64> {
        not_saved("cgroups", "compile on the machine itself, or compare with the number")
    }
    fn include_dirs(&self) -> &[String] {
        &self.include_dirs
    }
    fn read_file(&self, path: &str) -> Answer<String> {
        folder::read_text(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::kind;
    use crate::btf::write::{Linkage, Writer};
    use crate::world::FormatField;

    fn snapshot() -> Snapshot {
        let mut w = Writer::new();
        let int = w.int("int", 4, true);
        w.strukt(kind::STRUCT, "s", 4, &[]);
        let proto = w.func_proto(int, &[("n", int)]);
        for name in ["vfs_read", "vfs_write", "other"] {
            w.func(name, proto, Linkage::Static);
        }
        let field =
            FormatField { ctype: "char[16]".into(), name: "comm".into(), offset: 8, size: 16, signed: true };
        let format = TracepointFormat { id: 300, fields: vec![field] };
        let name = |m: &str, n: &str| (m.to_owned(), n.to_owned());
        Snapshot {
            arch: arch::native().name.into(),
            release: "6.1".into(),
            n_cpus: 300,
            btf: w.finish(),
            modules: vec![("nf".into(), vec![1, 2, 3])],
            features: vec![Feature::Btf, Feature::Ringbuf],
            helpers: vec![1, 1000],
            direct_reads: vec![ProgType::Xdp],
            kfuncs: vec![("bpf_task_from_pid".into(), ProgType::Syscall)],
            kprobes: vec![name("", "vfs_read"), name("", "vfs_readv"), name("nf", "vfs_x")],
            kprobes_are_traceable: true,
            tracepoints: vec![("sched".into(), "sched_switch".into(), format)],
        }
    }

    #[test]
    fn written_and_read_it_is_the_same() {
        let bytes = snapshot().to_bytes();
        assert_eq!(Snapshot::parse(&bytes), Ok(snapshot()));
        assert_eq!(Snapshot::parse(&Snapshot::default().to_bytes()), Ok(Snapshot::default()));
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = snapshot().to_bytes();
        for n in 0..bytes.len() {
            assert!(Snapshot::parse(&bytes[..n]).is_err(), "{n} bytes");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] = damaged[at].wrapping_add(0x81);
            // Most are refused; what is not has become another snapshot, and never a panic.
            if let Ok(read) = Snapshot::parse(&damaged) {
                assert_ne!(read, snapshot());
            }
        }
    }

    #[test]
    fn it_answers_as_a_world() {
        let world = SnapshotWorld::from_snapshot(snapshot()).unwrap();
        let mut types = TypeTable::new();
        assert!(world.strukt(&mut types, None, "s").is_some());
        assert!(world.has(Feature::Ringbuf) && !world.has(Feature::Fentry));
        assert!(world.helper(Helper(1)) && !world.helper(Helper(2)));
        assert!(world.kfunc("bpf_task_from_pid", ProgType::Syscall));
        assert!(!world.kfunc("bpf_task_from_pid", ProgType::Kprobe));
        let pair = |m: &str, n: &str| (m.to_owned(), n.to_owned());
        let kprobes = world.kprobe_functions("vmlinux", "vfs_*").unwrap();
        assert_eq!(kprobes, [pair("", "vfs_read"), pair("", "vfs_readv")]);
        assert_eq!(world.kprobe_functions("nf", "*").unwrap(), [pair("nf", "vfs_x")]);
        // Only what BTF and ftrace both have.
        assert_eq!(world.fentry_functions("", "*").unwrap(), [pair("", "vfs_read")]);
        assert_eq!(world.fentry_functions("", "other").unwrap(), [pair("", "other")]);
        assert_eq!(world.tracepoints("*", "sched_*").unwrap().len(), 1);
        assert_eq!(world.tracepoint_format("sched", "sched_switch").unwrap().id, 300);
        assert_eq!(world.tracepoint_format("sched", "none"), Err(Missing::No));
        assert!(matches!(world.kernel_symbol("jiffies"), Err(Missing::Unreadable { .. })));
    }

    #[test]
    fn another_processor_is_refused() {
        let other = Snapshot { arch: "pdp11".into(), ..snapshot() };
        assert!(SnapshotWorld::from_snapshot(other).is_err_and(|e| e.contains("pdp11")));
    }
}
