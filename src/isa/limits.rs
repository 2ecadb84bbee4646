//! Limits that the kernel sets.

/// Bytes of stack of a whole call chain (`MAX_BPF_STACK`, include/linux/filter.h).
pub const STACK_BYTES_MAX: u32 = 512;
/// Bytes of `task_struct.comm` (`TASK_COMM_LEN`, include/linux/sched.h).
pub const COMM_BYTES: u32 = 16;
/// Arguments of a helper or a BPF function (R1 to R5).
pub const CALL_ARGS_MAX: usize = 5;
/// Bytes of a per-CPU map value (`PCPU_MIN_UNIT_SIZE`, include/linux/percpu.h).
pub const PERCPU_VALUE_BYTES_MAX: u32 = 32 << 10;
/// Bytes of a map's name with its NUL (`BPF_OBJ_NAME_LEN`, include/uapi/linux/bpf.h).
pub const OBJ_NAME_BYTES: usize = 16;
