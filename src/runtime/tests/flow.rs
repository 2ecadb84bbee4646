//! Events over time: sleeping and waking, floods, the process that is traced; and maps that are cleared.

use super::*;
use crate::image::wire::globals::READER_SLEEPS;

/// Output as compiled programs do it: no wake-up but for a reader that sleeps.
fn output_and_wake(asm: &mut Asm, site: i32) {
    asm.store(8, R10, -8, Src::Imm(5)).store(4, R10, -16, Src::Imm(site)).store(4, R10, -12, Src::Imm(0));
    asm.map(6, RelocKind::MapValue { map: GLOBALS, off: READER_SLEEPS }).load(4, 7, 6, 0);
    // 0 becomes NO_WAKEUP (1), 1 becomes FORCE_WAKEUP (2).
    asm.store(4, 6, 0, Src::Imm(0)).add(7, 1);
    asm.map(1, RelocKind::MapPtr(OUTPUT)).mov(2, Src::Reg(R10)).add(2, -16);
    asm.mov(3, Src::Imm(16)).mov(4, Src::Reg(7)).call(Helper::RINGBUF_OUTPUT);
}

/// A program that emits at each getppid() of one thread.
fn echo(session: &mut Session) {
    let mut image = image(vec![printf("echo ")]);
    let mut asm = Asm::default();
    asm.mov(8, Src::Reg(1)).gate().only_this_thread();
    asm.load(8, 1, 8, 8).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_getppid as i32));
    output_and_wake(&mut asm, 0);
    let attach = Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() };
    add_program(&mut image, vec![attach], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
}

#[test]
fn a_sleeping_reader_is_woken_at_once() {
    let (report, reports) = std::sync::mpsc::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    // The session lives in a thread of its own, which nothing but the timer's wake-ups keeps awake.
    let handle = std::thread::spawn(move || {
        let Some(mut session) = session(Target::None) else { return };
        let mut image = image(vec![printf("tick ")]);
        let mut asm = Asm::default();
        asm.gate();
        output_and_wake(&mut asm, 0);
        let attach = Attach::Interval(crate::image::attach::Rate::PeriodNs(40_000_000));
        add_program(&mut image, vec![attach], &mut asm);
        session.add(Rc::new(image), &world()).expect("a clause");
        ready.send(()).expect("a listener");
        let mut last = Instant::now();
        for _ in 0..10 {
            let start = Instant::now();
            let mut n = 0;
            session.poll(Duration::from_secs(2), &mut |_| n += 1).expect("poll");
            if n > 0 {
                report.send((last.elapsed(), start.elapsed())).expect("a listener");
                last = Instant::now();
            }
        }
    });
    if is_ready.recv().is_err() {
        handle.join().expect("skipped");
        return;
    }
    handle.join().expect("no panic");
    let mut gaps: Vec<Duration> = reports.iter().skip(1).map(|(gap, _)| gap).collect();
    gaps.sort_unstable();
    // Without wake-ups the gaps would be those of the safety timeout, 150 ms.
    let median = gaps[gaps.len() / 2];
    assert!(median < Duration::from_millis(100), "{gaps:?}");
}

#[test]
fn a_flood_is_read_in_full() {
    let Some(mut session) = session(Target::None) else { return };
    echo(&mut session);
    let mut n = 0;
    for _ in 0..100 {
        call_getppid(1000);
        session.poll(Duration::ZERO, &mut |_| n += 1).expect("poll");
    }
    assert_eq!(n, 100_000);
}

#[test]
fn a_command_runs_when_it_is_released() {
    let argv = split_command("sh -c 'kill -USR1 $$; exit 3'").expect("a command");
    let Some(mut session) = session(Target::Command(argv)) else { return };
    let pid = session.target_pid().expect("a child");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(session.poll(Duration::from_millis(30), &mut |_| {}).expect("poll"), None);
    session.release().expect("runs");
    let start = Instant::now();
    let stop = loop {
        if let Some(stop) = session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll") {
            break stop;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "the end of the command is not seen");
    };
    // SIGUSR1 is blocked here, not in the child.
    assert_eq!(stop, Stop::TargetEnded(Some(crate::sys::process::Exit::Signal(libc::SIGUSR1))));
}

#[test]
fn the_end_of_a_process_is_seen() {
    let mut child = std::process::Command::new("sleep").arg("0.2").spawn().expect("sleep");
    let Some(mut session) = session(Target::Pid(child.id())) else {
        child.wait().expect("its end");
        return;
    };
    assert_eq!(session.poll(Duration::from_millis(20), &mut |_| {}).expect("poll"), None);
    let start = Instant::now();
    let mut stop = None;
    while stop.is_none() && start.elapsed() < Duration::from_secs(10) {
        stop = session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll");
    }
    assert_eq!(stop, Some(Stop::TargetEnded(None)));
    child.wait().expect("its end");
}

#[test]
fn a_process_that_is_not_there_is_named() {
    let e = Session::new(&Config { target: Target::Pid(0x3f_ffff), ..Config::default() })
        .err()
        .expect("no such process");
    assert!(e.to_string().contains("4194303"), "{e}");
    let argv = vec!["no-such-command".to_owned()];
    let e = Session::new(&Config { target: Target::Command(argv), ..Config::default() })
        .err()
        .expect("no such command");
    assert!(e.to_string().contains("no-such-command"), "{e}");
}

fn hash_map(storage: Storage, kind: MapKind) -> Map {
    let count = Ty::Agg { kind: AggKind::Count, signed: true };
    script_map("@", kind, Some(Ty::U64), count, storage, 8)
}

/// Adds one under the key of a register's number, modulo 4.
pub(super) fn count_by_key(asm: &mut Asm, map: MapId, kind: MapKind) {
    asm.store(8, R10, -8, Src::Reg(9));
    asm.map(1, RelocKind::MapPtr(map));
    if kind == MapKind::ArrayOfMaps {
        asm.store(4, R10, -24, Src::Imm(0)).mov(2, Src::Reg(R10)).add(2, -24).call(Helper::MAP_LOOKUP_ELEM);
        asm.end_if(Jump::Eq, 0, Src::Imm(0)).mov(1, Src::Reg(0));
    }
    asm.mov(7, Src::Reg(1)).mov(2, Src::Reg(R10)).add(2, -8).call(Helper::MAP_LOOKUP_ELEM);
    let hit = asm.insns.len();
    asm.op(Form::If { op: Jump::Ne, wide: true, a: 0, b: Src::Imm(0), off: 0 });
    asm.store(8, R10, -16, Src::Imm(1)).mov(1, Src::Reg(7)).mov(2, Src::Reg(R10)).add(2, -8);
    asm.mov(3, Src::Reg(R10)).add(3, -16).mov(4, Src::Imm(1)).call(Helper::MAP_UPDATE_ELEM);
    let skip = asm.insns.len();
    asm.op(Form::Goto { off: 0 });
    asm.insns[hit].off = (asm.insns.len() - hit - 1) as i16;
    asm.mov(1, Src::Imm(1)).op(Form::Atomic { op: Atomic::Add, bytes: 8, base: 0, off: 0, src: 1 });
    asm.insns[skip].off = (asm.insns.len() - skip - 1) as i16;
}

/// Counts this thread's getppid() calls under the keys 0 to 3; emits `event` on the control ring at getpgrp().
fn keyed_image(kind: MapKind, storage: Storage, event: EventKind) -> Image {
    let mut image = image(vec![event]);
    image.maps.push(hash_map(storage, kind));
    let mut asm = Asm::default();
    asm.mov(8, Src::Reg(1)).gate().only_this_thread();
    asm.load(8, 1, 8, 8).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_getppid as i32));
    // The key goes round: a counter in the losses' unused end.
    asm.map(1, RelocKind::MapValue { map: LOSSES, off: 56 }).load(8, 9, 1, 0);
    asm.mov(2, Src::Imm(1)).op(Form::Atomic { op: Atomic::Add, bytes: 8, base: 1, off: 0, src: 2 });
    asm.op(Form::Alu { op: Alu::And, wide: true, dst: 9, src: Src::Imm(3) });
    count_by_key(&mut asm, FIRST, kind);
    let attach = || Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() };
    add_program(&mut image, vec![attach()], &mut asm);
    asm.mov(8, Src::Reg(1)).gate().only_this_thread();
    asm.load(8, 1, 8, 8).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_getpgrp as i32));
    asm.control(0, 0);
    add_program(&mut image, vec![attach()], &mut asm);
    image
}

fn ask() {
    // SAFETY: takes and changes nothing.
    unsafe { libc::getpgrp() };
}

fn key_counts(n: i64) -> Vec<(Value, Value)> {
    (0..4).map(|k| (Value::Uint(k), Value::Int(n))).collect()
}

#[test]
fn print_and_clear_neither_loses_nor_doubles() {
    let Some(mut session) = session(Target::None) else { return };
    let event = EventKind::PrintClear { map: FIRST, top: 0, div: 1 };
    let image = keyed_image(MapKind::ArrayOfMaps, Storage::Swapped, event);
    session.add(Rc::new(image), &world()).expect("a clause");
    let total = |view: &MapView| -> i64 {
        let n = |v: &Value| if let Value::Int(n) = v { *n } else { panic!("{v:?}") };
        view.entries.iter().map(|(_, v)| n(v)).sum()
    };
    let mut seen = 0;
    for round in 0..5 {
        call_getppid(1000);
        ask();
        // Counted after print() was emitted, before it is done: belongs to this print or the next, not to both.
        call_getppid(round);
        let take = &mut |e: Event| {
            if let Body::Map(view) = &e.body {
                assert_eq!(view.entries.len(), 4);
                seen += total(view);
            }
        };
        session.poll(Duration::from_secs(1), take).expect("poll");
    }
    let rest: i64 = match session.read_map("@").expect("reads") {
        Some(view) => total(&view),
        None => panic!("no map"),
    };
    assert_eq!(seen + rest, 5010);
    assert!(seen >= 5000);
}

#[test]
fn hash_maps_are_read_printed_and_cleared() {
    for (kind, storage) in
        [(MapKind::PercpuHash, Storage::PercpuHash), (MapKind::ArrayOfMaps, Storage::Swapped)]
    {
        let Some(mut session) = session(Target::None) else { return };
        let image = keyed_image(kind, storage, EventKind::Clear { map: FIRST });
        session.add(Rc::new(image), &world()).expect("a clause");
        call_getppid(400);
        assert_eq!(count_of(&session, "@"), key_counts(100));
        ask();
        session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll");
        assert_eq!(count_of(&session, "@"), []);
        call_getppid(4);
        assert_eq!(count_of(&session, "@"), key_counts(1));
    }
}

#[test]
fn zero_keeps_the_keys_and_top_the_largest() {
    let Some(mut session) = session(Target::None) else { return };
    let image = keyed_image(MapKind::PercpuHash, Storage::PercpuHash, EventKind::Zero { map: FIRST });
    session.add(Rc::new(image), &world()).expect("a clause");
    call_getppid(8);
    ask();
    session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll");
    assert_eq!(count_of(&session, "@"), key_counts(0));

    let mut other = super::session(Target::None).expect("as before");
    let print = EventKind::PrintMap { map: FIRST, top: 2, div: 3 };
    other
        .add(Rc::new(keyed_image(MapKind::PercpuHash, Storage::PercpuHash, print)), &world())
        .expect("a clause");
    call_getppid(6);
    ask();
    let mut views = Vec::new();
    let take = &mut |e: Event| {
        if let Body::Map(view) = e.body {
            views.push((view.entries, view.div));
        }
    };
    other.poll(Duration::from_secs(1), take).expect("poll");
    // Two of each: keys 0 and 1 have two, 2 and 3 one.
    let want = vec![(Value::Uint(0), Value::Int(2)), (Value::Uint(1), Value::Int(2))];
    assert_eq!(views, [(want, 3)]);
}

#[test]
fn clauses_share_maps_by_name() {
    let Some(mut session) = session(Target::None) else { return };
    let clear = || EventKind::Clear { map: FIRST };
    let first = keyed_image(MapKind::PercpuHash, Storage::PercpuHash, clear());
    let a = session.add(Rc::new(first), &world()).expect("a clause").id;
    let mut second = keyed_image(MapKind::PercpuHash, Storage::PercpuHash, clear());
    second.event_base = session.next_event_base();
    let b = session.add(Rc::new(second), &world()).expect("another clause").id;
    call_getppid(4);
    // Each call is counted by both, under keys that go on.
    let sum: i64 =
        count_of(&session, "@").iter().map(|(_, v)| if let Value::Int(n) = v { *n } else { 0 }).sum();
    assert_eq!(sum, 8);
    session.remove(a);
    assert_eq!(session.schemas().len(), 1);
    session.remove(b);
    assert_eq!(session.schemas().len(), 0);

    let mut third = keyed_image(MapKind::PercpuHash, Storage::PercpuHash, clear());
    third.event_base = session.next_event_base();
    session.add(Rc::new(third), &world()).expect("a clause");
    let mut other = keyed_image(MapKind::ArrayOfMaps, Storage::Swapped, clear());
    other.event_base = session.next_event_base();
    let e = session.add(Rc::new(other), &world()).expect_err("another storage");
    assert!(e.to_string().contains("@"), "{e}");
}

/// Emits a `usym` of the caller of exit_group() in the target process.
fn exits_image() -> Image {
    let mut image = image(vec![EventKind::PrintValue]);
    image.events[crate::image::EventId(0)].fields[0].ty = Ty::Usym;
    image.events[crate::image::EventId(0)].size = 24;
    let mut asm = Asm::default();
    asm.mov(8, Src::Reg(1)).gate();
    asm.load(8, 1, 8, 8).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_exit_group as i32));
    asm.call(Helper::GET_CURRENT_PID_TGID);
    asm.op(Form::Alu { op: Alu::Rsh, wide: true, dst: 0, src: Src::Imm(32) });
    asm.map(1, RelocKind::MapValue { map: GLOBALS, off: globals::TARGET_PID }).load(4, 1, 1, 0);
    asm.end_if(Jump::Ne, 0, Src::Reg(1));
    asm.store(8, R10, -8, Src::Reg(0)).store(8, R10, -16, Src::Imm(0));
    // One frame of the user's stack.
    const USER_STACK: i32 = 1 << 8;
    asm.mov(1, Src::Reg(8))
        .mov(2, Src::Reg(R10))
        .add(2, -16)
        .mov(3, Src::Imm(8))
        .mov(4, Src::Imm(USER_STACK));
    asm.call(Helper::GET_STACK).end_if(Jump::Ne, 0, Src::Imm(8));
    asm.store(8, R10, -24, Src::Imm(0)).emit(OUTPUT, -24, 24);
    let attach = Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() };
    add_program(&mut image, vec![attach], &mut asm);
    image
}

#[test]
fn symbols_of_a_process_that_has_ended() {
    // This program itself: a system's may have no symbols.
    let exe = std::env::current_exe().expect("a path");
    let argv = vec!["sh".into(), "-c".into(), format!("exec '{}' --list >/dev/null", exe.display())];
    let Some(mut session) = session(Target::Command(argv)) else { return };
    session.add(Rc::new(exits_image()), &world()).expect("a clause");
    session.release().expect("runs");
    let pid = session.target_pid().expect("a child");
    let start = Instant::now();
    // Nothing is looked up while it lives: it is a zombie here.
    let is_zombie = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z "));
    while !is_zombie() && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut names = Vec::new();
    let mut take = |e: Event| {
        if let Body::Value(Value::Text(name)) = e.body {
            names.push(name.clone());
        }
    };
    while session.poll(Duration::from_secs(1), &mut take).expect("poll").is_none() {}
    session.finish(&mut take).expect("an end");
    assert_eq!(names.len(), 1, "{names:?}");
    // `_exit`, or `_Exit` at the same place.
    assert!(names[0].to_lowercase().contains("exit"), "{names:?}");
}

/// Counts this thread's getppid() calls by kernel stack of up to 8 frames.
fn stacks_image() -> Image {
    const LIMIT: u16 = 8;
    let stack = crate::ty::StackTy {
        space: crate::ty::Space::Kernel,
        mode: crate::ty::StackMode::Bpftrace,
        limit: LIMIT,
    };
    let mut image = image(vec![]);
    let count = Ty::Agg { kind: AggKind::Count, signed: true };
    let mut map = script_map("@", MapKind::PercpuHash, Some(Ty::Stack(stack)), count, Storage::PercpuHash, 8);
    map.key_size = 16;
    image.maps.push(map.clone());
    let stacks = Map {
        name: ".stacks".into(),
        kind: MapKind::Hash,
        value_size: 8 + 8 * u32::from(LIMIT),
        flags: 0,
        role: Role::Stacks(stack),
        ..map
    };
    let stacks = image.maps.push(stacks);
    let mut asm = Asm::default();
    asm.mov(8, Src::Reg(1)).gate().only_this_thread();
    asm.load(8, 1, 8, 8).end_if(Jump::Ne, 1, Src::Imm(libc::SYS_getppid as i32));
    // The frames stand at -64, their number before them; the hash, a made-up one, at -96. Old verifiers want the
    // room to be initialised.
    for frame in 1..=i16::try_from(LIMIT).expect("few") {
        asm.store(8, R10, -8 * frame, Src::Imm(0));
    }
    asm.mov(1, Src::Reg(8)).mov(2, Src::Reg(R10)).add(2, -64).mov(3, Src::Imm(64)).mov(4, Src::Imm(0));
    asm.call(Helper::GET_STACK).end_if(Jump::Sle, 0, Src::Imm(0));
    asm.op(Form::Alu { op: Alu::Rsh, wide: true, dst: 0, src: Src::Imm(3) }).store(8, R10, -72, Src::Reg(0));
    asm.store(8, R10, -96, Src::Imm(77)).store(8, R10, -88, Src::Imm(78));
    asm.map(1, RelocKind::MapPtr(stacks)).mov(2, Src::Reg(R10)).add(2, -96);
    asm.mov(3, Src::Reg(R10)).add(3, -72).mov(4, Src::Imm(0)).call(Helper::MAP_UPDATE_ELEM);
    asm.store(8, R10, -104, Src::Imm(1)).map(1, RelocKind::MapPtr(FIRST)).mov(2, Src::Reg(R10)).add(2, -96);
    asm.mov(3, Src::Reg(R10)).add(3, -104).mov(4, Src::Imm(0)).call(Helper::MAP_UPDATE_ELEM);
    let attach = Attach::RawTracepoint { category: String::new(), name: "sys_enter".into() };
    add_program(&mut image, vec![attach], &mut asm);
    image
}

#[test]
fn kernel_stacks_have_names() {
    let Some(mut session) = session(Target::None) else { return };
    session.add(Rc::new(stacks_image()), &world()).expect("a clause");
    call_getppid(3);
    let entries = count_of(&session, "@");
    let [(Value::Stack(stack), Value::Int(1))] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(stack.frames.len(), stack.symbols.len());
    let names: Vec<&str> =
        stack.symbols.iter().filter_map(|f| f.symbol.as_ref().map(|(name, _)| name.as_str())).collect();
    assert!(names.contains(&"do_syscall_64"), "{names:?}");
}

#[test]
fn what_comes_after_exit_is_dropped() {
    let Some(mut session) = session(Target::None) else { return };
    assert!(session.is_idle());
    let mut image = image(vec![printf("end "), EventKind::Exit, printf("late ")]);
    let mut asm = Asm::default();
    asm.control(1, 0);
    add_program(&mut image, vec![Attach::Begin], &mut asm);
    asm.output(2, Src::Imm(1));
    add_program(&mut image, vec![Attach::Signal(libc::SIGUSR1)], &mut asm);
    asm.output(0, Src::Imm(1));
    add_program(&mut image, vec![Attach::End], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
    assert!(!session.is_idle());
    let stop = session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll");
    assert_eq!(stop, Some(Stop::Exit(0)));
    let clause = session.clauses.values().next().expect("the clause");
    clause.run(|p| *p == Attach::Signal(libc::SIGUSR1)).expect("runs");
    let mut got = Vec::new();
    session.finish(&mut |e| got.push(describe(&e))).expect("an end");
    assert_eq!(got, ["end 1"]);
}
