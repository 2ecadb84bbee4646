//! Each kind of probe that user space can make fire, and what attaching and detaching costs.

use super::*;
use crate::attach::Detach;
use crate::image::When;
use crate::image::attach::Rate;
use crate::runtime::clause::Clause;

/// A program at `attach` that counts its runs in this thread (`Only::Thread`) or all of them.
fn runs_image(attach: Vec<Attach>, only: Only) -> Image {
    let mut image = image(vec![]);
    let count = Ty::Agg { kind: AggKind::Count, signed: true };
    image.maps.push(script_map("@", MapKind::PercpuArray, None, count, Storage::PercpuArray, 16));
    let mut asm = Asm::default();
    asm.gate();
    if only == Only::Thread {
        asm.only_this_thread();
    }
    asm.count(FIRST, Some(8));
    add_program(&mut image, attach, &mut asm);
    image
}

#[derive(PartialEq)]
enum Only {
    Thread,
    All,
}

fn number(entries: Vec<(Value, Value)>) -> i64 {
    match entries.as_slice() {
        [] => 0,
        [(_, Value::Int(n))] => *n,
        other => panic!("{other:?}"),
    }
}

#[inline(never)]
extern "C" fn probed(n: u64) -> u64 {
    std::hint::black_box(n).wrapping_mul(3)
}

#[inline(never)]
extern "C" fn probed_too(n: u64) -> u64 {
    std::hint::black_box(n).wrapping_mul(5)
}

/// This binary, and the file offset of a function of it.
fn place_of(function: extern "C" fn(u64) -> u64) -> (String, u64) {
    let addr = function as usize as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (lo, hi) = fields[0].split_once('-').expect("a range");
        let parse = |hex| u64::from_str_radix(hex, 16).expect("hex");
        if (parse(lo)..parse(hi)).contains(&addr) {
            return (fields[5].to_owned(), addr - parse(lo) + parse(fields[2]));
        }
    }
    panic!("{addr:#x} is nowhere")
}

fn uprobe(function: extern "C" fn(u64) -> u64, when: When) -> Attach {
    let (path, offset) = place_of(function);
    Attach::Uprobe { path, symbol: "probed".into(), offset, when }
}

#[test]
fn uprobes_and_uretprobes() {
    let Some(mut session) = session(Target::None) else { return };
    let points =
        vec![uprobe(probed, When::Entry), uprobe(probed_too, When::Entry), uprobe(probed, When::Return)];
    let added = session.add(Rc::new(runs_image(points, Only::Thread)), &world()).expect("a clause");
    assert_eq!(added.n_attached, 3);
    for n in 0..10 {
        probed(n);
        probed_too(n);
    }
    assert_eq!(number(count_of(&session, "@")), 30);
}

#[test]
fn uprobes_by_perf_event_where_there_are_no_multi_links() {
    let Some(session) = session(Target::None) else { return };
    let unit = crate::attach::Unit {
        points: vec![uprobe(probed, When::Entry), uprobe(probed, When::Return)],
        method: crate::attach::Method::UprobeMulti,
    };
    let unit = unit.fallback().expect("perf events");
    let image = Rc::new(runs_image(unit.points.clone(), Only::Thread));
    let world = world();
    let no_maps = |_: &Map| Ok(None);
    let mut stacks = Default::default();
    session.shared.need_output(0).expect("a ring");
    session.shared.need_control().expect("a ring");
    let (clause, loader): (Clause, _) = Clause::load(
        &image,
        &session.shared.globals,
        &session.shared,
        &mut stacks,
        &no_maps,
        &world,
        &|_| true,
    )
    .expect("a clause");
    use std::os::fd::AsFd;
    let loaded = crate::runtime::load::load(&loader, crate::image::ProgramId(0), unit).expect("loads");
    let (links, errors) =
        loaded.unit.attach(loaded.fd.as_fd(), &crate::attach::Cx { world: &world, pid: None });
    assert_eq!(errors, []);
    assert!(links.len() == 2 && links.iter().all(|l| l.detach == Detach::Slow));
    session.shared.set(globals::ENABLED, 1);
    for n in 0..10 {
        probed(n);
    }
    drop(links);
    let bytes =
        clause.maps[FIRST].as_ref().expect("a map").lookup(&0u32.to_ne_bytes()).expect("read").expect("set");
    let total: u64 = bytes.chunks(16).map(|c| u64::from_ne_bytes(c[..8].try_into().expect("a word"))).sum();
    assert_eq!(total, 20);
}

#[test]
fn one_bad_place_is_named_and_the_others_are_attached() {
    let Some(mut session) = session(Target::None) else { return };
    let bad = Attach::Uprobe {
        path: place_of(probed).0,
        symbol: "nowhere".into(),
        offset: 1 << 40,
        when: When::Entry,
    };
    let mut image = runs_image(vec![uprobe(probed, When::Entry), bad], Only::Thread);
    image.config.missing_probes = crate::image::MissingProbes::Warn;
    let added = session.add(Rc::new(image), &world()).expect("a clause");
    assert_eq!(added.n_attached, 1);
    assert_eq!(added.missing.len(), 1);
    assert!(added.missing[0].points[0].ends_with(":nowhere"), "{:?}", added.missing);
    assert!(!added.missing[0].reason.is_empty());
    for n in 0..10 {
        probed(n);
    }
    assert_eq!(number(count_of(&session, "@")), 10);
}

fn wait_for(session: &Session, n: i64) -> i64 {
    let start = Instant::now();
    loop {
        let now = number(count_of(session, "@"));
        if now >= n || start.elapsed() > Duration::from_secs(10) {
            return now;
        }
        // Keeps a CPU busy, so that its clock ticks.
        std::hint::black_box((0..100_000u64).sum::<u64>());
    }
}

#[test]
fn profile_and_interval_tick() {
    for attach in [
        Attach::Profile(Rate::Hz(999)),
        Attach::Interval(Rate::PeriodNs(1_000_000)),
        Attach::Software { name: "cpu-clock".into(), config: 0, period: 1_000_000 },
    ] {
        let Some(mut session) = session(Target::None) else { return };
        session.add(Rc::new(runs_image(vec![attach.clone()], Only::All)), &world()).expect("a clause");
        assert!(wait_for(&session, 20) >= 20, "{}", attach.name());
        let start = Instant::now();
        drop(session);
        assert!(start.elapsed() < Duration::from_millis(500), "{}: {:?}", attach.name(), start.elapsed());
    }
}

#[test]
fn intervals_keep_time() {
    let Some(mut session) = session(Target::None) else { return };
    let attach = Attach::Interval(Rate::PeriodNs(10_000_000));
    session.add(Rc::new(runs_image(vec![attach], Only::All)), &world()).expect("a clause");
    std::thread::sleep(Duration::from_millis(500));
    let n = number(count_of(&session, "@"));
    assert!((25..=60).contains(&n), "{n} ticks of 10 ms in half a second");
}

/// Faults once for each of `n` pages.
fn touch_new_pages(n: usize) {
    let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of our own, used here alone.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), n << 12, read_write, private, -1, 0).cast::<u8>();
        assert_ne!(memory.cast(), libc::MAP_FAILED);
        libc::madvise(memory.cast(), n << 12, libc::MADV_NOHUGEPAGE);
        for page in 0..n {
            memory.add(page << 12).write_volatile(1);
        }
        libc::munmap(memory.cast(), n << 12);
    }
}

#[test]
fn counters_of_a_process_follow_its_threads() {
    let config = Config { target: Target::Pid(std::process::id()), ..Config::default() };
    let Ok(mut session) = Session::new(&config) else {
        eprintln!("skipped: no session here");
        return;
    };
    let attach = Attach::Software { name: "page-faults".into(), config: 2, period: 1 };
    session.add(Rc::new(runs_image(vec![attach], Only::Thread)), &world()).expect("a clause");
    let before = number(count_of(&session, "@"));
    touch_new_pages(64);
    assert!(number(count_of(&session, "@")) >= before + 64);
}

#[test]
fn a_watchpoint_sees_writes() {
    let Some(mut session) = session(Target::Pid(std::process::id())) else { return };
    let place = Box::new(std::sync::atomic::AtomicU64::new(0));
    let attach = Attach::Watchpoint { addr: place.as_ptr() as u64, len: 8, mode: "w".into() };
    match session.add(Rc::new(runs_image(vec![attach], Only::Thread)), &world()) {
        Ok(_) => {}
        Err(e) => {
            eprintln!("skipped: no breakpoints here: {e}");
            return;
        }
    }
    for n in 0..7 {
        place.store(n, std::sync::atomic::Ordering::SeqCst);
    }
    assert_eq!(number(count_of(&session, "@")), 7);
}

fn kprobe(func: &str, when: When) -> Attach {
    Attach::Kprobe { module: String::new(), func: func.into(), offset: 0, when }
}

fn fentry(func: &str, when: When) -> Attach {
    Attach::Fentry { module: String::new(), func: func.into(), when }
}

/// How often a sleep of this thread passes the points, or `None` where the kernel has no such probes.
fn sleeps_seen(points: Vec<Attach>) -> Option<i64> {
    let mut session = session(Target::None)?;
    let n_points = points.len();
    let added = session.add(Rc::new(runs_image(points, Only::Thread)), &world()).expect("a clause");
    assert_eq!(added.n_attached, n_points);
    std::thread::sleep(Duration::from_millis(1));
    Some(number(count_of(&session, "@")))
}

#[test]
fn kernel_functions_by_kprobe() {
    let has = |feature| world().features().has(feature);
    if !has(crate::world::Feature::Kprobe) {
        eprintln!("skipped: this kernel has no kprobes");
        let Some(mut session) = session(Target::None) else { return };
        let image = runs_image(vec![kprobe("do_nanosleep", When::Entry)], Only::Thread);
        let e = session.add(Rc::new(image), &world()).expect_err("no kprobes");
        assert!(e.to_string().contains("no kprobes"), "{e}");
        return;
    }
    for when in [When::Entry, When::Return] {
        if let Some(n) = sleeps_seen(vec![kprobe("do_nanosleep", when)]) {
            assert_eq!(n, 1, "{when:?}");
        }
    }
    // One link for all, where there are multi links.
    let four = ["do_nanosleep", "hrtimer_nanosleep"]
        .iter()
        .flat_map(|f| [kprobe(f, When::Entry), kprobe(f, When::Return)])
        .collect();
    if let Some(n) = sleeps_seen(four) {
        assert_eq!(n, 4);
    }
}

#[test]
fn one_function_that_is_not_there_among_kprobes() {
    if !world().features().has(crate::world::Feature::Kprobe) {
        eprintln!("skipped: this kernel has no kprobes");
        return;
    }
    let Some(mut session) = session(Target::None) else { return };
    let points = vec![kprobe("do_nanosleep", When::Entry), kprobe("no_such_function", When::Entry)];
    let mut image = runs_image(points, Only::Thread);
    image.config.missing_probes = crate::image::MissingProbes::Warn;
    let added = session.add(Rc::new(image), &world()).expect("a clause");
    assert_eq!(added.missing.len(), 1, "{:?}", added.missing);
    assert_eq!(added.missing[0].points, ["kprobe:no_such_function"]);
    assert!(added.missing[0].reason.contains("no such function"), "{:?}", added.missing);
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!(number(count_of(&session, "@")), 1);
}

#[test]
fn kernel_functions_by_fentry() {
    if !world().features().has(crate::world::Feature::Fentry) {
        eprintln!("skipped: this kernel has no fentry");
        return;
    }
    let points = vec![
        fentry("hrtimer_nanosleep", When::Entry),
        fentry("hrtimer_nanosleep", When::Return),
        fentry("do_nanosleep", When::Entry),
    ];
    if let Some(n) = sleeps_seen(points) {
        assert_eq!(n, 3);
    }
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let Some(mut session) = session(Target::None) else { return };
    let func = "no_such_function_anywhere".to_owned();
    let attach = Attach::Fentry { module: String::new(), func, when: When::Entry };
    let e = session.add(Rc::new(runs_image(vec![attach], Only::All)), &world()).expect_err("no function");
    let LoadError::Attach(errors) = e else { panic!("{e}") };
    assert_eq!(errors[0].points, ["fentry:vmlinux:no_such_function_anywhere"]);
}

#[test]
fn counters_follow_threads_that_come_later() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a version");
    let mut numbers = release.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(5), Some(13)) {
        eprintln!("skipped: kernel {release} has no events that threads inherit and processes do not");
        return;
    }
    let Some(mut session) = session(Target::Pid(std::process::id())) else { return };
    let mut image = image(vec![]);
    let count = Ty::Agg { kind: AggKind::Count, signed: true };
    let mut map = script_map("@", MapKind::PercpuHash, Some(Ty::U64), count, Storage::PercpuHash, 8);
    map.max_entries = 4096;
    image.maps.push(map);
    let mut asm = Asm::default();
    asm.gate().call(Helper::GET_CURRENT_PID_TGID);
    asm.op(Form::Alu { op: Alu::Mov, wide: false, dst: 9, src: Src::Reg(0) });
    flow::count_by_key(&mut asm, FIRST, MapKind::PercpuHash);
    let attach = Attach::Software { name: "page-faults".into(), config: 2, period: 1 };
    add_program(&mut image, vec![attach], &mut asm);
    session.add(Rc::new(image), &world()).expect("a clause");
    let thread = std::thread::spawn(|| {
        touch_new_pages(64);
        this_thread()
    });
    let tid = thread.join().expect("no panic");
    let counts = count_of(&session, "@");
    let of_thread = counts.iter().find(|(k, _)| *k == Value::Uint(u64::from(tid)));
    assert!(matches!(of_thread, Some((_, Value::Int(64..)))), "{tid}: {counts:?}");
}

#[test]
fn uprobes_of_a_command_are_there_from_its_start() {
    let world = world();
    let libc = world.binaries("libc", None).ok().and_then(|paths| paths.into_iter().next());
    let Some(path) = libc else {
        eprintln!("skipped: no libc here");
        return;
    };
    let shell = std::fs::read("/bin/sh").unwrap_or_default();
    if !shell.windows(9).any(|bytes| bytes == b"libc.so.6") {
        eprintln!("skipped: sh is a static program here");
        return;
    }
    let functions = world.user_functions(&path, "_exit").expect("symbols");
    let offset = functions.first().expect("_exit").file_offset;
    let argv = split_command("sh -c 'sh -c true; exit 0'").expect("a command");
    let Some(mut session) = session(Target::Command(argv)) else { return };
    let symbol = "_exit".to_owned();
    let attach = Attach::Uprobe { path, symbol, offset, when: When::Entry };
    session.add(Rc::new(runs_image(vec![attach], Only::All)), &world).expect("a clause");
    session.release().expect("runs");
    while session.poll(Duration::from_secs(1), &mut |_| {}).expect("poll").is_none() {}
    // Of the command itself, not of its child.
    assert_eq!(number(count_of(&session, "@")), 1);
}
