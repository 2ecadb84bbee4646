//! Commands that do counted system calls, through the C library's thin wrappers alone.

use std::ffi::{CString, c_int, c_long, c_uint, c_ulong};
use std::ptr::null_mut;

use crate::{Facts, Work, c, c_text, number};

const PAGE_BYTES: usize = 4096;

/// Names this thread.
pub fn set_comm(name: &str) {
    let mut text = [0u8; 16];
    let n = name.len().min(15);
    text[..n].copy_from_slice(&name.as_bytes()[..n]);
    // SAFETY: `text` ends with a zero and outlives the call.
    unsafe { c::prctl(c::PR_SET_NAME, text.as_ptr() as c_ulong, 0, 0, 0) };
}

pub fn openat_once(path: &CString, flags: c_int) -> Result<c_int, String> {
    // SAFETY: `path` is a C string; the mode is read only where a file is created.
    let fd = unsafe { c::openat(c::AT_FDCWD, path.as_ptr(), flags, 0o600 as c_uint) };
    if fd < 0 { Err(format!("{path:?} cannot be opened")) } else { Ok(fd) }
}

pub fn openat(args: &[String]) -> Result<Work, String> {
    let (path, n) = (c_text(args, 0)?, number(args, 1)?);
    Ok(Box::new(move || {
        for _ in 0..n {
            let fd = openat_once(&path, c::O_RDONLY)?;
            // SAFETY: the descriptor was opened above and is used nowhere else.
            unsafe { c::close(fd) };
        }
        Ok(Facts::new())
    }))
}

pub fn read(args: &[String]) -> Result<Work, String> {
    let sizes = (0..args.len()).map(|at| number(args, at)).collect::<Result<Vec<_>, _>>()?;
    let zero = openat_once(&c"/dev/zero".to_owned(), c::O_RDONLY)?;
    let mut buffer = vec![0u8; sizes.iter().copied().max().unwrap_or(0) as usize];
    Ok(Box::new(move || {
        for size in sizes {
            // SAFETY: the buffer is as large as the largest size.
            let n = unsafe { c::read(zero, buffer.as_mut_ptr().cast(), size as usize) };
            expect(n, size)?;
        }
        Ok(Facts::new())
    }))
}

pub fn readfile(args: &[String]) -> Result<Work, String> {
    let (path, size, n) = (c_text(args, 0)?, number(args, 1)?, number(args, 2)?);
    let fd = openat_once(&path, c::O_RDONLY)?;
    let mut buffer = vec![0u8; size as usize];
    Ok(Box::new(move || {
        for _ in 0..n {
            // SAFETY: the buffer has `size` bytes.
            let got = unsafe { c::pread(fd, buffer.as_mut_ptr().cast(), size as usize, 0) };
            if got < 0 {
                return Err("the file cannot be read".to_owned());
            }
        }
        Ok(Facts::new())
    }))
}

pub fn write(args: &[String]) -> Result<Work, String> {
    let (path, size, n) = (c_text(args, 0)?, number(args, 1)?, number(args, 2)?);
    let fd = openat_once(&path, c::O_WRONLY_CREAT_TRUNC)?;
    let buffer = vec![b'x'; size as usize];
    Ok(Box::new(move || {
        for _ in 0..n {
            // SAFETY: the buffer has `size` bytes.
            let put = unsafe { c::write(fd, buffer.as_ptr().cast(), size as usize) };
            expect(put, size)?;
        }
        Ok(Facts::new())
    }))
}

fn expect(n: isize, size: u64) -> Result<(), String> {
    if n == size as isize { Ok(()) } else { Err(format!("{n} bytes moved instead of {size}")) }
}

pub fn getppid(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        getppid_times(n);
        Ok(Facts::new())
    }))
}

fn getppid_times(n: u64) {
    for _ in 0..n {
        // SAFETY: the call has no preconditions.
        unsafe { c::getppid() };
    }
}

pub fn sched_yield(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        for _ in 0..n {
            // SAFETY: the call has no preconditions.
            unsafe { c::sched_yield() };
        }
        Ok(Facts::new())
    }))
}

pub fn sleep(args: &[String]) -> Result<Work, String> {
    let (ms, n) = (number(args, 0)?, number(args, 1)?);
    Ok(Box::new(move || {
        let start = std::time::Instant::now();
        for _ in 0..n {
            sleep_ms(ms);
        }
        Ok(vec![("elapsed_us", start.elapsed().as_micros().to_string())])
    }))
}

pub fn sleep_ms(ms: u64) {
    let time = [(ms / 1000) as c_long, (ms % 1000 * 1_000_000) as c_long];
    // SAFETY: `time` outlives the call, and no remaining time is asked for.
    unsafe { c::nanosleep(&time, null_mut()) };
}

pub fn fork(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    Ok(Box::new(move || {
        let mut last = 0;
        for _ in 0..n {
            // SAFETY: this process has one thread, and the child ends at once.
            last = in_child(|| unsafe { c::_exit(0) })?;
            wait_for(last);
        }
        Ok(vec![("child", last.to_string())])
    }))
}

pub fn exec(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let me = CString::new(me.to_string_lossy().as_bytes()).map_err(|e| e.to_string())?;
    // On the heap: literals may lie in pages that nothing has touched yet, which no probe can read.
    let (exit, status) = (c"exit".to_owned(), c"0".to_owned());
    Ok(Box::new(move || {
        let argv = [me.as_ptr(), exit.as_ptr(), status.as_ptr(), std::ptr::null()];
        for _ in 0..n {
            let child = in_child(|| {
                // SAFETY: the texts of `argv` live until the program is replaced; if that fails, it ends.
                unsafe {
                    c::execv(argv[0], argv.as_ptr());
                    c::_exit(1)
                }
            })?;
            wait_for(child);
        }
        Ok(Facts::new())
    }))
}

/// Forks; the child runs `body`, which ends it. Returns the child's pid.
fn in_child(body: impl FnOnce()) -> Result<c_int, String> {
    // SAFETY: workloads that fork have one thread.
    match unsafe { c::fork() } {
        0 => {
            body();
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { c::_exit(0) }
        }
        pid if pid > 0 => Ok(pid),
        _ => Err("fork failed".to_owned()),
    }
}

fn wait_for(child: c_int) {
    // SAFETY: no status is asked for.
    unsafe { c::waitpid(child, null_mut(), 0) };
}

pub fn threads(args: &[String]) -> Result<Work, String> {
    let (n_threads, n) = (number(args, 0)?, number(args, 1)?);
    Ok(Box::new(move || {
        let threads: Vec<_> = (0..n_threads).map(|_| std::thread::spawn(move || getppid_times(n))).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread failed".to_owned())?;
        }
        Ok(Facts::new())
    }))
}

pub fn pingpong(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)?;
    let (there, back) = (make_pipe()?, make_pipe()?);
    Ok(Box::new(move || {
        let child = in_child(|| {
            set_comm("awlpong");
            for _ in 0..n {
                hand_over(there[0], back[1]);
            }
        })?;
        for _ in 0..n {
            hand_on(there[1]);
            take(back[0]);
        }
        wait_for(child);
        Ok(vec![("child", child.to_string())])
    }))
}

fn make_pipe() -> Result<[c_int; 2], String> {
    let mut fds = [0; 2];
    // SAFETY: the array takes the two descriptors.
    if unsafe { c::pipe(&mut fds) } == 0 { Ok(fds) } else { Err("no pipe".to_owned()) }
}

fn hand_over(from: c_int, to: c_int) {
    take(from);
    hand_on(to);
}

fn take(from: c_int) {
    let mut byte = 0u8;
    // SAFETY: one byte is read into one byte.
    unsafe { c::read(from, (&raw mut byte).cast(), 1) };
}

fn hand_on(to: c_int) {
    // SAFETY: one byte is written from one byte.
    unsafe { c::write(to, c"x".as_ptr().cast(), 1) };
}

pub fn fault(args: &[String]) -> Result<Work, String> {
    let n = number(args, 0)? as usize;
    // SAFETY: a fresh private mapping of the kernel's choice.
    let at =
        unsafe { c::mmap(null_mut(), n * PAGE_BYTES, c::PROT_READ_WRITE, c::MAP_PRIVATE_ANONYMOUS, -1, 0) };
    if at as isize == -1 {
        return Err("no memory".to_owned());
    }
    // SAFETY: the range is the mapping. One page a fault, where huge pages exist.
    unsafe { c::madvise(at, n * PAGE_BYTES, c::MADV_NOHUGEPAGE) };
    let start = at as usize;
    Ok(Box::new(move || {
        for page in 0..n {
            // SAFETY: the page lies in the mapping, which is never taken down.
            unsafe { ((start + page * PAGE_BYTES) as *mut u8).write_volatile(1) };
        }
        Ok(vec![("first_page", start.to_string())])
    }))
}

/// A page at an address that the case knows, of which the first word is written.
pub fn poke(args: &[String]) -> Result<Work, String> {
    let (at, n, ms) = (number(args, 0)? as usize, number(args, 1)?, number(args, 2)?);
    // SAFETY: a fresh private mapping; the address is a wish, whose fulfilment is looked at.
    let got =
        unsafe { c::mmap(at as *mut _, PAGE_BYTES, c::PROT_READ_WRITE, c::MAP_PRIVATE_ANONYMOUS, -1, 0) };
    if got as usize != at {
        return Err(format!("no page at {at:#x}"));
    }
    let word = got as usize;
    Ok(Box::new(move || {
        for i in 0..n {
            // SAFETY: the word lies in the mapping, which is never taken down.
            unsafe { (word as *mut u64).write_volatile(i) };
            sleep_ms(ms);
        }
        Ok(Vec::new())
    }))
}

pub fn exit(args: &[String]) -> Result<Work, String> {
    let status = number(args, 0)? as i32;
    Ok(Box::new(move || std::process::exit(status)))
}
