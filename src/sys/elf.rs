//! Binaries for uprobes: which file a target names, and the functions in it.
//!
//! Comes in: a target as a script writes it, a pattern. Goes out: paths, symbols with the file offset that the
//! kernel wants. Always holds: only functions with code of their own come out. A GNU_IFUNC's symbol is its
//! resolver, which runs once and not at each call: it is left out.

use super::demangle;
use crate::isa::arch::{self, Arch};
use crate::world::{Answer, Missing, UserSymbol, glob, is_glob};
use memmap2::{Mmap, MmapOptions};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use object::{Endianness, FileKind, Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

// --- which file --------------------------------------------------------------------------------------------

/// The binaries that a target names: a path or a glob of paths, a name in PATH, a library (`libc`,
/// `libssl.so.3`), or `*` for everything that runs. With a process, its mappings and its root come first.
pub fn binaries(target: &str, pid: Option<u32>) -> Answer<Vec<String>> {
    if target == "*" {
        return Ok(mapped_executables(pid));
    }
    let found = if target.contains('/') {
        let root = pid.and_then(other_root);
        let inside = root.map(|r| expand(&format!("{r}{target}"))).unwrap_or_default();
        if inside.is_empty() { expand(target) } else { inside }
    } else {
        named(target, pid)
    };
    if found.is_empty() { Err(Missing::No) } else { Ok(found) }
}

/// `/proc/PID/root` of a process that sees other mounts than we do.
fn other_root(pid: u32) -> Option<String> {
    let mounts = |p: &str| fs::read_link(format!("/proc/{p}/ns/mnt")).ok();
    let (ours, theirs) = (mounts("self")?, mounts(&pid.to_string())?);
    (ours != theirs).then(|| format!("/proc/{pid}/root"))
}

/// A name without a folder.
fn named(name: &str, pid: Option<u32>) -> Vec<String> {
    let is_it = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        if is_glob(name) { glob(name, file) } else { file == name || is_library(name, file) }
    };
    if let Some(pid) = pid {
        let root = other_root(pid).unwrap_or_default();
        let mapped = mapped_executables(Some(pid));
        let found: Vec<String> =
            mapped.into_iter().filter(|p| is_it(p)).map(|p| format!("{root}{p}")).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let in_path = std::env::var("PATH").unwrap_or_default();
    let mut found: Vec<String> = in_path.split(':').flat_map(|d| expand(&format!("{d}/{name}"))).collect();
    found.retain(|p| is_executable(Path::new(p)));
    if found.is_empty() {
        found = cached_libraries(&is_it);
    }
    if found.is_empty() {
        let folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib/*-linux-gnu"];
        let files = folders.iter().flat_map(|d| expand(&format!("{d}/{name}*")));
        found = files.filter(|p| is_it(p) && is_native(Path::new(p), arch::native())).collect();
    }
    if !is_glob(name) {
        found.truncate(1);
    }
    once_each(found)
}

/// `libc` names `libc.so.6`, `libssl.so` names `libssl.so.3`.
fn is_library(name: &str, file: &str) -> bool {
    let rest = file.strip_prefix(name);
    let is_version = |r: &str| r.starts_with('.') && r[1..].starts_with(|c: char| c.is_ascii_digit());
    rest.is_some_and(|r| match r.strip_prefix(".so") {
        Some(version) => version.is_empty() || is_version(version),
        None => name.contains(".so") && is_version(r),
    })
}

/// The first of the paths that lead to the same file.
fn once_each(paths: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let real = |p: &String| fs::canonicalize(p).unwrap_or_else(|_| PathBuf::from(p));
    paths.into_iter().filter(|p| seen.insert(real(p))).collect()
}

/// The files that a path names, whose parts may be patterns; in order.
fn expand(path: &str) -> Vec<String> {
    let start = if path.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let mut found = vec![start];
    for part in path.split('/').filter(|p| !p.is_empty()) {
        found = if is_glob(part) {
            found.iter().flat_map(|folder| matching_entries(folder, part)).collect()
        } else {
            found.into_iter().map(|folder| folder.join(part)).collect()
        };
    }
    let files = found.into_iter().filter(|p| p.is_file());
    files.filter_map(|p| p.into_os_string().into_string().ok()).collect()
}

fn matching_entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(listed).into_iter().flatten().flatten();
    let names = names.filter_map(|e| e.file_name().into_string().ok());
    let is_shown = |n: &String| !n.starts_with('.') || pattern.starts_with('.');
    let mut names: Vec<String> = names.filter(|n| glob(pattern, n) && is_shown(n)).collect();
    names.sort_unstable();
    names.into_iter().map(|n| folder.join(n)).collect()
}

/// Paths of the executable mappings of a process, or of all processes that we may look into.
fn mapped_executables(pid: Option<u32>) -> Vec<String> {
    let pids: Vec<String> = match pid {
        Some(pid) => vec![pid.to_string()],
        None => matching_entries(Path::new("/proc"), "[0-9]*")
            .into_iter()
            .filter_map(|p| Some(p.file_name()?.to_str()?.to_owned()))
            .collect(),
    };
    let mut paths = BTreeSet::new();
    for pid in pids {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        for line in maps.lines() {
            let is_code = line.split(' ').nth(1).is_some_and(|mode| mode.contains('x'));
            if let (true, Some(at)) = (is_code, line.find('/'))
                && !line.ends_with(" (deleted)")
            {
                paths.insert(line[at..].to_owned());
            }
        }
    }
    paths.into_iter().collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Whether the file is an ELF file for this processor (`e_ident`, `e_machine`).
fn is_native(path: &Path, arch: &Arch) -> bool {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|mut f| f.read_exact(&mut head));
    read.is_ok()
        && head[..4] == elf::ELFMAG
        && u16::from_le_bytes([head[18], head[19]]) == arch.elf_machine
        && head[4] == 2
}

/// Libraries that the dynamic linker's cache lists and that are wanted, in the order of the cache.
fn cached_libraries(is_it: &dyn Fn(&str) -> bool) -> Vec<String> {
    let cache = fs::read("/etc/ld.so.cache").unwrap_or_default();
    let paths = parse_ld_cache(&cache).into_iter();
    let wanted = paths.filter(|(name, _)| is_it(name)).map(|(_, path)| path);
    wanted.filter(|p| is_native(Path::new(p), arch::native())).collect()
}

/// Name and path of each entry (`struct cache_file_new`, glibc's sysdeps/generic/dl-cache.h).
fn parse_ld_cache(cache: &[u8]) -> Vec<(String, String)> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER_BYTES: usize = 48;
    const ENTRY_BYTES: usize = 24;
    // Older caches have the new format behind the old one; offsets count from where the new one starts.
    let Some(start) = memchr::memmem::find(cache, MAGIC) else { return Vec::new() };
    let cache = &cache[start..];
    let word = |at: usize| {
        let w = cache.get(at..at + 4)?;
        Some(u32::from_le_bytes([w[0], w[1], w[2], w[3]]) as usize)
    };
    let text = |at: usize| {
        let tail = cache.get(at..)?;
        let end = memchr::memchr(0, tail)?;
        String::from_utf8(tail[..end].to_vec()).ok()
    };
    let n_entries = word(MAGIC.len()).unwrap_or(0).min(cache.len() / ENTRY_BYTES);
    let entry = |i: usize| {
        let at = HEADER_BYTES + i * ENTRY_BYTES;
        Some((text(word(at + 4)?)?, text(word(at + 8)?)?))
    };
    (0..n_entries).filter_map(entry).collect()
}

// --- what is in it -----------------------------------------------------------------------------------------

/// Functions of a binary whose names match, in the order of names, then addresses.
pub fn functions(path: &str, pattern: &str) -> Answer<Vec<UserSymbol>> {
    let data = map(Path::new(path))?;
    let mut found = Found { pattern, by_name: BTreeMap::new() };
    collect_any(&data, &mut found).map_err(|e| damaged(path, &e))?.ok_or_else(|| not_elf(path))?;
    let separate = separate_debug(&data, Path::new(path));
    if let Some(debug) = separate.and_then(|p| map(&p).ok()) {
        // Names only: addresses are the same, and offsets are those of the binary itself. A damaged file of
        // debug symbols takes nothing away from what the binary says.
        collect_any(&debug, &mut found).unwrap_or_default();
    }
    found.symbols(&|addr| offset_of(&data, addr))
}

/// File offset of a virtual address of a binary.
pub fn file_offset(path: &str, addr: u64) -> Answer<u64> {
    let data = map(Path::new(path))?;
    FileKind::parse(&*data).map_err(|_| not_elf(path))?;
    offset_of(&data, addr).ok_or(Missing::No)
}

/// A binary as bytes.
pub(super) fn map_binary(path: &str) -> Answer<Mmap> {
    map(Path::new(path))
}

fn map(path: &Path) -> Answer<Mmap> {
    let file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Missing::No,
        _ => Missing::Unreadable { why: format!("{}: {e}", path.display()), hint: String::new() },
    })?;
    // SAFETY: private and only read, with every access checked against the length; a file that is truncated
    // while we read it ends the process by SIGBUS, as it does for every reader of mapped binaries.
    let mapped = unsafe { MmapOptions::new().map_copy_read_only(&file) };
    mapped.map_err(|e| Missing::Unreadable {
        why: format!("{}: {e}", path.display()),
        hint: "name a binary or a library".into(),
    })
}

pub(super) fn not_elf(path: &str) -> Missing {
    Missing::Unreadable {
        why: format!("{path} is not an ELF file"),
        hint: "name a binary or a library".into(),
    }
}

pub(super) fn damaged(path: &str, e: &object::read::Error) -> Missing {
    Missing::Unreadable { why: format!("{path}: {e}"), hint: String::new() }
}

/// Symbols by name: those with the address's size, and whether a newer version of the name stands before it.
struct Found<'a> {
    pattern: &'a str,
    by_name: BTreeMap<String, BTreeMap<u64, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    size: u64,
    /// Not the version that a program linked today gets.
    hidden: bool,
    /// The address is that of a resolver.
    indirect: bool,
}

impl Found<'_> {
    fn add(&mut self, name: &[u8], addr: u64, entry: Entry) {
        let Ok(name) = std::str::from_utf8(name) else { return };
        // Static symbol tables carry the version in the name: `malloc@@GLIBC_2.2.5`.
        let plain = name.split('@').next().unwrap_or(name);
        let entry = Entry { hidden: entry.hidden || name.contains('@') && !name.contains("@@"), ..entry };
        if plain == self.pattern || is_glob(self.pattern) && glob(self.pattern, plain) {
            let at = self.by_name.entry(plain.to_owned()).or_default().entry(addr).or_insert(entry);
            at.hidden &= entry.hidden;
        }
    }

    /// Old versions go where there is a current one; static functions of one name stay side by side.
    fn symbols(self, offset: &dyn Fn(u64) -> Option<u64>) -> Answer<Vec<UserSymbol>> {
        let mut symbols = Vec::new();
        for (name, at) in self.by_name {
            let has_current = at.values().any(|e| !e.hidden);
            for (addr, entry) in at.into_iter().filter(|(_, e)| !e.hidden || !has_current) {
                if let (false, Some(file_offset)) = (entry.indirect, offset(addr)) {
                    symbols.push(UserSymbol { name: name.clone(), file_offset, addr, size: entry.size });
                }
            }
        }
        Ok(symbols)
    }
}

/// Adds the functions of an ELF file; `None` if it is none.
fn collect_any(data: &[u8], found: &mut Found) -> object::read::Result<Option<()>> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf64) => collect::<elf::FileHeader64<Endianness>>(data, found).map(Some),
        Ok(FileKind::Elf32) => collect::<elf::FileHeader32<Endianness>>(data, found).map(Some),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Adds the functions of both symbol tables.
fn collect<Elf: FileHeader<Endian = Endianness>>(data: &[u8], found: &mut Found) -> object::read::Result<()> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let versions = sections.versions(endian, data)?;
    for table in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let symbols = sections.symbols(endian, data, table)?;
        for (index, symbol) in symbols.enumerate() {
            let indirect = symbol.st_type() == elf::STT_GNU_IFUNC;
            let is_function = indirect || symbol.st_type() == elf::STT_FUNC;
            if !is_function || symbol.st_shndx(endian) == elf::SHN_UNDEF {
                continue;
            }
            let version = match &versions {
                Some(v) if table == elf::SHT_DYNSYM => Some(v.version_index(endian, index)),
                Some(_) | None => None,
            };
            let hidden = version.is_some_and(|v| v.is_hidden());
            let entry = Entry { size: symbol.st_size(endian).into(), hidden, indirect };
            found.add(symbols.symbol_name(endian, symbol)?, symbol.st_value(endian).into(), entry);
        }
    }
    Ok(())
}

/// The file with the symbols of a stripped binary.
fn separate_debug(data: &[u8], path: &Path) -> Option<PathBuf> {
    let file = object::File::parse(data).ok()?;
    if file.symbol_table().is_some() {
        return None;
    }
    debug_file(data, path)
}

/// Folders of debug files: where distributions put them; the command line's come first.
const DEBUG_FOLDER: &str = "/usr/lib/debug";
static DEBUG_FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Says where debug files may be besides; once, before anything is looked up.
pub fn set_debug_folders(folders: Vec<PathBuf>) {
    // A second call has nothing to add: the command line is read once.
    let _ = DEBUG_FOLDERS.set(folders);
}

/// The file of a binary's debug information: by its build id, else by the name that it gives.
pub(super) fn debug_file(data: &[u8], path: &Path) -> Option<PathBuf> {
    let file = object::File::parse(data).ok()?;
    let given = DEBUG_FOLDERS.get().map_or(&[][..], Vec::as_slice);
    let folders = || given.iter().map(PathBuf::as_path).chain([Path::new(DEBUG_FOLDER)]);
    let mut candidates = Vec::new();
    if let Ok(Some(id)) = file.build_id() {
        let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
        if let (Some(first), Some(rest)) = (hex.get(..2), hex.get(2..)) {
            candidates.extend(folders().map(|f| f.join(format!(".build-id/{first}/{rest}.debug"))));
        }
    }
    if let Ok(Some((name, _))) = file.gnu_debuglink()
        && let (Ok(name), Some(folder)) = (std::str::from_utf8(name), path.parent())
    {
        let inside = folder.strip_prefix("/").unwrap_or(folder);
        candidates.extend([folder.join(name), folder.join(".debug").join(name)]);
        candidates.extend(folders().flat_map(|f| [f.join(inside).join(name), f.join(name)]));
    }
    if let Some(name) = path.file_name().and_then(|n| n.to_str()) {
        candidates.extend(given.iter().map(|f| f.join(format!("{name}.debug"))));
    }
    candidates.into_iter().find(|c| c.is_file() && c != path)
}

/// Whether a binary has a section of that name, with something in it.
pub(super) fn has_section(data: &[u8], name: &str) -> bool {
    let file = object::File::parse(data).ok();
    file.is_some_and(|f| f.section_by_name(name).is_some_and(|s| s.size() > 0))
}

/// Functions whose names are those as C++ and Rust programmers write them.
pub fn functions_by_source_name(path: &str, wanted: &str) -> Answer<Vec<UserSymbol>> {
    let all = functions(path, "*")?;
    let exact: Vec<UserSymbol> =
        all.iter().filter(|s| demangle::is_named(&s.name, wanted)).cloned().collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    Ok(all.into_iter().filter(|s| demangle::is_like(&s.name, wanted)).collect())
}

/// Where the byte at a virtual address stands in the file.
pub(super) fn offset_of(data: &[u8], addr: u64) -> Option<u64> {
    match FileKind::parse(data).ok()? {
        FileKind::Elf64 => offset_in::<elf::FileHeader64<Endianness>>(data, addr),
        FileKind::Elf32 => offset_in::<elf::FileHeader32<Endianness>>(data, addr),
        _ => None,
    }
}

fn offset_in<Elf: FileHeader<Endian = Endianness>>(data: &[u8], addr: u64) -> Option<u64> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    segments.iter().filter(|s| s.p_type(endian) == elf::PT_LOAD).find_map(|s| {
        let into = addr.checked_sub(s.p_vaddr(endian).into())?;
        (into < s.p_filesz(endian).into()).then(|| into + s.p_offset(endian).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names() {
        assert!(is_library("libc", "libc.so.6"));
        assert!(is_library("libc.so", "libc.so.6"));
        assert!(is_library("libstdc++", "libstdc++.so"));
        assert!(!is_library("libc", "libcap.so.2"));
        assert!(!is_library("libc", "libc.solid"));
        assert!(!is_library("libc.so.6", "libc.so.60"));
    }

    #[test]
    fn ld_cache() {
        let mut cache = b"ld.so-1.7.0\0old".to_vec();
        cache.extend(b"glibc-ld.so.cache1.1");
        cache.extend(1u32.to_le_bytes());
        cache.extend([0; 24]);
        let strings_at = 48 + 24u32;
        for word in [0x303, strings_at, strings_at + 10, 0, 0, 0] {
            cache.extend(word.to_le_bytes());
        }
        cache.extend(b"libx.so.1\0/lib/libx.so.1\0");
        assert_eq!(parse_ld_cache(&cache), [("libx.so.1".to_owned(), "/lib/libx.so.1".to_owned())]);
        // Cut off anywhere, it ends in fewer entries.
        for n in 0..cache.len() {
            assert!(parse_ld_cache(&cache[..n]).is_empty());
        }
    }

    #[test]
    fn libc_is_found_by_its_names() {
        let by_name = binaries("libc", None).unwrap();
        assert_eq!(by_name.len(), 1, "{by_name:?}");
        assert_eq!(binaries("libc.so.6", None).unwrap(), by_name);
        assert_eq!(binaries(&by_name[0], None).unwrap(), by_name);
        let globbed = binaries(&by_name[0].replace("libc.so", "libc.s*"), None).unwrap();
        assert_eq!(globbed, by_name);
        let own = std::process::id();
        let mapped = binaries("libc", Some(own)).unwrap();
        assert_eq!(fs::canonicalize(&mapped[0]).unwrap(), fs::canonicalize(&by_name[0]).unwrap());
        // A static program maps none.
        assert!(
            cfg!(target_feature = "crt-static") || binaries("*", Some(own)).unwrap().contains(&mapped[0])
        );
        assert!(binaries("sh", None).unwrap()[0].ends_with("/sh"));
        assert_eq!(binaries("no_such_binary", None), Err(Missing::No));
        assert_eq!(binaries("/no/such/*", None), Err(Missing::No));
    }

    #[test]
    fn functions_of_libc() {
        let libc = binaries("libc", None).unwrap().remove(0);
        let malloc = functions(&libc, "malloc").unwrap();
        assert_eq!(malloc.len(), 1, "{malloc:?}");
        assert_eq!(file_offset(&libc, malloc[0].addr), Ok(malloc[0].file_offset));
        // Where the running libc has it is where the file has it, by way of the mapping.
        let here = libc::malloc as *const () as u64;
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let offset = maps.lines().find_map(|l| {
            let mut words = l.split_ascii_whitespace();
            let (lo, hi) = words.next()?.split_once('-')?;
            let hex = |s| u64::from_str_radix(s, 16).ok();
            let from = hex(words.nth(1)?)?;
            (hex(lo)? <= here && here < hex(hi)?).then(|| here - hex(lo).unwrap() + from)
        });
        // A static program runs its own.
        assert!(cfg!(target_feature = "crt-static") || offset == Some(malloc[0].file_offset));
        // A name with two versions comes with the current one; resolvers do not come at all.
        assert_eq!(functions(&libc, "pthread_cond_wait").unwrap().len(), 1);
        assert_eq!(functions(&libc, "memcpy").unwrap(), []);
        let all = functions(&libc, "pthread_*").unwrap();
        assert!(all.len() > 50 && all.windows(2).all(|w| w[0].name <= w[1].name));
        assert_eq!(functions(&libc, "no_such_function").unwrap(), []);
    }

    #[test]
    fn own_static_functions_are_found() {
        let own = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
        assert!(!functions(&own, "*own_static_functions_are_found*").unwrap().is_empty());
        let text = std::env::temp_dir().join(format!("awl-text-{}", std::process::id()));
        fs::write(&text, "no binary").unwrap();
        let path = text.to_str().unwrap();
        let answer = functions(path, "main");
        fs::remove_file(&text).unwrap();
        let Err(Missing::Unreadable { why, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(why, format!("{path} is not an ELF file"));
        assert_eq!(functions("/no/such/file", "main"), Err(Missing::No));
    }
}
