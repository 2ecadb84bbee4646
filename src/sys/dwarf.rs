//! Debug information of binaries: the arguments of functions with their types, and where source lines are.
//!
//! Comes in: paths and addresses. Goes out: types of the language, entered lazily as those of the kernel are;
//! addresses. Always holds: what is damaged, or of a form that is not understood, is as if it were not there.

mod types;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use gimli::{AttributeValue, EndianSlice, LittleEndian, UnitOffset};
use object::{CompressionFormat, Object, ObjectSection};

use super::elf;
use crate::ty::{StructId, StructOrigin, Ty, TypeTable};
use crate::world::{Answer, LinePlace, Missing};

type Reader = EndianSlice<'static, LittleEndian>;
type Unit = gimli::Unit<Reader>;
type Entry<'a> = gimli::DebuggingInformationEntry<Reader>;

/// The debug information of the binaries that were asked about, for as long as the process lives.
#[derive(Default)]
pub struct Files {
    /// By path; `None` where there is none.
    by_path: RefCell<BTreeMap<String, Option<u32>>>,
    files: RefCell<Vec<Rc<File>>>,
}

/// One binary's.
struct File {
    dwarf: gimli::Dwarf<Reader>,
    units: Vec<Rc<Unit>>,
}

/// An entry of a file.
#[derive(Clone)]
struct Die {
    unit: Rc<Unit>,
    at: UnitOffset,
}

/// Chains of entries that stand for one another are no longer than that, unless they go in circles.
const CHAIN_MAX: usize = 16;

impl Files {
    /// Names and types of the parameters of the function at a virtual address.
    pub fn parameters(&self, types: &mut TypeTable, path: &str, addr: u64) -> Option<Vec<(String, Ty)>> {
        let (index, file) = self.of(path)?;
        let function = file.function(addr)?;
        Some(types::Reading { file: &file, index, types }.parameters(&function))
    }

    /// Loads the members of a struct that came from here.
    pub fn load_struct(&self, types: &mut TypeTable, id: StructId) {
        let (None, StructOrigin::Dwarf { file: index, die }) =
            (&types.structs[id].members, types.structs[id].origin)
        else {
            return;
        };
        let file = self.files.borrow().get(index as usize).cloned();
        let members = file.and_then(|file| {
            let die = file.die_at(die as usize)?;
            Some(types::Reading { file: &file, index, types }.members(&die))
        });
        types.structs[id].members = Some(members.unwrap_or_default());
    }

    /// Where the code of a source line starts: once in each function that has some.
    pub fn line(&self, path: &str, source: &str, line: u64, column: Option<u64>) -> Answer<LinePlace> {
        let Some((_, file)) = self.of(path) else {
            return Err(Missing::Unreadable {
                why: format!("{path} has no debug information"),
                hint: "build it with -g, or name the folder of its debug files with --debuginfo".into(),
            });
        };
        Ok(file.line(source, line, column))
    }

    fn of(&self, path: &str) -> Option<(u32, Rc<File>)> {
        let known = self.by_path.borrow().get(path).copied();
        let index = match known {
            Some(index) => index,
            None => {
                let opened = File::open(path);
                let index = opened.map(|file| {
                    let mut files = self.files.borrow_mut();
                    files.push(Rc::new(file));
                    files.len() as u32 - 1
                });
                self.by_path.borrow_mut().insert(path.to_owned(), index);
                index
            }
        }?;
        let file = self.files.borrow().get(index as usize).cloned()?;
        Some((index, file))
    }
}

impl File {
    /// Opens the binary, or the file of its debug information.
    fn open(path: &str) -> Option<File> {
        let data = elf::map_binary(path).ok()?;
        let file = match elf::has_section(&data, ".debug_info") {
            true => data,
            false => {
                let other = elf::debug_file(&data, Path::new(path))?;
                elf::map_binary(other.to_str()?).ok()?
            }
        };
        // Types are read from it up to the end of the process.
        let data: &'static [u8] = Box::leak(Box::new(file));
        let object = object::File::parse(data).ok()?;
        let section = |id: gimli::SectionId| -> Result<Reader, gimli::Error> {
            let bytes = object.section_by_name(id.name()).and_then(|s| contents(&s)).unwrap_or(&[]);
            Ok(EndianSlice::new(bytes, LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(section).ok()?;
        let mut units = Vec::new();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            units.extend(dwarf.unit(header).ok().map(Rc::new));
        }
        (!units.is_empty()).then_some(File { dwarf, units })
    }

    /// The function whose code starts at an address.
    fn function(&self, addr: u64) -> Option<Die> {
        let unit = self.units.iter().find(|u| self.covers(u, addr))?;
        let mut entries = unit.entries();
        while let Ok(Some(entry)) = entries.next_dfs() {
            let is_function = entry.tag() == gimli::DW_TAG_subprogram;
            if is_function && self.low_pc(unit, entry) == Some(addr) {
                return Some(Die { unit: unit.clone(), at: entry.offset() });
            }
        }
        None
    }

    fn covers(&self, unit: &Unit, addr: u64) -> bool {
        let Ok(mut ranges) = self.dwarf.unit_ranges(unit) else { return false };
        while let Ok(Some(range)) = ranges.next() {
            if range.begin <= addr && addr < range.end {
                return true;
            }
        }
        false
    }

    fn low_pc(&self, unit: &Unit, entry: &Entry<'_>) -> Option<u64> {
        let value = entry.attr_value(gimli::DW_AT_low_pc)?;
        self.dwarf.attr_address(unit, value).ok()?
    }

    /// The entry at an offset of the whole section.
    fn die_at(&self, at: usize) -> Option<Die> {
        let offset = gimli::DebugInfoOffset(at);
        self.units.iter().find_map(|unit| {
            let at = offset.to_unit_offset(&unit.header)?;
            Some(Die { unit: unit.clone(), at })
        })
    }

    /// An attribute, also of the entries that this one completes.
    fn attr(&self, die: &Die, name: gimli::DwAt) -> Option<(Die, AttributeValue<Reader>)> {
        let mut die = die.clone();
        for _ in 0..CHAIN_MAX {
            let entry = die.unit.entry(die.at).ok()?;
            if let Some(value) = entry.attr_value(name) {
                return Some((die.clone(), value));
            }
            let origin = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification]
                .into_iter()
                .find_map(|a| entry.attr_value(a))?;
            die = self.target(&die, &origin)?;
        }
        None
    }

    /// The entry that a reference leads to.
    fn target(&self, from: &Die, value: &AttributeValue<Reader>) -> Option<Die> {
        match value {
            AttributeValue::UnitRef(at) => Some(Die { unit: from.unit.clone(), at: *at }),
            AttributeValue::DebugInfoRef(at) => self.die_at(at.0),
            _ => None,
        }
    }

    fn text(&self, die: &Die, name: gimli::DwAt) -> Option<String> {
        let (at, value) = self.attr(die, name)?;
        let text = self.dwarf.attr_string(&at.unit, value).ok()?;
        Some(text.to_string_lossy().into_owned())
    }

    fn line(&self, source: &str, line: u64, column: Option<u64>) -> LinePlace {
        let mut found = LinePlace::default();
        for unit in &self.units {
            let Some(program) = unit.line_program.clone() else { continue };
            let is_source = |row: &gimli::LineRow, header: &gimli::LineProgramHeader<Reader>| {
                row.file(header).is_some_and(|f| self.is_path(unit, header, f, source))
            };
            let mut rows = program.rows();
            let mut last = None;
            let mut known = BTreeMap::new();
            while let Ok(Some((header, row))) = rows.next_row() {
                let index = row.file_index();
                let is_it = *known.entry(index).or_insert_with(|| is_source(row, header));
                let at = row.line().map_or(0, |l| l.get());
                if row.end_sequence() || !is_it {
                    last = None;
                    continue;
                }
                let row_column = match row.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(c) => c.get(),
                };
                let here = (at, row_column);
                let is_wanted = at == line && column.is_none_or(|c| c == row_column);
                found.sees_source = true;
                if is_wanted && row.is_stmt() && last != Some(here) {
                    found.addrs.push(row.address());
                }
                if at != line {
                    found.note_line(at, line);
                }
                last = Some(here);
            }
        }
        found.addrs.sort_unstable();
        found.addrs.dedup();
        found
    }

    /// Whether a file of a line program is the one that is meant: the end of its path is that path.
    fn is_path(
        &self,
        unit: &Unit,
        header: &gimli::LineProgramHeader<Reader>,
        file: &gimli::FileEntry<Reader>,
        wanted: &str,
    ) -> bool {
        let text = |value| self.dwarf.attr_string(unit, value).ok().map(|t| t.to_string_lossy().into_owned());
        let Some(name) = text(file.path_name()) else { return false };
        let mut path = match file.directory(header).and_then(text) {
            Some(folder) if !name.starts_with('/') => format!("{folder}/{name}"),
            _ => name,
        };
        if let (false, Some(folder)) = (path.starts_with('/'), unit.comp_dir) {
            path = format!("{}/{path}", folder.to_string_lossy());
        }
        Path::new(&path).ends_with(wanted)
    }
}

/// The bytes of a section, uncompressed.
fn contents(section: &object::Section<'static, '_>) -> Option<&'static [u8]> {
    let data = section.compressed_data().ok()?;
    match data.format {
        CompressionFormat::None => Some(data.data),
        CompressionFormat::Zlib => {
            let mut bytes = Vec::new();
            flate2::read::ZlibDecoder::new(data.data).read_to_end(&mut bytes).ok()?;
            Some(Box::leak(bytes.into_boxed_slice()))
        }
        _ => None,
    }
}
