//! Clocks and calendar.
//!
//! Comes in: nothing, or a time. Goes out: nanoseconds of the kernel's clocks, and text by `strftime`.

use std::ffi::CString;

/// Nanoseconds since boot, suspended time included: the clock of `nsecs` and `elapsed`.
pub fn boot_ns() -> u64 {
    now(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds of international atomic time since 1970.
pub fn tai_ns() -> u64 {
    now(libc::CLOCK_TAI)
}

/// Nanoseconds since 1970.
pub fn wall_ns() -> u64 {
    now(libc::CLOCK_REALTIME)
}

fn now(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` outlives the call.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Local time by a format of `strftime`, with `%f` (microseconds), `%k` (nanoseconds) and `%l` (milliseconds)
/// beside libc's.
pub fn format_local(format: &str, wall_ns: u64) -> String {
    let sub_ns = wall_ns % 1_000_000_000;
    let format = with_fractions(format, sub_ns);
    let secs = (wall_ns / 1_000_000_000) as libc::time_t;
    let Ok(c_format) = CString::new(format.as_str()) else { return String::new() };
    // SAFETY: a zeroed `tm` is valid; `localtime_r` fills it from `secs`.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&secs, &mut tm);
        tm
    };
    let mut out = vec![0u8; 64 + format.len() * 8];
    // SAFETY: `out` has the room that is said; the format is a C string.
    let n = unsafe { libc::strftime(out.as_mut_ptr().cast(), out.len(), c_format.as_ptr(), &tm) };
    out.truncate(n);
    String::from_utf8_lossy(&out).into_owned()
}

/// The format with our own conversions put in.
fn with_fractions(format: &str, sub_ns: u64) -> String {
    let mut out = String::with_capacity(format.len());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('f') => out.push_str(&format!("{:06}", sub_ns / 1_000)),
            Some('k') => out.push_str(&format!("{sub_ns:09}")),
            Some('l') => out.push_str(&format!("{:03}", sub_ns / 1_000_000)),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            // A lone `%` at the end is text.
            None => out.push_str("%%"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_second() {
        let t = 1_700_000_000_123_456_789;
        assert_eq!(format_local("%f %l %k %% 5%", t), "123456 123 123456789 % 5%");
        assert_eq!(format_local("%s", t), "1700000000");
        assert_eq!(format_local("", t), "");
    }
}
