//! A small machine for tests: a few kernel types, tracepoints, functions and one library.
//!
//! Comes in: what a test changes of it (features that it lacks, files). Goes out: a [`World`]. Always holds: everything
//! that it tells is plain data below; no answer depends on the machine that runs the tests.

use super::folder::Folder;
use super::{
    Answer, Feature, Features, FormatField, FuncSig, Loading, Missing, PerCpu, TracepointFormat, UsdtProbe,
    UserFile, UserSymbol, World, glob,
};
use crate::image::ProgType;
use crate::isa::Helper;
use crate::isa::arch::{Arch, X86_64};
use crate::isa::usdt;
use crate::ty::table::DataLoc;
use crate::ty::{
    EnumDef, EnumId, Member, Space, StructDef, StructId, StructKind, StructOrigin, Ty, TypeTable,
};
use std::collections::BTreeMap;

/// USDT probes of the library: provider, name, file offset, arguments.
const USDT: &[(&str, &str, u64, &str)] = &[
    ("libc", "setjmp", 0x5000, "8@%rdi -4@%esi 8@%rax"),
    ("libc", "longjmp", 0x5100, "8@%rdi 8f@%xmm0"),
    ("libc", "two", 0x5200, "-4@%esi 8@%rax"),
    ("libc", "two", 0x5300, "-4@8(%rsp) 8@%rax"),
];

#[derive(Default)]
pub struct FixtureWorld {
    /// Features that this machine lacks.
    pub without: Vec<Feature>,
    /// Helpers that its kernel lacks.
    pub without_helpers: Vec<Helper>,
    /// Path and text of the files that scripts can import.
    pub files: BTreeMap<String, String>,
}

impl FixtureWorld {
    pub fn new() -> FixtureWorld {
        FixtureWorld::default()
    }
}

/// Type of a member, by words: see `ty`.
type Field = (&'static str, &'static str, u32, Option<u8>);

/// BTF id, kind, name, bytes, members (name, type, offset in bits, bits of a bit field).
const STRUCTS: &[(u32, StructKind, &str, u32, &[Field])] = &[
    (
        1,
        StructKind::Struct,
        "task_struct",
        256,
        &[
            ("pid", "s32", 0, None),
            ("tgid", "s32", 32, None),
            ("comm", "char16", 64, None),
            ("real_parent", "*task_struct", 192, None),
            ("mm", "*mm_struct", 256, None),
            ("frozen", "u32", 320, Some(1)),
            ("weight", "s32", 321, Some(5)),
            ("", "anonymous", 384, None),
            ("state", "enum", 448, None),
            ("cpus", "u64x4", 512, None),
            ("name", "*char", 768, None),
            ("ok", "bool", 832, None),
            ("self_exec_id", "u64", 896, None),
        ],
    ),
    (2, StructKind::Struct, "mm_struct", 64, &[("owner", "*task_struct", 0, None), ("pgd", "u64", 64, None)]),
    (3, StructKind::Union, "anonymous", 8, &[("exit_code", "s32", 0, None), ("exit_word", "u64", 0, None)]),
    (4, StructKind::Struct, "file", 64, &[("f_path", "path", 0, None), ("f_flags", "u32", 256, None)]),
    (5, StructKind::Struct, "path", 16, &[("mnt", "*char", 0, None), ("dentry", "*dentry", 64, None)]),
    (6, StructKind::Struct, "dentry", 32, &[("d_name", "qstr", 0, None)]),
    (7, StructKind::Struct, "qstr", 16, &[("hash", "u32", 0, None), ("name", "*char", 64, None)]),
    (8, StructKind::Struct, "pt_regs", 168, &[("r15", "u64", 0, None), ("ip", "u64", 1024, None)]),
];

const ENUM: &str = "task_state";
const ENUMERATORS: &[(&str, i64)] = &[("TASK_RUNNING", 0), ("TASK_STOPPED", 4)];

/// Category, name, fields (C type, name, offset, bytes, signed).
type Event = (&'static str, &'static str, &'static [(&'static str, &'static str, u32, u32, bool)]);
const EVENTS: &[Event] = &[
    (
        "syscalls",
        "sys_enter_openat",
        &[
            ("unsigned short", "common_type", 0, 2, false),
            ("int", "__syscall_nr", 8, 4, true),
            ("int", "dfd", 16, 8, false),
            ("const char *", "filename", 24, 8, false),
            ("int", "flags", 32, 8, false),
            ("umode_t", "mode", 40, 8, false),
        ],
    ),
    (
        "syscalls",
        "sys_enter_read",
        &[
            ("int", "__syscall_nr", 8, 4, true),
            ("unsigned int", "fd", 16, 8, false),
            ("char *", "buf", 24, 8, false),
            ("size_t", "count", 32, 8, false),
        ],
    ),
    (
        "syscalls",
        "sys_enter_write",
        &[
            ("int", "__syscall_nr", 8, 4, true),
            ("unsigned int", "fd", 16, 8, false),
            ("const char *", "buf", 24, 8, false),
            ("size_t", "count", 32, 8, false),
        ],
    ),
    (
        "syscalls",
        "sys_enter_kill",
        &[("int", "__syscall_nr", 8, 4, true), ("pid_t", "pid", 16, 8, false), ("int", "sig", 24, 8, false)],
    ),
    ("syscalls", "sys_enter_getppid", &[("int", "__syscall_nr", 8, 4, true)]),
    ("syscalls", "sys_exit_getppid", &[("int", "__syscall_nr", 8, 4, true), ("long", "ret", 16, 8, true)]),
    (
        "syscalls",
        "sys_enter_execve",
        &[
            ("int", "__syscall_nr", 8, 4, true),
            ("const char *", "filename", 16, 8, false),
            ("const char *const *", "argv", 24, 8, false),
            ("const char *const *", "envp", 32, 8, false),
        ],
    ),
    ("syscalls", "sys_exit_openat", &[("int", "__syscall_nr", 8, 4, true), ("long", "ret", 16, 8, true)]),
    ("syscalls", "sys_exit_read", &[("int", "__syscall_nr", 8, 4, true), ("long", "ret", 16, 8, true)]),
    (
        "sched",
        "sched_switch",
        &[
            ("char[16]", "prev_comm", 8, 16, true),
            ("pid_t", "prev_pid", 24, 4, true),
            ("pid_t", "next_pid", 28, 4, true),
        ],
    ),
    ("sched", "sched_wakeup", &[("char[16]", "comm", 8, 16, true), ("pid_t", "pid", 24, 4, true)]),
    ("sched", "sched_wakeup_new", &[("char[16]", "comm", 8, 16, true), ("pid_t", "pid", 24, 4, true)]),
    (
        "sched",
        "sched_process_exec",
        &[("__data_loc char[]", "filename", 8, 4, true), ("pid_t", "pid", 12, 4, true)],
    ),
    (
        "sched",
        "sched_process_fork",
        &[
            ("__data_loc char[]", "parent_comm", 8, 4, true),
            ("pid_t", "parent_pid", 12, 4, true),
            ("__data_loc char[]", "child_comm", 16, 4, true),
            ("pid_t", "child_pid", 20, 4, true),
        ],
    ),
    ("raw_syscalls", "sys_enter", &[("long", "id", 8, 8, true), ("unsigned long[6]", "args", 16, 48, false)]),
    ("raw_syscalls", "sys_exit", &[("long", "id", 8, 8, true), ("long", "ret", 16, 8, true)]),
];

/// The end of what kmem:kmalloc has; one flag is an enumerator that only BTF knows.
const FLAGS: &str = r#"(REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|",
    {( unsigned long)((( gfp_t)((((1UL))) << (10)|(((1UL)) << (11)))) | (( gfp_t)(0x40u)) | (( gfp_t)0x80u)), "GFP_KERNEL"},
    {( unsigned long)(( gfp_t)(0x40u)), "__GFP_IO"}, {( unsigned long)(( gfp_t)(1 << TASK_STOPPED)), "__GFP_ODD"}) : "none""#;

const RAW: &[&str] = &["sched_switch", "sched_wakeup", "sched_wakeup_new", "sys_enter", "sys_exit"];
const FUNCTIONS: &[(&str, &str)] =
    &[("vmlinux", "vfs_read"), ("vmlinux", "vfs_write"), ("vmlinux", "vfs_open"), ("ext4", "ext4_sync_file")];
const LIBC: &str = "/usr/lib/libc.so.6";
const SYMBOLS: &[(&str, u64)] =
    &[("malloc", 0x1000), ("free", 0x2000), ("calloc", 0x3000), ("cfree", 0x2000), ("work_inner", 0x4000)];

fn ty(types: &mut TypeTable, text: &str) -> Ty {
    match text {
        "s32" => Ty::int(32),
        "u32" => Ty::U32,
        "u64" => Ty::U64,
        "bool" => Ty::Bool,
        "char" => Ty::int(8),
        "char16" => Ty::array(Ty::int(8), 16),
        "u64x4" => Ty::array(Ty::U64, 4),
        "enum" => Ty::Enum(enumeration(types)),
        text => match text.strip_prefix('*') {
            Some(to) => Ty::ptr(ty(types, to), Space::Any),
            None => enter(types, text).map_or(Ty::Error, Ty::Struct),
        },
    }
}

fn enter(types: &mut TypeTable, name: &str) -> Option<StructId> {
    let &(id, kind, name, size, _) = STRUCTS.iter().find(|s| s.2 == name)?;
    let origin = StructOrigin::Btf { module: 0, id };
    let shown = if name == "anonymous" { "" } else { name };
    Some(types.find_origin(origin).unwrap_or_else(|| {
        types.structs.push(StructDef { name: shown.into(), kind, size, origin, members: None })
    }))
}

fn enumeration(types: &mut TypeTable) -> EnumId {
    if let Some((id, _)) = types.enums.iter_enumerated().find(|(_, e)| e.name == ENUM) {
        return id;
    }
    let variants = ENUMERATORS.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
    types.enums.push(EnumDef { name: ENUM.into(), size: 4, signed: false, variants })
}

impl World for FixtureWorld {
    fn arch(&self) -> &'static Arch {
        &X86_64
    }
    fn features(&self) -> &dyn Features {
        self
    }
    fn n_cpus(&self) -> u32 {
        4
    }
    fn strukt(&self, types: &mut TypeTable, kind: Option<StructKind>, name: &str) -> Option<StructId> {
        let is_kind = |k| kind.is_none_or(|want| want == k);
        STRUCTS.iter().find(|s| s.2 == name && is_kind(s.1))?;
        enter(types, name)
    }
    fn enumeration(&self, types: &mut TypeTable, name: &str) -> Option<EnumId> {
        (name == ENUM).then(|| enumeration(types))
    }
    fn typedef(&self, _: &mut TypeTable, name: &str) -> Option<Ty> {
        match name {
            "pid_t" => Some(Ty::int(32)),
            "size_t" => Some(Ty::U64),
            _ => None,
        }
    }
    fn enumerator(&self, types: &mut TypeTable, name: &str) -> Option<(i64, EnumId)> {
        let &(_, value) = ENUMERATORS.iter().find(|(n, _)| *n == name)?;
        Some((value, enumeration(types)))
    }
    fn load_struct(&self, types: &mut TypeTable, id: StructId) {
        let StructOrigin::Btf { id: btf, .. } = types.structs[id].origin else { return };
        if types.structs[id].members.is_some() {
            return;
        }
        let Some((.., fields)) = STRUCTS.iter().find(|s| s.0 == btf) else { return };
        let member = |&(name, text, offset_bits, bitfield_bits): &Field| Member {
            name: name.into(),
            ty: ty(types, text),
            offset_bits,
            bitfield_bits,
            data_loc: DataLoc::No,
            tag: None,
        };
        let members = fields.iter().map(member).collect();
        types.structs[id].members = Some(members);
    }
    fn struct_names(&self) -> Vec<String> {
        STRUCTS.iter().map(|s| s.2.to_owned()).collect()
    }

    fn tracepoints(&self, category: &str, name: &str) -> Answer<Vec<(String, String)>> {
        let found = EVENTS.iter().filter(|e| glob(category, e.0) && glob(name, e.1));
        Ok(found.map(|e| (e.0.to_owned(), e.1.to_owned())).collect())
    }
    fn tracepoint_format(&self, category: &str, name: &str) -> Answer<TracepointFormat> {
        let found = EVENTS.iter().position(|e| e.0 == category && e.1 == name).ok_or(Missing::No)?;
        let field = |&(ctype, name, offset, size, signed): &(&str, &str, u32, u32, bool)| FormatField {
            ctype: ctype.into(),
            name: name.into(),
            offset,
            size,
            signed,
        };
        Ok(TracepointFormat { id: found as u64, fields: EVENTS[found].2.iter().map(field).collect() })
    }
    fn raw_tracepoints(&self, pattern: &str) -> Vec<(String, String)> {
        RAW.iter().filter(|n| glob(pattern, n)).map(|n| (String::new(), (*n).to_owned())).collect()
    }
    fn raw_tracepoint_args(&self, types: &mut TypeTable, name: &str) -> Option<FuncSig> {
        let params: &[(&str, &str)] = match name {
            "sched_switch" => &[("preempt", "bool"), ("prev", "*task_struct"), ("next", "*task_struct")],
            "sched_wakeup" | "sched_wakeup_new" => &[("p", "*task_struct")],
            _ => return None,
        };
        let params = params.iter().map(|(n, t)| ((*n).to_owned(), ty(types, t))).collect();
        Some(FuncSig { module: String::new(), params, ret: Ty::Void, btf_id: 1 })
    }
    fn kprobe_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        let in_module = |m: &str| module.is_empty() || glob(module, m);
        let found = FUNCTIONS.iter().filter(|(m, f)| in_module(m) && glob(pattern, f));
        Ok(found.map(|(m, f)| ((*m).to_owned(), (*f).to_owned())).collect())
    }
    fn fentry_functions(&self, module: &str, pattern: &str) -> Answer<Vec<(String, String)>> {
        self.kprobe_functions(module, pattern)
    }
    fn function(&self, types: &mut TypeTable, _: &str, name: &str) -> Option<FuncSig> {
        let params: &[(&str, &str)] = match name {
            "vfs_read" | "vfs_write" => &[("file", "*file"), ("buf", "*char"), ("count", "u64")],
            "vfs_open" => &[("path", "*path")],
            _ => return None,
        };
        let params = params.iter().map(|(n, t)| ((*n).to_owned(), ty(types, t))).collect();
        Some(FuncSig { module: String::new(), params, ret: Ty::I64, btf_id: 2 })
    }
    fn syscall_nr(&self, name: &str) -> Option<u32> {
        match name {
            "read" => Some(0),
            "write" => Some(1),
            "getpid" => Some(39),
            "execve" => Some(59),
            "kill" => Some(62),
            "getppid" => Some(110),
            "openat" => Some(257),
            _ => None,
        }
    }

    fn kernel_release(&self) -> Option<String> {
        Some("6.12.4-fixture".into())
    }
    fn kernel_setting(&self, name: &str) -> Option<String> {
        (name == "CONFIG_HZ").then(|| "250".into())
    }
    fn print_format(&self, category: &str, name: &str) -> Option<String> {
        ((category, name) == ("kmem", "kmalloc")).then(|| FLAGS.into())
    }

    fn binaries(&self, target: &str, _: Option<u32>) -> Answer<Vec<String>> {
        Ok(if matches!(target, "libc" | LIBC) { vec![LIBC.into()] } else { Vec::new() })
    }
    fn user_functions(&self, _: &str, pattern: &str) -> Answer<Vec<UserSymbol>> {
        let found = SYMBOLS.iter().filter(|(n, _)| glob(pattern, n));
        let symbol =
            |&(name, at): &(&str, u64)| UserSymbol { name: name.into(), file_offset: at, addr: at, size: 16 };
        Ok(found.map(symbol).collect())
    }
    fn user_file(&self, path: &str) -> Answer<UserFile> {
        if path == LIBC { Ok(UserFile { loading: Loading::Library, ino: 7 }) } else { Err(Missing::No) }
    }
    fn user_file_offset(&self, _: &str, addr: u64) -> Answer<u64> {
        if addr < 0x10000 { Ok(addr) } else { Err(Missing::No) }
    }
    fn usdt_probes(&self, _: &str, provider: &str, name: &str) -> Answer<Vec<UsdtProbe>> {
        let found = USDT.iter().filter(|(p, n, ..)| glob(provider, p) && glob(name, n));
        let probe = |&(provider, name, at, args): &(&str, &str, u64, &str)| UsdtProbe {
            provider: provider.into(),
            name: name.into(),
            file_offset: at,
            ref_ctr_offset: 0,
            args: usdt::args(args, self.arch().usdt_place),
        };
        Ok(found.map(probe).collect())
    }

    fn kernel_symbol(&self, name: &str) -> Answer<u64> {
        if name == "vfs_read" { Ok(0xffff_ffff_8123_4560) } else { Err(Missing::No) }
    }
    fn per_cpu(&self, _: &mut TypeTable, name: &str) -> Answer<PerCpu> {
        let ty = match name {
            "process_counts" => Some(Ty::U64),
            "untyped" => None,
            _ => return Err(Missing::No),
        };
        Ok(PerCpu { addr: 0x2000, bases_at: 0xffff_ffff_8200_0000, ty })
    }
    fn cgroup_id(&self, path: &str) -> Answer<u64> {
        if path == "/sys/fs/cgroup" { Ok(1) } else { Err(Missing::No) }
    }
    fn read_file(&self, path: &str) -> Answer<String> {
        self.files.get(path).cloned().ok_or(Missing::No)
    }
    fn folder(&self, path: &str) -> Answer<Folder> {
        let within = format!("{path}/");
        let names: Vec<String> = self
            .files
            .keys()
            .filter_map(|f| f.strip_prefix(&within))
            .filter(|n| !n.contains('/'))
            .map(str::to_owned)
            .collect();
        let is_world_writable = path.starts_with("/tmp/");
        if names.is_empty() { Err(Missing::No) } else { Ok(Folder { names, is_world_writable }) }
    }
}

impl Features for FixtureWorld {
    fn has(&self, feature: Feature) -> bool {
        !self.without.contains(&feature)
    }
    fn helper(&self, helper: Helper) -> bool {
        !self.without_helpers.contains(&helper)
    }
    fn direct_reads(&self, _: ProgType) -> bool {
        true
    }
    fn kfunc(&self, _: &str, _: ProgType) -> bool {
        false
    }
}
