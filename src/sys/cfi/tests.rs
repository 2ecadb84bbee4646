//! Rows of sections that are made here, and of this program itself.

use super::*;

/// `DW_CFA_*`
const ADVANCE: u8 = 0x40;
const OFFSET: u8 = 0x80;
const RESTORE: u8 = 0xc0;
const UNDEFINED: u8 = 0x07;
const DEF_CFA: u8 = 0x0c;
const DEF_CFA_REGISTER: u8 = 0x0d;
const DEF_CFA_OFFSET: u8 = 0x0e;
const DEF_CFA_EXPRESSION: u8 = 0x0f;
const EXPRESSION: u8 = 0x10;

/// Words of a debug_frame's entry, its length before it.
fn entry(body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = body.concat();
    bytes.resize(bytes.len().next_multiple_of(8) + 4, 0);
    [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}

/// The rows of functions of 64 bytes with these instructions, the first at 0x1000, one each 0x100 bytes.
fn table_of(functions: &[&[u8]]) -> Vec<(u32, Frame)> {
    // Identifier, version 4, no augmentation, 8 bytes an address, no segments, factors 1 and -8, the column of the
    // return address; at a function's start the CFA is a word above the stack pointer.
    let start = [DEF_CFA, 7, 8, OFFSET | 16, 1];
    let mut section = entry(&[&[0xff; 4], &[4, 0, 8, 0, 1, 0x78, 16], &start]);
    for (instructions, i) in functions.iter().zip(0u64..) {
        let (at, len) = ((0x1000 + 0x100 * i).to_le_bytes(), 64u64.to_le_bytes());
        section.extend(entry(&[&[0; 4], &at, &len, instructions]));
    }
    let mut debug_frame = gimli::DebugFrame::new(&section, LittleEndian);
    debug_frame.set_address_size(8);
    let mut spans = Vec::new();
    add_spans(&debug_frame, &BaseAddresses::default(), &mut spans);
    spans.sort_by_key(|s| (s.start, s.end));
    rows(&spans, 0x1000).into_iter().map(unpacked).collect()
}

fn unpacked(word: u64) -> (u32, Frame) {
    let known = [Rule::None, Rule::End, Rule::Sp, Rule::Bp, Rule::Plt, Rule::AtBp, Rule::Signal, Rule::Other];
    let rule = known.into_iter().find(|r| *r as u64 == word >> row::RULE_SHIFT & row::RULE_MASK as u64);
    let number = (word >> row::NUMBER_SHIFT) as u16;
    (word as u32, Frame { rule: rule.unwrap(), number, bp_words: word >> row::BP_SHIFT })
}

fn frame(rule: Rule, number: u16, bp_words: u64) -> Frame {
    Frame { rule, number, bp_words }
}

#[test]
fn usual_functions() {
    let with_frame_pointer = [
        ADVANCE | 1,
        DEF_CFA_OFFSET,
        16,
        OFFSET | 6,
        2,
        ADVANCE | 3,
        DEF_CFA_REGISTER,
        6,
        ADVANCE | 50,
        DEF_CFA,
        7,
        8,
        RESTORE | 6,
    ];
    let without = [ADVANCE | 4, DEF_CFA_OFFSET, 80];
    assert_eq!(
        table_of(&[&with_frame_pointer, &without]),
        [
            (0, frame(Rule::Sp, 1, 0)),
            (1, frame(Rule::Sp, 2, 2)),
            (4, frame(Rule::Bp, 2, 2)),
            (54, frame(Rule::Sp, 1, 0)),
            (64, NONE),
            (0x100, frame(Rule::Sp, 1, 0)),
            (0x104, frame(Rule::Sp, 10, 0)),
            (0x140, NONE),
        ]
    );
}

#[test]
fn starts_signals_stubs_and_aligned_stacks() {
    let start = [UNDEFINED, 16];
    // rsp + 8 + ((rip & 15 >= 11) << 3)
    let plt = [DEF_CFA_EXPRESSION, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
    let aligned = [EXPRESSION, 6, 2, 0x76, 0, DEF_CFA_EXPRESSION, 3, 0x76, 0x78, 0x06];
    let signal = [
        DEF_CFA_EXPRESSION,
        4,
        0x77,
        0xa0,
        0x01,
        0x06,
        EXPRESSION,
        6,
        3,
        0x77,
        0xf8,
        0x00,
        EXPRESSION,
        16,
        3,
        0x77,
        0xa8,
        0x01,
    ];
    let found = table_of(&[&start, &plt, &aligned, &signal]);
    let starts: Vec<Frame> = found.iter().filter(|(pc, _)| pc % 0x100 == 0).map(|(_, f)| *f).collect();
    assert_eq!(
        starts,
        [
            frame(Rule::End, 0, 0),
            frame(Rule::Plt, 11, 0),
            frame(Rule::AtBp, -1i16 as u16, 0),
            frame(Rule::Signal, 0, 0),
        ]
    );
}

#[test]
fn rules_that_are_not_followed_are_said() {
    // The CFA by rbx, at no whole word, and by an expression that is none of the known ones.
    for odd in [&[DEF_CFA, 3, 16][..], &[DEF_CFA_OFFSET, 12], &[DEF_CFA_EXPRESSION, 2, 0x73, 0]] {
        assert_eq!(table_of(&[odd])[0], (0, OTHER), "{odd:x?}");
    }
}

#[test]
fn padding_between_functions_needs_no_row() {
    let span = |start, end| Span { start, end, frame: frame(Rule::Sp, 1, 0) };
    let packed = |spans: &[Span]| rows(spans, 16).into_iter().map(unpacked).collect::<Vec<_>>();
    assert_eq!(packed(&[span(16, 25), span(32, 40)]), [(0, frame(Rule::Sp, 1, 0)), (24, NONE)]);
    assert_eq!(packed(&[span(16, 25), span(64, 70)]).len(), 4);
    let far = span(1 << 33, (1 << 33) + 8);
    assert_eq!(packed(&[span(16, 25), far]), [(0, frame(Rule::Sp, 1, 0)), (9, NONE)], "4 GiB and no more");
}

#[test]
fn this_program_has_rows() {
    let path = std::env::current_exe().unwrap();
    let table = of_file(path.to_str().unwrap()).unwrap();
    assert!(table.rows.len() > 1000);
    assert!(table.rows.windows(2).all(|w| (w[0] as u32) < (w[1] as u32)));
    let (offset, _, address) = table.segments[0];
    // As if it were mapped to 0x10_0000_0000.
    let bias = table.bias(0x10_0000_0000, offset & !(PAGE_BYTES - 1)).unwrap();
    let base_at = 0x10_0000_0000 + (table.base - address) + (offset % PAGE_BYTES);
    assert_eq!(base_at - bias, 0);
    assert_eq!(table.bias(0, 1 << 40), None);
}

#[test]
fn what_is_no_binary_has_none() {
    assert_eq!(of_bytes(b"#!/bin/sh").unwrap_err(), NoTable::Unreadable);
    assert_eq!(of_file("/no/such/file").unwrap_err(), NoTable::Unreadable);
    let mut foreign = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // e_machine: EM_AARCH64
    foreign[18] = 183;
    assert_eq!(of_bytes(&foreign).unwrap_err(), NoTable::Foreign);
}
