//! The running machine as a [`World`]: each answer is looked up when it is first asked for.
//!
//! Always holds: opening it reads nothing. What needs root (tracefs, addresses in kallsyms, trial loads) says so
//! when it cannot be had, and the rest works without.

use super::features::LiveFeatures;
use super::usdt;
use super::{bpfprogs, btf, dwarf, elf, objects, proc, tracefs};
use crate::btf::Kernel;
use crate::isa::arch::{self, Arch};
use crate::ty::{EnumId, StructId, StructKind, StructOrigin, Ty, TypeTable};
use crate::world::folder;
use crate::world::{
    Answer, BpfFunction, Feature, Features, FuncSig, LinePlace, Missing, PerCpu, TracepointFormat, UsdtProbe,
    UserFile, UserObject, UserSymbol, World, glob, is_glob,
};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// This machine.
#[derive(Default)]
pub struct LinuxWorld {
    kernel: Rc<LazyKernel>,
    features: OnceCell<LiveFeatures>,
    dwarf: dwarf::Files,
    adjusted: Adjusted,
}

/// What the command line puts in the place of the machine's own answers.
#[derive(Clone, Debug, Default)]
pub struct Adjusted {
    /// `-I`
    pub include_dirs: Vec<String>,
    /// Features that are not to be used.
    pub without: Vec<Feature>,
    /// An object is made, which cannot call kernel functions: their signatures are not in an image.
    pub for_object: bool,
    /// The functions that patterns of kprobes and fentry stand for.
    pub traceable: Option<BTreeSet<(String, String)>>,
}

/// The kernel's BTF, opened when first used.
#[derive(Default)]
pub struct LazyKernel {
    opened: OnceCell<Result<Kernel, String>>,
}

impl LazyKernel {
    /// The BTF, if this kernel has any.
    pub fn get(&self) -> Option<&Kernel> {
        self.result().ok()
    }
    /// The BTF, or why there is none.
    pub fn result(&self) -> Result<&Kernel, &str> {
        self.opened.get_or_init(btf::running_kernel).as_ref().map_err(String::as_str)
    }
}

impl LinuxWorld {
    pub fn new() -> LinuxWorld {
        LinuxWorld::default()
    }

    /// This machine, but for what is said here.
    pub fn adjusted(adjusted: Adjusted) -> LinuxWorld {
        LinuxWorld { adjusted, ..LinuxWorld::default() }
    }

    /// The BTF of the running kernel and its modules; the error says why there is none.
    pub fn btf(&self) -> Result<&Kernel, &str> {
        self.kernel.result()
    }

    /// Whether this process may load programs; if not, features are guessed.
    pub fn can_load(&self) -> bool {
        self.live().can_load()
    }

    fn kernel(&self) -> Option<&Kernel> {
        self.kernel.get()
    }

    fn live(&self) -> &LiveFeatures {
        self.features.get_or_init(|| {
            let features = LiveFeatures::new(self.kernel.clone(), self.adjusted.without.clone());
            if self.adjusted.for_object { features.without_kfuncs() } else { features }
        })
    }
}

impl World for LinuxWorld {
    fn arch(&self) -> &'static Arch {
        arch::native()
    }
    fn include_dirs(&self) -> &[String] {
        &self.adjusted.include_dirs
    }
    fn features(&self) -> &dyn Features {
        self.live()
    }
    fn n_cpus(&self) -> u32 {
        proc::n_cpus_possible()
    }
    fn in_init_pid_ns(&self) -> bool {
        super::process::pid_namespace().is_ok_and(|(_, ino)| ino == super::process::INIT_PID_NS)
    }

    fn strukt(&self, types: &mut TypeTable, kind: Option<StructKind>, name: &str) -> Option<StructId> {
        self.kernel()?.strukt(types, kind, name)
    }
    fn enumeration(&self, types: &mut TypeTable, name: &str) -> Option<EnumId> {
        self.kernel()?.enumeration(types, name)
    }
    fn typedef(&self, types: &mut TypeTable, name: &str) -> Option<Ty> {
        self.kernel()?.typedef(types, name)
    }
    fn enumerator(&self, types: &mut TypeTable, name: &str) -> Option<(i64, EnumId)> {
        self.kernel()?.enumerator(types, name)
    }
    fn load_struct(&self, types: &mut TypeTable, id: StructId) {
        if let StructOrigin::Dwarf { .. } = types.structs[id].origin {
            self.dwarf.load_struct(types, id);
        } else if let Some(kernel) = self.kernel() {
            kernel.load_struct(types, id);
        }
    }
    fn struct_names(&self) -> Vec<String> {
        self.kernel().map(Kernel::struct_names).unwrap_or_default()
    }

    fn tracepoints(&self, category: &str, name: &str) -> Answer<Vec<(String, String)>> {
        tracefs::events(category, name)
    }
    fn tracepoint_format(&self, category: &str, name: &str) -> Answer<TracepointFormat> {
        tracefs::format(category, name)
    }
    fn raw_tracepoints(&self, pattern: &str) -> Vec<(String, String)> {
        self.kernel().map(|k| k.raw_tracepoints(pattern, &glob)).unwrap_or_default()
    }
    fn raw_tracepoint_args(&self, types: &mut TypeTable, name: &str) -> Option<FuncSig> {
        self.kernel()?.raw_tracepoint_args(types, name).map(FuncSig::from)
    }

    fn kprobe_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        let in_module = proc::module_matcher(module);
        if is_glob(pattern) {
            return match &self.adjusted.traceable {
                Some(known) => {
                    let fits = |(m, n): &&(String, String)| in_module(m) && glob(pattern, n);
                    Ok(known.iter().filter(fits).cloned().collect())
                }
                None => proc::kprobe_functions(&in_module, &|n| glob(pattern, n)),
            };
        }
        // A function of BTF is one of kallsyms too, and much faster found.
        let in_btf = self.kernel().map(|k| k.functions_named(&in_module, pattern)).unwrap_or_default();
        if in_btf.is_empty() { proc::kernel_functions_named(pattern, &in_module) } else { Ok(in_btf) }
    }

    fn fentry_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        let kernel = self.kernel.result().map_err(|why| Missing::Unreadable {
            why: format!("this kernel has no BTF: {why}"),
            hint: "use a kprobe".into(),
        })?;
        let in_module = proc::module_matcher(module);
        if !is_glob(pattern) {
            return Ok(kernel.functions_named(&in_module, pattern));
        }
        let mut found = kernel.functions(&in_module, &|n| glob(pattern, n));
        // BTF also has functions that ftrace cannot trace; where its list is readable they are left out.
        let given = self.adjusted.traceable.clone();
        if let Some(traceable) = given.or_else(|| proc::traceable_functions().ok()) {
            found.retain(|f| traceable.contains(f));
        }
        Ok(found)
    }

    fn function(&self, types: &mut TypeTable, module: &str, name: &str) -> Option<FuncSig> {
        self.kernel()?.function(types, module, name).map(FuncSig::from)
    }
    fn bpf_functions(&self) -> Answer<Vec<BpfFunction>> {
        bpfprogs::functions()
    }
    fn syscall_nr(&self, name: &str) -> Option<u32> {
        self.arch().syscall(name)
    }

    fn kernel_release(&self) -> Option<String> {
        proc::kernel_release()
    }
    fn kernel_setting(&self, name: &str) -> Option<String> {
        proc::kernel_setting(name)
    }
    fn print_format(&self, category: &str, name: &str) -> Option<String> {
        tracefs::print_format(category, name)
    }

    fn binaries(&self, target: &str, pid: Option<u32>) -> Answer<Vec<String>> {
        elf::binaries(target, pid)
    }
    fn user_functions(&self, path: &str, pattern: &str) -> Answer<Vec<UserSymbol>> {
        elf::functions(path, pattern)
    }
    fn user_object(&self, path: &str, name: &str) -> Answer<UserObject> {
        objects::object(path, name)
    }
    fn user_file(&self, path: &str) -> Answer<UserFile> {
        objects::file(path)
    }
    fn user_file_offset(&self, path: &str, addr: u64) -> Answer<u64> {
        elf::file_offset(path, addr)
    }
    fn user_functions_by_source_name(&self, path: &str, wanted: &str) -> Answer<Vec<UserSymbol>> {
        elf::functions_by_source_name(path, wanted)
    }
    fn user_parameters(&self, types: &mut TypeTable, path: &str, addr: u64) -> Option<Vec<(String, Ty)>> {
        self.dwarf.parameters(types, path, addr)
    }
    fn user_line(&self, path: &str, source: &str, line: u64, column: Option<u64>) -> Answer<LinePlace> {
        self.dwarf.line(path, source, line, column)
    }
    fn usdt_probes(&self, path: &str, provider: &str, name: &str) -> Answer<Vec<UsdtProbe>> {
        usdt::probes(path, provider, name)
    }

    fn kernel_symbol(&self, name: &str) -> Answer<u64> {
        proc::kernel_symbol(name)
    }
    fn per_cpu(&self, types: &mut TypeTable, name: &str) -> Answer<PerCpu> {
        let (addr, bases_at) = proc::per_cpu_symbol(name)?;
        Ok(PerCpu { addr, bases_at, ty: self.kernel().and_then(|k| k.variable(types, name)) })
    }
    fn cgroup_id(&self, path: &str) -> Answer<u64> {
        proc::cgroup_id(path)
    }
    fn read_file(&self, path: &str) -> Answer<String> {
        folder::read_text(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::{Space, print, table::Member};

    /// This machine, if it has BTF.
    fn world() -> Option<LinuxWorld> {
        let world = LinuxWorld::new();
        match world.btf() {
            Ok(_) => Some(world),
            Err(why) => {
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    fn loaded(world: &LinuxWorld, types: &mut TypeTable, name: &str) -> StructId {
        let id = world.strukt(types, Some(StructKind::Struct), name).unwrap();
        assert!(types.structs[id].members.is_none());
        world.load_struct(types, id);
        id
    }

    /// The member, also inside anonymous ones, with its offset in bits from the start.
    fn find(world: &LinuxWorld, types: &mut TypeTable, id: StructId, name: &str) -> Option<(Member, u32)> {
        world.load_struct(types, id);
        for m in types.structs[id].members.clone().unwrap() {
            if m.name == name {
                let at = m.offset_bits;
                return Some((m, at));
            }
            if let (true, Ty::Struct(inner)) = (m.name.is_empty(), &m.ty)
                && let Some((found, at)) = find(world, types, *inner, name)
            {
                return Some((found, at + m.offset_bits));
            }
        }
        None
    }

    #[test]
    fn members_of_task_struct() {
        let Some(world) = world() else { return };
        let mut types = TypeTable::new();
        let task = loaded(&world, &mut types, "task_struct");
        let comm = find(&world, &mut types, task, "comm").unwrap().0;
        assert_eq!((print::name(&comm.ty, &types), comm.bitfield_bits), ("int8[16]".into(), None));
        let parent = find(&world, &mut types, task, "real_parent").unwrap().0;
        assert!(matches!(&parent.ty, Ty::Ptr { to, .. } if **to == Ty::Struct(task)));
        let tgid = find(&world, &mut types, task, "tgid").unwrap().0;
        assert_eq!(tgid.ty, Ty::int(32));
        let bit = find(&world, &mut types, task, "in_execve").unwrap().0;
        assert_eq!((bit.bitfield_bits, bit.ty), (Some(1), Ty::U32));
        // Loading again changes nothing, and the same struct is the same id.
        let n_structs = types.structs.len();
        assert_eq!(world.strukt(&mut types, None, "task_struct"), Some(task));
        world.load_struct(&mut types, task);
        assert_eq!(types.structs.len(), n_structs);
    }

    #[test]
    fn anonymous_members_keep_their_place() {
        let Some(world) = world() else { return };
        let mut types = TypeTable::new();
        let page = loaded(&world, &mut types, "page");
        let anonymous = types.structs[page].members.as_ref().unwrap().iter().any(|m| m.name.is_empty());
        assert!(anonymous);
        let (_, at) = find(&world, &mut types, page, "mapping").unwrap();
        assert!(at > 0 && at < types.structs[page].size * 8);
        let file = loaded(&world, &mut types, "file");
        let op = find(&world, &mut types, file, "f_op").unwrap().0;
        let Ty::Ptr { to, space } = op.ty else { panic!("{:?}", op.ty) };
        let Ty::Struct(ops) = *to else { panic!("{to:?}") };
        assert_eq!(space, Space::Any);
        let read = find(&world, &mut types, ops, "read").unwrap().0;
        assert_eq!(read.ty, Ty::ptr(Ty::Void, Space::Any), "a function pointer");
    }

    #[test]
    fn names_of_other_kinds() {
        let Some(world) = world() else { return };
        let mut types = TypeTable::new();
        assert_eq!(world.typedef(&mut types, "u32"), Some(Ty::U32));
        assert_eq!(world.typedef(&mut types, "pid_t"), Some(Ty::int(32)));
        assert_eq!(world.typedef(&mut types, "bool"), Some(Ty::Bool));
        let atomic = world.strukt(&mut types, None, "atomic_t").unwrap();
        assert_eq!(types.structs[atomic].size, 4);
        let (value, e) = world.enumerator(&mut types, "BPF_MAP_TYPE_ARRAY").unwrap();
        assert_eq!((value, types.enums[e].name.as_str()), (2, "bpf_map_type"));
        assert_eq!(world.enumeration(&mut types, "bpf_map_type"), Some(e));
        assert!(world.enumerator(&mut types, "NO_SUCH_ENUMERATOR").is_none());
        assert!(world.strukt(&mut types, Some(StructKind::Union), "task_struct").is_none());
        assert!(world.strukt(&mut types, None, "no_such_struct").is_none());
        let names = world.struct_names();
        assert!(names.binary_search(&"task_struct".to_owned()).is_ok());
    }

    #[test]
    fn functions_and_raw_tracepoints() {
        let Some(world) = world() else { return };
        let mut types = TypeTable::new();
        let read = world.function(&mut types, "", "vfs_read").unwrap();
        let shown = |s: &FuncSig, types: &TypeTable| {
            let params = s.params.iter().map(|(n, t)| format!("{n}: {}", print::name(t, types)));
            format!("({}) {}", params.collect::<Vec<_>>().join(", "), print::name(&s.ret, types))
        };
        assert_eq!(
            shown(&read, &types),
            "(file: struct file *, buf: int8 *, count: uint64, pos: int64 *) int64"
        );
        let switch = world.raw_tracepoint_args(&mut types, "sched_switch").unwrap();
        let names: Vec<_> = switch.params.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names[..3], ["preempt", "prev", "next"]);
        assert_eq!(print::name(&switch.params[1].1, &types), "struct task_struct *");
        assert!(world.raw_tracepoint_args(&mut types, "no_such_event").is_none());
        assert_eq!(world.raw_tracepoints("sched_switch"), [(String::new(), "sched_switch".to_owned())]);
        let all = world.raw_tracepoints("sched_*");
        assert!(all.len() > 5 && all.iter().all(|(_, n)| n.starts_with("sched_")));
        let vfs = world.fentry_functions("", "vfs_rea*").unwrap();
        assert!(vfs.contains(&(String::new(), "vfs_read".to_owned())), "{vfs:?}");
        assert_eq!(world.fentry_functions("vmlinux", "vfs_read").unwrap().len(), 1);
        assert_eq!(world.fentry_functions("no_such_module", "vfs_read"), Ok(vec![]));
        assert_eq!(world.kprobe_functions("", "no_such_function"), Ok(vec![]));
    }
}
