//! Clocks, processors, randomness, registers, and addresses of symbols.

use crate::image::Attach;
use crate::isa::Helper;
use crate::lang::lowering::machine as lower;
use crate::lang::probes::{Ctx, Provider};
use crate::lang::sig::{Builtin, CallData, Const, Effect, Form, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::{Space, Ty};
use crate::world::{self, Loading, Missing, PerCpu, UserFile};

/// Probes in a process's code.
const USER: &[Provider] = &[Provider::Uprobe, Provider::Uretprobe, Provider::Usdt];
const ADDR: &[Param] = &[Param::required("addr", ParamKind::Ptr)];

pub static ROWS: &[Builtin] = &[
    Builtin::value(
        "cpu",
        Ret::Is(Ty::U64),
        lower::cpu,
        "Number of the processor that runs the probe.",
        "tracepoint:sched:sched_switch { @[cpu] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::value(
        "ncpus",
        Ret::Check(|cx| (Ty::U64, CallData::Const(Const::Int(i64::from(cx.world().n_cpus()))))),
        lower::ncpus,
        "Number of processors that the machine can have.",
        "begin { printf(\"%d\\n\", ncpus); }",
    ),
    Builtin::value(
        "numaid",
        Ret::Is(Ty::U32),
        lower::numaid,
        "NUMA node of the processor that runs the probe.",
        "tracepoint:sched:sched_switch { @[numaid] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "nsecs",
        aliases: &[],
        form: Form::Value,
        params: &[Param::optional("clock", ParamKind::Word)],
        ret: Ret::Check(clock),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::nsecs,
        doc: "Nanoseconds of a clock: boot (default, runs on in suspend), monotonic, tai, sw_tai.",
        example: "begin { @start = nsecs; } end { printf(\"%d ns\\n\", nsecs - @start); }",
    },
    Builtin::value(
        "elapsed",
        Ret::Is(Ty::U64),
        lower::elapsed,
        "Nanoseconds since awl started.",
        "interval:ms:100 { printf(\"%d\\n\", elapsed / 1000000); exit(); }",
    ),
    Builtin::value(
        "jiffies",
        Ret::Is(Ty::U64),
        lower::jiffies,
        "The kernel's tick counter.",
        "begin { printf(\"%d\\n\", jiffies); }",
    ),
    Builtin::value(
        "rand",
        Ret::Is(Ty::U32),
        lower::rand,
        "A pseudo-random number of 32 bits.",
        "tracepoint:sched:sched_switch /rand % 100 == 0/ { @ = count(); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "reg",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("name", ParamKind::Text)],
        ret: Ret::Check(register),
        needs: Needs::probes(&[
            Provider::Kprobe,
            Provider::Kretprobe,
            Provider::Uprobe,
            Provider::Uretprobe,
            Provider::Usdt,
            Provider::Profile,
            Provider::Interval,
            Provider::Software,
            Provider::Hardware,
            Provider::Watchpoint,
        ]),
        effect: Effect::Usual,
        lower: lower::reg,
        doc: "A processor register at the probe, by name (x86_64: ax bx cx dx si di bp sp ip r8 to r15 flags …).",
        example: "profile:hz:99 { @[reg(\"ip\")] = count(); } interval:s:1 { exit(); }",
    },
    Builtin::func(
        "kaddr",
        &[Param::required("symbol", ParamKind::Text)],
        Ret::Check(kernel_address),
        lower::kaddr,
        "Address of a kernel symbol, found when the script is compiled.",
        "begin { printf(\"%p\\n\", kaddr(\"vfs_read\")); }",
    ),
    Builtin::func(
        "percpu_kaddr",
        &[Param::required("symbol", ParamKind::Text), Param::optional("cpu", ParamKind::Int)],
        Ret::Check(per_cpu_address),
        lower::percpu_kaddr,
        "Pointer to a CPU's own copy of a kernel variable, of this CPU unless another is named; null where there is no such CPU. It points to what BTF says of the variable, else to a uint64.",
        "begin { printf(\"%d\\n\", *percpu_kaddr(\"process_counts\", 0)); }",
    ),
    Builtin {
        name: "uaddr",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("symbol", ParamKind::Text)],
        ret: Ret::Check(user_address),
        needs: Needs::probes(USER),
        effect: Effect::Usual,
        lower: lower::uaddr,
        doc: "Address of a symbol of the probed program, a pointer to an integer of its size; also where the program is moved when it is loaded. Not of libraries.",
        example: "uprobe:/bin/bash:readline { printf(\"%d\\n\", *uaddr(\"rl_point\")); exit(); }",
    },
    Builtin {
        name: "elf_is_exe",
        aliases: &[],
        form: Form::Func,
        params: &[],
        ret: Ret::Check(is_program),
        needs: Needs::probes(USER),
        effect: Effect::Usual,
        lower: lower::of_file,
        doc: "Whether the probed file is a program, and no library; known when the script is compiled.",
        example: "uprobe:libc:malloc { printf(\"%d\\n\", elf_is_exe()); exit(); }",
    },
    Builtin {
        name: "elf_ino",
        aliases: &[],
        form: Form::Func,
        params: &[],
        ret: Ret::Check(inode),
        needs: Needs::probes(USER),
        effect: Effect::Usual,
        lower: lower::of_file,
        doc: "Number of the probed file's inode, as ls -i shows it; known when the script is compiled.",
        example: "uprobe:libc:malloc { printf(\"%d\\n\", elf_ino()); exit(); }",
    },
    Builtin::func(
        "ksym",
        ADDR,
        Ret::Check(|cx| address(cx, Ty::Ksym)),
        lower::ksym,
        "The kernel symbol at an address; its name is looked up when it is printed.",
        "begin { printf(\"%s\\n\", ksym(kaddr(\"vfs_read\"))); }",
    ),
    Builtin::func(
        "usym",
        ADDR,
        Ret::Check(|cx| address(cx, Ty::Usym)),
        lower::usym,
        "The symbol of the current process at an address; its name is looked up when it is printed.",
        "uprobe:libc:malloc { @[usym(reg(\"ip\"))] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "cgroupid",
        &[Param::required("path", ParamKind::Text)],
        Ret::Check(cgroup_id),
        lower::cgroupid,
        "Id of the cgroup (v2) at a path, found when the script is compiled.",
        "tracepoint:syscalls:sys_enter_openat /cgroup == cgroupid(\"/sys/fs/cgroup\")/ { @ = count(); } interval:s:1 { exit(); }",
    ),
];

fn clock(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.n_args() == 0 {
        return (Ty::U64, CallData::None);
    }
    let arg = cx.arg(0);
    match arg.text.as_deref() {
        Some("tai") if !world::has(cx.world(), Helper::KTIME_GET_TAI_NS) => {
            let why = "this kernel has no TAI clock for programs (6.1 has): use nsecs(sw_tai)";
            cx.bad_argument(arg.span, why.into());
            (Ty::Error, CallData::None)
        }
        Some(word @ ("boot" | "monotonic" | "tai" | "sw_tai")) => (Ty::U64, CallData::Text(word.into())),
        _ => {
            cx.bad_argument(arg.span, "a clock is boot, monotonic, tai or sw_tai".into());
            (Ty::Error, CallData::None)
        }
    }
}

/// `reg("ip")`: the offset in the registers.
fn register(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let Some(name) = arg.text else { return (Ty::Error, CallData::None) };
    let arch = cx.world().arch();
    if let Some(offset) = arch.reg(&name) {
        return (Ty::U64, CallData::Ints(vec![i64::from(offset)]));
    }
    let names: Vec<&str> = arch.regs.iter().map(|(n, _)| *n).collect();
    cx.bad_argument(arg.span, format!("{} has no register {name}: it has {}", arch.name, names.join(" ")));
    (Ty::Error, CallData::None)
}

fn kernel_address(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let Some(name) = arg.text else { return (Ty::Error, CallData::None) };
    if cx.config().for_object {
        return of_this_boot(cx, arg.span);
    }
    match cx.world().kernel_symbol(&name) {
        Ok(addr) => (Ty::U64, CallData::Const(Const::Int(addr as i64))),
        Err(Missing::No) => failed(cx, arg.span, format!("the kernel has no symbol {name}")),
        Err(Missing::Unreadable { why, .. }) => failed(cx, arg.span, format!("kernel symbols: {why}")),
    }
}

/// Refuses an address of the kernel in an object.
fn of_this_boot(cx: &mut dyn CheckCx, at: crate::base::Span) -> (Ty, CallData) {
    failed(cx, at, "addresses in the kernel change with each boot, so that an object cannot have them".into())
}

fn per_cpu_address(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let Some(name) = arg.text else { return (Ty::Error, CallData::None) };
    if cx.n_args() > 1 {
        cx.coerce(1, Ty::U64);
    }
    if cx.config().for_object {
        return of_this_boot(cx, arg.span);
    }
    let mut types = std::mem::take(cx.types());
    let found = cx.world().per_cpu(&mut types, &name);
    *cx.types() = types;
    match found {
        Ok(PerCpu { addr, bases_at, ty }) => {
            let data = CallData::Ints(vec![addr as i64, bases_at as i64]);
            (Ty::ptr(ty.unwrap_or(Ty::U64), Space::Kernel), data)
        }
        Err(Missing::No) => failed(cx, arg.span, format!("the kernel has no symbol {name}")),
        Err(Missing::Unreadable { why, .. }) => failed(cx, arg.span, why),
    }
}

/// The file that a probe is in, if all its attach points are in one.
fn probed_file(cx: &dyn CheckCx) -> Option<String> {
    let path_of = |a: &Attach| match a {
        Attach::Uprobe { path, .. } | Attach::Usdt { path, .. } => Some(path.clone()),
        _ => None,
    };
    let mut paths: Vec<String> = cx.probe().points.iter().filter_map(|p| path_of(&p.attach)).collect();
    paths.dedup();
    if paths.len() == 1 { paths.pop() } else { None }
}

/// What is known of that file; `None` after a report.
fn probed(cx: &mut dyn CheckCx) -> Option<UserFile> {
    let span = cx.span();
    let Some(path) = probed_file(cx) else {
        cx.bad_argument(span, "this needs a probe of one file".into());
        return None;
    };
    match cx.world().user_file(&path) {
        Ok(file) => return Some(file),
        Err(Missing::No) => cx.bad_argument(span, format!("there is no file {path}")),
        Err(Missing::Unreadable { why, .. }) => cx.bad_argument(span, why),
    }
    None
}

fn is_program(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    match probed(cx) {
        Some(file) => (Ty::Bool, CallData::Const(Const::Bool(file.loading != Loading::Library))),
        None => (Ty::Error, CallData::None),
    }
}

fn inode(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    match probed(cx) {
        Some(file) => (Ty::U64, CallData::Const(Const::Int(file.ino as i64))),
        None => (Ty::Error, CallData::None),
    }
}

/// Data: the address, and the lowest code by the same addresses if the program is moved.
fn user_address(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let Some(name) = arg.text else { return (Ty::Error, CallData::None) };
    let Some(path) = probed_file(cx) else {
        return failed(cx, arg.span, "uaddr() needs a probe of one program".into());
    };
    let object = match cx.world().user_object(&path, &name) {
        Ok(object) => object,
        Err(Missing::No) => return failed(cx, arg.span, format!("{path} has no symbol {name}")),
        Err(Missing::Unreadable { why, .. }) => return failed(cx, arg.span, why),
    };
    let ints = match object.loading {
        Loading::Fixed => vec![object.addr as i64],
        Loading::Moved { code_at } => vec![object.addr as i64, code_at as i64],
        Loading::Library => {
            let what =
                format!("{path} is a library, which each process has elsewhere: uaddr() is of programs");
            return failed(cx, arg.span, what);
        }
    };
    let bits = match object.size {
        1 | 2 | 4 => object.size as u8 * 8,
        _ => 64,
    };
    (Ty::ptr(Ty::uint(bits), Space::User), CallData::Ints(ints))
}

fn cgroup_id(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let Some(path) = arg.text else { return (Ty::Error, CallData::None) };
    match cx.world().cgroup_id(&path) {
        Ok(id) => (Ty::U64, CallData::Const(Const::Int(id as i64))),
        Err(Missing::No) => failed(cx, arg.span, format!("there is no cgroup {path}")),
        Err(Missing::Unreadable { why, .. }) => failed(cx, arg.span, format!("cgroup {path}: {why}")),
    }
}

fn failed(cx: &mut dyn CheckCx, span: crate::base::Span, message: String) -> (Ty, CallData) {
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
}

/// An address in a register, whatever pointer or integer it was given as.
fn address(cx: &mut dyn CheckCx, ty: Ty) -> (Ty, CallData) {
    if cx.arg(0).ty.is_int() {
        cx.coerce(0, Ty::U64);
    }
    // usym needs the process, which a probe outside of any task does not have.
    if ty == Ty::Usym && matches!(cx.probe().ctx, Ctx::None) {
        let span = cx.span();
        return failed(cx, span, "usym() needs a probe that runs in a process".into());
    }
    (ty, CallData::None)
}
