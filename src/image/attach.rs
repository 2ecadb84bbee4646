//! Attach points, concrete: no wildcard, no name left to resolve but those that the kernel resolves itself.

/// Before or after the function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum When {
    Entry,
    Return,
}

/// `enum bpf_prog_type`, as far as awl uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ProgType {
    Kprobe,
    Tracepoint,
    PerfEvent,
    RawTracepoint,
    /// `BPF_PROG_TYPE_TRACING`: fentry, fexit, tp_btf, iter; its expected attach type is the attach point's.
    Tracing,
    /// Run by `BPF_PROG_TEST_RUN` only.
    Syscall,
    Xdp,
}

impl ProgType {
    /// All types with their names.
    pub const ALL: &'static [(ProgType, &'static str)] = &[
        (ProgType::Kprobe, "kprobe"),
        (ProgType::Tracepoint, "tracepoint"),
        (ProgType::PerfEvent, "perf_event"),
        (ProgType::RawTracepoint, "raw_tracepoint"),
        (ProgType::Tracing, "tracing"),
        (ProgType::Syscall, "syscall"),
        (ProgType::Xdp, "xdp"),
    ];
}

/// How often a timer fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Rate {
    Hz(u64),
    PeriodNs(u64),
}

/// Where one program attaches. Adding a kind touches `lang/probes` and `attach`, which match exhaustively.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Attach {
    /// Run once before anything is attached.
    Begin,
    /// Run once after everything is detached.
    End,
    /// Run when awl receives the signal.
    Signal(i32),
    /// Run by `--test`: the test's name.
    Test(String),
    /// Run by `--bench`, many times: the benchmark's name.
    Bench(String),
    /// A tracepoint by perf event: context is its record.
    Tracepoint {
        category: String,
        name: String,
    },
    /// A raw tracepoint; context is an array of `u64` arguments. `category` is that of the tracepoint that it
    /// serves, empty where the script asks for the raw one; it counts for the name alone.
    RawTracepoint {
        category: String,
        name: String,
    },
    /// A raw tracepoint with BTF types (`tp_btf`); `module` is empty for vmlinux.
    TpBtf {
        module: String,
        name: String,
    },
    /// What all system calls pass, for one of them; the program itself compares the number. Several of these in
    /// one program are one attachment.
    SyscallTp {
        when: When,
        name: String,
        nr: u32,
        hook: SyscallHook,
    },
    Kprobe {
        module: String,
        func: String,
        offset: u64,
        when: When,
    },
    /// A kernel address, where the user allows it.
    KprobeAddr {
        addr: u64,
        when: When,
    },
    Fentry {
        module: String,
        func: String,
        when: When,
    },
    /// A function of a BPF program, by the numbers of both.
    BpfFunction {
        program: u32,
        name: String,
        btf_id: u32,
        when: When,
    },
    /// `offset` is the file offset of the instruction; `symbol` is for names.
    Uprobe {
        path: String,
        symbol: String,
        offset: u64,
        when: When,
    },
    /// One of the places of a statically defined probe, by file offsets; 0 where it has no semaphore.
    Usdt {
        path: String,
        provider: String,
        name: String,
        offset: u64,
        ref_ctr_offset: u64,
    },
    /// All objects of a kind, when the iterator is read.
    Iter {
        name: String,
    },
    /// One event per CPU.
    Profile(Rate),
    /// One event on one CPU.
    Interval(Rate),
    /// `config` of `PERF_TYPE_SOFTWARE`.
    Software {
        name: String,
        config: u64,
        period: u64,
    },
    /// `config` of `PERF_TYPE_HARDWARE`.
    Hardware {
        name: String,
        config: u64,
        period: u64,
    },
    Watchpoint {
        addr: u64,
        len: u32,
        mode: String,
    },
}

/// How a program hangs on all system calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SyscallHook {
    /// By `tp_btf` on `sys_enter` or `sys_exit`.
    Btf,
    /// By the raw tracepoint of the same name.
    Raw,
    /// By a perf event on `raw_syscalls:sys_enter` or `raw_syscalls:sys_exit`: context is its record.
    Record,
}

impl SyscallHook {
    /// The tracepoint's name, with or without the category `raw_syscalls`.
    pub fn tracepoint(when: When) -> &'static str {
        match when {
            When::Entry => "sys_enter",
            When::Return => "sys_exit",
        }
    }
}

impl Attach {
    /// The program type that this attach point wants.
    pub fn prog_type(&self) -> ProgType {
        match self {
            Attach::Begin | Attach::End | Attach::Signal(_) | Attach::Test(_) => ProgType::RawTracepoint,
            // The kernel repeats the run of a program of this type by itself.
            Attach::Bench(_) => ProgType::Xdp,
            Attach::Tracepoint { .. } => ProgType::Tracepoint,
            Attach::RawTracepoint { .. } => ProgType::RawTracepoint,
            Attach::SyscallTp { hook, .. } => match hook {
                SyscallHook::Btf => ProgType::Tracing,
                SyscallHook::Raw => ProgType::RawTracepoint,
                SyscallHook::Record => ProgType::Tracepoint,
            },
            Attach::TpBtf { .. }
            | Attach::Fentry { .. }
            | Attach::BpfFunction { .. }
            | Attach::Iter { .. } => ProgType::Tracing,
            Attach::Kprobe { .. }
            | Attach::KprobeAddr { .. }
            | Attach::Uprobe { .. }
            | Attach::Usdt { .. } => ProgType::Kprobe,
            Attach::Profile(_)
            | Attach::Interval(_)
            | Attach::Software { .. }
            | Attach::Hardware { .. }
            | Attach::Watchpoint { .. } => ProgType::PerfEvent,
        }
    }

    /// The file whose code it is.
    pub fn binary(&self) -> Option<&str> {
        match self {
            Attach::Uprobe { path, .. } | Attach::Usdt { path, .. } => Some(path),
            Attach::Begin
            | Attach::End
            | Attach::Signal(_)
            | Attach::Test(_)
            | Attach::Bench(_)
            | Attach::Tracepoint { .. }
            | Attach::RawTracepoint { .. }
            | Attach::TpBtf { .. }
            | Attach::SyscallTp { .. }
            | Attach::Kprobe { .. }
            | Attach::KprobeAddr { .. }
            | Attach::Fentry { .. }
            | Attach::BpfFunction { .. }
            | Attach::Iter { .. }
            | Attach::Profile(_)
            | Attach::Interval(_)
            | Attach::Software { .. }
            | Attach::Hardware { .. }
            | Attach::Watchpoint { .. } => None,
        }
    }

    /// Whether it runs only where it is asked for: `--test`, `--bench`.
    pub fn is_on_demand(&self) -> bool {
        matches!(self, Attach::Test(_) | Attach::Bench(_))
    }

    /// The full name that `probe` yields and messages show: `tracepoint:syscalls:sys_enter_openat`.
    pub fn name(&self) -> String {
        let ret = |when: &When| match when {
            When::Entry => "",
            When::Return => "ret",
        };
        let module = |m: &str| if m.is_empty() { String::new() } else { format!("{m}:") };
        let rate = |r: &Rate| match r {
            Rate::Hz(n) => format!("hz:{n}"),
            Rate::PeriodNs(n) if n % 1_000_000_000 == 0 => format!("s:{}", n / 1_000_000_000),
            Rate::PeriodNs(n) if n % 1_000_000 == 0 => format!("ms:{}", n / 1_000_000),
            Rate::PeriodNs(n) if n % 1_000 == 0 => format!("us:{}", n / 1_000),
            Rate::PeriodNs(n) => format!("{n}"),
        };
        match self {
            Attach::Begin => "begin".into(),
            Attach::End => "end".into(),
            Attach::Signal(n) => format!("self:signal:{n}"),
            Attach::Test(name) => format!("test:{name}"),
            Attach::Bench(name) => format!("bench:{name}"),
            Attach::Tracepoint { category, name } => format!("tracepoint:{category}:{name}"),
            Attach::RawTracepoint { category, name } => match category.as_str() {
                "" => format!("rawtracepoint:{name}"),
                category => format!("tracepoint:{category}:{name}"),
            },
            Attach::TpBtf { module: m, name } => format!("rawtracepoint:{}{name}", module(m)),
            Attach::SyscallTp { when, name, .. } => match when {
                When::Entry => format!("tracepoint:syscalls:sys_enter_{name}"),
                When::Return => format!("tracepoint:syscalls:sys_exit_{name}"),
            },
            Attach::Kprobe { module: m, func, offset, when } => {
                let off = if *offset == 0 { String::new() } else { format!("+{offset}") };
                format!("k{}probe:{}{func}{off}", ret(when), module(m))
            }
            Attach::KprobeAddr { addr, when } => format!("k{}probe:{addr:#x}", ret(when)),
            Attach::Fentry { module: m, func, when } => match when {
                When::Entry => {
                    format!("fentry:{}{func}", if m.is_empty() { "vmlinux:".into() } else { module(m) })
                }
                When::Return => {
                    format!("fexit:{}{func}", if m.is_empty() { "vmlinux:".into() } else { module(m) })
                }
            },
            Attach::BpfFunction { program, name, when, .. } => match when {
                When::Entry => format!("fentry:bpf:{program}:{name}"),
                When::Return => format!("fexit:bpf:{program}:{name}"),
            },
            Attach::Uprobe { path, symbol, offset, when, .. } => {
                // A source line hangs on the path: `@file.c:42`.
                if symbol.starts_with('@') {
                    return format!("u{}probe:{path}{symbol}", ret(when));
                }
                let what = if symbol.is_empty() { format!("{offset:#x}") } else { symbol.clone() };
                format!("u{}probe:{path}:{what}", ret(when))
            }
            Attach::Usdt { path, provider, name, .. } => format!("usdt:{path}:{provider}:{name}"),
            Attach::Iter { name } => format!("iter:{name}"),
            Attach::Profile(r) => format!("profile:{}", rate(r)),
            Attach::Interval(r) => format!("interval:{}", rate(r)),
            Attach::Software { name, period, .. } => format!("software:{name}:{period}"),
            Attach::Hardware { name, period, .. } => format!("hardware:{name}:{period}"),
            Attach::Watchpoint { addr, len, mode } => format!("watchpoint:{addr:#x}:{len}:{mode}"),
        }
    }
}
