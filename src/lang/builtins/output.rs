//! Output and control.

use crate::isa::Helper;
use crate::lang::formats;
use crate::lang::lowering::output as lower;
use crate::lang::probes::Provider;
use crate::lang::sig::{Builtin, CallData, Effect, Form, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::Ty;

const FORMAT: &[Param] = &[Param::required("format", ParamKind::Format), Param::rest("values")];
/// Values of a format at most; the reference has the same limit.
const VALUES_MAX: usize = 127;
/// Bytes of what time() prints, at most.
const TIME_BYTES_MAX: usize = 64;
const SIGNAL_MAX: i64 = 64;

/// Where the kernel lets programs send signals to the current task.
const SIGNALS: Needs = Needs {
    unsafe_: true,
    probes: &[
        Provider::Kprobe,
        Provider::Kretprobe,
        Provider::Uprobe,
        Provider::Uretprobe,
        Provider::Usdt,
        Provider::Tracepoint,
        Provider::Profile,
        Provider::Fentry,
        Provider::Fexit,
        Provider::Rawtracepoint,
    ],
    helpers: &[Helper::SEND_SIGNAL],
};

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "printf",
        FORMAT,
        Ret::Check(formatted),
        lower::printf,
        "Prints values by a format; see the conversions. At most 127 values.",
        "tracepoint:syscalls:sys_enter_openat { printf(\"%-16s %s\\n\", comm, str(args.filename)); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "errorf",
        FORMAT,
        Ret::Check(formatted),
        lower::errorf,
        "Prints an error, with its place in the script, on stderr.",
        "begin { errorf(\"no such thing: %d\", 1); }",
    ),
    Builtin::func(
        "warnf",
        FORMAT,
        Ret::Check(formatted),
        lower::warnf,
        "Prints a warning, with its place in the script, on stderr.",
        "begin { warnf(\"odd: %d\", 1); }",
    ),
    Builtin::func(
        "time",
        &[Param::optional("format", ParamKind::Text)],
        Ret::Check(time),
        lower::time,
        "Prints the wall clock by an strftime format (default %H:%M:%S and a line break), as of when the message is read.",
        "interval:ms:100 { time(\"%H:%M:%S\\n\"); exit(); }",
    ),
    Builtin::func(
        "join",
        &[Param::required("strings", ParamKind::Ptr), Param::optional("separator", ParamKind::Text)],
        Ret::Check(join),
        lower::join,
        "Prints an array of string pointers that ends with a null pointer, as argv; at most 16 strings of 1023 bytes.",
        "tracepoint:syscalls:sys_enter_execve { join(args.argv); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "system",
        aliases: &[],
        form: Form::Func,
        params: FORMAT,
        ret: Ret::Check(formatted),
        needs: Needs { unsafe_: true, probes: &[], helpers: &[] },
        effect: Effect::Usual,
        lower: lower::system,
        doc: "Runs a command by sh -c and prints what it writes; needs --unsafe.",
        example: "begin { system(\"echo %d\", 1); }",
    },
    Builtin::func(
        "cat",
        FORMAT,
        Ret::Check(formatted),
        lower::cat,
        "Prints a file, at most max_cat_bytes of it.",
        "begin { cat(\"/proc/loadavg\"); }",
    ),
    Builtin {
        name: "exit",
        aliases: &[],
        form: Form::Func,
        params: &[Param::optional("code", ParamKind::Int)],
        ret: Ret::Check(exit),
        needs: Needs::NOTHING,
        effect: Effect::Leaves,
        lower: lower::exit,
        doc: "Ends the probe and then the script: end probes run and maps are printed. The code (0 to 255) becomes the exit status.",
        example: "interval:ms:100 { exit(); }",
    },
    Builtin {
        name: "signal",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("signal", ParamKind::Any)],
        ret: Ret::Check(signal),
        needs: SIGNALS,
        effect: Effect::Usual,
        lower: lower::signal,
        doc: "Sends a signal, by number or name, to the current process; needs --unsafe.",
        example: "tracepoint:syscalls:sys_enter_kill /pid == cpid/ { signal(\"SIGTERM\"); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "signal_thread",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("signal", ParamKind::Any)],
        ret: Ret::Check(signal),
        needs: Needs { helpers: &[Helper::SEND_SIGNAL_THREAD], ..SIGNALS },
        effect: Effect::Usual,
        lower: lower::signal_thread,
        doc: "Sends a signal, by number or name, to the current thread; needs --unsafe.",
        example: "tracepoint:syscalls:sys_enter_kill /pid == cpid/ { signal_thread(10); } interval:s:1 { exit(); }",
    },
];

/// Signals by name (include/uapi/asm-generic/signal.h).
pub const SIGNAL_NAMES: &[(&str, i64)] = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGIOT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPOLL", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];

/// Number of a signal by its name, with or without `SIG`, in any case.
pub fn signal_number(name: &str) -> Option<i64> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNAL_NAMES.iter().find(|(n, _)| n.strip_prefix("SIG") == Some(bare)).map(|&(_, number)| number)
}

fn formatted(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.n_args() > VALUES_MAX + 1 {
        let (span, n) = (cx.arg(VALUES_MAX + 1).span, cx.n_args() - 1);
        cx.bad_argument(span, format!("at most {VALUES_MAX} values can be printed ({n} given)"));
        return (Ty::Error, CallData::None);
    }
    match formats::check(cx) {
        Some(format) => (Ty::Void, CallData::Format(format)),
        None => (Ty::Error, CallData::None),
    }
}

fn time(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let text = if cx.n_args() == 0 { None } else { cx.arg(0).text };
    let text = text.unwrap_or_else(|| "%H:%M:%S\n".into());
    if text.len() > TIME_BYTES_MAX {
        let span = cx.arg(0).span;
        cx.bad_argument(span, format!("a time format has at most {TIME_BYTES_MAX} bytes"));
        return (Ty::Error, CallData::None);
    }
    (Ty::Void, CallData::Text(text))
}

fn join(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let separator = if cx.n_args() > 1 { cx.arg(1).text } else { None };
    let separator = separator.unwrap_or_else(|| " ".into());
    if cx.arg(0).ty.is_int() {
        cx.coerce(0, Ty::U64);
    }
    (Ty::Void, CallData::Text(separator))
}

fn exit(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.n_args() > 0 {
        let arg = cx.arg(0);
        if arg.int.is_some_and(|code| !(0..=255).contains(&code)) {
            cx.bad_argument(arg.span, "an exit code is 0 to 255".into());
            return (Ty::Error, CallData::None);
        }
        cx.coerce(0, Ty::U32);
    }
    (Ty::Void, CallData::None)
}

fn signal(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    if let Some(name) = &arg.text {
        if let Some(number) = signal_number(name) {
            return (Ty::Void, CallData::Ints(vec![number]));
        }
        cx.bad_argument(arg.span, format!("there is no signal {name}"));
        return (Ty::Error, CallData::None);
    }
    match arg.int {
        Some(n) if !(1..=SIGNAL_MAX).contains(&n) => {
            cx.bad_argument(arg.span, format!("signals are numbered 1 to {SIGNAL_MAX}"));
            (Ty::Error, CallData::None)
        }
        Some(n) => (Ty::Void, CallData::Ints(vec![n])),
        None if arg.ty.is_int() => {
            cx.coerce(0, Ty::U32);
            (Ty::Void, CallData::None)
        }
        None => {
            if !arg.ty.is_error() {
                cx.bad_argument(arg.span, "a signal is a number or a name in quotes".into());
            }
            (Ty::Error, CallData::None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signals_by_name() {
        assert_eq!(signal_number("SIGKILL"), Some(9));
        assert_eq!(signal_number("kill"), Some(9));
        assert_eq!(signal_number("SIGNONE"), None);
    }
}
