//! Scripts that nobody would write: random programs through the checker and, where it finds no mistake, through
//! lowering. Nothing may panic, and what the checker lets through must lower to verified IR.

use crate::base::{Source, SourceMap};
use crate::lang::Config;
use crate::sema::check;
use crate::syntax::parse::parse;
use crate::world::fixture::FixtureWorld;

/// Programs that are tried.
const N_SCRIPTS: u64 = 600;

/// xorshift64*: the same programs on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// Attach points, with words that can be read there.
const PROBES: &[(&str, &[&str], &[&str])] = &[
    ("begin", &["elapsed", "rand"], &["probe"]),
    ("interval:s:1, profile:hz:99", &["usermode", "reg(\"ip\")"], &["probetype"]),
    ("tracepoint:syscalls:sys_enter_openat", &["args.dfd", "args.flags"], &["str(args.filename)"]),
    ("tracepoint:syscalls:sys_exit_*", &["args.ret", "args.ret / 1024"], &["strerror(-args.ret)"]),
    ("tracepoint:sched:sched_switch", &["args.prev_pid", "args.next_pid"], &["args.prev_comm"]),
    ("tracepoint:sched:sched_process_exec", &["args.pid"], &["args.filename", "str(args.filename, 8)"]),
    ("tracepoint:raw_syscalls:sys_enter", &["args.id"], &["comm"]),
    ("tracepoint:raw_syscalls:sys_enter", &["args.args[1]", "args.args[rand]"], &["comm"]),
    ("rawtracepoint:sched_switch", &["args.prev.tgid", "args.next->pid", "arg1"], &["args.prev.comm"]),
    (
        "uprobe:libc:malloc",
        &["arg0", "arg5", "*(int32 *)arg1"],
        &["str(arg0)", "str(arg0, 5)", "str(arg0, arg1)"],
    ),
    ("uretprobe:libc:*alloc", &["retval"], &["str(retval)"]),
    (
        "kprobe:vfs_*",
        &["arg2", "((struct file *)arg0).f_flags"],
        &["str(arg1)", "((struct task_struct *)arg0).comm"],
    ),
    ("fentry:vfs_read", &["args.count", "args.file.f_flags"], &["str(args.file.f_path.dentry.d_name.name)"]),
    ("fexit:vfs_read, fexit:vfs_write", &["retval", "args.count"], &["str(args.buf)"]),
    ("software:page-faults:1", &["cpu"], &["comm"]),
];

/// In a template, %i stands for an integer, %s for a string, %c for a condition, %a for anything with a value,
/// %t for a type, %b for statements.
const INTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "300",
    "0xffffffff",
    "pid",
    "tid",
    "nsecs",
    "cpu",
    "uid",
    "cgroup",
    "rand",
    "ncpus",
    "$i",
    "@i",
    "@k[%i]",
    "@c",
    "curtask.tgid",
    "curtask.real_parent.pid",
    "curtask.mm.owner.pid",
    "curtask.cpus[2]",
    "curtask.cpus[%i]",
    "curtask.frozen",
    "curtask.weight",
    "curtask.exit_code",
    "%w",
    "%w",
    "%w",
    "%i + %i",
    "%i - %i",
    "%i * %i",
    "%i / %i",
    "%i % %i",
    "%i & %i",
    "%i | %i",
    "%i ^ %i",
    "%i << %i",
    "%i >> %i",
    "-%i",
    "~%i",
    "(%i)",
    "%c ? %i : %i",
    "%i ?: %i",
    "(uint8)%i",
    "(int16)%i",
    "(uint64)%i",
    "strlen(%s)",
    "strncmp(%s, %s, 3)",
    "bswap(%i)",
    "sizeof(%a)",
    "sizeof(%t)",
    "$i++",
    "--$i",
    "@i++",
    "if (%c) { %i } else { %i }",
    "{ $q = %i; $q }",
    "(%i, %s).0",
    "(a = %i, b = %s).a",
    "$t.0",
    "%s[0]",
    "%s[%i]",
    "*(uint32 *)%i",
    "((struct task_struct *)%i)->tgid",
    "len(@k)",
    "(int64)@c",
    "curtask.state",
    "@n[%i, %s]",
];
const STRINGS: &[&str] = &[
    "comm",
    "\"\"",
    "\"abc\"",
    "$s",
    "@s",
    "@m[%s]",
    "curtask.comm",
    "curtask.real_parent.comm",
    "%v",
    "%v",
    "%v",
    "%c ? %s : %s",
    "str(curtask.name)",
    "str(%i)",
    "(%i, %s).1",
    "$t.1",
    "{ $q = %s; $q }",
    "strerror(%i)",
    "pcomm",
];
const CONDITIONS: &[&str] = &[
    "%i",
    "%i == %i",
    "%i != %i",
    "%i < %i",
    "%i >= %i",
    "%s == %s",
    "%s != %s",
    "!%c",
    "%c && %c",
    "%c || %c",
    "true",
    "curtask",
    "curtask.mm",
    "has_key(@k, %i)",
    "strcontains(%s, %s)",
    "(%i, %s) == (%i, %s)",
    "curtask.ok",
    "$t == $t",
    "kstack == kstack",
    "curtask.real_parent == curtask",
];
const VALUES: &[&str] = &[
    "%i",
    "%i",
    "%s",
    "%s",
    "%c",
    "(%a, %a)",
    "(%a,)",
    "(a = %a, b = %a)",
    "kstack",
    "ustack(3)",
    "ksym(%i)",
    "ntop(%i)",
    "curtask",
    "curtask.cpus",
    "buf(%s, 3)",
    "username",
    "strftime(\"%%H\", %i)",
    "pton(\"::1\")",
    "$t",
    "cgroup_path(%i)",
    "macaddr(curtask)",
    "curtask.real_parent",
    "kptr(curtask)",
    "(int8[4])pton(\"1.2.3.4\")",
];
const TYPES: &[&str] = &[
    "int8",
    "uint32",
    "bool",
    "string[8]",
    "int8[4]",
    "struct task_struct",
    "struct file *",
    "typeof(%a)",
    "pid_t",
];
const STATEMENTS: &[&str] = &[
    "$i = %i;",
    "$s = %s;",
    "$i += %i;",
    "@i = %i;",
    "@s = %s;",
    "@k[%i] = %i;",
    "@n[%i, %s] = %i;",
    "@m[%s] = %s;",
    "@i += %i;",
    "@k[%i] -= %i;",
    "@i <<= %i;",
    "@h = hist(%i);",
    "@l[%a] = lhist(%i, 0, 100, 10);",
    "@c = count();",
    "@g[%s] = sum(%i);",
    "@e = max(%i);",
    "@f[%i] = avg(%i);",
    "@j[%a] = stats(%i);",
    "print(%a);",
    "print(@k);",
    "print(@h, 5);",
    "clear(@k);",
    "zero(@i);",
    "print(@c); clear(@c);",
    "printf(\"%%d %%s\\n\", %i, %a);",
    "printf(\"%%-10s %%p %%x\\n\", %s, %i, %i);",
    "if (%c) { %b } else { %b }",
    "if %c { %b }",
    "while ($i < %i) { $i++; %b break; }",
    "for ($n : 0..5) { %b }",
    "for ($n : (%i)..(%i)) { print($n); %b }",
    "unroll(2) { %b }",
    "for ($q : @k) { $i += $q.1; %b if (%c) { break; } }",
    "for ($q : @m) { $s = $q.1; $t = (%i, $q.0); if (%c) { continue; } %b }",
    "for ($q : @n) { print($q); @k[$q.0.0] = $i; %b if (%c) { return; } }",
    "for ($q : @c2) { @k[$q.1] = $q.0; %b }",
    "for ($u : 0..%i) { $s = %s; $i++; %b if (%c) { break; } }",
    "print(fs(%i, %s));",
    "fv(%s, (%i, %s));",
    "{ %b }",
    "let $y: uint32 = 5; print($y);",
    "let $z; $z = %a; print($z);",
    "_ = %a;",
    "delete(@k, %i);",
    "delete(@m[%s]);",
    "errorf(\"%%s\", %s);",
    "if comptime (probetype == \"begin\") { %b }",
    "@t = (%i, %s);",
    "@o[(%i, %s)] = %c;",
    "@x[kstack, %s] = count();",
    "@y[%a] = %i;",
    "exit();",
    "printf(\"%%*d %%.*s\\n\", %i, %i, %i, %s);",
    "$t = (%i, %s);",
    "time();",
    "join(%i);",
    "cat(\"/proc/%%d\", %i);",
];

struct Writer {
    dice: Dice,
    ints: &'static [&'static str],
    strings: &'static [&'static str],
}

impl Writer {
    fn fill(&mut self, template: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut chars = template.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('b') => out.push_str(&self.statements(depth.saturating_sub(1))),
                Some('%') => out.push('%'),
                Some(kind @ ('i' | 's' | 'c' | 'a' | 't' | 'w' | 'v')) => {
                    out.push_str(&self.value(kind, depth))
                }
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out
    }

    fn value(&mut self, kind: char, depth: usize) -> String {
        // Now and then something of another kind, which must be reported or work.
        let kind = if self.dice.roll(60) == 0 { ['i', 's', 'c', 'a'][self.dice.roll(4)] } else { kind };
        let from = match kind {
            'i' => INTS,
            's' => STRINGS,
            'c' => CONDITIONS,
            't' => TYPES,
            'w' => self.ints,
            'v' => self.strings,
            _ => VALUES,
        };
        for _ in 0..20 {
            let template = self.dice.pick(from);
            if depth > 0 || !template.contains('%') {
                return self.fill(template, depth.saturating_sub(1));
            }
        }
        "1".into()
    }

    fn statements(&mut self, depth: usize) -> String {
        let n = 1 + self.dice.roll(3);
        let one = |w: &mut Writer| {
            let template = w.dice.pick(STATEMENTS);
            w.fill(template, depth)
        };
        (0..n).map(|_| one(self)).collect::<Vec<_>>().join(" ")
    }

    fn clause(&mut self) -> String {
        let (probe, ints, strings) = PROBES[self.dice.roll(PROBES.len())];
        (self.ints, self.strings) = (ints, strings);
        let pred = if self.dice.roll(4) == 0 { " /pid > 1/" } else { "" };
        let depth = 1 + self.dice.roll(3);
        let body = self.statements(depth);
        format!("{probe}{pred} {{ $i = 1; $s = \"abc\"; $t = ($i, $s); {body} print(($i, $s, $t)); }}")
    }

    fn script(&mut self) -> String {
        let n = 1 + self.dice.roll(2);
        let first = "end { @i = 0; @s = \"\"; @k[0] = 1; @n[0, \"\"] = 1; @m[\"\"] = \"\"; @c = count(); @h = hist(1); @c2[1] = count(); }
        fn fs($a: int64, $b: string): string[9] { for ($r : @k) { if ($r.0 == $a) { return \"x\"; } } return \"none\"; }
        fn fv($b: string, $t: (int64, string)) { @i += $t.0; if ($b == $t.1) { exit(); } }";
        std::iter::once(first.to_owned()).chain((0..n).map(|_| self.clause())).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn random_scripts_are_checked_and_what_passes_is_lowered() {
    let n_scripts = N_SCRIPTS;
    let world = FixtureWorld::new();
    let (mut n_lowered, mut failed) = (0, Vec::new());
    for seed in 1..=n_scripts {
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = Writer { dice, ints: &[], strings: &[] }.script();
        let run = || {
            let mut sources = SourceMap::new();
            let file = sources.add(Source::new("stdin", text.as_str()));
            let (ast, diags) = parse(file, &text);
            let config = Config { unsafe_: true, ..Config::default() };
            let (program, said) = check(&ast, &sources, &world, config, &[], &Default::default());
            if diags.has_errors() || said.has_errors() {
                return false;
            }
            let module = super::lower(&program, &sources, &world);
            let wrong = crate::ir::verify::verify(&module);
            assert!(wrong.is_empty(), "{wrong:?}");
            true
        };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(lowered) => n_lowered += u64::from(lowered),
            Err(_) => failed.push(format!("seed {seed}: {text}")),
        }
    }
    assert!(failed.is_empty(), "{} scripts fail:\n{}", failed.len(), failed.join("\n"));
    // The scripts must be good enough to say something.
    assert!(n_lowered * 4 > n_scripts, "only {n_lowered} of {n_scripts} scripts have no mistake");
}
