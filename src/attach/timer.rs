//! `profile:` (every CPU) and `interval:` (one CPU), by the CPU clock.

use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Cx, Link, event, fast};
use crate::image::attach::Rate;
use crate::sys::perf::{self, CounterType, SW_CPU_CLOCK, Scope, Source};

pub fn profile(program: BorrowedFd, rate: Rate, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    event::everywhere(program, &source(rate), cx)
}

pub fn interval(program: BorrowedFd, rate: Rate) -> Result<Vec<Link>, AttachError> {
    let cpus = perf::online_cpus().map_err(|e| AttachError::of(&e, None))?;
    let cpu = cpus.first().copied().unwrap_or(0);
    let event =
        perf::open(&source(rate), Scope::Cpu(cpu)).map_err(|e| AttachError::of(&e, event::reason(&e)))?;
    perf::start(event.as_fd(), program).map_err(|e| AttachError::of(&e, None))?;
    Ok(vec![fast(event)])
}

fn source(rate: Rate) -> Source<'static> {
    match rate {
        Rate::Hz(hz) => Source::Frequency { hz },
        Rate::PeriodNs(period) => Source::Counter { ty: CounterType::Software, config: SW_CPU_CLOCK, period },
    }
}
