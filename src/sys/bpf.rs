//! The `bpf(2)` system call for programs, links and type information, through libbpf's low-level wrappers.
//!
//! Comes in: instructions and options that are already resolved. Goes out: owned descriptors, or the errno.
//! Always holds: nothing is pinned, so what these descriptors hold ends with the process at the latest.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::image::ProgType;
use crate::isa::Insn;

/// `enum bpf_attach_type`, as far as awl uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum AttachType {
    /// Whatever the program type has as its default.
    Default,
    RawTp,
    Fentry,
    Fexit,
    PerfEvent,
    KprobeMulti,
    UprobeMulti,
    Iter,
}

/// What the kernel is told about a program besides its instructions.
#[derive(Default)]
pub struct ProgramSpec<'a> {
    pub name: &'a str,
    pub license: &'a str,
    pub insns: &'a [Insn],
    pub attach: Option<AttachType>,
    /// Id in the kernel's (or `btf_module`'s) BTF of what a tracing program attaches to.
    pub attach_btf_id: u32,
    /// BTF of the module that `attach_btf_id` is of.
    pub btf_module: Option<BorrowedFd<'a>>,
    /// The BPF program that `attach_btf_id` is a function of.
    pub program: Option<BorrowedFd<'a>>,
    /// The program's own BTF, with its function and line records.
    pub debug: Option<DebugInfo<'a>>,
}

/// `func_info` and `line_info` records as the kernel takes them.
#[derive(Clone, Copy)]
pub struct DebugInfo<'a> {
    pub btf: BorrowedFd<'a>,
    pub funcs: &'a [FuncRecord],
    pub lines: &'a [LineRecord],
}

/// `struct bpf_func_info`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FuncRecord {
    pub insn_off: u32,
    pub type_id: u32,
}

/// `struct bpf_line_info`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LineRecord {
    pub insn_off: u32,
    pub file_name_off: u32,
    pub line_off: u32,
    /// Line in the high 22 bits, column in the low 10.
    pub line_col: u32,
}

/// How much the verifier says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// Where it branches and what it refuses.
    Refusal,
    /// The registers after each instruction.
    States,
}

/// Loads a program without asking for a log: that is 3-4 times faster.
pub fn load(ty: ProgType, spec: &ProgramSpec) -> io::Result<OwnedFd> {
    load_with(ty, spec, None)
}

/// Loads a program again after a refusal, for the verifier's words. It may succeed now.
pub fn load_logged(
    ty: ProgType,
    spec: &ProgramSpec,
    level: LogLevel,
    log_bytes: u32,
) -> (io::Result<OwnedFd>, String) {
    let mut log = vec![0u8; log_bytes as usize];
    let loaded = load_with(ty, spec, Some((&mut log, level)));
    let used = log.iter().position(|&b| b == 0).unwrap_or(log.len());
    (loaded, String::from_utf8_lossy(&log[..used]).into_owned())
}

fn load_with(ty: ProgType, spec: &ProgramSpec, log: Option<(&mut Vec<u8>, LogLevel)>) -> io::Result<OwnedFd> {
    let name = c_string(&object_name(spec.name))?;
    let license = c_string(spec.license)?;
    let mut opts = libbpf_sys::bpf_prog_load_opts {
        sz: size_of::<libbpf_sys::bpf_prog_load_opts>() as u64,
        expected_attach_type: attach_type(spec.attach.unwrap_or(AttachType::Default)),
        attach_btf_id: spec.attach_btf_id,
        attach_btf_obj_fd: spec.btf_module.map_or(0, |fd| fd.as_raw_fd() as u32),
        ..Default::default()
    };
    if let Some(program) = spec.program {
        opts.attach_prog_fd = program.as_raw_fd() as u32;
    }
    if let Some(debug) = &spec.debug {
        opts.prog_btf_fd = debug.btf.as_raw_fd() as u32;
        opts.func_info = debug.funcs.as_ptr().cast();
        opts.func_info_cnt = debug.funcs.len() as u32;
        opts.func_info_rec_size = size_of::<FuncRecord>() as u32;
        opts.line_info = debug.lines.as_ptr().cast();
        opts.line_info_cnt = debug.lines.len() as u32;
        opts.line_info_rec_size = size_of::<LineRecord>() as u32;
    }
    if let Some((log, level)) = log {
        opts.log_level = match level {
            LogLevel::Refusal => 1,
            LogLevel::States => 2,
        };
        opts.log_size = log.len() as u32;
        opts.log_buf = log.as_mut_ptr().cast();
    }
    // SAFETY: every pointer in `opts` and the names outlive the call; `Insn` is `struct bpf_insn`.
    let fd = unsafe {
        libbpf_sys::bpf_prog_load(
            prog_type(ty),
            name.as_ptr(),
            license.as_ptr(),
            spec.insns.as_ptr().cast(),
            spec.insns.len() as u64,
            &mut opts,
        )
    };
    owned(fd)
}

/// Loads type information.
pub fn load_btf(bytes: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: `bytes` outlives the call; no options are given.
    owned(unsafe { libbpf_sys::bpf_btf_load(bytes.as_ptr().cast(), bytes.len() as u64, ptr::null_mut()) })
}

/// The BTF of a kernel module, for attaching to its functions.
pub fn module_btf(module: &str) -> io::Result<OwnedFd> {
    let mut id = 0;
    loop {
        // SAFETY: `id` is a valid place for the next id.
        check(unsafe { libbpf_sys::bpf_btf_get_next_id(id, &mut id) })?;
        // SAFETY: takes a number only.
        let fd = owned(unsafe { libbpf_sys::bpf_btf_get_fd_by_id(id) })?;
        let mut name = [0u8; 64];
        let mut info = libbpf_sys::bpf_btf_info {
            name: name.as_mut_ptr() as u64,
            name_len: name.len() as u32,
            ..Default::default()
        };
        let mut len = size_of::<libbpf_sys::bpf_btf_info>() as u32;
        // SAFETY: `info` has `len` bytes, and the name that it points to outlives the call.
        check(unsafe { libbpf_sys::bpf_btf_get_info_by_fd(fd.as_raw_fd(), &mut info, &mut len) })?;
        let used = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        if info.kernel_btf != 0 && name[..used] == *module.as_bytes() {
            return Ok(fd);
        }
    }
}

/// Attaches a program to a raw tracepoint by name; tracing programs (`tp_btf`, fentry, fexit) know where.
pub fn open_raw_tracepoint(program: BorrowedFd, name: Option<&str>) -> io::Result<OwnedFd> {
    let name = name.map(c_string).transpose()?;
    let name_ptr = name.as_ref().map_or(ptr::null(), |n| n.as_ptr());
    // SAFETY: `name` outlives the call.
    owned(unsafe { libbpf_sys::bpf_raw_tracepoint_open(name_ptr, program.as_raw_fd()) })
}

/// Attaches a program to a perf event by a link (kernel 5.15), which carries a cookie.
pub fn link_perf_event(program: BorrowedFd, event: BorrowedFd, cookie: u64) -> io::Result<OwnedFd> {
    let mut opts = link_opts();
    opts.__bindgen_anon_1.perf_event.bpf_cookie = cookie;
    link(program, event.as_raw_fd(), AttachType::PerfEvent, &opts)
}

/// Attaches a program to many kernel functions (kernel 5.18).
pub fn link_kprobe_multi(program: BorrowedFd, funcs: &[&str], is_return: Edge) -> io::Result<OwnedFd> {
    let names = funcs.iter().map(|f| c_string(f)).collect::<io::Result<Vec<_>>>()?;
    let mut ptrs: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
    let mut opts = link_opts();
    opts.__bindgen_anon_1.kprobe_multi = libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_2 {
        flags: is_return.flag(libbpf_sys::BPF_F_KPROBE_MULTI_RETURN),
        cnt: ptrs.len() as u32,
        syms: ptrs.as_mut_ptr(),
        ..Default::default()
    };
    link(program, 0, AttachType::KprobeMulti, &opts)
}

/// Attaches a program to many places of one file (kernel 6.6). `ref_ctrs` is empty or as long as `offsets`.
pub fn link_uprobe_multi(
    program: BorrowedFd,
    path: &str,
    offsets: &[u64],
    ref_ctrs: &[u64],
    pid: Option<u32>,
    is_return: Edge,
) -> io::Result<OwnedFd> {
    let path = c_string(path)?;
    let mut opts = link_opts();
    opts.__bindgen_anon_1.uprobe_multi = libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_3 {
        flags: is_return.flag(libbpf_sys::BPF_F_UPROBE_MULTI_RETURN),
        cnt: offsets.len() as u32,
        path: path.as_ptr(),
        offsets: offsets.as_ptr(),
        ref_ctr_offsets: if ref_ctrs.is_empty() { ptr::null() } else { ref_ctrs.as_ptr() },
        pid: pid.unwrap_or(0),
        ..Default::default()
    };
    link(program, 0, AttachType::UprobeMulti, &opts)
}

/// Makes an iterator of a program; of one process, if it goes over tasks.
pub fn link_iter(program: BorrowedFd, pid: Option<u32>) -> io::Result<OwnedFd> {
    let mut info = libbpf_sys::bpf_iter_link_info::default();
    let mut opts = link_opts();
    if let Some(pid) = pid {
        info.task.pid = pid;
        opts.iter_info = &mut info;
        opts.iter_info_len = size_of_val(&info) as u32;
    }
    link(program, 0, AttachType::Iter, &opts)
}

/// A file that runs an iterator's program when it is read.
pub fn open_iter(link: BorrowedFd) -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    owned(unsafe { libbpf_sys::bpf_iter_create(link.as_raw_fd()) })
}

/// Whether a multi link probes entries or returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    Entry,
    Return,
}

impl Edge {
    fn flag(self, flag: u32) -> u32 {
        match self {
            Edge::Entry => 0,
            Edge::Return => flag,
        }
    }
}

fn link_opts() -> libbpf_sys::bpf_link_create_opts {
    libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as u64,
        ..Default::default()
    }
}

fn link(
    program: BorrowedFd,
    target: i32,
    ty: AttachType,
    opts: &libbpf_sys::bpf_link_create_opts,
) -> io::Result<OwnedFd> {
    // SAFETY: the arrays and names that `opts` points to are kept by the callers until this returns.
    owned(unsafe { libbpf_sys::bpf_link_create(program.as_raw_fd(), target, attach_type(ty), opts) })
}

/// Runs a raw tracepoint program once, here and now; yields what it returned.
pub fn test_run(program: BorrowedFd) -> io::Result<u32> {
    let args = [0u64; 12];
    let mut opts = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as u64,
        ctx_in: args.as_ptr().cast(),
        ctx_size_in: size_of_val(&args) as u32,
        ..Default::default()
    };
    // SAFETY: the context outlives the call.
    check(unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &mut opts) })?;
    Ok(opts.retval)
}

/// Runs an XDP program `n` times on a packet of zeros; yields what it returned last, and the mean ns of a run.
pub fn repeat_run(program: BorrowedFd, n: u32) -> io::Result<(u32, u32)> {
    let packet = [0u8; 64];
    let mut opts = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as u64,
        data_in: packet.as_ptr().cast(),
        data_size_in: packet.len() as u32,
        repeat: n as i32,
        ..Default::default()
    };
    // SAFETY: the packet outlives the call.
    check(unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &mut opts) })?;
    Ok((opts.retval, opts.duration))
}

/// How often the kernel skipped the program because it was running already (kernel 5.12; else 0).
pub fn recursion_misses(program: BorrowedFd) -> io::Result<u64> {
    Ok(program_info(program)?.recursion_misses)
}

/// What the kernel made of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// Instructions after the verifier's rewriting.
    pub insns: u32,
    /// Bytes of machine code; 0 where there is no JIT.
    pub machine_bytes: u32,
    /// Instructions that the verifier went through, each path counted (kernel 5.16; else 0).
    pub verified_insns: u32,
}

/// See [`Translation`].
pub fn translation(program: BorrowedFd) -> io::Result<Translation> {
    let info = program_info(program)?;
    Ok(Translation {
        insns: info.xlated_prog_len / 8,
        machine_bytes: info.jited_prog_len,
        verified_insns: info.verified_insns,
    })
}

/// What the kernel says of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProgramFacts {
    /// While statistics were on.
    pub n_runs: u64,
    pub time_ns: u64,
    /// Of machine code.
    pub code_bytes: u64,
}

pub fn program_facts(program: BorrowedFd) -> io::Result<ProgramFacts> {
    let info = program_info(program)?;
    Ok(ProgramFacts {
        n_runs: info.run_cnt,
        time_ns: info.run_time_ns,
        code_bytes: u64::from(info.jited_prog_len),
    })
}

fn program_info(program: BorrowedFd) -> io::Result<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut len = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: `info` has `len` bytes.
    check(unsafe { libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &mut info, &mut len) })?;
    Ok(info)
}

/// Lets the kernel count runs and time of all programs, as long as the descriptor is open (kernel 5.8).
pub fn enable_stats() -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    owned(unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) })
}

/// The kernel takes 15 bytes of letters, digits, `_` and `.`.
pub fn object_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    name.chars().map(|c| if fits(c) { c } else { '_' }).take(crate::isa::limits::OBJ_NAME_BYTES - 1).collect()
}

pub(super) fn check(ret: i32) -> io::Result<i32> {
    if ret < 0 { Err(io::Error::from_raw_os_error(-ret)) } else { Ok(ret) }
}

pub(super) fn owned(fd: i32) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(super) fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn prog_type(ty: ProgType) -> libbpf_sys::bpf_prog_type {
    match ty {
        ProgType::Kprobe => libbpf_sys::BPF_PROG_TYPE_KPROBE,
        ProgType::Tracepoint => libbpf_sys::BPF_PROG_TYPE_TRACEPOINT,
        ProgType::PerfEvent => libbpf_sys::BPF_PROG_TYPE_PERF_EVENT,
        ProgType::RawTracepoint => libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
        ProgType::Tracing => libbpf_sys::BPF_PROG_TYPE_TRACING,
        ProgType::Syscall => libbpf_sys::BPF_PROG_TYPE_SYSCALL,
        ProgType::Xdp => libbpf_sys::BPF_PROG_TYPE_XDP,
    }
}

fn attach_type(ty: AttachType) -> libbpf_sys::bpf_attach_type {
    match ty {
        AttachType::Default => 0,
        AttachType::RawTp => libbpf_sys::BPF_TRACE_RAW_TP,
        AttachType::Fentry => libbpf_sys::BPF_TRACE_FENTRY,
        AttachType::Fexit => libbpf_sys::BPF_TRACE_FEXIT,
        AttachType::PerfEvent => libbpf_sys::BPF_PERF_EVENT,
        AttachType::KprobeMulti => libbpf_sys::BPF_TRACE_KPROBE_MULTI,
        AttachType::UprobeMulti => libbpf_sys::BPF_TRACE_UPROBE_MULTI,
        AttachType::Iter => libbpf_sys::BPF_TRACE_ITER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_fit_the_kernel() {
        assert_eq!(object_name("@start[tid]"), "_start_tid_");
        assert_eq!(object_name("a_name_of_more_than_15_bytes").len(), 15);
    }
}
