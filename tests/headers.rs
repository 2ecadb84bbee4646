//! Headers of the C library: what awl reads of them, held against the C compiler where there is one.
//!
//! Comes in: the headers of this machine. Goes out: one C text for each, whose assertions say where awl sees
//! members, how large types are and what enumerators are worth. Always holds: a header that is not here is skipped
//! out loud; `AWL_HEADERS="a.h b/c.h"` names others.

use awl::base::{Diag, Severity, Source, SourceMap};
use awl::expand::{Definitions, Tag, expand};
use awl::syntax::parse::parse;
use awl::ty::table::StructOrigin;
use awl::ty::{StructKind, Ty};
use awl::world::snapshot::{Snapshot, SnapshotWorld};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Those of the C library that scripts include, and what they lead to.
const HEADERS: &[&str] = &[
    "aio.h",
    "arpa/inet.h",
    "dirent.h",
    "elf.h",
    "errno.h",
    "fcntl.h",
    "ifaddrs.h",
    "inttypes.h",
    "limits.h",
    "link.h",
    "mqueue.h",
    "net/ethernet.h",
    "net/if.h",
    "net/if_arp.h",
    "netdb.h",
    "netinet/icmp6.h",
    "netinet/in.h",
    "netinet/ip.h",
    "netinet/ip6.h",
    "netinet/ip_icmp.h",
    "netinet/tcp.h",
    "netinet/udp.h",
    "netpacket/packet.h",
    "poll.h",
    "pthread.h",
    "pwd.h",
    "resolv.h",
    "sched.h",
    "search.h",
    "semaphore.h",
    "setjmp.h",
    "signal.h",
    "spawn.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "sys/acct.h",
    "sys/epoll.h",
    "sys/eventfd.h",
    "sys/inotify.h",
    "sys/ipc.h",
    "sys/mman.h",
    "sys/msg.h",
    "sys/ptrace.h",
    "sys/resource.h",
    "sys/select.h",
    "sys/sem.h",
    "sys/shm.h",
    "sys/signalfd.h",
    "sys/socket.h",
    "sys/stat.h",
    "sys/statfs.h",
    "sys/statvfs.h",
    "sys/sysinfo.h",
    "sys/time.h",
    "sys/timerfd.h",
    "sys/times.h",
    "sys/timex.h",
    "sys/types.h",
    "sys/ucontext.h",
    "sys/uio.h",
    "sys/un.h",
    "sys/user.h",
    "sys/utsname.h",
    "sys/wait.h",
    "termios.h",
    "time.h",
    "ucontext.h",
    "unistd.h",
    "utime.h",
    "utmp.h",
    "utmpx.h",
    "wchar.h",
];

#[test]
fn layouts_are_the_compilers() {
    let has_compiler = Command::new("cc").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_compiler {
        return println!("skipped: there is no C compiler to compare with");
    }
    let named = std::env::var("AWL_HEADERS").unwrap_or_default();
    let named: Vec<&str> = named.split_whitespace().collect();
    let mut wrong = Vec::new();
    for header in if named.is_empty() { HEADERS } else { &named } {
        if compiles(&format!("#include <{header}>\n")).is_err() {
            println!("skipped: {header} is not here, or does not compile");
            continue;
        }
        wrong.extend(of(header));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a header.
fn of(header: &str) -> Vec<String> {
    let (defs, diags) = read(header);
    let mut wrong: Vec<String> = diags
        .iter()
        .filter(|d| d.severity != Severity::Note)
        .map(|d| format!("{header}: {}", d.message))
        .collect();
    wrong.extend(defs.skipped.iter().map(|(name, s)| format!("{header}: {name} is skipped: {}", s.message)));
    // awl knows all types of these two where a header asks for one of them.
    let text =
        format!("#include <stdarg.h>\n#include <stddef.h>\n#include <{header}>\n{}", assertions(&defs));
    if let Err(said) = compiles(&text) {
        let lines = said.lines().filter(|l| l.contains("error")).take(12);
        wrong.extend(lines.map(|l| format!("{header}: {l}")));
    }
    wrong
}

fn read(header: &str) -> (Definitions, Vec<Diag>) {
    let text = format!("#include <{header}>\nbegin {{ }}\n");
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("stdin", text.as_str()));
    let (script, _) = parse(file, &text);
    let arch = awl::isa::arch::native().name.to_owned();
    let snapshot = Snapshot { arch, ..Snapshot::default() };
    let world = SnapshotWorld::from_snapshot(snapshot).expect("an empty snapshot is one");
    // What is given by hand is read even of the kernel's headers, which BTF stands for otherwise.
    let world = world.with_include_dirs(vec!["/usr/include".to_owned()]);
    let (expanded, diags) = expand(script, &mut sources, &world, &[]);
    (expanded.defs, diags.list)
}

/// What the compiler has to confirm.
fn assertions(defs: &Definitions) -> String {
    let mut out = String::new();
    for (name, tag) in &defs.tags {
        let Tag::Struct(kind, id) = tag else { continue };
        let def = &defs.types.structs[*id];
        let members = def.members.as_deref().unwrap_or_default();
        if def.origin != StructOrigin::Script || members.is_empty() {
            continue;
        }
        let word = if *kind == StructKind::Union { "union" } else { "struct" };
        let _ = writeln!(out, "_Static_assert(sizeof({word} {name}) == {}, \"{name}\");", def.size);
        for m in members.iter().filter(|m| m.bitfield_bits.is_none() && !m.name.is_empty()) {
            let (field, at) = (&m.name, m.offset_bits / 8);
            let _ = writeln!(
                out,
                "_Static_assert(__builtin_offsetof({word} {name}, {field}) == {at}, \"{name}.{field}\");"
            );
        }
    }
    for (name, ty) in &defs.typedefs {
        let bytes = match ty {
            Ty::Struct(id) if defs.types.structs[*id].members.as_deref().unwrap_or_default().is_empty() => 0,
            ty => ty.size(&defs.types),
        };
        if bytes > 0 {
            let _ = writeln!(out, "_Static_assert(sizeof({name}) == {bytes}, \"{name}\");");
        }
    }
    for (name, (value, _)) in &defs.enumerators {
        let _ = writeln!(out, "_Static_assert({name} == {value}, \"{name}\");");
    }
    out
}

fn compiles(text: &str) -> Result<(), String> {
    let mut cc = Command::new("cc")
        .args(["-D_GNU_SOURCE", "-std=gnu17", "-w", "-fsyntax-only", "-fmax-errors=40", "-xc", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let Some(mut stdin) = cc.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
    }
    let out = cc.wait_with_output().map_err(|e| e.to_string())?;
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
}
