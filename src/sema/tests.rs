//! Scripts through the whole checker, on the small machine of the fixture.

use super::{check, hir};
use crate::base::{Diags, Severity, Source, SourceMap};
use crate::image::attach::SyscallHook;
use crate::image::maps::Storage;
use crate::image::{Attach, ProgType, When};
use crate::lang::Config;
use crate::lang::probes::Ctx;
use crate::syntax::parse::parse;
use crate::ty::{AggKind, Space, Ty, print};
use crate::world::Feature;
use crate::world::fixture::FixtureWorld;

fn check_with(text: &str, config: Config, known: &[hir::Map]) -> (hir::Program, Diags) {
    check_on(&FixtureWorld::new(), text, config, known)
}

fn check_on(world: &FixtureWorld, text: &str, config: Config, known: &[hir::Map]) -> (hir::Program, Diags) {
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("stdin", text));
    let (script, diags) = parse(file, text);
    assert!(!diags.has_errors(), "{text}: {:?}", diags.list);
    let (expanded, diags) = crate::expand::expand(script, &mut sources, world, &[]);
    assert!(!diags.has_errors(), "{text}: {:?}", diags.list);
    check(&expanded.script, &sources, world, config, known, &expanded.defs)
}

fn ok(text: &str) -> hir::Program {
    let (program, diags) = check_with(text, Config::default(), &[]);
    assert!(!diags.has_errors(), "{text}: {:#?}", diags.list);
    program
}

/// Codes of what is said, in order.
fn codes(text: &str) -> Vec<&'static str> {
    let (_, diags) = check_with(text, Config::default(), &[]);
    diags.list.iter().map(|d| d.code.id).collect()
}

pub fn messages(text: &str) -> Vec<String> {
    let (_, diags) = check_with(text, Config::default(), &[]);
    let full = |d: &crate::base::Diag| match &d.hint {
        Some(hint) => format!("{} [{hint}]", d.message),
        None => d.message.clone(),
    };
    diags.list.iter().map(full).collect()
}

/// `name: key -> value, storage` of each map.
fn maps(text: &str) -> Vec<String> {
    let program = ok(text);
    let show = |m: &hir::Map| {
        let name = |t: &Ty| print::name(t, &program.types);
        let key = m.key.as_ref().map_or(String::new(), |k| format!("[{}]", name(k)));
        format!("{}{key}: {} {:?}", m.name, name(&m.value), m.storage)
    };
    program.maps.iter().map(show).collect()
}

/// Types of the variables of the first probe.
fn locals(text: &str) -> Vec<String> {
    let program = ok(text);
    let probe = &program.probes.raw[0];
    probe.locals.iter().map(|l| format!("${}: {}", l.name, print::name(&l.ty, &program.types))).collect()
}

#[test]
fn count_by_comm() {
    let program = ok("tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }");
    let probe = &program.probes.raw[0];
    assert!(matches!(&probe.points[0].attach, Attach::SyscallTp { nr: 257, when: When::Entry, .. }));
    assert_eq!(probe.title, "tracepoint:syscalls:sys_enter_openat");
    let hir::StmtKind::Aggregate { key: Some(key), agg, .. } = &probe.body.stmts[0].kind else {
        panic!("{:?}", probe.body.stmts)
    };
    assert_eq!((agg.name, &key.ty), ("count", &Ty::Str { n: 16 }));
    let map = &program.maps.raw[0];
    assert_eq!(map.value, Ty::Agg { kind: AggKind::Count, signed: true });
    assert_eq!((map.storage, map.max_entries), (Storage::PercpuHash, 4096));
}

#[test]
fn records_where_raw_tracepoints_are_preempted() {
    let text = "tracepoint:syscalls:sys_enter_openat { @[args.flags] = count(); }";
    let hook_of = |without: &[Feature]| {
        let world = FixtureWorld { without: without.to_vec(), ..FixtureWorld::new() };
        let (program, _) = check_on(&world, text, Config::default(), &[]);
        match program.probes.raw[0].points[0].attach {
            Attach::SyscallTp { hook, .. } => hook,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(hook_of(&[]), SyscallHook::Btf);
    assert_eq!(hook_of(&[Feature::TpBtf]), SyscallHook::Raw);
    assert_eq!(hook_of(&[Feature::SteadyRawTp]), SyscallHook::Record);
}

#[test]
fn printf_of_a_literal() {
    let program = ok("begin { printf(\"hi %d\\n\", 1) }");
    let hir::StmtKind::Expr(e) = &program.probes.raw[0].body.stmts[0].kind else { panic!() };
    let hir::ExprKind::Call(call) = &e.kind else { panic!("{e:?}") };
    assert_eq!((call.row.name, call.args.len()), ("printf", 2));
}

#[test]
fn maps_get_the_type_that_all_uses_need() {
    assert_eq!(maps("begin { @a = 1; @b = nsecs; @b = 0; }"), ["@a: int64 Global", "@b: uint64 Global"]);
    // Read before it is assigned, in the order of the text.
    assert_eq!(maps("end { print(@x + 1); } begin { @x = pid; }"), ["@x: uint64 Global"]);
    assert_eq!(maps("begin { @[1] = \"ab\"; @[1000] = \"abcd\"; }"), ["@[int16]: string[5] Hash"]);
    assert_eq!(maps("begin { @[1, comm] = 1; @[pid, \"x\"] = 2; }"), ["@[(int64,string[16])]: int64 Hash"]);
    assert_eq!(
        maps("begin { @ = sum(5); @h = hist(1); }"),
        ["@: sum_t PercpuArray", "@h: hist_t PercpuArray"]
    );
    assert_eq!(
        maps("begin { @x = 5; @x -= 1; @u = nsecs; @u -= 1; @u++; }"),
        ["@x: int64 Global", "@u: uint64 Global"]
    );
    assert_eq!(maps("let @m = lruhash(10); begin { @m[1] = 1; }"), ["@m[int8]: int64 LruHash"]);
}

#[test]
fn print_and_clear_become_one_action() {
    let program = ok("begin { @[1] = count(); @x = 1; print(@, 5); clear(@); print(@x); clear(@x); }");
    assert_eq!(program.maps.raw[0].storage, Storage::Swapped);
    assert_eq!(program.maps.raw[1].storage, Storage::Global);
    let names: Vec<&str> = program.probes.raw[0]
        .body
        .stmts
        .iter()
        .filter_map(|s| match &s.kind {
            hir::StmtKind::Expr(hir::Expr { kind: hir::ExprKind::Call(c), .. }) => Some(c.row.name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["print_clear", "print", "clear"]);
    let apart = ok("begin { @ = count(); print(@); $x = 1; clear(@); print($x); }");
    assert_eq!(apart.maps.raw[0].storage, Storage::PercpuArray);
}

#[test]
fn variables_widen_and_have_scopes() {
    assert_eq!(locals("begin { $x = 1; $x = 300; print($x); }"), ["$x: int16"]);
    assert_eq!(locals("begin { $x = 1; $x++; print($x); }"), ["$x: int64"]);
    assert_eq!(locals("begin { let $x: uint8 = 7; $x++; print($x); }"), ["$x: uint8"]);
    assert_eq!(locals("begin { $s = \"a\"; $s = \"abc\"; print($s); }"), ["$s: string[4]"]);
    assert_eq!(locals("begin { let $x; if (1) { $x = pid; } print($x); }"), ["$x: uint32"]);
    assert_eq!(codes("begin { if (1) { let $x = 1; print($x); } print($x); }"), ["E0202"]);
    assert_eq!(codes("begin { let $x = 1; let $x = 2; print($x); }"), ["E0207"]);
    assert_eq!(codes("begin { $x = 1; }"), ["W0210"]);
    assert_eq!(codes("begin { $x = 1; $x = \"a\"; print($x); }"), ["E0301"]);
    assert_eq!(codes("begin { let $x: int8 = 300; print($x); }"), ["E0301"]);
}

#[test]
fn kernel_structs() {
    let program = ok("begin { print(curtask.real_parent->comm); print(curtask.mm.owner.tgid); }");
    let value = |i: usize| {
        let hir::StmtKind::Expr(e) = &program.probes.raw[0].body.stmts[i].kind else { panic!() };
        let hir::ExprKind::Call(call) = &e.kind else { panic!() };
        let hir::Arg::Expr(e) = &call.args[0] else { panic!() };
        e.clone()
    };
    let comm = value(0);
    assert_eq!(comm.ty, Ty::Str { n: 17 });
    let hir::ExprKind::Cast(member) = comm.kind else { panic!("{comm:?}") };
    let hir::ExprKind::Member { base, path } = member.kind else { panic!() };
    assert_eq!(path, [2]);
    assert!(
        matches!(base.kind, hir::ExprKind::Deref(p) if matches!(&p.ty, Ty::Ptr { space: Space::Kernel, .. }))
    );
    assert_eq!(value(1).ty, Ty::int(32));
}

#[test]
fn members_of_all_kinds() {
    let texts = [
        "curtask.exit_code",
        "curtask.frozen",
        "curtask.cpus[1]",
        "curtask.state",
        "((struct task_struct *)curtask)->tgid",
        "*(uint32 *)kaddr(\"vfs_read\")",
        "((struct file *)0)->f_path.dentry.d_name.name",
        "curtask.comm[0]",
        "*kaddr(\"vfs_read\")",
        "sizeof(struct task_struct) + offsetof(struct file, f_path.dentry)",
    ];
    for text in texts {
        ok(&format!("begin {{ print({text}); }}"));
    }
    let name = "begin { print(curtask.real_parnt.comm); }";
    assert_eq!(messages(name), ["struct task_struct has no field real_parnt [did you mean real_parent?]"]);
    assert_eq!(codes("begin { print(curtask.cpus[4]); }"), ["E0311"]);
    assert_eq!(codes("begin { print(pid.x); }"), ["E0302"]);
    assert_eq!(codes("begin { print((struct task_strukt *)0); }"), ["E0205"]);
}

#[test]
fn args_of_probes() {
    let open = ok("tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }");
    assert!(matches!(open.probes.raw[0].points[0].ctx, Ctx::SysEnter(_)));
    let switch = ok("rawtracepoint:sched_switch { @[args.prev.comm, args.next->pid] = count(); }");
    assert_eq!(switch.probes.raw[0].points[0].attach.prog_type(), ProgType::Tracing);
    assert_eq!(
        print::name(switch.maps.raw[0].key.as_ref().expect("a key"), &switch.types),
        "(string[17],int32)"
    );
    let record = ok("tracepoint:sched:sched_switch { @[args.prev_comm] = count(); }");
    assert!(matches!(record.probes.raw[0].points[0].ctx, Ctx::Record(_)));
    let plain = ok("tracepoint:sched:sched_switch { @[cpu] = count(); }");
    assert_eq!(plain.probes.raw[0].points[0].attach.name(), "tracepoint:sched:sched_switch");
    assert_eq!(plain.probes.raw[0].points[0].attach.prog_type(), ProgType::RawTracepoint);
    ok("fexit:vfs_read { print((args.file.f_path.dentry.d_name.hash, retval, arg0)); }");
    assert_eq!(codes("tracepoint:syscalls:sys_enter_openat { print(args.filname); }"), ["E0206"]);
    assert_eq!(codes("begin { print(args.x); }"), ["E0407"]);
    assert_eq!(codes("uprobe:libc:malloc { print(retval); }"), ["E0407"]);
    assert_eq!(codes("kprobe:vfs_read { print(arg6); }"), ["E0304"]);
}

#[test]
fn points_are_grouped_by_what_they_offer() {
    let both = ok("tracepoint:syscalls:sys_enter_[or]* { @ = count(); }");
    assert_eq!((both.probes.len(), both.probes.raw[0].points.len()), (1, 2));
    let split = ok("tracepoint:syscalls:sys_enter_[or]* { @[probe] = count(); }");
    assert_eq!(split.probes.len(), 2);
    assert_eq!(split.maps.raw[0].key, Some(Ty::Str { n: 37 }));
    let mixed = ok("begin, end, interval:s:1 { @++; }");
    assert_eq!(mixed.probes.len(), 3);
    let args = ok("tracepoint:syscalls:sys_exit_[or]* { @ = sum(args.ret); }");
    assert_eq!((args.probes.len(), args.probes.raw[0].points.len()), (1, 2));
    let malloc = ok("uprobe:libc:*alloc, uprobe:libc:malloc { @ = count(); }");
    assert_eq!(malloc.probes.raw[0].points.len(), 2);
}

#[test]
fn attach_points_that_cannot_be() {
    for (script, code) in [
        ("kprob:vfs_read { }", "E0401"),
        ("kprobe:vfs_raed { }", "E0403"),
        ("tracepoint:sched { }", "E0402"),
        ("tracepoint:sched:sched_swtch { }", "E0403"),
        ("interval:s:0 { }", "E0402"),
        ("interval:ns:10 { }", "E0402"),
        ("uprobe:libc:mallok { }", "E0403"),
        ("uprobe:libd:malloc { }", "E0403"),
        ("kprobe:0xffff { }", "E0312"),
        ("usdt:libc:x { }", "E0403"),
        ("usdt:libc { }", "E0402"),
        ("iter:nothing { }", "E0403"),
        ("software:page-falts:1 { }", "E0403"),
        ("self:signal:SIGHUP { }", "E0402"),
        ("watchpoint:0x1000:3:w { }", "E0402"),
        ("watchpoint:0x1001:4:w { }", "E0402"),
        ("watchpoint:0x1000:4:r { }", "E0402"),
    ] {
        assert_eq!(codes(script), [code], "{script}");
    }
    let near = messages("tracepoint:sched:sched_swtch { }");
    assert_eq!(near, ["there is no tracepoint sched:sched_swtch [did you mean sched:sched_switch?]"]);
    let near = messages("tracepoint:shced:* { }");
    assert_eq!(near, ["there is no tracepoint shced:* [did you mean sched:*?]"]);
    // The body of such a clause is checked too.
    assert_eq!(codes("kprobe:vfs_raed { print(pidd); print(arg0); }"), ["E0403", "E0201"]);
}

#[test]
fn missing_probes_can_be_allowed() {
    let script = "config = { missing_probes = warn } kprobe:nosuch { } begin { }";
    let (program, diags) = check_with(script, Config::default(), &[]);
    assert_eq!(diags.list.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["W0410"]);
    assert_eq!(program.probes.len(), 1);
    assert_eq!(codes("config = { missing_probes = ignore } kprobe:nosuch { }"), ["E0408"]);
}

#[test]
fn optional_points_may_be_missing() {
    assert_eq!(codes("optional kprobe:nosuch { } begin { }"), ["N0411"]);
    // What a probe that is left out does to maps still counts.
    assert_eq!(codes("optional kprobe:nosuch { @[arg0] = arg1; } end { clear(@); }"), ["N0411"]);
    assert_eq!(codes("optional tracepoint:no:no { @[args.x] = args.y; } end { clear(@); }"), ["N0411"]);
    assert_eq!(codes("optional kprobe:nosuch { print(pidd); } begin { }"), ["E0201", "N0411"]);
    assert_eq!(codes("optional kprobe:nosuch { }"), ["E0408", "N0411"]);
    assert_eq!(codes("optional kprob:f { } begin { }"), ["E0401"]);
    assert_eq!(codes("optional tracepoint:no { } begin { }"), ["E0402"]);
    let program = ok("optional begin { }");
    assert_eq!(program.optional, ["begin"]);
    assert!(ok("optional begin { } begin { }").optional.is_empty());
}

#[test]
fn the_first_alternative_that_exists() {
    let name = |text: &str| check_with(text, Config::default(), &[]).0.probes.raw[0].points[0].attach.name();
    let open = "tracepoint:syscalls:sys_enter_openat";
    assert_eq!(name(&format!("kprobe:nosuch || {open} || begin {{ }}")), open);
    assert_eq!(name(&format!("kprobe:nosuch||{open} {{ }}")), open);
    assert_eq!(name(&format!("optional kprobe:nosuch || {open} {{ }}")), open);
    assert_eq!(codes("begin || kprobe:nosuch { }"), Vec::<&str>::new());
    assert_eq!(codes("kprobe:nosuch || tracepoint:no:no { } begin { }"), ["E0403"]);
    assert_eq!(codes("kprobe:nosuch || kprob:x { } begin { }"), ["E0401", "N0411"]);
    let ignore = "config = { missing_probes = ignore }";
    assert_eq!(
        codes(&format!("{ignore} kprobe:nosuch || tracepoint:no:no {{ }} begin {{ }}")),
        Vec::<&str>::new()
    );
    let both = ok(&format!("optional kprobe:nosuch, {open}, tracepoint:no:no || {open} {{ }}"));
    assert_eq!((both.probes.len(), both.probes.raw[0].points.len()), (1, 1));
}

#[test]
fn arithmetic_has_its_types() {
    for (text, want) in [
        ("1 + 1", "int64"),
        ("pid + 1", "uint64"),
        ("pid + tid", "uint64"),
        ("pid - 1", "int64"),
        ("-pid", "int64"),
        ("retval / 1000", "uint64"),
        ("~pid", "uint64"),
        ("pid << 2", "uint64"),
        ("pid == 1", "bool"),
        ("!pid", "bool"),
        ("pid > 1 ? pid : 0", "uint32"),
        ("curtask.pid * 2", "int64"),
        ("\"a\" == comm", "bool"),
        ("9223372036854775808", "uint64"),
        ("-5", "int8"),
        ("200", "int16"),
        ("(uint8)5", "uint8"),
        ("(1, \"ab\")", "(int8,string[3])"),
        ("(a = 1, b = true)", "record { .a = int8, .b = bool }"),
        ("(1, \"ab\").1", "string[3]"),
        ("(a = 1, b = true).b", "bool"),
        ("pid ?: tid", "uint32"),
        ("{ $y = 5; $y + pid }", "int64"),
        ("if (pid) { 1 } else { 300 }", "int16"),
    ] {
        let got = locals(&format!("uretprobe:libc:malloc {{ $x = {text}; print($x); }}"));
        let got = got.last().map_or("", |g| g.split_once(": ").map_or("", |(_, t)| t)).to_owned();
        let all = locals(&format!("uretprobe:libc:malloc {{ $x = {text}; print($x); }}"));
        let of_x = all.iter().find(|l| l.starts_with("$x")).cloned().unwrap_or(got);
        assert_eq!(of_x, format!("$x: {want}"), "{text}");
    }
}

#[test]
fn literals_are_folded() {
    for (text, want) in [
        ("2 * 3 + 4", 10),
        ("-7 / 2", -3),
        ("1 << 10", 1024),
        ("~0", -1),
        ("-9223372036854775808", i64::MIN),
        ("sizeof(uint32)", 4),
        ("ncpus", 4),
        ("(int8)300", 44),
        ("comptime (1 + 1)", 2),
        ("\"a\" == \"a\" ? 1 : 2", 1),
    ] {
        let program = ok(&format!("begin {{ @ = {text}; }}"));
        let hir::StmtKind::SetMap { value, .. } = &program.probes.raw[0].body.stmts[0].kind else { panic!() };
        assert!(matches!(value.kind, hir::ExprKind::Int(v) if v == want), "{text}: {value:?}");
    }
}

#[test]
fn mistakes_are_told_once_and_all() {
    for (script, want) in [
        ("begin { print(pidd); }", &["E0201"][..]),
        ("begin { @ = pidd + 1; @b = @ + 1; }", &["E0201"]),
        ("begin { print(@); @ = 4 + \"a\"; }", &["E0302"]),
        ("fn f() { f(); } begin { f(); }", &["E0216"]),
        ("begin { prntf(\"x\"); }", &["E0204"]),
        ("begin { printf(\"%d %d\\n\", 1); }", &["E0304"]),
        ("begin { printf(\"%d\\n\", comm); }", &["E0304"]),
        ("begin { print(@x); print(@x); }", &["E0203"]),
        ("begin { @ = 1; @[1] = 2; }", &["E0306"]),
        ("begin { @[1] = 2; @[comm] = 2; }", &["E0301"]),
        ("begin { @ = 1; @ = \"a\"; }", &["E0301"]),
        ("begin { @ = count(); @ = sum(1); }", &["E0301"]),
        ("begin { $x = count(); }", &["E0307"]),
        ("begin { @a = count(); @b = @a; }", &["E0307"]),
        ("begin { @ = hist(1); print(@ + 1); }", &["E0307"]),
        ("begin { break; }", &["E0310"]),
        ("begin { system(\"ls\"); }", &["E0312"]),
        ("begin { 1 + 1; }", &["W0315"]),
        ("begin { exit(); print(1); }", &["W0316"]),
        ("begin { (1, 2).0 = 3; }", &["E0308"]),
        ("begin { print(comm + 1); print(-comm); }", &["E0302", "E0302"]),
        ("begin { print((struct task_struct)pid); }", &["E0303"]),
        ("begin { kstack; print(kstack(2000)); }", &["E0304", "W0315"]),
        ("begin { unroll(101) { } }", &["E0304"]),
        ("begin { str(1, -1); }", &["E0304"]),
        ("begin { print(\"a\" + 1); print(\"b\" == 1); }", &["E0302", "E0302"]),
        ("begin { delete(1); clear(@x[1]); }", &["E0304", "E0304"]),
        ("config = { max_strln = 5 } begin { }", &["E0209"]),
        ("config = { stack_mode = 5 } begin { }", &["E0313"]),
        ("begin { printf(pid); time(1); }", &["E0304", "E0304"]),
        ("begin { hist(1); }", &["E0307"]),
        ("begin { comptime pid; }", &["E0309"]),
        ("begin { dw_ustack(5); }", &["E0325"]),
    ] {
        assert_eq!(codes(script), want, "{script}");
    }
}

#[test]
fn several_errors_in_one_run() {
    let script = "kprobe:vfs_raed { } begin { print(pidd); printf(\"%d\\n\"); @x[1] = 1; @x = 2; }";
    assert_eq!(codes(script), ["E0403", "E0201", "E0304", "E0306"]);
}

#[test]
fn castable_aggregations_read_as_integers() {
    let program = ok("begin { @c[1] = count(); @s = (int64)@c[1]; if (@c[1] > 5) { print(@c[1]); } }");
    assert_eq!(program.maps.raw[1].value, Ty::I64);
    ok("begin { @a = avg(5); printf(\"%d\\n\", @a); @b[@a] = 1; }");
}

#[test]
fn comptime_leaves_the_other_branch_alone() {
    ok("begin { if comptime (probetype == \"begin\") { print(1); } else { print(nonsense); } }");
    assert_eq!(codes("begin { if comptime (pid == 1) { print(1); } }"), ["E0309"]);
}

#[test]
fn loops() {
    ok("begin { for ($i : 0..10) { print($i); if ($i == 5) { break; } } }");
    ok("begin { @[1, \"a\"] = count(); for ($kv : @) { print(($kv.0.1, $kv.1)); } }");
    assert_eq!(codes("begin { @ = 1; for ($kv : @) { } }"), ["E0306"]);
    ok("begin { $i = 0; while ($i < 10) { $i++; if ($i == 5) { continue; } } }");
    let twice = ok("begin { unroll(2) { @++; } }");
    assert_eq!(twice.probes.raw[0].body.stmts.len(), 2);
}

#[test]
fn sessions_keep_their_maps() {
    let config = Config { session: true, ..Config::default() };
    let (first, diags) = check_with("begin { @[pid] = count(); @x = 1; }", config.clone(), &[]);
    assert!(!diags.has_errors(), "{:?}", diags.list);
    assert_eq!(first.maps.raw[0].key, Some(Ty::U64));
    assert_eq!(first.maps.raw[0].storage, Storage::Swapped);
    let (second, diags) =
        check_with("end { print(@x); @[tid] = count(); @y = @x; }", config.clone(), &first.maps.raw);
    assert!(!diags.has_errors(), "{:?}", diags.list);
    assert_eq!(second.maps.raw.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["@", "@x", "@y"]);
    let (_, diags) = check_with("end { @x = \"a\"; @[comm] = count(); }", config, &first.maps.raw);
    assert_eq!(diags.list.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["E0301", "E0301"]);
}

#[test]
fn every_example_of_the_rows_is_checked() {
    let builtins = crate::lang::builtins::all().map(|r| (r.name, r.example));
    let aggs = crate::lang::aggs::ALL.iter().map(|r| (r.name, r.example));
    let probes = crate::lang::probes::KINDS.iter().map(|k| (k.name, k.example));
    let library = crate::lang::library::all().iter().map(|e| (e.name, e.example));
    let config = Config { unsafe_: true, has_child: true, ..Config::default() };
    for (name, example) in builtins.chain(aggs).chain(probes).chain(library) {
        let (_, diags) = check_with(example, config.clone(), &[]);
        // What only the fixture lacks is no mistake of the example.
        let mistakes: Vec<_> = diags
            .list
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .filter(|d| !matches!(d.code.id, "E0403" | "E0206" | "E0404" | "E0505"))
            .collect();
        assert!(mistakes.is_empty(), "{name}: {example}\n{mistakes:#?}");
    }
}

#[test]
fn old_spellings_are_accepted_and_told_once() {
    let script = "BEGIN { @a[1] = 1; delete(@a[1]); delete(@a[2]); print(curtask->tgid); } END { }
        rawtracepoint:sched_switch { print(args->prev.tgid); print(args->next.tgid); }
        kfunc:vfs_read { } uprobe:libc:malloc { print(sarg0); print(sarg1); }";
    ok(script);
    let want = ["delete(@m[key])", "kfunc", "sargN"];
    let said: Vec<String> = messages(script);
    assert_eq!(said.len(), want.len(), "{said:?}");
    for (message, old) in said.iter().zip(want) {
        assert!(message.starts_with(&format!("{old} is an old spelling")), "{message}");
    }
    assert!(codes("begin { @a[1] = 1; delete(@a, 1); print(curtask.tgid); }").is_empty());
}

/// The scripts have the place of the first diagnostic between `«` and `»`.
#[test]
fn diagnostics_point_at_their_place() {
    for (marked, code) in [
        ("begin { print(«pidd»); }", "E0201"),
        ("begin { print(«$x»); }", "E0202"),
        ("begin { print(«@x»); }", "E0203"),
        ("begin { «prntf»(\"x\"); }", "E0204"),
        ("begin { print((«struct tsk» *)0); }", "E0205"),
        ("begin { print(curtask.«cmm»); }", "E0206"),
        ("begin { let $x = 1; let «$x» = 2; print($x); }", "E0207"),
        ("config = { «max_strln» = 5 } begin { }", "E0209"),
        ("begin { $x = 1; $x = «\"a\"»; print($x); }", "E0301"),
        ("begin { @ = 1; @ = «\"a\"»; }", "E0301"),
        ("begin { print(comm «+» 1); }", "E0302"),
        ("begin { print(«(struct task_struct)pid»); }", "E0303"),
        ("begin { printf(\"%d\", «comm»); }", "E0304"),
        ("begin { printf(\"%d\", 1, «2»); }", "E0304"),
        ("begin { «strlen()»; }", "E0305"),
        ("begin { @ = 1; «@[1]» = 2; }", "E0306"),
        ("begin { $x = «count()»; print($x); }", "E0307"),
        ("begin { print(comptime «pid»); }", "E0309"),
        ("begin { «break;» }", "E0310"),
        ("begin { print(curtask.cpus[«4»]); }", "E0311"),
        ("config = { stack_mode = «5» } begin { }", "E0313"),
        ("begin { print(«print(1)»); }", "E0314"),
        ("«kprob»:vfs_read { }", "E0401"),
        ("begin, kprobe:«vfs_raed» { }", "E0403"),
        ("«interval:x:1» { }", "E0402"),
        ("begin { print(«args».x); }", "E0407"),
        ("begin { «$x» = 1; }", "W0210"),
        ("begin { exit(); «print(1);» }", "W0316"),
    ] {
        let (before, rest) = marked.split_once('«').expect("a start");
        let (within, after) = rest.split_once('»').expect("an end");
        let script = format!("{before}{within}{after}");
        let (_, diags) = check_with(&script, Config::default(), &[]);
        let first = &diags.list[0];
        let found = script.get(first.span.range()).unwrap_or("");
        // A statement's semicolon may be left out of its place.
        assert_eq!(
            (first.code.id, found.trim_end_matches(';')),
            (code, within.trim_end_matches(';')),
            "{marked}"
        );
        assert!(first.span.lo as usize == before.len(), "{marked}: at {}", first.span.lo);
    }
}

#[test]
fn big_scripts_end_soon() {
    let chain: String = (1..40).map(|i| format!("$a{i} = ($a{}, $a{}); ", i - 1, i - 1)).collect();
    assert_eq!(codes(&format!("begin {{ $a0 = (1, 1); {chain} print($a39); }}")), ["E0302"]);
    let nested = "begin { unroll(100) { unroll(100) { unroll(100) { @x++; } } } }";
    assert_eq!(codes(nested), ["E0304"]);
    let unknown: String = (0..2000).map(|i| format!("print(@m{i}); print($v{i}); f{i}(); ")).collect();
    let n = codes(&format!("begin {{ {unknown} }}")).len();
    assert!((50..=101).contains(&n), "{n}");
    let maps: String = (0..1001).map(|i| format!("@m{i} = 1; ")).collect();
    assert_eq!(codes(&format!("begin {{ {maps} }}")), ["E0329"]);
    // Each map has its type from the next one, in the order that takes the most rounds.
    let deps =
        |n| (0..n).map(|i| format!("@m{i} = @m{}; ", i + 1)).collect::<String>() + &format!("@m{n} = 1;");
    assert!(codes(&format!("begin {{ {} }}", deps(40))).is_empty());
    assert_eq!(codes(&format!("begin {{ {} }}", deps(400))), ["E0301"]);
}
