//! `--test` and `--bench`: runs what the script has of them, and reports.
//!
//! Comes in: a session whose clause is attached. Goes out: the report, and an exit status: 1 if any failed.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use super::options::{Format, Options, Problem};
use super::out::Out;
use super::say::Say;
use super::system_text;
use crate::base::codes;
use crate::image::{Attach, Image};
use crate::output::{BenchEnd, BenchResult, TestEnd};
use crate::runtime::{BenchRun, OnDemand, Outcome, Session, Stop};

/// Exit status where a test or benchmark failed.
const FAILED: u8 = 1;

/// What is to run of a script; `None` where it is an ordinary run.
pub fn wanted(options: &Options, image: &Image) -> Result<Option<Vec<Attach>>, Problem> {
    let points = || image.programs.iter().flat_map(|p| &p.attach);
    let name = match options.on_demand {
        OnDemand::Neither if points().all(Attach::is_on_demand) => {
            let p = Problem::new("no probes to attach: the script has tests and benchmarks only");
            return Err(p.hint("run them with --test or --bench"));
        }
        OnDemand::Neither => return Ok(None),
        OnDemand::Tests => "test",
        OnDemand::Benches => "bench",
    };
    let of_kind = |a: &&Attach| match (a, options.on_demand) {
        (Attach::Test(_), kind) => kind == OnDemand::Tests,
        (Attach::Bench(_), kind) => kind == OnDemand::Benches,
        _ => false,
    };
    let all: Vec<Attach> = points().filter(of_kind).cloned().collect();
    if all.is_empty() {
        return Err(Problem::new(format!("the script has no {name} probes"))
            .hint(format!("write one: {name}:NAME {{ … }}")));
    }
    let Some(text) = &options.probe_filter else { return Ok(Some(all)) };
    let filter = regex_lite::Regex::new(text)
        .map_err(|e| Problem::new(format!("--probe-filter: {text} is no regular expression: {e}")))?;
    let found: Vec<Attach> = all.iter().filter(|a| filter.is_match(name_of(a))).cloned().collect();
    if found.is_empty() {
        let names: Vec<&str> = all.iter().map(name_of).collect();
        let p = Problem::new(format!("no {name} probe matches {text}"));
        return Err(p.hint(format!("there are {}", names.join(", "))));
    }
    Ok(Some(found))
}

/// Runs them, then what the script has for its end; the exit status.
pub fn run(
    session: &mut Session,
    out: &mut Out,
    (options, say): (&Options, Say),
    image: &Rc<Image>,
    wanted: &[Attach],
) -> u8 {
    // What `begin` has printed comes before the report.
    let begun = is_interrupted(session, out);
    let ran = begun.and_then(|_| match options.on_demand {
        OnDemand::Tests => tests(session, out, (options, say), image, wanted),
        OnDemand::Benches => benches(session, out, wanted),
        OnDemand::Neither => Ok(0),
    });
    let ended = session.finish(&mut |e| out.event(e));
    match ran.and_then(|status| ended.map(|()| status)) {
        Ok(status) => status,
        Err(e) => {
            say.error(&codes::SYSTEM, format!("the programs cannot be run: {}", system_text(&e)), None);
            FAILED
        }
    }
}

fn tests(
    session: &mut Session,
    out: &mut Out,
    (options, say): (&Options, Say),
    image: &Rc<Image>,
    wanted: &[Attach],
) -> io::Result<u8> {
    // In JSON, what a test prints is a part of its result.
    let kept = Kept::default();
    let mut apart = (options.format == Format::Json).then(|| {
        let options = Options { format: Format::Text, ..options.clone() };
        Out::new(&options, Box::new(kept.clone()), say, image.clone())
    });
    let mut ends = Vec::new();
    out.print(|p, to| p.tests(to, wanted.len()));
    for point in wanted {
        out.print(|p, to| p.test_starts(to, name_of(point)));
        let run = match &mut apart {
            Some(apart) => {
                let run = session.run_test(point, &mut |e| apart.event(e))?;
                apart.idle();
                run
            }
            None => session.run_test(point, &mut |e| out.event(e))?,
        };
        let output = kept.0.take();
        let passed = run.outcome == Outcome::Passed;
        if let Some(why) = reason(run.outcome) {
            out.flush();
            super::say::line(&format!("{}: {why}\n", name_of(point)));
        }
        let end = TestEnd { name: name_of(point).to_owned(), passed, took: run.took, output };
        out.print(|p, to| p.test_ended(to, &end));
        out.flush();
        ends.push(end);
        if is_interrupted(session, out)? {
            break;
        }
    }
    out.print(|p, to| p.tests_ended(to, &ends));
    let all_passed = ends.len() == wanted.len() && ends.iter().all(|e| e.passed);
    Ok(if all_passed { 0 } else { FAILED })
}

/// What a failure of a test was, where the test itself has not said it.
fn reason(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Passed | Outcome::Errorf => None,
        Outcome::Returned(n) => Some(format!("returned {}", n as i32)),
        Outcome::Exited(code) => Some(format!("exited with {code}")),
    }
}

fn benches(session: &mut Session, out: &mut Out, wanted: &[Attach]) -> io::Result<u8> {
    let mut ends = Vec::new();
    let mut failed = false;
    for point in wanted {
        let result = match session.run_bench(point, &mut |e| out.event(e))? {
            BenchRun::Measured { average_ns, n_runs } => BenchResult::Measured { average_ns, n_runs },
            BenchRun::Skipped => BenchResult::Skipped,
            BenchRun::Failed(outcome) => {
                if let Some(why) = reason(outcome) {
                    out.flush();
                    super::say::line(&format!("{}: {why}\n", name_of(point)));
                }
                failed = true;
                BenchResult::Failed
            }
        };
        ends.push(BenchEnd { name: name_of(point).to_owned(), result });
        if is_interrupted(session, out)? {
            failed = true;
            break;
        }
    }
    out.print(|p, to| p.benchmarks(to, &ends));
    Ok(if failed { FAILED } else { 0 })
}

/// Whether a signal came: it ends what is going on after the run at hand.
fn is_interrupted(session: &mut Session, out: &mut Out) -> io::Result<bool> {
    let stop = session.poll(Duration::ZERO, &mut |e| out.event(e))?;
    Ok(matches!(stop, Some(Stop::Signal(_))))
}

fn name_of(point: &Attach) -> &str {
    match point {
        Attach::Test(name) | Attach::Bench(name) => name,
        _ => crate::bug!("{} is run by the kernel", point.name()),
    }
}

/// Bytes that several hold.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
