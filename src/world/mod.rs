//! All that compilation learns of the machine, behind one trait.
//!
//! `sys::world::LinuxWorld` answers from the running kernel, lazily; [`snapshot`] from a file made by
//! `awl world`; tests from fixtures. Always holds: compiling needs no privilege that reading the answers
//! does not need, and the same script and the same answers give the same image.

pub mod features;
pub mod fixture;
pub mod folder;
pub mod snapshot;

pub use features::{Feature, Features};

use crate::isa::Helper;
use crate::isa::arch::Arch;
use crate::isa::usdt::UsdtArg;
use crate::ty::{EnumId, Member, StructId, Ty, TypeTable};

/// Why the machine did not answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// There is no such thing.
    No,
    /// It could not be looked up: the reason, and what to do (`tracefs is not mounted`, `mount -t tracefs …`).
    Unreadable { why: String, hint: String },
}

pub type Answer<T> = Result<T, Missing>;

/// A tracepoint's record, from its `format` file in tracefs.
#[derive(Clone, Debug, PartialEq)]
pub struct TracepointFormat {
    pub id: u64,
    pub fields: Vec<FormatField>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FormatField {
    /// As written, without the name: `const char *`, `__data_loc char[]`, `char[16]`.
    pub ctype: String,
    pub name: String,
    pub offset: u32,
    pub size: u32,
    pub signed: bool,
}

/// A function with its BTF signature.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncSig {
    pub module: String,
    pub params: Vec<(String, Ty)>,
    pub ret: Ty,
    /// BTF id of the FUNC (or of the tracepoint's typedef), in its module's BTF.
    pub btf_id: u32,
}

impl From<crate::btf::Proto> for FuncSig {
    fn from(p: crate::btf::Proto) -> FuncSig {
        FuncSig { module: p.module, params: p.params, ret: p.ret, btf_id: p.id }
    }
}

/// A symbol of a binary that uprobes can use.
#[derive(Clone, Debug, PartialEq)]
pub struct UserSymbol {
    pub name: String,
    /// Where its code is in the file.
    pub file_offset: u64,
    /// Its value in the symbol table (virtual address).
    pub addr: u64,
    pub size: u64,
}

/// A function of a BPF program that the kernel holds.
#[derive(Clone, Debug, PartialEq)]
pub struct BpfFunction {
    /// The program's number.
    pub program: u32,
    pub name: String,
    /// Id of the FUNC in the program's BTF.
    pub btf_id: u32,
}

/// A place of a statically defined probe of a binary.
#[derive(Clone, Debug, PartialEq)]
pub struct UsdtProbe {
    pub provider: String,
    pub name: String,
    /// Where its code is in the file.
    pub file_offset: u64,
    /// Where its semaphore is in the file; 0 if it has none.
    pub ref_ctr_offset: u64,
    pub args: Vec<UsdtArg>,
}

/// Where the code of a source line is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinePlace {
    /// Virtual addresses at which it starts, in order.
    pub addrs: Vec<u64>,
    /// Whether the binary was made of that source at all.
    pub sees_source: bool,
    /// The nearest lines before and after that have code.
    pub before: Option<u64>,
    pub after: Option<u64>,
}

impl LinePlace {
    /// Takes note of a line with code near the one that is wanted.
    pub fn note_line(&mut self, line: u64, wanted: u64) {
        if line < wanted {
            self.before = self.before.max(Some(line)).filter(|l| *l > 0);
        } else {
            self.after = Some(self.after.map_or(line, |l| l.min(line)));
        }
    }
}

/// A symbol of a binary, of whatever kind.
#[derive(Clone, Debug, PartialEq)]
pub struct UserObject {
    /// As the binary has it.
    pub addr: u64,
    /// 0 where it is not told.
    pub size: u64,
    pub loading: Loading,
}

/// A binary as a file.
#[derive(Clone, Debug, PartialEq)]
pub struct UserFile {
    pub loading: Loading,
    /// The number of its inode.
    pub ino: u64,
}

/// Where a binary lies in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// Where its addresses say.
    Fixed,
    /// A program whose lowest code, by its own addresses, is here; the kernel knows where that was put.
    Moved { code_at: u64 },
    /// Wherever the loader put it.
    Library,
}

/// A variable of which each CPU has one.
#[derive(Clone, Debug, PartialEq)]
pub struct PerCpu {
    /// What is added to a CPU's base.
    pub addr: u64,
    /// Address of the kernel's table of bases (`__per_cpu_offset`), 8 bytes for each CPU.
    pub bases_at: u64,
    /// Where BTF has it.
    pub ty: Option<Ty>,
}

/// The machine that is compiled for. Patterns are globs of `*`, `?` and classes; results are in a fixed order.
pub trait World {
    fn arch(&self) -> &'static Arch;
    fn features(&self) -> &dyn Features;
    /// Possible CPUs.
    fn n_cpus(&self) -> u32;
    /// Whether awl's process ids are those of the whole machine.
    fn in_init_pid_ns(&self) -> bool {
        true
    }

    // --- types -------------------------------------------------------------------------------------------
    /// The kernel's struct or union of that name (also through a typedef), entered into `types` unloaded.
    fn strukt(
        &self,
        types: &mut TypeTable,
        kind: Option<crate::ty::StructKind>,
        name: &str,
    ) -> Option<StructId>;
    fn enumeration(&self, types: &mut TypeTable, name: &str) -> Option<EnumId>;
    /// The type that a typedef names.
    fn typedef(&self, types: &mut TypeTable, name: &str) -> Option<Ty>;
    /// The value and type of an enumerator anywhere in the kernel's BTF.
    fn enumerator(&self, types: &mut TypeTable, name: &str) -> Option<(i64, EnumId)>;
    /// Loads the members of a struct of BTF origin; nothing to do where they are there. Pointers that no type tag
    /// places are `Space::Any`: they point where the struct that they were read from lies.
    fn load_struct(&self, types: &mut TypeTable, id: StructId);
    /// Struct names, for hints.
    fn struct_names(&self) -> Vec<String>;

    // --- probes ------------------------------------------------------------------------------------------
    /// `(category, name)` of the tracepoints that match.
    fn tracepoints(&self, category: &str, name: &str) -> Answer<Vec<(String, String)>>;
    fn tracepoint_format(&self, category: &str, name: &str) -> Answer<TracepointFormat>;
    /// `(module, name)` of raw tracepoints (`btf_trace_*` typedefs of BTF); vmlinux is the empty module.
    fn raw_tracepoints(&self, pattern: &str) -> Vec<(String, String)>;
    /// Arguments of a raw tracepoint.
    fn raw_tracepoint_args(&self, types: &mut TypeTable, name: &str) -> Option<FuncSig>;
    /// `(module, name)` of functions that kprobes can use.
    fn kprobe_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>>;
    /// `(module, name)` of functions with BTF that fentry can use.
    fn fentry_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>>;
    fn function(&self, types: &mut TypeTable, module: &str, name: &str) -> Option<FuncSig>;
    /// Functions of the BPF programs that the kernel holds.
    fn bpf_functions(&self) -> Answer<Vec<BpfFunction>> {
        Ok(Vec::new())
    }
    /// The number of a system call by its name (`openat`).
    fn syscall_nr(&self, name: &str) -> Option<u32>;

    // --- user space --------------------------------------------------------------------------------------
    /// Paths of the binaries that a uprobe target names: a path, a glob, a name in PATH, a library's name.
    fn binaries(&self, target: &str, pid: Option<u32>) -> Answer<Vec<String>>;
    /// Function symbols of a binary that match.
    fn user_functions(&self, path: &str, pattern: &str) -> Answer<Vec<UserSymbol>>;
    /// A symbol of a binary by its exact name.
    fn user_object(&self, _path: &str, _name: &str) -> Answer<UserObject> {
        Err(Missing::No)
    }
    /// What a binary is.
    fn user_file(&self, _path: &str) -> Answer<UserFile> {
        Err(Missing::No)
    }
    /// File offset of a virtual address of a binary.
    fn user_file_offset(&self, path: &str, addr: u64) -> Answer<u64>;
    /// Functions of a binary by the names that C++ and Rust programmers write, perhaps patterns.
    fn user_functions_by_source_name(&self, _path: &str, _wanted: &str) -> Answer<Vec<UserSymbol>> {
        Err(Missing::No)
    }
    /// Names and types of the parameters of the function at a virtual address, by debug information.
    fn user_parameters(&self, _types: &mut TypeTable, _path: &str, _addr: u64) -> Option<Vec<(String, Ty)>> {
        None
    }
    /// Where the code of a source line is.
    fn user_line(&self, _path: &str, _source: &str, _line: u64, _column: Option<u64>) -> Answer<LinePlace> {
        Err(Missing::No)
    }
    /// Places of the statically defined probes of a binary whose provider and name match.
    fn usdt_probes(&self, path: &str, provider: &str, name: &str) -> Answer<Vec<UsdtProbe>>;

    // --- what the kernel tells in texts -------------------------------------------------------------------
    /// Its release: `6.12.4-amd64`.
    fn kernel_release(&self) -> Option<String> {
        None
    }
    /// What it was built with: the value of `CONFIG_HZ` as its configuration has it.
    fn kernel_setting(&self, _name: &str) -> Option<String> {
        None
    }
    /// How a tracepoint's record is printed, in C: names of flags stand there with their values.
    fn print_format(&self, _category: &str, _name: &str) -> Option<String> {
        None
    }

    // --- the rest ----------------------------------------------------------------------------------------
    /// Address of a kernel symbol.
    fn kernel_symbol(&self, name: &str) -> Answer<u64>;
    /// A variable of which each CPU has one.
    fn per_cpu(&self, _types: &mut TypeTable, _name: &str) -> Answer<PerCpu> {
        Err(Missing::No)
    }
    /// Inode number of a cgroup v2 path, which is its id.
    fn cgroup_id(&self, path: &str) -> Answer<u64>;
    /// Where headers and imports are looked for that are not beside the file that names them.
    fn include_dirs(&self) -> &[String] {
        &[]
    }
    /// A file that the script imports or includes.
    fn read_file(&self, path: &str) -> Answer<String>;
    /// A folder that the script imports; `Missing::No` if the path is none.
    fn folder(&self, path: &str) -> Answer<folder::Folder> {
        folder::read(path)
    }
}

/// Whether every program can call `helper`; a shorthand.
pub fn has(world: &dyn World, helper: Helper) -> bool {
    world.features().helper(helper)
}

/// Whether processes have other ids here than the kernel's own, and programs can ask for those.
pub fn has_other_ids(world: &dyn World) -> bool {
    !world.in_init_pid_ns() && world.features().helper(Helper::GET_NS_CURRENT_PID_TGID)
}

/// Whether programs can keep a value with each task.
pub fn has_task_storage(world: &dyn World) -> bool {
    let features = world.features();
    features.has(Feature::TaskStorage) && features.helper(Helper::GET_CURRENT_TASK_BTF)
}

/// Matches a glob of `*`, `?` and `[a-c]`, `[!x]` classes against the whole text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let p: Vec<char> = pattern.chars().collect();
    let t: Vec<char> = text.chars().collect();
    let (mut pi, mut ti) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while ti < t.len() {
        let step = match p.get(pi) {
            Some('*') => {
                star = Some((pi, ti));
                pi += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&p[pi..], t[ti]),
            Some(&c) if c == t[ti] => Some(1),
            Some(_) | None => None,
        };
        match (step, star) {
            (Some(n), _) => {
                pi += n;
                ti += 1;
            }
            (None, Some((sp, st))) => {
                pi = sp + 1;
                ti = st + 1;
                star = Some((sp, st + 1));
            }
            (None, None) => return false,
        }
    }
    p[pi..].iter().all(|&c| c == '*')
}

/// Length of the class at the start of `p` if `c` is in it. An unclosed `[` is a plain character.
fn class(p: &[char], c: char) -> Option<usize> {
    let Some(end) = p.iter().skip(2).position(|&x| x == ']').map(|i| i + 2) else {
        return (c == '[').then_some(1);
    };
    let (negated, set) = match p[1] {
        '!' | '^' => (true, &p[2..end]),
        _ => (false, &p[1..end]),
    };
    let mut i = 0;
    let mut found = false;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == '-' {
            found |= set[i] <= c && c <= set[i + 2];
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

/// Structs inside one another without names, at most.
const ANONYMOUS_MAX: u32 = 64;

/// The member of that name, anonymous members looked through, with its offset from the start of the whole.
pub fn member_named(world: &dyn World, types: &mut TypeTable, id: StructId, name: &str) -> Option<Member> {
    fn find(
        world: &dyn World,
        types: &mut TypeTable,
        id: StructId,
        name: &str,
        depth: u32,
    ) -> Option<Member> {
        world.load_struct(types, id);
        let members = types.structs[id].members.clone().unwrap_or_default();
        if let Some(member) = members.iter().find(|m| m.name == name) {
            return Some(member.clone());
        }
        let depth = depth.checked_sub(1)?;
        members.iter().filter(|m| m.name.is_empty()).find_map(|outer| {
            let Ty::Struct(inner) = outer.ty else { return None };
            let found = find(world, types, inner, name, depth)?;
            Some(Member { offset_bits: outer.offset_bits + found.offset_bits, ..found })
        })
    }
    find(world, types, id, name, ANONYMOUS_MAX)
}

/// Whether a name is a pattern.
pub fn is_glob(s: &str) -> bool {
    s.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (p, t, want) in [
            ("vfs_*", "vfs_read", true),
            ("*_read", "vfs_read", true),
            ("v*s*d", "vfs_read", true),
            ("vfs_?ead", "vfs_read", true),
            ("vfs_[a-r]ead", "vfs_read", true),
            ("vfs_[!a-q]ead", "vfs_read", true),
            ("vfs_[a-q]ead", "vfs_read", false),
            ("vfs", "vfs_read", false),
            ("*", "", true),
            ("?", "", false),
            ("[", "[", true),
        ] {
            assert_eq!(glob(p, t), want, "{p} {t}");
        }
    }
}
