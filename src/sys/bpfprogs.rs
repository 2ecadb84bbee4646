//! The BPF programs that the kernel holds, by the functions in them, for probes on programs.
//!
//! Comes in: nothing, or a program's number. Goes out: names with the ids that attaching wants. Always holds: a
//! program that goes away while it is looked at is left out.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{FuncRecord, check, owned};
use crate::btf::Btf;
use crate::world::{Answer, BpfFunction, Missing};

/// Bytes of type information that are asked for at most.
const BTF_BYTES_MAX: u32 = 64 << 20;

/// All functions of all programs, in the order of the programs' numbers.
pub fn functions() -> Answer<Vec<BpfFunction>> {
    let mut found = Vec::new();
    let mut id = 0;
    loop {
        // SAFETY: `id` is a valid place for the next id.
        match check(unsafe { libbpf_sys::bpf_prog_get_next_id(id, &mut id) }) {
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(found),
            Err(e) => {
                return Err(Missing::Unreadable {
                    why: format!("the kernel does not list its BPF programs: {e}"),
                    hint: "run as root".into(),
                });
            }
        }
        found.extend(of_program(id).unwrap_or_default());
    }
}

/// The program of that number.
pub fn by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    owned(unsafe { libbpf_sys::bpf_prog_get_fd_by_id(id) })
}

fn of_program(id: u32) -> io::Result<Vec<BpfFunction>> {
    use std::os::fd::AsFd;
    let program = by_id(id)?;
    let counted = info(program.as_fd(), &mut [])?;
    if counted.btf_id == 0 || counted.nr_func_info == 0 {
        return Ok(Vec::new());
    }
    let empty = FuncRecord { insn_off: 0, type_id: 0 };
    let mut records = vec![empty; counted.nr_func_info as usize];
    info(program.as_fd(), &mut records)?;
    let btf = Btf::from_bytes(btf_bytes(counted.btf_id)?).map_err(io::Error::other)?;
    let function = |r: &FuncRecord| BpfFunction {
        program: id,
        name: btf.type_name(r.type_id).to_owned(),
        btf_id: r.type_id,
    };
    Ok(records.iter().map(function).filter(|f| !f.name.is_empty()).collect())
}

/// What the kernel says of a program; its functions, as many as there is room for.
fn info(program: BorrowedFd, records: &mut [FuncRecord]) -> io::Result<libbpf_sys::bpf_prog_info> {
    let mut info = libbpf_sys::bpf_prog_info {
        func_info: if records.is_empty() { 0 } else { records.as_mut_ptr() as u64 },
        nr_func_info: records.len() as u32,
        func_info_rec_size: size_of::<FuncRecord>() as u32,
        ..Default::default()
    };
    let mut len = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: `info` has `len` bytes, and the records that it points to have room for as many as it says.
    check(unsafe { libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &mut info, &mut len) })?;
    Ok(info)
}

fn btf_bytes(id: u32) -> io::Result<Vec<u8>> {
    // SAFETY: takes a number only.
    let btf = owned(unsafe { libbpf_sys::bpf_btf_get_fd_by_id(id) })?;
    let mut bytes = Vec::new();
    // The first call says how long it is.
    for _ in 0..2 {
        let mut info = libbpf_sys::bpf_btf_info {
            btf: if bytes.is_empty() { 0 } else { bytes.as_mut_ptr() as u64 },
            btf_size: bytes.len() as u32,
            ..Default::default()
        };
        let mut len = size_of::<libbpf_sys::bpf_btf_info>() as u32;
        // SAFETY: `info` has `len` bytes, and the buffer that it points to as many as it says.
        check(unsafe { libbpf_sys::bpf_btf_get_info_by_fd(btf.as_raw_fd(), &mut info, &mut len) })?;
        bytes.resize(info.btf_size.min(BTF_BYTES_MAX) as usize, 0u8);
    }
    Ok(bytes)
}
