//! The running machine as a [`World`]: each answer is looked up when it is first asked for.
//!
//! Always holds: opening it reads nothing. What needs root (tracefs, addresses in kallsyms, trial loads) says so
//! when it cannot be had, and the rest works without.

use super::features::LiveFeatures;
use super::{btf, elf, proc, tracefs};
use crate::btf::Kernel;
use crate::isa::arch::{self, Arch};
use crate::ty::{EnumId, StructId, StructKind, Ty, TypeTable};
use crate::world::{
    Answer, Features, FuncSig, Missing, TracepointFormat, UserSymbol, World, glob, is_glob,
};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::rc::Rc;

/// This machine.
#[derive(Default)]
pub struct LinuxWorld {
    kernel: Rc<LazyKernel>,
    features: OnceCell<LiveFeatures>,
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

    /// The BTF of the running kernel and its modules; the error says why there is none.
    pub fn btf(&self) -> Result<&Kernel, &str> {
        self.kernel.result()
    }

    fn kernel(&self) -> Option<&Kernel> {
        self.kernel.get()
    }

    fn live(&self) -> &LiveFeatures {
        self.features.get_or_init(|| LiveFeatures::new(self.kernel.clone()))
    }
}

impl World for LinuxWorld {
    fn arch(&self) -> &'static Arch {
        arch::native()
    }
    fn features(&self) -> &dyn Features {
        self.live()
    }
    fn n_cpus(&self) -> u32 {
        proc::n_cpus_possible()
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
        if let Some(kernel) = self.kernel() {
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
            return proc::kprobe_functions(&in_module, &|n| glob(pattern, n));
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
        if let Ok(traceable) = proc::traceable_functions() {
            let traceable: BTreeSet<(String, String)> = traceable;
            found.retain(|f| traceable.contains(f));
        }
        Ok(found)
    }

    fn function(&self, types: &mut TypeTable, module: &str, name: &str) -> Option<FuncSig> {
        self.kernel()?.function(types, module, name).map(FuncSig::from)
    }
    fn syscall_nr(&self, name: &str) -> Option<u32> {
        self.arch().syscall(name)
    }

    fn binaries(&self, target: &str, pid: Option<u32>) -> Answer<Vec<String>> {
        elf::binaries(target, pid)
    }
    fn user_functions(&self, path: &str, pattern: &str) -> Answer<Vec<UserSymbol>> {
        elf::functions(path, pattern)
    }
    fn user_file_offset(&self, path: &str, addr: u64) -> Answer<u64> {
        elf::file_offset(path, addr)
    }

    fn kernel_symbol(&self, name: &str) -> Answer<u64> {
        proc::kernel_symbol(name)
    }
    fn cgroup_id(&self, path: &str) -> Answer<u64> {
        proc::cgroup_id(path)
    }
    fn read_file(&self, path: &str) -> Answer<String> {
        fs::read_to_string(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Missing::No,
            _ => Missing::Unreadable { why: format!("{path}: {e}"), hint: String::new() },
        })
    }
}
