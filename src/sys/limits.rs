//! Resource limits, raised as far as the system lets us.

/// Old kernels account BPF memory by this limit; newer ones by cgroup, so a refusal is no error.
pub fn raise_memlock() {
    raise(libc::RLIMIT_MEMLOCK, libc::RLIM_INFINITY);
}

/// Makes room for `n` more descriptors than are usual; says whether it could.
pub fn raise_files(n: u64) -> bool {
    raise(libc::RLIMIT_NOFILE, n)
}

/// Whether the soft limit of `resource` is `want` or more now.
fn raise(resource: libc::__rlimit_resource_t, want: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives the calls.
    unsafe {
        if libc::getrlimit(resource, &mut limit) != 0 {
            return false;
        }
        if limit.rlim_cur >= want {
            return true;
        }
        let raised = libc::rlimit { rlim_cur: want, rlim_max: limit.rlim_max.max(want) };
        if libc::setrlimit(resource, &raised) == 0 {
            return true;
        }
        let best = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        libc::setrlimit(resource, &best) == 0 && limit.rlim_max >= want
    }
}
