//! The settings of `config = { … }` and `BPFTRACE_*`/`AWL_*` variables: a row each.
//!
//! Always holds: what the environment has set (`locked`) a script cannot change.

use super::sig::Const;
use crate::base::diag::nearest;
use crate::image::{MissingProbes, Percentile, RunConfig, UserSymbols};
use crate::ty::StackMode;

/// What a script and the command line set, with the defaults of the language.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Entries of a keyed map.
    pub max_map_keys: u64,
    /// Bytes of a string with its NUL.
    pub max_strlen: u64,
    pub max_probes: u64,
    pub max_bpf_progs: u64,
    pub stack_mode: StackMode,
    pub on_stack_limit: u64,
    /// What the runtime needs to know.
    pub run: RunConfig,
    /// `--unsafe`
    pub unsafe_: bool,
    /// `-k`: reads that fail and lookups that find nothing are counted and told.
    pub tells_failed_reads: bool,
    /// `-p`: pid filters are added to probes that the kernel cannot filter.
    pub pid: Option<u32>,
    /// `-c` was given.
    pub has_child: bool,
    /// `--dwarf-pid` was given.
    pub has_dwarf_pids: bool,
    /// Positional parameters.
    pub params: Vec<String>,
    /// Named parameters: those words after `--` that start with `--`, with what follows their `=`.
    pub named: Vec<(String, Option<String>)>,
    /// What may be used although it may still change.
    pub unstable: Unstable,
    /// BTF pointers are read by `probe_read` even where the kernel should allow direct loads: the second try
    /// after its verifier refused a program.
    pub indirect_reads: bool,
    /// The script becomes an object, which other kernels load, too.
    pub for_object: bool,
    /// The script becomes part of a session: maps are general, integers 64 bits wide.
    pub session: bool,
    /// Number of the image's first event site (`Image::event_base`).
    pub event_base: u32,
    /// What the gate holds while the clause's programs run (`wire::globals::GATE`).
    pub pass: u32,
    /// How often each clause ran is counted, in the map `image::maps::HITS`.
    pub count_hits: bool,
    /// Names of the rows that the environment has set.
    pub locked: Vec<&'static str>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_map_keys: 4096,
            max_strlen: 1024,
            max_probes: 1024,
            max_bpf_progs: 1024,
            stack_mode: StackMode::Bpftrace,
            on_stack_limit: 32,
            run: RunConfig::default(),
            unsafe_: false,
            tells_failed_reads: false,
            pid: None,
            has_child: false,
            has_dwarf_pids: false,
            params: Vec::new(),
            named: Vec::new(),
            unstable: Unstable::default(),
            indirect_reads: false,
            for_object: false,
            session: false,
            event_base: 0,
            pass: crate::image::wire::globals::RUNNING,
            count_hits: false,
            locked: Vec::new(),
        }
    }
}

/// What happens where the script uses something that may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Allowed,
    Warned,
    Refused,
}

/// By feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstable {
    pub dw_ustack: Use,
    pub import_statement: Use,
    pub tseries: Use,
    pub typeinfo: Use,
}

impl Default for Unstable {
    fn default() -> Self {
        Unstable {
            dw_ustack: Use::Warned,
            import_statement: Use::Refused,
            tseries: Use::Warned,
            typeinfo: Use::Refused,
        }
    }
}

/// A setting's row.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// Older names; using one is worth a warning.
    pub renamed: &'static [&'static str],
    pub default: &'static str,
    /// What it can be, for messages and the manual.
    pub values: &'static str,
    pub doc: &'static str,
    /// Takes the value as text; `false`: it cannot be that.
    pub set: fn(&mut Config, &str) -> bool,
    /// What it is, for the builtin `config`.
    pub get: fn(&Config) -> Const,
}

/// Who sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetBy {
    Script,
    /// Wins over the script.
    Environment,
}

/// What happened to a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    /// Done, but worth this warning.
    Warn(String),
    /// There is no such setting; the nearest one.
    Unknown(Option<&'static str>),
    /// It cannot be that: what it can be.
    Bad(&'static str),
}

const BOOL: &str = "true or false";

/// All rows.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "max_map_keys",
        renamed: &["map_keys_max"],
        default: "4096",
        values: "a number above 0",
        doc: "Entries of a map with keys, at most.",
        set: |c, v| number(v, 1, u64::from(u32::MAX)).map(|n| c.max_map_keys = n).is_some(),
        get: |c| Const::Int(c.max_map_keys as i64),
    },
    Setting {
        name: "max_strlen",
        renamed: &["strlen"],
        default: "1024",
        values: "a number from 8 to 1048576",
        doc: "Bytes of a string or buffer, at most.",
        set: |c, v| {
            let n = number(v, 8, 1 << 20);
            n.map(|n| (c.max_strlen, c.run.max_strlen) = (n, n as u32)).is_some()
        },
        get: |c| Const::Int(c.max_strlen as i64),
    },
    Setting {
        name: "max_probes",
        renamed: &[],
        default: "1024",
        values: "a number above 0",
        doc: "Attach points of a script, at most.",
        set: |c, v| number(v, 1, u64::MAX).map(|n| c.max_probes = n).is_some(),
        get: |c| Const::Int(c.max_probes as i64),
    },
    Setting {
        name: "max_bpf_progs",
        renamed: &[],
        default: "1024",
        values: "a number above 0",
        doc: "Programs that a script becomes, at most.",
        set: |c, v| number(v, 1, u64::MAX).map(|n| c.max_bpf_progs = n).is_some(),
        get: |c| Const::Int(c.max_bpf_progs as i64),
    },
    Setting {
        name: "stack_mode",
        renamed: &[],
        default: "bpftrace",
        values: "bpftrace, perf, raw or build_id",
        doc: "How kstack and ustack are printed.",
        set: |c, v| {
            let mode = match v {
                "bpftrace" => StackMode::Bpftrace,
                "perf" => StackMode::Perf,
                "raw" => StackMode::Raw,
                "build_id" => StackMode::BuildId,
                _ => return false,
            };
            c.stack_mode = mode;
            true
        },
        get: |c| Const::Str(c.stack_mode.word().into()),
    },
    Setting {
        name: "on_stack_limit",
        renamed: &[],
        default: "32",
        values: "a number up to 512",
        doc: "Bytes of a variable that stays on the program's stack, at most.",
        set: |c, v| number(v, 0, 512).map(|n| c.on_stack_limit = n).is_some(),
        get: |c| Const::Int(c.on_stack_limit as i64),
    },
    Setting {
        name: "log_size",
        renamed: &[],
        default: "1000000",
        values: "a number of bytes from 128 to 1073741823",
        doc: "Size of the kernel verifier's log, where a program is refused. One that says nothing is tried again with more.",
        set: |c, v| number(v, 128, u64::from(u32::MAX >> 2)).map(|n| c.run.log_bytes = n as u32).is_some(),
        get: |c| Const::Int(i64::from(c.run.log_bytes)),
    },
    Setting {
        name: "print_maps_on_exit",
        renamed: &[],
        default: "true",
        values: BOOL,
        doc: "Whether all maps are printed at the end.",
        set: |c, v| boolean(v).map(|b| c.run.print_maps_on_exit = b).is_some(),
        get: |c| Const::Bool(c.run.print_maps_on_exit),
    },
    Setting {
        name: "str_trunc_trailer",
        renamed: &[],
        default: "..",
        values: "text",
        doc: "What follows a string that was cut.",
        set: |c, v| {
            c.run.str_trunc_trailer = v.to_owned();
            true
        },
        get: |c| Const::Str(c.run.str_trunc_trailer.clone()),
    },
    Setting {
        name: "percentiles",
        renamed: &[],
        default: "",
        values: "numbers from 0 to 100, such as \"50 90 99.9\"",
        doc: "Percentiles that are printed below each histogram: the buckets in which they lie. Text only; with -f json the buckets tell.",
        set: |c, v| Percentile::parse_all(v).map(|p| c.run.percentiles = p).is_some(),
        get: |c| {
            let texts: Vec<&str> = c.run.percentiles.iter().map(|p| p.text.as_str()).collect();
            Const::Str(texts.join(" "))
        },
    },
    Setting {
        name: "max_cat_bytes",
        renamed: &["cat_bytes_max"],
        default: "10240",
        values: "a number of bytes",
        doc: "Bytes that cat() prints, at most.",
        set: |c, v| number(v, 0, u64::MAX).map(|n| c.run.max_cat_bytes = n).is_some(),
        get: |c| Const::Int(c.run.max_cat_bytes as i64),
    },
    Setting {
        name: "perf_rb_pages",
        renamed: &[],
        default: "0",
        values: "a number of 4-KiB pages, 0 for a fitting one",
        doc: "Size of the ring buffer for output; rounded up to a power of two.",
        set: |c, v| {
            let n = number(v, 0, 1 << 16).map(|n| if n == 0 { 0 } else { n.next_power_of_two() });
            n.map(|n| c.run.ring_bytes = (n * 4096) as u32).is_some()
        },
        get: |c| Const::Int(i64::from(c.run.ring_bytes) / PAGE_BYTES),
    },
    Setting {
        name: "missing_probes",
        renamed: &[],
        default: "error",
        values: "error, warn or ignore",
        doc: "What happens when an attach point does not exist.",
        set: |c, v| {
            let missing = match v {
                "error" => MissingProbes::Error,
                "warn" => MissingProbes::Warn,
                "ignore" => MissingProbes::Ignore,
                _ => return false,
            };
            c.run.missing_probes = missing;
            true
        },
        get: |c| Const::Str(missing_word(c.run.missing_probes).into()),
    },
    Setting {
        name: "cpp_demangle",
        renamed: &["no_cpp_demangle"],
        default: "true",
        values: BOOL,
        doc: "Whether names of C++ functions are shown as written.",
        set: |c, v| boolean(v).map(|b| c.run.cpp_demangle = b).is_some(),
        get: |c| Const::Bool(c.run.cpp_demangle),
    },
    Setting {
        name: "lazy_symbolication",
        renamed: &[],
        default: "true",
        values: BOOL,
        doc: "Whether names of user code are read when they are first printed; if not, those of probed binaries are read when they are probed, and known even if the file is gone by then.",
        set: |c, v| boolean(v).map(|b| c.run.lazy_symbolication = b).is_some(),
        get: |c| Const::Bool(c.run.lazy_symbolication),
    },
    Setting {
        name: "cache_user_symbols",
        renamed: &[],
        default: "PER_PID",
        values: "PER_PID, PER_PROGRAM or NONE",
        doc: "For whom names of user code are kept: a process, all processes with the same file (the default with -c, and where the kernel does not randomise addresses), or nobody.",
        set: |c, v| {
            c.run.cache_user_symbols = match v.to_ascii_uppercase().as_str() {
                "PER_PID" => UserSymbols::PerPid,
                "PER_PROGRAM" => UserSymbols::PerProgram,
                "NONE" | "0" => UserSymbols::NotKept,
                _ => return false,
            };
            true
        },
        get: |c| Const::Str(kept_word(c.run.cache_user_symbols).into()),
    },
    Setting {
        name: "show_debug_info",
        renamed: &["use_blazesym"],
        default: "true",
        values: BOOL,
        doc: "Whether stacks show source files, lines and inlined functions.",
        set: |c, v| boolean(v).map(|b| c.run.show_debug_info = b).is_some(),
        get: |c| Const::Bool(c.run.show_debug_info),
    },
    Setting {
        name: "license",
        renamed: &[],
        default: "GPL",
        values: LICENSES,
        doc: "Licence that the kernel is told; many helpers want one that is compatible with the GPL.",
        set: |c, v| {
            let known = LICENSES.split("; ").any(|l| l == v);
            if known {
                c.run.license = v.to_owned();
            }
            known
        },
        get: |c| Const::Str(c.run.license.clone()),
    },
    Setting {
        name: "unstable_dw_ustack",
        renamed: &[],
        default: "warn",
        values: UNSTABLE,
        doc: "Whether dw_ustack() can be used.",
        set: |c, v| use_of(v).map(|u| c.unstable.dw_ustack = u).is_some(),
        get: |c| Const::Str(use_word(c.unstable.dw_ustack).into()),
    },
    Setting {
        name: "unstable_import_statement",
        renamed: &[],
        default: "error",
        values: UNSTABLE,
        doc: "Whether import can be a statement; the file counts for the whole script all the same.",
        set: |c, v| use_of(v).map(|u| c.unstable.import_statement = u).is_some(),
        get: |c| Const::Str(use_word(c.unstable.import_statement).into()),
    },
    Setting {
        name: "unstable_tseries",
        renamed: &[],
        default: "warn",
        values: UNSTABLE,
        doc: "Whether tseries() can be used.",
        set: |c, v| use_of(v).map(|u| c.unstable.tseries = u).is_some(),
        get: |c| Const::Str(use_word(c.unstable.tseries).into()),
    },
    Setting {
        name: "unstable_typeinfo",
        renamed: &[],
        default: "error",
        values: UNSTABLE,
        doc: "Whether typeinfo() can be used.",
        set: |c, v| use_of(v).map(|u| c.unstable.typeinfo = u).is_some(),
        get: |c| Const::Str(use_word(c.unstable.typeinfo).into()),
    },
];

const LICENSES: &str = "GPL; GPL v2; GPL and additional rights; Dual BSD/GPL; Dual MIT/GPL; Dual MPL/GPL";

/// Settings of bpftrace that change nothing here.
const WITHOUT_EFFECT: &[&str] = &[
    "symbol_source",
    "max_type_res_iterations",
    "unstable_addr",
    "unstable_import",
    "unstable_macro",
    "unstable_map_decl",
];

/// Sets one by its name, in any case and with or without the prefix of the environment's variables.
pub fn set(config: &mut Config, key: &str, value: &str, by: SetBy) -> Outcome {
    let lower = key.to_ascii_lowercase();
    let name = lower.strip_prefix("bpftrace_").or_else(|| lower.strip_prefix("awl_")).unwrap_or(&lower);
    if WITHOUT_EFFECT.contains(&name) {
        return Outcome::Warn(format!("{name} has no effect"));
    }
    let Some(row) = SETTINGS.iter().find(|r| r.name == name || r.renamed.contains(&name)) else {
        return Outcome::Unknown(nearest(name, SETTINGS.iter().map(|r| r.name)));
    };
    if by == SetBy::Script && config.locked.contains(&row.name) {
        return Outcome::Done;
    }
    // The one older name that meant the opposite.
    let inverted = boolean(value).filter(|_| name == "no_cpp_demangle").map(|b| (!b).to_string());
    if !(row.set)(config, inverted.as_deref().unwrap_or(value)) {
        return Outcome::Bad(row.values);
    }
    if by == SetBy::Environment && !config.locked.contains(&row.name) {
        config.locked.push(row.name);
    }
    if name == row.name { Outcome::Done } else { Outcome::Warn(format!("{name} is now called {}", row.name)) }
}

const UNSTABLE: &str = "enable, warn or error";
/// The kernel counts the ring's memory in these.
const PAGE_BYTES: i64 = 4096;

fn use_of(text: &str) -> Option<Use> {
    match text {
        "enable" | "true" | "1" => Some(Use::Allowed),
        "warn" => Some(Use::Warned),
        "error" | "false" | "0" => Some(Use::Refused),
        _ => None,
    }
}

fn use_word(used: Use) -> &'static str {
    match used {
        Use::Allowed => "enable",
        Use::Warned => "warn",
        Use::Refused => "error",
    }
}

fn missing_word(missing: MissingProbes) -> &'static str {
    match missing {
        MissingProbes::Error => "error",
        MissingProbes::Warn => "warn",
        MissingProbes::Ignore => "ignore",
    }
}

fn kept_word(kept: UserSymbols) -> &'static str {
    match kept {
        UserSymbols::PerPid => "PER_PID",
        UserSymbols::PerProgram => "PER_PROGRAM",
        UserSymbols::NotKept => "NONE",
    }
}

fn number(text: &str, min: u64, max: u64) -> Option<u64> {
    text.parse().ok().filter(|n| (min..=max).contains(n))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_as_the_rows_say() {
        let mut config = Config::default();
        for row in SETTINGS {
            assert!((row.set)(&mut config, row.default), "{}", row.name);
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn names_and_values() {
        let mut c = Config::default();
        assert_eq!(set(&mut c, "BPFTRACE_MAX_STRLEN", "64", SetBy::Script), Outcome::Done);
        assert_eq!((c.max_strlen, c.run.max_strlen), (64, 64));
        assert_eq!(set(&mut c, "max_strlne", "64", SetBy::Script), Outcome::Unknown(Some("max_strlen")));
        assert_eq!(
            set(&mut c, "stack_mode", "x", SetBy::Script),
            Outcome::Bad("bpftrace, perf, raw or build_id")
        );
        assert!(matches!(set(&mut c, "strlen", "80", SetBy::Script), Outcome::Warn(_)));
        assert_eq!(c.max_strlen, 80);
        assert!(matches!(set(&mut c, "no_cpp_demangle", "1", SetBy::Script), Outcome::Warn(_)));
        assert!(!c.run.cpp_demangle);
    }

    #[test]
    fn the_environment_wins() {
        let mut c = Config::default();
        assert_eq!(set(&mut c, "AWL_MAX_MAP_KEYS", "10", SetBy::Environment), Outcome::Done);
        assert_eq!(set(&mut c, "max_map_keys", "20", SetBy::Script), Outcome::Done);
        assert_eq!(c.max_map_keys, 10);
    }
}
