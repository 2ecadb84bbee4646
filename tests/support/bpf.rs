//! Loads the programs of an image with raw calls and runs them once, for tests of generated code.
//!
//! Comes in: an image whose programs need neither BTF nor resolved fields. Always holds: descriptors are closed
//! when the [`Loaded`] goes, nothing is attached or pinned.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use awl::base::IndexVec;
use awl::image::{Image, Map, MapId, MapKind, ProgramId, RelocKind};
use awl::isa::Insn;
use awl::isa::insn::{Alu, Atomic, Form, R10, Src};
use libbpf_sys as sys;

/// Whether the kernel lets this process load programs.
pub fn can_load() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Whether this kernel has atomic exchange (5.12).
pub fn has_atomic_fetch() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let zero = Form::Alu { op: Alu::Mov, wide: true, dst: 0, src: Src::Imm(0) };
        let store = Form::Store { bytes: 8, base: R10, off: -8, src: Src::Reg(0) };
        let xchg = Form::Atomic { op: Atomic::Xchg, bytes: 8, base: R10, off: -8, src: 0 };
        load(&[zero, store, xchg, Form::Exit].map(Form::encode)).is_ok()
    })
}

/// A program in the kernel and its maps.
pub struct Loaded {
    prog: OwnedFd,
    maps: IndexVec<MapId, OwnedFd>,
    value_sizes: IndexVec<MapId, usize>,
}

impl Loaded {
    /// Creates the maps of `image` and loads one program as a raw tracepoint; else the verifier's log.
    pub fn new(image: &Image, id: ProgramId) -> Result<Loaded, String> {
        let mut maps = IndexVec::new();
        for map in image.maps.iter() {
            maps.push(create_map(map)?);
        }
        let mut insns = image.programs[id].insns.clone();
        for r in &image.programs[id].relocs {
            match &r.kind {
                RelocKind::MapPtr(m) | RelocKind::MapValue { map: m, .. } => {
                    insns[r.at as usize].imm = maps[*m].as_raw_fd();
                }
                RelocKind::Func(_) | RelocKind::FuncAddr(_) | RelocKind::Core { .. } => {}
                RelocKind::Kfunc(name) => return Err(format!("{name}: no kernel functions here")),
            }
        }
        let prog = load(&insns)?;
        let value_sizes = image.maps.iter().map(stride).collect();
        Ok(Loaded { prog, maps, value_sizes })
    }

    /// Runs it once, on the CPU where it is; what it returned.
    pub fn run(&self) -> u32 {
        let mut args = [0u64; 2];
        let mut opts = sys::bpf_test_run_opts {
            sz: size_of::<sys::bpf_test_run_opts>() as sys::size_t,
            ctx_in: args.as_mut_ptr().cast(),
            ctx_size_in: size_of_val(&args) as u32,
            ..Default::default()
        };
        // SAFETY: opts points to live memory of the sizes that it says.
        let ret = unsafe { sys::bpf_prog_test_run_opts(self.prog.as_raw_fd(), &mut opts) };
        assert_eq!(ret, 0, "the test run failed");
        opts.retval
    }

    /// The value of entry `key` of a map: of all CPUs, one after the other, if it is per CPU.
    pub fn read(&self, map: MapId, key: u32) -> Vec<u8> {
        let mut value = vec![0u8; self.value_sizes[map]];
        let fd = self.maps[map].as_raw_fd();
        // SAFETY: the kernel reads 4 bytes of key and writes as many bytes as the map's values have.
        let ret = unsafe { sys::bpf_map_lookup_elem(fd, (&raw const key).cast(), value.as_mut_ptr().cast()) };
        assert_eq!(ret, 0, "map {map} has no entry {key}");
        value
    }

    /// Sets the value of entry `key` of a map.
    pub fn write(&self, map: MapId, key: u32, value: &[u8]) {
        assert_eq!(value.len(), self.value_sizes[map]);
        let fd = self.maps[map].as_raw_fd();
        // SAFETY: the kernel reads 4 bytes of key and as many bytes as the map's values have.
        let ret = unsafe { sys::bpf_map_update_elem(fd, (&raw const key).cast(), value.as_ptr().cast(), 0) };
        assert_eq!(ret, 0, "entry {key} of map {map} cannot be set");
    }
}

/// Bytes that user space reads of one entry.
fn stride(map: &Map) -> usize {
    match map.kind {
        MapKind::PercpuArray | MapKind::PercpuHash | MapKind::LruPercpuHash => {
            // SAFETY: no preconditions.
            let n_cpus = unsafe { sys::libbpf_num_possible_cpus() } as usize;
            map.value_size.next_multiple_of(8) as usize * n_cpus
        }
        _ => map.value_size as usize,
    }
}

fn create_map(map: &Map) -> Result<OwnedFd, String> {
    let ty = match map.kind {
        MapKind::Hash => sys::BPF_MAP_TYPE_HASH,
        MapKind::Array => sys::BPF_MAP_TYPE_ARRAY,
        MapKind::PercpuArray => sys::BPF_MAP_TYPE_PERCPU_ARRAY,
        other => return Err(format!("maps of kind {other:?} are not made here")),
    };
    let name = CString::new("awl_test").expect("no NUL");
    // SAFETY: the name is NUL-terminated; no options are given.
    let fd = unsafe {
        sys::bpf_map_create(
            ty,
            name.as_ptr(),
            map.key_size,
            map.value_size,
            map.max_entries,
            std::ptr::null(),
        )
    };
    owned(fd).ok_or_else(|| format!("{}: {}", map.name, std::io::Error::last_os_error()))
}

fn load(insns: &[Insn]) -> Result<OwnedFd, String> {
    let mut log = vec![0u8; 1 << 22];
    let name = CString::new("awl_test").expect("no NUL");
    let license = CString::new("GPL").expect("no NUL");
    let mut opts = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as sys::size_t,
        log_level: 1,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr().cast(),
        ..Default::default()
    };
    // SAFETY: Insn has the layout of struct bpf_insn (it is checked where it is declared); the log lives.
    let fd = unsafe {
        sys::bpf_prog_load(
            sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
            name.as_ptr(),
            license.as_ptr(),
            insns.as_ptr().cast(),
            insns.len() as sys::size_t,
            &mut opts,
        )
    };
    let text = || CStr::from_bytes_until_nul(&log).map_or(String::new(), |c| c.to_string_lossy().into());
    owned(fd).ok_or_else(text)
}

fn owned(fd: i32) -> Option<OwnedFd> {
    // SAFETY: the kernel has just returned it, and nobody else has it.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}
