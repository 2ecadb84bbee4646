//! Call frame information of binaries (`.eh_frame`, or `.debug_frame` where there is none) as rows that a program in
//! the kernel can search.
//!
//! Comes in: the bytes of an ELF file. Goes out: rows in the order of their addresses. Always holds: a place whose
//! rule is none of `image::unwind::Rule` has a row that says so; an entry that is damaged is as if it were not there.

use std::collections::HashMap;
use std::io::Read;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, CommonInformationEntry, EndianSlice, LittleEndian, Operation, Register,
    RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow,
};
use object::{CompressionFormat, Object, ObjectSection, ObjectSegment, SegmentFlags};

use super::elf;
use crate::image::unwind::{ROWS_MAX, Rule, pack_row, row, sigframe};

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The numbers of registers in call frame information (System V ABI for x86_64, figure 3.36).
const BP: Register = Register(6);
const SP: Register = Register(7);
const IP: Register = Register(16);
/// Where the return address lies from the CFA.
const RETURN_AT: i64 = -8;
const WORD_BYTES: i64 = 8;
const PAGE_BYTES: u64 = 4096;
/// Between functions lies padding, where nothing ever is: it needs no row.
const PADDING_BYTES_MAX: u64 = 16;

/// The rows of a binary.
#[derive(Debug)]
pub struct Table {
    /// The virtual address from which the rows count.
    pub base: u64,
    /// See `image::unwind::row`.
    pub rows: Vec<u64>,
    /// File offset, bytes in the file and virtual address of what can be executed.
    segments: Vec<(u64, u64, u64)>,
}

/// Why a binary has no rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoTable {
    /// It cannot be read, or is no ELF file.
    Unreadable,
    /// It is one of another processor, or of 32 bits.
    Foreign,
    /// It has no call frame information.
    Absent,
}

/// What holds from an address on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Frame {
    rule: Rule,
    number: u16,
    bp_words: u64,
}

const NONE: Frame = Frame { rule: Rule::None, number: 0, bp_words: 0 };
const OTHER: Frame = Frame { rule: Rule::Other, number: 0, bp_words: 0 };

/// A rule from one address to another.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
    frame: Frame,
}

/// The rows of a binary by its path.
pub fn of_file(path: &str) -> Result<Table, NoTable> {
    let data = elf::map_binary(path).map_err(|_| NoTable::Unreadable)?;
    of_bytes(&data)
}

/// The rows of a binary.
pub fn of_bytes(data: &[u8]) -> Result<Table, NoTable> {
    let object = object::File::parse(data).map_err(|_| NoTable::Unreadable)?;
    if object.architecture() != object::Architecture::X86_64 || !object.is_64() {
        return Err(NoTable::Foreign);
    }
    let address = |name: &str| object.section_by_name(name).map_or(0, |s| s.address());
    let bases = BaseAddresses::default()
        .set_eh_frame(address(".eh_frame"))
        .set_eh_frame_hdr(address(".eh_frame_hdr"))
        .set_text(address(".text"))
        .set_got(address(".got"));
    let mut spans = Vec::new();
    if let Some(bytes) = contents(&object, ".eh_frame") {
        add_spans(&gimli::EhFrame::new(&bytes, LittleEndian), &bases, &mut spans);
    }
    if spans.is_empty()
        && let Some(bytes) = contents(&object, ".debug_frame")
    {
        let mut section = gimli::DebugFrame::new(&bytes, LittleEndian);
        section.set_address_size(8);
        add_spans(&section, &bases, &mut spans);
    }
    if spans.is_empty() {
        return Err(NoTable::Absent);
    }
    spans.sort_by_key(|s| (s.start, s.end));
    let base = spans[0].start;
    Ok(Table { base, rows: rows(&spans, base), segments: segments(&object) })
}

impl Table {
    /// What is taken from an address of a process before it is looked up, if the process has mapped the file at
    /// `file_offset` to `start`. `None` if no code lies there.
    pub fn bias(&self, start: u64, file_offset: u64) -> Option<u64> {
        let holds = |(offset, len, _): &&(u64, u64, u64)| {
            (offset & !(PAGE_BYTES - 1)..offset + len).contains(&file_offset)
        };
        let (offset, _, address) = self.segments.iter().find(holds)?;
        let mapped = address.wrapping_sub(*offset).wrapping_add(file_offset);
        Some(start.wrapping_sub(mapped).wrapping_add(self.base))
    }
}

fn segments(object: &object::File) -> Vec<(u64, u64, u64)> {
    let is_code =
        |flags| matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.contains(object::elf::PF_X));
    let code = object.segments().filter(|s| is_code(s.flags()));
    code.map(|s| (s.file_range().0, s.file_range().1, s.address())).collect()
}

/// The bytes of a section, uncompressed; `None` where it has none.
fn contents<'a>(object: &object::File<'a>, name: &str) -> Option<std::borrow::Cow<'a, [u8]>> {
    let section = object.section_by_name(name)?;
    let data = section.compressed_data().ok()?;
    let bytes = match data.format {
        CompressionFormat::None => data.data.into(),
        CompressionFormat::Zlib => {
            let mut bytes = Vec::new();
            flate2::read::ZlibDecoder::new(data.data).read_to_end(&mut bytes).ok()?;
            bytes.into()
        }
        _ => return None,
    };
    let is_empty = |b: &std::borrow::Cow<[u8]>| b.is_empty();
    Some(bytes).filter(|b| !is_empty(b))
}

fn add_spans<'a, S>(section: &S, bases: &BaseAddresses, spans: &mut Vec<Span>)
where
    S: UnwindSection<Reader<'a>>,
    S::Offset: std::hash::Hash,
{
    let mut common: HashMap<S::Offset, CommonInformationEntry<Reader<'a>>> = HashMap::new();
    let mut context = UnwindContext::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let entry = partial.parse(|section, bases, offset| match common.get(&offset) {
            Some(known) => Ok(known.clone()),
            None => {
                let cie = section.cie_from_offset(bases, offset)?;
                common.insert(offset, cie.clone());
                Ok(cie)
            }
        });
        let Ok(entry) = entry else { continue };
        // What the linker has left out starts at 0.
        if entry.initial_address() == 0 || entry.cie().return_address_register() != IP {
            continue;
        }
        let encoding = entry.cie().encoding();
        let Ok(mut table) = entry.rows(section, bases, &mut context) else { continue };
        while let Ok(Some(row)) = table.next_row() {
            let frame = Of { section, encoding }.frame(row);
            spans.push(Span { start: row.start_address(), end: row.end_address(), frame });
        }
    }
}

/// Rows of sorted spans: one where something changes, and where nothing is known any more.
fn rows(spans: &[Span], base: u64) -> Vec<u64> {
    let mut changes: Vec<(u64, Frame)> = Vec::new();
    let mut put = |at: u64, frame: Frame| match changes.last_mut() {
        Some(last) if last.0 == at => last.1 = frame,
        Some(last) if last.1 == frame => {}
        _ => changes.push((at, frame)),
    };
    let mut end = base;
    for span in spans.iter().filter(|s| s.start < s.end) {
        if end + PADDING_BYTES_MAX <= span.start {
            put(end, NONE);
        }
        put(span.start, span.frame);
        end = end.max(span.end);
    }
    put(end, NONE);
    let near = changes.iter().map_while(|(at, f)| Some((u32::try_from(at - base).ok()?, f)));
    let near = near.take(ROWS_MAX as usize - 1);
    near.map(|(pc, f)| pack_row(pc, f.rule, f.number, f.bp_words)).collect()
}

/// A section whose rules are read.
struct Of<'s, S> {
    section: &'s S,
    encoding: gimli::Encoding,
}

impl<'a, S: UnwindSection<Reader<'a>>> Of<'_, S> {
    fn frame(&self, row: &UnwindTableRow<usize>) -> Frame {
        self.known_frame(row).unwrap_or(OTHER)
    }

    /// `None` where it is none that programs follow.
    fn known_frame(&self, row: &UnwindTableRow<usize>) -> Option<Frame> {
        let return_rule = row.register(IP);
        if matches!(return_rule, Some(RegisterRule::Undefined)) {
            return Some(Frame { rule: Rule::End, number: 0, bp_words: 0 });
        }
        let bp_rule = row.register(BP);
        let (rule, number) = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                let number = u16::try_from(words(*offset)?).ok()?;
                match *register {
                    SP => (Rule::Sp, number),
                    BP => (Rule::Bp, number),
                    _ => return None,
                }
            }
            CfaRule::Expression(e) => {
                let (rule, number) = self.by_expression(e)?;
                match rule {
                    Rule::Signal => {
                        let is_at = |rule: &Option<RegisterRule<usize>>, at: i64| {
                            self.place(rule.as_ref()) == Some((SP, at))
                        };
                        let is_usual = is_at(&return_rule, sigframe::IP) && is_at(&bp_rule, sigframe::BP);
                        return is_usual.then_some(Frame { rule, number, bp_words: 0 });
                    }
                    Rule::AtBp if self.place(bp_rule.as_ref()) != Some((BP, 0)) => return None,
                    Rule::AtBp => {
                        let frame = Frame { rule, number, bp_words: 0 };
                        return (return_rule? == RegisterRule::Offset(RETURN_AT)).then_some(frame);
                    }
                    _ => (rule, number),
                }
            }
        };
        if return_rule? != RegisterRule::Offset(RETURN_AT) {
            return None;
        }
        let bp_words = match bp_rule {
            None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => 0,
            Some(RegisterRule::Offset(at)) if at < 0 => u64::try_from(words(-at)?).ok()?,
            Some(_) => return None,
        };
        (bp_words <= row::BP_MAX).then_some(Frame { rule, number, bp_words })
    }

    /// The rule of an expression for the CFA.
    fn by_expression(&self, e: &UnwindExpression<usize>) -> Option<(Rule, u16)> {
        use Operation::{And, Deref, Ge, Plus, Shl};
        let op = |value: u64| move |o: &Operation<Reader<'a>>| *o == Operation::UnsignedConstant { value };
        match &self.operations(e)?[..] {
            [place, Deref { .. }] => match register_offset(place)? {
                (SP, sigframe::SP) => Some((Rule::Signal, 0)),
                (BP, offset) => Some((Rule::AtBp, i16::try_from(words(offset)?).ok()? as u16)),
                _ => None,
            },
            [sp, ip, low, And, from, Ge, scale, Shl, Plus] => {
                let is_plt = register_offset(sp)? == (SP, WORD_BYTES)
                    && register_offset(ip)? == (IP, 0)
                    && op(15)(low)
                    && op(3)(scale);
                let Operation::UnsignedConstant { value } = *from else { return None };
                (is_plt && value < 16).then_some((Rule::Plt, value as u16))
            }
            _ => None,
        }
    }

    /// The register and offset by which a rule says where a register lies.
    fn place(&self, rule: Option<&RegisterRule<usize>>) -> Option<(Register, i64)> {
        let Some(RegisterRule::Expression(e)) = rule else { return None };
        match &self.operations(e)?[..] {
            [place] => register_offset(place),
            _ => None,
        }
    }

    fn operations(&self, e: &UnwindExpression<usize>) -> Option<Vec<Operation<Reader<'a>>>> {
        let mut operations = e.get(self.section).ok()?.operations(self.encoding);
        let mut all = Vec::new();
        while let Some(operation) = operations.next().ok()? {
            all.push(operation);
        }
        Some(all)
    }
}

fn register_offset(operation: &Operation<Reader<'_>>) -> Option<(Register, i64)> {
    match operation {
        Operation::RegisterOffset { register, offset, .. } => Some((*register, *offset)),
        _ => None,
    }
}

/// Whole words.
fn words(bytes: i64) -> Option<i64> {
    (bytes % WORD_BYTES == 0).then_some(bytes / WORD_BYTES)
}

#[cfg(test)]
mod tests;
