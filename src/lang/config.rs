//! The settings of `config = { … }` and `BPFTRACE_*`/`AWL_*` variables.

use crate::image::RunConfig;
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
    /// Bytes of the verifier's log.
    pub log_size: u64,
    /// What the runtime needs to know.
    pub run: RunConfig,
    /// `--unsafe`
    pub unsafe_: bool,
    /// `-p`: pid filters are added to probes that the kernel cannot filter.
    pub pid: Option<u32>,
    /// `-c` was given.
    pub has_child: bool,
    /// Positional parameters.
    pub params: Vec<String>,
    /// BTF pointers are read by `probe_read` even where the kernel should allow direct loads: the second try
    /// after its verifier refused a program.
    pub indirect_reads: bool,
    /// The script becomes part of a session: maps are general, integers 64 bits wide.
    pub session: bool,
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
            log_size: 1_000_000,
            run: RunConfig::default(),
            unsafe_: false,
            pid: None,
            has_child: false,
            params: Vec::new(),
            indirect_reads: false,
            session: false,
        }
    }
}
