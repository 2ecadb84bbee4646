//! Where the variables of a binary are, and what it is.
//!
//! Comes in: a path and a name. Goes out: the address as the binary has it, and what it takes to know where that
//! is in a process.

use super::elf::{damaged, map_binary, not_elf};
use crate::world::{Answer, Loading, Missing, UserFile, UserObject};
use object::elf::{DF_1_PIE, DT_FLAGS_1, DT_SONAME, FileHeader32, FileHeader64, PF_X, PT_INTERP, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, File, FileKind, Object, ObjectKind, ObjectSymbol};
use std::os::unix::fs::MetadataExt;

/// The symbol of that name, whatever it is of.
pub fn object(path: &str, name: &str) -> Answer<UserObject> {
    let data = map_binary(path)?;
    let file = File::parse(&*data).map_err(|_| not_elf(path))?;
    let mut symbols = file.symbols().chain(file.dynamic_symbols());
    let wanted = |s: &object::Symbol<'_, '_>| {
        let plain = s.name().ok().map(|n| n.split('@').next().unwrap_or(n).to_owned());
        s.is_definition() && plain.as_deref() == Some(name)
    };
    let symbol = symbols.find(wanted).ok_or(Missing::No)?;
    let loading = loading(path, &file, &data)?;
    Ok(UserObject { addr: symbol.address(), size: symbol.size(), loading })
}

/// What the binary is.
pub fn file(path: &str) -> Answer<UserFile> {
    let data = map_binary(path)?;
    let file = File::parse(&*data).map_err(|_| not_elf(path))?;
    let loading = loading(path, &file, &data)?;
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    Ok(UserFile { loading, ino: metadata.ino() })
}

fn unreadable(path: &str, e: &std::io::Error) -> Missing {
    Missing::Unreadable { why: format!("{path}: {e}"), hint: String::new() }
}

fn loading(path: &str, file: &File<'_>, data: &[u8]) -> Answer<Loading> {
    Ok(match file.kind() {
        ObjectKind::Dynamic => match headers(data).map_err(|e| damaged(path, &e))? {
            (true, code_at) => Loading::Moved { code_at },
            (false, _) => Loading::Library,
        },
        _ => Loading::Fixed,
    })
}

/// Whether the binary is a program: it names a loader or says that it needs none, and has no name that others link it
/// by (the C library has both); and its lowest code, whose place the kernel tells of a running program.
fn headers(data: &[u8]) -> object::read::Result<(bool, u64)> {
    fn of<E: FileHeader<Endian = Endianness>>(data: &[u8]) -> object::read::Result<(bool, u64)> {
        let header = E::parse(data)?;
        let endian = header.endian()?;
        let all = header.program_headers(endian, data)?;
        let is_code = |p: &&E::ProgramHeader| p.p_type(endian) == PT_LOAD && p.p_flags(endian).contains(PF_X);
        let code_at = all.iter().filter(is_code).map(|p| p.p_vaddr(endian).into()).min();
        let mut is_program = all.iter().any(|p| p.p_type(endian) == PT_INTERP);
        for p in all {
            let entries = p.dynamic(endian, data)?.unwrap_or(&[]);
            let is_pie = |e: &E::Dyn| e.tag(endian) == DT_FLAGS_1 && e.val(endian) & DF_1_PIE.0 != 0;
            is_program |= entries.iter().any(is_pie);
            is_program &= !entries.iter().any(|e| e.tag(endian) == DT_SONAME);
        }
        Ok((is_program, code_at.unwrap_or(0)))
    }
    match FileKind::parse(data)? {
        FileKind::Elf32 => of::<FileHeader32<Endianness>>(data),
        _ => of::<FileHeader64<Endianness>>(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_programs() {
        let own = std::env::current_exe().unwrap();
        let found = object(own.to_str().unwrap(), "main").unwrap();
        assert!(found.addr > 0);
        assert_eq!(object(own.to_str().unwrap(), "no_such_symbol"), Err(Missing::No));
        let file = file(own.to_str().unwrap()).unwrap();
        assert!(file.ino > 0 && file.loading != Loading::Library);
    }
}
