//! Sessions of hand-written programs on the running kernel. What cannot run here is skipped out loud.

mod flow;
mod kinds;

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::*;
use crate::base::{IndexVec, Source, SourceMap, Span};
use crate::image::attach::SyscallHook;
use crate::image::maps::F_MMAPABLE;
use crate::image::wire::{Field, globals};
use crate::image::{
    Attach, EventKind, EventSite, Image, LineInfo, LossId, LossKind, LossSite, Map, MapId, MapKind, Program,
    Reloc, RelocKind, Role, Schema, Storage,
};
use crate::isa::insn::{Alu, Atomic, Form, Jump, R10, Src, ld_imm64};
use crate::isa::{Helper, Insn};
use crate::sys::world::LinuxWorld;
use crate::ty::{AggKind, Ty};
use crate::value::Value;
use crate::value::format::{Conv, Format, Piece};
use crate::world::World;

/// Instructions and relocations in the making.
#[derive(Default)]
struct Asm {
    insns: Vec<Insn>,
    relocs: Vec<Reloc>,
    /// Jumps to the end that wait for it.
    to_end: Vec<usize>,
}

impl Asm {
    fn op(&mut self, form: Form) -> &mut Asm {
        self.insns.push(form.encode());
        self
    }
    fn mov(&mut self, dst: u8, src: Src) -> &mut Asm {
        self.op(Form::Alu { op: Alu::Mov, wide: true, dst, src })
    }
    fn add(&mut self, dst: u8, imm: i32) -> &mut Asm {
        self.op(Form::Alu { op: Alu::Add, wide: true, dst, src: Src::Imm(imm) })
    }
    fn load(&mut self, bytes: u8, dst: u8, base: u8, off: i16) -> &mut Asm {
        self.op(Form::Load { bytes, sext: false, dst, base, off })
    }
    fn store(&mut self, bytes: u8, base: u8, off: i16, src: Src) -> &mut Asm {
        self.op(Form::Store { bytes, base, off, src })
    }
    fn call(&mut self, helper: Helper) -> &mut Asm {
        self.op(Form::Call { src: 0, imm: helper.0 as i32 })
    }
    fn map(&mut self, dst: u8, kind: RelocKind) -> &mut Asm {
        self.relocs.push(Reloc { at: self.insns.len() as u32, kind });
        self.insns.extend(ld_imm64(dst, 0));
        self
    }
    fn end_if(&mut self, op: Jump, a: u8, b: Src) -> &mut Asm {
        self.to_end.push(self.insns.len());
        self.op(Form::If { op, wide: true, a, b, off: 0 })
    }
    fn finish(&mut self) -> (Vec<Insn>, Vec<Reloc>) {
        for at in std::mem::take(&mut self.to_end) {
            self.insns[at].off = (self.insns.len() - at - 1) as i16;
        }
        self.mov(0, Src::Imm(0)).op(Form::Exit);
        (std::mem::take(&mut self.insns), std::mem::take(&mut self.relocs))
    }
    /// Ends the program unless the gate is open.
    fn gate(&mut self) -> &mut Asm {
        self.map(1, RelocKind::MapValue { map: GLOBALS, off: globals::GATE });
        self.load(8, 1, 1, 0);
        self.end_if(Jump::Ne, 1, Src::Imm(globals::RUNNING as i32))
    }
    /// Ends the program in other threads than this.
    fn only_this_thread(&mut self) -> &mut Asm {
        self.call(Helper::GET_CURRENT_PID_TGID);
        self.op(Form::Alu { op: Alu::Mov, wide: false, dst: 0, src: Src::Reg(0) });
        self.end_if(Jump::Ne, 0, Src::Imm(this_thread() as i32))
    }
    /// Emits event `site` with `value`, to the output ring.
    fn output(&mut self, site: i32, value: Src) -> &mut Asm {
        self.store(8, R10, -8, value);
        self.store(4, R10, -16, Src::Imm(site)).store(4, R10, -12, Src::Imm(0));
        self.emit(OUTPUT, -16, 16)
    }
    /// Emits event `site` with a word, to the control ring.
    fn control(&mut self, site: i32, value: i32) -> &mut Asm {
        self.map(1, RelocKind::MapPtr(OUTPUT));
        self.mov(2, Src::Imm(PROD_POS)).call(Helper::RINGBUF_QUERY);
        self.store(8, R10, -16, Src::Reg(0));
        self.store(4, R10, -24, Src::Imm(site)).store(4, R10, -20, Src::Imm(0));
        self.store(8, R10, -8, Src::Imm(value));
        self.emit(CONTROL, -24, 24)
    }
    fn emit(&mut self, ring: MapId, from: i32, bytes: i32) -> &mut Asm {
        self.map(1, RelocKind::MapPtr(ring));
        self.mov(2, Src::Reg(R10)).add(2, from);
        self.mov(3, Src::Imm(bytes)).mov(4, Src::Imm(NO_WAKEUP)).call(Helper::RINGBUF_OUTPUT)
    }
    /// Adds one to the first word of the value of a map with key `u32` 0, if it is there.
    fn count(&mut self, map: MapId, set_flag: Option<i16>) -> &mut Asm {
        self.store(4, R10, -4, Src::Imm(0));
        self.map(1, RelocKind::MapPtr(map));
        self.mov(2, Src::Reg(R10)).add(2, -4).call(Helper::MAP_LOOKUP_ELEM);
        self.end_if(Jump::Eq, 0, Src::Imm(0));
        self.mov(1, Src::Imm(1));
        self.op(Form::Atomic { op: Atomic::Add, bytes: 8, base: 0, off: 0, src: 1 });
        if let Some(off) = set_flag {
            self.store(8, 0, off, Src::Imm(1));
        }
        self
    }
}

/// `BPF_RB_PROD_POS`, `BPF_RB_NO_WAKEUP`
const PROD_POS: i32 = 3;
const NO_WAKEUP: i32 = 1;
const GLOBALS: MapId = MapId(0);
const OUTPUT: MapId = MapId(1);
const CONTROL: MapId = MapId(2);
const LOSSES: MapId = MapId(3);
/// The first map of a script.
const FIRST: MapId = MapId(4);

fn this_thread() -> u32 {
    std::fs::read_link("/proc/thread-self")
        .ok()
        .and_then(|p| p.file_name()?.to_str()?.parse().ok())
        .expect("a thread has a number")
}

/// An image with awl's own maps.
fn image(events: Vec<EventKind>) -> Image {
    let own = |name: &str, kind, value_size, flags, role| Map {
        name: name.into(),
        kind,
        key_size: if kind == MapKind::Ringbuf { 0 } else { 4 },
        value_size,
        max_entries: u32::from(kind != MapKind::Ringbuf),
        flags,
        role,
    };
    let mut image = Image::default();
    image.maps.push(own(".globals", MapKind::Array, globals::BYTES, F_MMAPABLE, Role::Globals));
    image.maps.push(own(".output", MapKind::Ringbuf, 0, 0, Role::Output));
    image.maps.push(own(".control", MapKind::Ringbuf, 0, 0, Role::Control));
    image.maps.push(own(".losses", MapKind::Array, 64, F_MMAPABLE, Role::Losses));
    let mut sources = SourceMap::new();
    sources.add(Source::new("stdin", "begin { read(me) }"));
    image.sources = sources;
    for kind in events {
        let offset = if kind.is_control() { 16 } else { 8 };
        let fields = vec![Field { ty: Ty::U64, offset }];
        let program = crate::image::ProgramId(0);
        image.events.push(EventSite { kind, program, span: Span::none(), fields, size: offset + 8 });
    }
    image
}

fn add_program(image: &mut Image, attach: Vec<Attach>, asm: &mut Asm) {
    let (insns, relocs) = asm.finish();
    image.programs.push(Program {
        name: format!("p{}", image.programs.len()),
        title: attach[0].name(),
        clause: 0,
        span: Span::new(crate::base::FileId(0), 0, 5),
        ty: attach[0].prog_type(),
        attach,
        insns,
        relocs,
        funcs: Vec::new(),
        lines: vec![LineInfo { at: 0, span: Span::new(crate::base::FileId(0), 8, 16) }],
        stack_bytes: 32,
    });
}

fn script_map(
    name: &str,
    kind: MapKind,
    key: Option<Ty>,
    value: Ty,
    storage: Storage,
    value_size: u32,
) -> Map {
    let hash = !matches!(kind, MapKind::Array | MapKind::PercpuArray);
    let schema = Schema { name: name.into(), key, value, storage, max_entries: 16 };
    Map {
        name: name.into(),
        kind,
        key_size: if hash { 8 } else { 4 },
        value_size,
        max_entries: if hash { 16 } else { 1 },
        flags: 0,
        role: Role::User(schema),
    }
}

/// A session, or `None` where this machine or user cannot have one.
fn session(target: Target) -> Option<Session> {
    match Session::new(&Config { target, ..Config::default() }) {
        Ok(session) => Some(session),
        Err(e) => {
            eprintln!("skipped: no session here: {e}");
            None
        }
    }
}

fn printf(text: &str) -> EventKind {
    let conv = Conv {
        minus: false,
        plus: false,
        space: false,
        alt: false,
        zero: false,
        width: None,
        precision: None,
        length: "ll",
        conv: "u",
    };
    EventKind::Printf(Format { pieces: vec![Piece::Text(text.into()), Piece::Conv(conv)], gfp: Vec::new() })
}

/// Events as short texts.
fn describe(event: &Event) -> String {
    match &event.body {
        Body::Printf { format, args } => {
            let mut text = Vec::new();
            crate::value::format::write(&mut text, format, args, "..");
            String::from_utf8(text).expect("text")
        }
        Body::Map(view) => format!("{} {:?}", view.schema.name, view.entries),
        Body::Loss(loss) => format!("lost {:?} {} {}", loss.cause, loss.count, loss.probe),
        other => format!("{other:?}"),
    }
}

/// Polls until `n` events came or five seconds are over.
fn collect(session: &mut Session, n: usize) -> Vec<String> {
    let mut got = Vec::new();
    let start = Instant::now();
    while got.len() < n && start.elapsed() < Duration::from_secs(5) {
        let stop = session.poll(Duration::from_millis(50), &mut |e| got.push(describe(&e))).expect("poll");
        if stop.is_some() {
            break;
        }
    }
    got
}

/// How much longer than on a usual machine things may take: an emulated one says so.
fn slowness() -> u32 {
    std::env::var("AWL_SLOWNESS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn world() -> LinuxWorld {
    LinuxWorld::new()
}

#[test]
fn output_and_control_come_in_the_order_of_emission() {
    let Some(mut session) = session(Target::None) else { return };
    let mut image = image(vec![printf("a"), EventKind::Exit, printf("b")]);
    let mut asm = Asm::default();
    asm.output(0, Src::Imm(1))
        .output(2, Src::Imm(2))
        .output(0, Src::Imm(3))
        .control(1, 7)
        .output(2, Src::Imm(4));
    add_program(&mut image, vec![Attach::Begin], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
    let mut got = Vec::new();
    let mut seqs = Vec::new();
    let stop = session
        .poll(Duration::from_millis(100), &mut |e| {
            got.push(describe(&e));
            seqs.push(e.seq);
        })
        .expect("poll");
    // What was emitted after exit() is dropped.
    assert_eq!(got, ["a1", "b2", "a3", "Exit { code: 7 }"]);
    assert_eq!(seqs, [0, 1, 2, 3]);
    assert_eq!(stop, Some(Stop::Exit(7)));
}

/// A program that counts this thread's getppid() calls in a per-CPU array.
fn counting_image(attach: Attach, nr_at: Option<i16>) -> Image {
    let mut image = image(vec![]);
    let count = Ty::Agg { kind: AggKind::Count, signed: true };
    let map = script_map("@", MapKind::PercpuArray, None, count, Storage::PercpuArray, 16);
    assert_eq!(image.maps.push(map), FIRST);
    let mut asm = Asm::default();
    asm.mov(6, Src::Reg(1)).gate().only_this_thread();
    if let Some(off) = nr_at {
        asm.load(8, 1, 6, off).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_getppid as i32));
    }
    asm.count(FIRST, Some(8));
    add_program(&mut image, vec![attach], &mut asm);
    image
}

fn call_getppid(n: usize) {
    for _ in 0..n {
        let _ = std::os::unix::process::parent_id();
    }
}

fn count_of(session: &Session, name: &str) -> Vec<(Value, Value)> {
    session.read_map(name).expect("a map to read").expect("a map").entries
}

#[test]
fn raw_tracepoint_counts_exactly() {
    let Some(mut session) = session(Target::None) else { return };
    let attach = Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() };
    let added = session.add(Rc::new(counting_image(attach, Some(8))), &world()).expect("a clause");
    assert_eq!(added.n_attached, 1);
    assert_eq!(count_of(&session, "@"), []);
    call_getppid(1000);
    assert_eq!(count_of(&session, "@"), [(Value::None, Value::Int(1000))]);
    let mut maps = Vec::new();
    session.finish(&mut |_| {}).expect("an end");
    call_getppid(5);
    session.print_maps(&mut |e| maps.push(describe(&e))).expect("maps");
    assert_eq!(maps, ["@ [(None, Int(1000))]"]);
}

#[test]
fn tp_btf_and_syscall_numbers() {
    if !world().features().has(crate::world::Feature::TpBtf) {
        eprintln!("skipped: this kernel has no tp_btf");
        return;
    }
    syscall_numbers(SyscallHook::Btf);
}

/// The record of `raw_syscalls` has the number where the arguments of the raw tracepoint have it.
#[test]
fn syscall_numbers_in_records() {
    syscall_numbers(SyscallHook::Record);
}

fn syscall_numbers(hook: SyscallHook) {
    let Some(mut session) = session(Target::None) else { return };
    let world = world();
    let of =
        |name: &str, nr| Attach::SyscallTp { when: crate::image::When::Entry, name: name.into(), nr, hook };
    let mut image = counting_image(of("getppid", libc::SYS_getppid as u32), Some(8));
    image.programs[crate::image::ProgramId(0)].attach.push(of("gettid", libc::SYS_gettid as u32));
    let added = session.add(Rc::new(image), &world).expect("a clause");
    assert_eq!(added.n_attached, 2);
    call_getppid(10);
    assert_eq!(count_of(&session, "@"), [(Value::None, Value::Int(10))]);
    session.remove(added.id);
    assert!(session.read_map("@").expect("no error").is_none());
}

#[test]
fn tracepoint_by_perf_event() {
    let Some(mut session) = session(Target::None) else { return };
    let attach =
        |name: &str| Attach::Tracepoint { category: "syscalls".into(), name: format!("sys_enter_{name}") };
    let mut image = counting_image(attach("getppid"), None);
    let rare = ["getpgid", "getsid", "setsid", "getpriority", "personality", "ustat", "sysfs"];
    let points = &mut image.programs[crate::image::ProgramId(0)].attach;
    points.extend(rare.iter().map(|name| attach(name)));
    match session.add(Rc::new(image), &world()) {
        Ok(_) => {}
        Err(LoadError::Attach(e)) if e[0].reason.contains("mounted") => {
            eprintln!("skipped: {}", e[0].reason);
            return;
        }
        Err(e) => panic!("{e}"),
    }
    call_getppid(100);
    assert_eq!(count_of(&session, "@"), [(Value::None, Value::Int(100))]);
    let start = Instant::now();
    session.finish(&mut |_| {}).expect("an end");
    // Eight of them take the kernel 400 ms at least, which is left to a child.
    assert!(start.elapsed() < Duration::from_millis(200) * slowness(), "{:?}", start.elapsed());
}

#[test]
fn a_tracepoint_that_is_not_there_is_named() {
    let Some(mut session) = session(Target::None) else { return };
    let attach = Attach::RawTracepoint { category: String::new(), name: "no_such_event".into() };
    let e = session.add(Rc::new(counting_image(attach, None)), &world()).expect_err("no such event");
    let LoadError::Attach(errors) = e else { panic!("{e}") };
    assert_eq!(errors[0].points, ["rawtracepoint:no_such_event"]);
    assert_eq!(errors[0].reason, "the kernel has no such raw tracepoint");
    assert!(session.read_map("@").expect("no error").is_none());
}

#[test]
fn the_verifiers_refusal_has_its_place() {
    let Some(mut session) = session(Target::None) else { return };
    let mut image = image(vec![]);
    let mut asm = Asm::default();
    asm.load(8, 1, 1, 9999);
    add_program(&mut image, vec![Attach::Begin], &mut asm);
    let e = session.add(Rc::new(image.clone()), &world()).expect_err("a refusal");
    let LoadError::Program(refusal) = e else { panic!("{e}") };
    assert_eq!(image.sources.text(refusal.span), "read(me)");
    assert!(refusal.reason.contains("context access"), "{}", refusal.reason);
    assert!(refusal.log.contains("9999"));
}

#[test]
fn losses_are_told_once() {
    let Some(mut session) = session(Target::None) else { return };
    let mut image = image(vec![]);
    let site = |kind| LossSite { kind, program: crate::image::ProgramId(0), span: Span::none() };
    image.losses =
        [site(LossKind::Event), site(LossKind::Scratch)].into_iter().collect::<IndexVec<LossId, _>>();
    let mut asm = Asm::default();
    asm.map(1, RelocKind::MapValue { map: LOSSES, off: 8 }).mov(2, Src::Imm(3));
    asm.op(Form::Atomic { op: Atomic::Add, bytes: 8, base: 1, off: 0, src: 2 });
    add_program(&mut image, vec![Attach::Begin], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
    assert_eq!(collect(&mut session, 1), ["lost Scratch 3 begin"]);
    let mut again = Vec::new();
    session.finish(&mut |e| again.push(describe(&e))).expect("an end");
    assert_eq!(again, [""; 0]);
}

#[test]
fn end_runs_after_the_gate_is_closed() {
    let Some(mut session) = session(Target::None) else { return };
    let mut image = image(vec![printf("end ")]);
    let mut asm = Asm::default();
    asm.output(0, Src::Imm(9));
    add_program(&mut image, vec![Attach::End], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
    let mut got = Vec::new();
    session.finish(&mut |e| got.push(describe(&e))).expect("an end");
    assert_eq!(got, ["end 9"]);
}
