//! Objects are opened, relocated and loaded by libbpf itself.

use super::*;
use crate::base::{Source, SourceMap, Span};
use crate::image::{
    Access, AccessId, FuncInfo, LineInfo, LocalMember, LocalTy, LocalTyId, Map, MapKind, ProgType, Role,
    Schema, Storage, maps as image_maps,
};
use crate::isa::Helper;
use crate::ty::{AggKind, StructKind, Ty};
use libbpf_rs::{MapCore, ObjectBuilder};

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn::new(code, dst, src, off, imm)
}
fn call(helper: Helper) -> Insn {
    insn(0x85, 0, 0, 0, helper.0 as i32)
}
fn imm64(dst: u8) -> [Insn; 2] {
    [insn(0x18, dst, 0, 0, 0), insn(0, 0, 0, 0, 0)]
}
const EXIT: u8 = 0x95;

fn span(lo: usize) -> Span {
    Span::new(crate::base::FileId(0), lo, lo + 1)
}

fn map(name: &str, kind: MapKind, (key_size, value_size): (u32, u32), max_entries: u32, role: Role) -> Map {
    Map { name: name.into(), kind, key_size, value_size, max_entries, flags: 0, role }
}

fn user(name: &str, storage: Storage) -> Role {
    let value = Ty::Agg { kind: AggKind::Count, signed: false };
    Role::User(Schema { name: name.into(), key: Some(Ty::U64), value, storage, max_entries: 16 })
}

fn program(
    name: &str,
    attach: Attach,
    insns: Vec<Insn>,
    relocs: Vec<Reloc>,
    funcs: Vec<(u32, u8)>,
) -> Program {
    let funcs = funcs.into_iter().enumerate().map(|(i, (start, n_params))| FuncInfo {
        start,
        name: format!("f{i}"),
        n_params,
        span: span(0),
    });
    Program {
        name: name.into(),
        title: name.into(),
        clause: 0,
        span: span(0),
        ty: attach.prog_type(),
        attach: vec![attach],
        insns,
        relocs,
        funcs: funcs.collect(),
        lines: vec![LineInfo { at: 0, span: span(0) }],
        stack_bytes: 16,
    }
}

fn with(programs: Vec<Program>, maps: Vec<Map>) -> Image {
    let mut sources = SourceMap::new();
    sources.add(Source::new("t.bt", "begin { @ = count(); }"));
    Image {
        programs: programs.into_iter().collect(),
        maps: maps.into_iter().collect(),
        sources,
        ..Image::default()
    }
}

/// Loads the object; `None` where this machine may not.
fn load(bytes: &[u8]) -> Option<libbpf_rs::Object> {
    let open = ObjectBuilder::default().open_memory(bytes).expect("libbpf opens the object");
    match open.load() {
        Ok(object) => Some(object),
        Err(e) if e.kind() == libbpf_rs::ErrorKind::PermissionDenied => {
            eprintln!("skipped: {e}");
            None
        }
        Err(e) => panic!("{e:?}"),
    }
}

/// Whether this kernel has an enumerator, by its BTF; a miss is said.
fn has(enumerator: &str) -> bool {
    let world = crate::sys::world::LinuxWorld::new();
    let types = &mut crate::ty::TypeTable::new();
    let found = world.btf().is_ok_and(|k| k.enumerator(types, enumerator).is_some());
    if !found {
        eprintln!("skipped: this kernel does not know {enumerator}");
    }
    found
}

fn raw_tp() -> Attach {
    Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() }
}

/// Runs a raw tracepoint program once and returns its result.
fn run(object: &mut libbpf_rs::Object, name: &str) -> u32 {
    let prog = object.progs_mut().find(|p| p.name() == name).unwrap();
    let mut context = [0u8; 16];
    let input = libbpf_rs::ProgramInput { context_in: Some(&mut context), ..Default::default() };
    prog.test_run(input).unwrap().return_value
}

/// `count(key)` in `.text`: puts 7 under key 5 of the map, and returns what stands at byte 4 of the constants.
fn calling() -> Image {
    let func = [
        vec![insn(0x7a, 10, 0, -8, 5), insn(0x7a, 10, 0, -16, 7)],
        imm64(1).to_vec(),
        vec![
            insn(0xbf, 2, 10, 0, 0),
            insn(0x07, 2, 0, 0, -8),
            insn(0xbf, 3, 10, 0, 0),
            insn(0x07, 3, 0, 0, -16),
            insn(0xb7, 4, 0, 0, 0),
            call(Helper::MAP_UPDATE_ELEM),
        ],
        imm64(1).to_vec(),
        vec![insn(0x61, 0, 1, 0, 0), insn(EXIT, 0, 0, 0, 0)],
    ]
    .concat();
    let entry = vec![insn(0xb7, 1, 0, 0, 0), insn(0x85, 0, 1, 0, 1), insn(EXIT, 0, 0, 0, 0)];
    let relocs = vec![
        Reloc { at: 1, kind: RelocKind::Func(1) },
        Reloc { at: 5, kind: RelocKind::MapPtr(MapId(0)) },
        Reloc { at: 13, kind: RelocKind::MapValue { map: MapId(1), off: 4 } },
    ];
    let constants = [1u32, 42].iter().flat_map(|w| w.to_le_bytes()).collect();
    let maps = vec![
        map("@x", MapKind::Hash, (8, 8), 16, user("@x", Storage::Hash)),
        map(".rodata", MapKind::Array, (4, 8), 1, Role::RoData(constants)),
    ];
    // An unrelated function first, so that offsets in `.text` are not 0.
    let other = program(
        "other",
        raw_tp(),
        vec![insn(0x85, 0, 1, 0, 1), insn(EXIT, 0, 0, 0, 0), insn(0xb7, 0, 0, 0, 3), insn(EXIT, 0, 0, 0, 0)],
        vec![Reloc { at: 0, kind: RelocKind::Func(1) }],
        vec![(0, 1), (2, 0)],
    );
    let insns = [entry, func].concat();
    with(vec![other, program("caller", raw_tp(), insns, relocs, vec![(0, 1), (3, 1)])], maps)
}

#[test]
fn calls_maps_and_constants_work_when_loaded() {
    let Some(mut object) = load(&write(&calling()).unwrap()) else { return };
    assert_eq!(run(&mut object, "other"), 3);
    assert_eq!(run(&mut object, "caller"), 42);
    let map = object.maps().find(|m| m.name() == "AT_x").unwrap();
    let value = map.lookup(&5u64.to_le_bytes(), libbpf_rs::MapFlags::ANY).unwrap();
    assert_eq!(value, Some(7u64.to_le_bytes().to_vec()));
    assert_eq!((map.key_size(), map.value_size(), map.max_entries()), (8, 8, 16));
}

#[test]
fn callbacks_are_reached_by_address() {
    // for i in 0..3 { *ctx += 2 }; return *ctx
    let entry = [
        vec![insn(0x7a, 10, 0, -8, 0), insn(0xb7, 1, 0, 0, 3)],
        imm64(2).to_vec(),
        vec![
            insn(0xbf, 3, 10, 0, 0),
            insn(0x07, 3, 0, 0, -8),
            insn(0xb7, 4, 0, 0, 0),
            call(Helper::LOOP),
            insn(0x79, 0, 10, -8, 0),
            insn(EXIT, 0, 0, 0, 0),
        ],
    ]
    .concat();
    let callback = vec![
        insn(0x79, 1, 2, 0, 0),
        insn(0x07, 1, 0, 0, 2),
        insn(0x7b, 2, 1, 0, 0),
        insn(0xb7, 0, 0, 0, 0),
        insn(EXIT, 0, 0, 0, 0),
    ];
    let start = entry.len() as u32;
    let relocs = vec![Reloc { at: 2, kind: RelocKind::FuncAddr(1) }];
    let insns = [entry, callback].concat();
    let image = with(vec![program("looping", raw_tp(), insns, relocs, vec![(0, 1), (start, 2)])], vec![]);
    if !has("BPF_FUNC_loop") {
        return;
    }
    let Some(mut object) = load(&write(&image).unwrap()) else { return };
    assert_eq!(run(&mut object, "looping"), 6);
}

/// `task_struct.tgid` with a member before it that lies behind it, so that the order has to change.
fn reading() -> Image {
    let mut image = with(vec![], vec![]);
    let local = &mut image.local;
    let task = local.strukt("task_struct", StructKind::Struct, 10_000);
    let int = local.intern(LocalTy::Int { bytes: 4, signed: true });
    let byte = local.intern(LocalTy::Int { bytes: 1, signed: true });
    let comm = local.intern(LocalTy::Array { elem: byte, n: 16 });
    let parent = local.intern(LocalTy::Ptr(Some(task)));
    let mut member = |name: &str, ty: LocalTyId, offset_bits: u32| {
        local.member(task, LocalMember { name: name.into(), ty, offset_bits, bitfield_bits: None })
    };
    // Offsets of no real kernel: libbpf has to put the right ones in.
    let paths = [
        vec![member("comm", comm, 72_000), 3],
        vec![member("tgid", int, 800)],
        vec![member("no_such_member", int, 8_000)],
        vec![member("real_parent", parent, 6_400)],
        vec![],
    ];
    let offsets = [72_024, 800, 8_000, 6_400, 0];
    for (path, offset_bits) in paths.into_iter().zip(offsets) {
        let size = if path.len() == 2 { 1 } else { 4 };
        image.accesses.push(Access {
            root: task,
            path,
            offset_bits,
            size,
            bitfield_bits: None,
            signed: true,
            exists: true,
        });
    }
    // return task->tgid * 4 + exists(comm[3]) * 2 + exists(no_such_member), as r6..r8
    let insns = vec![
        call(Helper::GET_CURRENT_TASK_BTF),
        insn(0x61, 6, 0, 100, 0),
        insn(0xb7, 7, 0, 0, 1),
        insn(0xb7, 8, 0, 0, 1),
        insn(0x67, 6, 0, 0, 2),
        insn(0x67, 7, 0, 0, 1),
        insn(0xbf, 0, 6, 0, 0),
        insn(0x0f, 0, 7, 0, 0),
        insn(0x0f, 0, 8, 0, 0),
        insn(EXIT, 0, 0, 0, 0),
    ];
    let core = |at, kind, access| Reloc { at, kind: RelocKind::Core { kind, access: AccessId(access) } };
    let relocs =
        vec![core(1, CoreKind::ByteOffset, 1), core(2, CoreKind::Exists, 0), core(3, CoreKind::Exists, 2)];
    image.programs.push(program("reader", raw_tp(), insns, relocs, vec![(0, 1)]));
    image
}

#[test]
fn fields_are_relocated_to_the_running_kernel() {
    if !has("BPF_FUNC_get_current_task_btf") {
        return;
    }
    let Some(mut object) = load(&write(&reading()).unwrap()) else { return };
    assert_eq!(run(&mut object, "reader"), std::process::id() * 4 + 2);
}

#[test]
fn both_ends_answer_alike() {
    let world = crate::sys::world::LinuxWorld::new();
    let Ok(kernel) = world.btf() else {
        eprintln!("skipped: no BTF of this kernel");
        return;
    };
    let image = reading();
    let mut resolver = crate::image::core::Resolver::new(kernel);
    let mut ask = |kind, access: u32| resolver.resolve(kind, &image.accesses[AccessId(access)], &image.local);
    assert_eq!(ask(CoreKind::Exists, 0), Some(1));
    assert_eq!(ask(CoreKind::Exists, 2), Some(0));
    assert_eq!(ask(CoreKind::TypeExists, 4), Some(1));
    // What libbpf put into the instruction is what the resolver says.
    if !has("BPF_FUNC_get_current_task_btf") {
        return;
    }
    let Some(object) = load(&write(&image).unwrap()) else { return };
    let prog = object.progs().find(|p| p.name() == "reader").unwrap();
    let offset = prog.insns()[1].off;
    assert_eq!(ask(CoreKind::ByteOffset, 1), Some(offset as u64));
    assert_eq!(ask(CoreKind::ByteSize, 1), Some(4));
}

#[test]
fn swapped_maps_start_with_their_inner_map() {
    let inner_lookup = [
        vec![insn(0x7a, 10, 0, -8, 0)],
        imm64(1).to_vec(),
        vec![
            insn(0xbf, 2, 10, 0, 0),
            insn(0x07, 2, 0, 0, -8),
            call(Helper::MAP_LOOKUP_ELEM),
            insn(0x15, 0, 0, 1, 0),
            insn(0xb7, 0, 0, 0, 1),
            insn(EXIT, 0, 0, 0, 0),
        ],
    ]
    .concat();
    let relocs = vec![Reloc { at: 1, kind: RelocKind::MapPtr(MapId(0)) }];
    let mut swapped = map("@s", MapKind::ArrayOfMaps, (8, 16), 64, user("@s", Storage::Swapped));
    swapped.flags = image_maps::F_NO_PREALLOC;
    let maps = vec![swapped, map(".globals", MapKind::Array, (4, 64), 1, Role::Globals)];
    let image = with(vec![program("p", raw_tp(), inner_lookup, relocs, vec![(0, 1)])], maps);
    let Some(mut object) = load(&write(&image).unwrap()) else { return };
    assert_eq!(run(&mut object, "p"), 1, "the inner map is there");
    let inner = object.maps().find(|m| m.name() == "AT_s_inner").unwrap();
    assert_eq!((inner.key_size(), inner.value_size(), inner.max_entries()), (8, 16, 64));
    assert!(object.maps().any(|m| m.name().to_string_lossy().contains("globals")));
}

#[test]
fn each_attach_point_has_its_section() {
    let exit = vec![insn(0xb7, 0, 0, 0, 0), insn(EXIT, 0, 0, 0, 0)];
    let mut multi = program("multi", raw_tp(), exit, vec![], vec![(0, 1)]);
    let tracepoint = |name: &str| Attach::Tracepoint { category: "sched".into(), name: name.into() };
    multi.ty = ProgType::Tracepoint;
    multi.attach = vec![tracepoint("sched_switch"), tracepoint("sched_waking")];
    let bytes = write(&with(vec![multi], vec![])).unwrap();
    let open = ObjectBuilder::default().open_memory(&bytes).unwrap();
    let mut progs: Vec<(String, String)> = (open.progs())
        .map(|p| (p.name().to_string_lossy().into_owned(), p.section().to_string_lossy().into_owned()))
        .collect();
    progs.sort();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        progs,
        [pair("multi", "tracepoint/sched/sched_switch"), pair("multi_2", "tracepoint/sched/sched_waking")]
    );
}

#[test]
fn what_an_object_cannot_say_is_an_error() {
    let exit = vec![insn(0x85, 0, 2, 0, 0), insn(EXIT, 0, 0, 0, 0)];
    let relocs = vec![Reloc { at: 0, kind: RelocKind::Kfunc("bpf_task_from_pid".into()) }];
    let image = with(vec![program("p", raw_tp(), exit, relocs, vec![(0, 1)])], vec![]);
    assert!(write(&image).unwrap_err().contains("bpf_task_from_pid"));
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    assert_eq!(write(&calling()).unwrap(), write(&calling()).unwrap());
}
