//! Trial loads: tiny programs, maps and links that are made to see whether the kernel takes them, and dropped
//! at once.
//!
//! Comes in: a few instructions. Goes out: what the kernel said. Nothing is ever attached: links are tried with
//! targets that cannot exist.

use crate::isa::Insn;
use libbpf_sys as sys;
use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Bytes of log that are read: the messages that matter are short.
const LOG_BYTES: usize = 4096;

/// What to load.
pub struct Trial<'a> {
    /// `BPF_PROG_TYPE_*`
    pub prog_type: u32,
    /// `BPF_TRACE_*` where the type wants one, else 0.
    pub attach_type: u32,
    pub attach_btf_id: u32,
    /// `BPF_F_*`
    pub flags: u32,
    pub insns: &'a [Insn],
}

/// Why the kernel refused.
#[derive(Debug)]
pub struct Refused {
    pub errno: i32,
    pub log: String,
}

const _: () = assert!(size_of::<Insn>() == size_of::<sys::bpf_insn>());

/// Loads and forgets a program.
pub fn load(trial: &Trial) -> Result<OwnedFd, Refused> {
    let mut log = vec![0u8; LOG_BYTES];
    let mut opts = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as _,
        attempts: 1,
        expected_attach_type: trial.attach_type,
        attach_btf_id: trial.attach_btf_id,
        prog_flags: trial.flags,
        log_level: 1,
        log_size: LOG_BYTES as u32,
        log_buf: log.as_mut_ptr().cast::<c_char>(),
        ..Default::default()
    };
    // SAFETY: `Insn` has the layout of `bpf_insn`; name, licence, instructions and log outlive the call, and
    // their lengths are given.
    let fd = unsafe {
        sys::bpf_prog_load(
            trial.prog_type,
            c"awl_trial".as_ptr(),
            c"GPL".as_ptr(),
            trial.insns.as_ptr().cast::<sys::bpf_insn>(),
            trial.insns.len() as _,
            &mut opts,
        )
    };
    owned(fd).map_err(|errno| {
        let log = CStr::from_bytes_until_nul(&log).map(|l| l.to_string_lossy().into_owned());
        Refused { errno, log: log.unwrap_or_default() }
    })
}

/// Creates a map; the error is an errno.
pub fn map(kind: u32, key_size: u32, value_size: u32, max_entries: u32, flags: u32) -> Result<OwnedFd, i32> {
    let opts = sys::bpf_map_create_opts {
        sz: size_of::<sys::bpf_map_create_opts>() as _,
        map_flags: flags,
        ..Default::default()
    };
    // SAFETY: the name is a C string and the options are complete.
    let fd =
        unsafe { sys::bpf_map_create(kind, c"awl_trial".as_ptr(), key_size, value_size, max_entries, &opts) };
    owned(fd)
}

/// The errno of a perf-event link to no perf event.
pub fn link_perf_event(prog: &OwnedFd) -> i32 {
    link(prog, sys::BPF_PERF_EVENT, &link_opts())
}

/// The errno of a kprobe.multi link to a function that does not exist.
pub fn link_kprobe_multi(prog: &OwnedFd, attach_type: u32) -> i32 {
    let mut name: *const c_char = c"awl_no_such_function".as_ptr();
    let mut opts = link_opts();
    opts.__bindgen_anon_1.kprobe_multi = sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_2 {
        flags: 0,
        cnt: 1,
        syms: &mut name,
        addrs: ptr::null(),
        cookies: ptr::null(),
    };
    link(prog, attach_type, &opts)
}

/// The errno of an uprobe.multi link to a folder.
pub fn link_uprobe_multi(prog: &OwnedFd) -> i32 {
    let offset = 0;
    let mut opts = link_opts();
    opts.__bindgen_anon_1.uprobe_multi = sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_3 {
        cnt: 1,
        path: c"/".as_ptr(),
        offsets: &offset,
        ..Default::default()
    };
    link(prog, sys::BPF_TRACE_UPROBE_MULTI, &opts)
}

fn link_opts() -> sys::bpf_link_create_opts {
    sys::bpf_link_create_opts { sz: size_of::<sys::bpf_link_create_opts>() as _, ..Default::default() }
}

/// 0 if the kernel made the link, which is closed again.
fn link(prog: &OwnedFd, attach_type: u32, opts: &sys::bpf_link_create_opts) -> i32 {
    // SAFETY: the descriptor is open; what the options point to lives in the caller.
    let fd = unsafe { sys::bpf_link_create(prog.as_raw_fd(), -1, attach_type, opts) };
    owned(fd).err().unwrap_or(0)
}

/// libbpf's calls return a descriptor or a negated errno.
fn owned(fd: RawFd) -> Result<OwnedFd, i32> {
    if fd < 0 {
        return Err(-fd);
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
