//! The running kernel's BTF, mapped where the kernel allows it.
//!
//! `/sys/kernel/btf/vmlinux` can be mapped from 6.16 on (40 µs, no resident memory). Before that (ENODEV) it is
//! read into a memfd (about 6 ms), so that btf-rs, which takes a path, sees a file that can be mapped.

use crate::btf::{Btf, Kernel, ModuleSource};
use memmap2::{Mmap, MmapOptions};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const FOLDER: &str = "/sys/kernel/btf";

/// vmlinux's BTF with the modules' behind it; the error says why there is none.
pub fn running_kernel() -> Result<Kernel, String> {
    let path = Path::new(FOLDER).join("vmlinux");
    let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let vmlinux = match map(&file) {
        Ok(mapped) => Btf::open(&path, Box::new(mapped))?,
        Err(_) => copied(file).map_err(|e| format!("{}: {e}", path.display()))??,
    };
    Ok(Kernel::new(vmlinux, Box::new(SysfsModules)))
}

/// The bytes of a module's BTF.
pub fn module(name: &str) -> Option<Vec<u8>> {
    SysfsModules.read(name)
}

fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and only read; neither sysfs nor a memfd of our own changes under it.
    unsafe { MmapOptions::new().map_copy_read_only(file) }
}

/// The file's bytes in a memfd.
fn copied(mut file: File) -> io::Result<Result<Rc<Btf>, String>> {
    // SAFETY: the name is a C string, the flags are plain.
    let fd = unsafe { libc::memfd_create(c"awl-btf".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let mut memory = unsafe { File::from_raw_fd(fd) };
    io::copy(&mut file, &mut memory)?;
    memory.flush()?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let mapped = map(&memory)?;
    Ok(Btf::open(&path, Box::new(mapped)))
}

/// Modules as sysfs lists them.
struct SysfsModules;

impl ModuleSource for SysfsModules {
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|n| n != "vmlinux").collect();
        names.sort_unstable();
        names
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(Path::new(FOLDER).join(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_answers_as_the_mapping_does() {
        let Ok(file) = File::open(Path::new(FOLDER).join("vmlinux")) else {
            eprintln!("skipped: no BTF on this machine");
            return;
        };
        let copy = copied(file).unwrap().unwrap();
        let kernel = running_kernel().unwrap();
        let id = |btf: &Btf| btf.find("task_struct", &[crate::btf::kind::STRUCT]);
        assert!(id(&copy).is_some());
        assert_eq!(id(&copy), id(kernel.vmlinux()));
        assert_eq!(copy.end_id(), kernel.vmlinux().end_id());
    }
}
