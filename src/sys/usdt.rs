//! Statically defined probes of a binary: the notes of `.note.stapsdt` (`sys/sdt.h` writes them).
//!
//! Comes in: a path. Goes out: each place of each probe, with file offsets as the kernel wants them. Always holds:
//! a damaged note ends the list of its section, not awl.

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, FileKind};

use super::elf::{damaged, map_binary, not_elf, offset_of};
use crate::isa::arch;
use crate::isa::usdt::{self, Place};
use crate::world::{Answer, UsdtProbe, glob};

type Header = FileHeader64<Endianness>;

/// The type of a note that describes a probe.
const NT_STAPSDT: elf::NoteType = elf::NoteType(3);

/// The probes whose provider and name match, in the order of the notes.
pub fn probes(path: &str, provider: &str, name: &str) -> Answer<Vec<UsdtProbe>> {
    let data = map_binary(path)?;
    match FileKind::parse(&*data) {
        Ok(FileKind::Elf64) => {}
        // 32-bit programs have other registers.
        Ok(FileKind::Elf32) => return Ok(Vec::new()),
        Ok(_) | Err(_) => return Err(not_elf(path)),
    }
    let wanted = |p: &Note<'_>| glob(provider, p.provider) && glob(name, p.name);
    read(&data, &wanted).map_err(|e| damaged(path, &e))
}

/// A note as it stands in the file.
struct Note<'a> {
    pc: u64,
    base: u64,
    semaphore: u64,
    provider: &'a str,
    name: &'a str,
    args: &'a str,
}

fn read(data: &[u8], wanted: &dyn Fn(&Note<'_>) -> bool) -> object::read::Result<Vec<UsdtProbe>> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let base = sections.section_by_name(endian, b".stapsdt.base").map(|(_, s)| s.sh_addr(endian));
    let mut found = Vec::new();
    for section in sections.iter() {
        if sections.section_name(endian, section)? != b".note.stapsdt" {
            continue;
        }
        let Some(mut notes) = section.notes(endian, data)? else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() != b"stapsdt" || note.n_type(endian) != NT_STAPSDT {
                continue;
            }
            let Some(note) = parse(note.desc()) else { continue };
            if wanted(&note) {
                // A prelinked file has been moved since its notes were written.
                let moved = base.filter(|_| note.base != 0).map_or(0, |base| base.wrapping_sub(note.base));
                found.extend(probe(data, &note, moved));
            }
        }
    }
    let symbol = |name: &str| symbol_addr(data, name);
    for (found, pc) in &mut found {
        resolve(found, *pc, &symbol);
    }
    Ok(found.into_iter().map(|(probe, _)| probe).collect())
}

/// `pc, base, semaphore, provider\0 name\0 args\0`
fn parse(desc: &[u8]) -> Option<Note<'_>> {
    let word = |i: usize| {
        let bytes = desc.get(i * 8..i * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut texts = desc.get(24..)?.split(|&b| b == 0).map(|t| std::str::from_utf8(t).ok());
    Some(Note {
        pc: word(0)?,
        base: word(1)?,
        semaphore: word(2)?,
        provider: texts.next()??,
        name: texts.next()??,
        args: texts.next()??,
    })
}

/// The probe and its virtual address; `None` where the note points at nothing.
fn probe(data: &[u8], note: &Note<'_>, moved: u64) -> Option<(UsdtProbe, u64)> {
    let pc = note.pc.wrapping_add(moved);
    let ref_ctr_offset = match note.semaphore {
        0 => 0,
        semaphore => offset_of(data, semaphore.wrapping_add(moved))?,
    };
    let args = usdt::args(note.args, arch::native().usdt_place);
    let (provider, name) = (note.provider.to_owned(), note.name.to_owned());
    Some((UsdtProbe { provider, name, file_offset: offset_of(data, pc)?, ref_ctr_offset, args }, pc))
}

/// Symbols become distances from the probe: the code moves as one.
fn resolve(probe: &mut UsdtProbe, pc: u64, symbol: &dyn Fn(&str) -> Option<u64>) {
    for arg in &mut probe.args {
        let Place::Symbol { name, off } = &arg.place else { continue };
        arg.place = match symbol(name) {
            Some(addr) => {
                let off = (addr.wrapping_sub(pc) as i64).wrapping_add(*off);
                Place::Mem { base: Some(arch::native().ip), index: None, off }
            }
            None => Place::Unknown(name.clone()),
        };
    }
}

fn symbol_addr(data: &[u8], name: &str) -> Option<u64> {
    let header = Header::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    [elf::SHT_SYMTAB, elf::SHT_DYNSYM].into_iter().find_map(|table| {
        let symbols = sections.symbols(endian, data, table).ok()?;
        let is_it = |s: &&elf::Sym64<Endianness>| {
            s.st_shndx(endian) != elf::SHN_UNDEF && symbols.symbol_name(endian, s) == Ok(name.as_bytes())
        };
        symbols.iter().find(is_it).map(|s| s.st_value(endian))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_to_their_end_only() {
        let mut desc: Vec<u8> = [0x1000u64, 0x2000, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
        desc.extend(b"awl\0name\0-4@%edi\0");
        let note = parse(&desc).unwrap();
        assert_eq!((note.pc, note.provider, note.name, note.args), (0x1000, "awl", "name", "-4@%edi"));
        for n in 0..24 + 9 {
            assert!(parse(&desc[..n]).is_none(), "{n}");
        }
    }
}
