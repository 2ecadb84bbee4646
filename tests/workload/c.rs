//! The calls of the C library that the workload uses, declared by hand: it is built without crates.

use std::ffi::{c_char, c_int, c_long, c_void};

pub const AT_FDCWD: c_int = -100;
pub const O_RDONLY: c_int = 0;
pub const O_WRONLY_CREAT_TRUNC: c_int = 0o1101;
pub const PR_SET_NAME: c_int = 15;
pub const PROT_READ_WRITE: c_int = 3;
pub const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
pub const MADV_NOHUGEPAGE: c_int = 15;
pub const AF_INET: c_int = 2;
pub const SIGUSR2: c_int = 12;
pub const SOCK_STREAM_NONBLOCK: c_int = 0o4001;

/// `struct sockaddr_in`, port and address in network order.
#[repr(C)]
pub struct SockAddrIn {
    pub family: u16,
    pub port: [u8; 2],
    pub address: [u8; 4],
    pub zero: [u8; 8],
}

unsafe extern "C" {
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn openat(dir: c_int, path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn read(fd: c_int, to: *mut c_void, n_bytes: usize) -> isize;
    pub fn write(fd: c_int, from: *const c_void, n_bytes: usize) -> isize;
    pub fn pread(fd: c_int, to: *mut c_void, n_bytes: usize, offset: i64) -> isize;
    pub fn getppid() -> c_int;
    pub fn sched_yield() -> c_int;
    pub fn nanosleep(time: *const [c_long; 2], rest: *mut [c_long; 2]) -> c_int;
    pub fn fork() -> c_int;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn execv(path: *const c_char, argv: *const *const c_char) -> c_int;
    pub fn _exit(status: c_int) -> !;
    pub fn pipe(fds: *mut [c_int; 2]) -> c_int;
    pub fn mmap(
        at: *mut c_void,
        n_bytes: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
    pub fn madvise(at: *mut c_void, n_bytes: usize, advice: c_int) -> c_int;
    pub fn malloc(n_bytes: usize) -> *mut c_void;
    pub fn free(at: *mut c_void);
    pub fn signal(number: c_int, handler: *const c_void) -> *const c_void;
    pub fn raise(number: c_int) -> c_int;
    pub fn listen(fd: c_int, backlog: c_int) -> c_int;
    pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub fn connect(fd: c_int, address: *const SockAddrIn, n_bytes: u32) -> c_int;
}
