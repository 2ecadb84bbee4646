//! Kernel helpers: a row each (`enum bpf_func_id`, include/uapi/linux/bpf.h).

/// A kernel helper by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Helper(pub u32);

/// What is known of a helper.
#[derive(Debug)]
pub struct HelperRow {
    pub helper: Helper,
    /// Without the `bpf_` prefix.
    pub name: &'static str,
    pub n_args: u8,
    /// First kernel that has it, `(major, minor)`; for messages only, features are probed.
    pub since: (u8, u8),
}

macro_rules! helpers {
    ($($konst:ident $name:literal = $id:literal, $n_args:literal, $major:literal . $minor:literal;)*) => {
        impl Helper { $(#[doc = concat!("`bpf_", $name, "`")] pub const $konst: Helper = Helper($id);)* }
        /// All rows.
        pub static ALL: &[HelperRow] = &[$(HelperRow { helper: Helper($id), name: $name, n_args: $n_args, since: ($major, $minor) }),*];
    };
}

helpers! {
    MAP_LOOKUP_ELEM "map_lookup_elem" = 1, 2, 3 . 19;
    MAP_UPDATE_ELEM "map_update_elem" = 2, 4, 3 . 19;
    MAP_DELETE_ELEM "map_delete_elem" = 3, 2, 3 . 19;
    PROBE_READ "probe_read" = 4, 3, 4 . 1;
    KTIME_GET_NS "ktime_get_ns" = 5, 0, 4 . 1;
    TRACE_PRINTK "trace_printk" = 6, 5, 4 . 1;
    GET_PRANDOM_U32 "get_prandom_u32" = 7, 0, 4 . 1;
    GET_SMP_PROCESSOR_ID "get_smp_processor_id" = 8, 0, 4 . 1;
    GET_CURRENT_PID_TGID "get_current_pid_tgid" = 14, 0, 4 . 2;
    GET_CURRENT_UID_GID "get_current_uid_gid" = 15, 0, 4 . 2;
    GET_CURRENT_COMM "get_current_comm" = 16, 2, 4 . 2;
    PERF_EVENT_OUTPUT "perf_event_output" = 25, 5, 4 . 4;
    GET_STACKID "get_stackid" = 27, 3, 4 . 6;
    GET_CURRENT_TASK "get_current_task" = 35, 0, 4 . 8;
    PROBE_WRITE_USER "probe_write_user" = 36, 3, 4 . 8;
    GET_NUMA_NODE_ID "get_numa_node_id" = 42, 0, 4 . 10;
    PROBE_READ_STR "probe_read_str" = 45, 3, 4 . 11;
    GET_SOCKET_COOKIE "get_socket_cookie" = 46, 1, 4 . 12;
    PERF_PROG_READ_VALUE "perf_prog_read_value" = 56, 3, 4 . 15;
    OVERRIDE_RETURN "override_return" = 58, 2, 4 . 16;
    GET_STACK "get_stack" = 67, 4, 4 . 18;
    GET_CURRENT_CGROUP_ID "get_current_cgroup_id" = 80, 0, 4 . 18;
    SEND_SIGNAL "send_signal" = 109, 1, 5 . 3;
    SKB_OUTPUT "skb_output" = 111, 5, 5 . 5;
    PROBE_READ_USER "probe_read_user" = 112, 3, 5 . 5;
    PROBE_READ_KERNEL "probe_read_kernel" = 113, 3, 5 . 5;
    PROBE_READ_USER_STR "probe_read_user_str" = 114, 3, 5 . 5;
    PROBE_READ_KERNEL_STR "probe_read_kernel_str" = 115, 3, 5 . 5;
    SEND_SIGNAL_THREAD "send_signal_thread" = 117, 1, 5 . 6;
    JIFFIES64 "jiffies64" = 118, 0, 5 . 6;
    GET_NS_CURRENT_PID_TGID "get_ns_current_pid_tgid" = 120, 4, 5 . 7;
    KTIME_GET_BOOT_NS "ktime_get_boot_ns" = 125, 0, 5 . 8;
    SEQ_WRITE "seq_write" = 127, 3, 5 . 7;
    RINGBUF_OUTPUT "ringbuf_output" = 130, 4, 5 . 8;
    RINGBUF_RESERVE "ringbuf_reserve" = 131, 3, 5 . 8;
    RINGBUF_SUBMIT "ringbuf_submit" = 132, 2, 5 . 8;
    RINGBUF_DISCARD "ringbuf_discard" = 133, 2, 5 . 8;
    RINGBUF_QUERY "ringbuf_query" = 134, 2, 5 . 8;
    D_PATH "d_path" = 147, 3, 5 . 10;
    PER_CPU_PTR "per_cpu_ptr" = 153, 2, 5 . 10;
    THIS_CPU_PTR "this_cpu_ptr" = 154, 1, 5 . 10;
    TASK_STORAGE_GET "task_storage_get" = 156, 4, 5 . 11;
    TASK_STORAGE_DELETE "task_storage_delete" = 157, 2, 5 . 11;
    GET_CURRENT_TASK_BTF "get_current_task_btf" = 158, 0, 5 . 11;
    FOR_EACH_MAP_ELEM "for_each_map_elem" = 164, 4, 5 . 13;
    GET_FUNC_IP "get_func_ip" = 173, 1, 5 . 15;
    GET_ATTACH_COOKIE "get_attach_cookie" = 174, 1, 5 . 15;
    TASK_PT_REGS "task_pt_regs" = 175, 1, 5 . 15;
    LOOP "loop" = 181, 4, 5 . 17;
    STRNCMP "strncmp" = 182, 3, 5 . 17;
    MAP_LOOKUP_PERCPU_ELEM "map_lookup_percpu_elem" = 195, 3, 5 . 19;
    KTIME_GET_TAI_NS "ktime_get_tai_ns" = 208, 0, 6 . 1;
}

impl Helper {
    /// The helper's row; `None` for a number that awl does not use.
    pub fn row(self) -> Option<&'static HelperRow> {
        ALL.iter().find(|r| r.helper == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_unique() {
        assert!(ALL.windows(2).all(|w| w[0].helper < w[1].helper));
        assert_eq!(Helper::RINGBUF_OUTPUT.row().map(|r| r.n_args), Some(4));
    }
}
