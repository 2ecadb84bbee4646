//! Runs of `test:` and `bench:` programs, one at a time.
//!
//! Always holds: what a run emits is handed on before the run's result; an `exit()` in it ends that run only.

use std::io;
use std::time::{Duration, Instant};

use super::Session;
use super::event::{Body, Event};
use super::session::Stop;
use crate::image::Attach;
use crate::image::wire::globals;
use crate::sys::bpf;

/// How a run went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TestRun {
    pub outcome: Outcome,
    pub took: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    /// It returned something else than 0.
    Returned(u32),
    /// It called `exit()` with something else than 0.
    Exited(u32),
    /// It said an error.
    Errorf,
}

/// What was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BenchRun {
    Measured {
        average_ns: u32,
        n_runs: u32,
    },
    /// It returned 1.
    Skipped,
    Failed(Outcome),
}

/// A benchmark has been measured when it took so long altogether.
const MEASURED_NS: u64 = 1_000_000;
/// Runs in one call of the kernel at most.
const RUNS_MAX: u32 = 1 << 30;
/// What a benchmark returns that cannot run here.
const SKIP: u32 = 1;

impl Session {
    /// Runs a test of a clause that was added.
    pub fn run_test(&mut self, point: &Attach, take: &mut dyn FnMut(Event)) -> io::Result<TestRun> {
        let start = Instant::now();
        let returned = bpf::test_run(self.program_of(point)?)?;
        let took = start.elapsed();
        let mut outcome = self.settle(take);
        if outcome == Outcome::Passed && returned != 0 {
            outcome = Outcome::Returned(returned);
        }
        Ok(TestRun { outcome, took })
    }

    /// Runs a benchmark of a clause that was added: once, whose output is handed on, then twice as often each
    /// time until that takes long enough to be measured.
    pub fn run_bench(&mut self, point: &Attach, take: &mut dyn FnMut(Event)) -> io::Result<BenchRun> {
        let (returned, _) = bpf::repeat_run(self.program_of(point)?, 1)?;
        match (self.settle(take), returned) {
            (Outcome::Passed, 0) => {}
            (Outcome::Passed, SKIP) => return Ok(BenchRun::Skipped),
            (Outcome::Passed, other) => return Ok(BenchRun::Failed(Outcome::Returned(other))),
            (failed, _) => return Ok(BenchRun::Failed(failed)),
        }
        let mut n_runs = 1;
        loop {
            let (_, average_ns) = bpf::repeat_run(self.program_of(point)?, n_runs)?;
            self.settle(&mut |_| {});
            if u64::from(average_ns) * u64::from(n_runs) >= MEASURED_NS || n_runs >= RUNS_MAX {
                return Ok(BenchRun::Measured { average_ns, n_runs });
            }
            n_runs *= 2;
        }
    }

    fn program_of(&self, point: &Attach) -> io::Result<std::os::fd::BorrowedFd<'_>> {
        let found = self.clauses.values().find_map(|c| c.program_of(point));
        found.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// Hands on what a run has emitted, and makes ready for the next.
    fn settle(&mut self, take: &mut dyn FnMut(Event)) -> Outcome {
        let mut said_error = false;
        self.drain(&mut |e| {
            said_error |= matches!(e.body, Body::Errorf { .. });
            take(e);
        });
        self.tell_losses(take);
        let exit = match self.stop.get() {
            Some(Stop::Exit(code)) => {
                self.stop.set(None);
                self.shared.set(globals::EXITING, 0);
                self.shared.set(globals::EXIT_CODE, 0);
                code
            }
            Some(Stop::Signal(_) | Stop::TargetEnded(_)) | None => 0,
        };
        match (said_error, exit) {
            (true, _) => Outcome::Errorf,
            (false, 0) => Outcome::Passed,
            (false, code) => Outcome::Exited(code),
        }
    }
}
