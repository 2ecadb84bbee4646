//! A run: compile, load, attach, print what comes, take everything back.
//!
//! Comes in: options. Goes out: an exit status. Always holds: whatever way a run ends, nothing stays attached.

use super::notify;
use super::options::{Options, Problem};
use super::out::{self, Out};
use super::privilege;
use super::say::Say;
use super::source::{self, Unit};
use super::{FAILED_LOAD, help, print, system_text, testing};
use crate::Compiled;
use crate::attach::AttachError;
use crate::base::codes;
use crate::base::{Diag, Diags, SourceMap, Span};
use crate::image::{Attach, Image};
use crate::lang::traits::{HELP_PARAMETER, ScriptOption};
use crate::runtime::{self, Added, Life, LoadError, Refusal, Session, Stop, Target, split_command};
use crate::sys::signal;
use crate::world::World;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Runs a script.
pub fn run(options: &Options, say: Say) -> u8 {
    match try_run(options, say) {
        Ok(status) | Err(status) => status,
    }
}

/// Says what is wrong with a command line; the exit status.
fn usage(say: &Say, p: Problem) -> u8 {
    say.problem(p);
    1
}

/// `Err` is the status after something was said.
fn try_run(options: &Options, say: Say) -> Result<u8, u8> {
    let mut unit = source::read(options, &say)?;
    let target = target(options).map_err(|p| usage(&say, p))?;
    // What a script's parameters are anybody may ask.
    let asks_help = options.named.iter().any(|(name, _)| name == HELP_PARAMETER);
    if !asks_help {
        rights(&say)?;
    }
    let world = source::world(options, &say)?;
    let show = |say: &Say, sources: &SourceMap, diags: Diags| {
        // Who asks for help need not hear what is odd.
        if !asks_help || diags.has_errors() {
            say.diags(sources, diags);
        }
    };
    let (image, parameters) = compiled(&unit, world.as_ref(), &say, show)?;
    if asks_help {
        if !parameters.iter().any(|p| p.name == HELP_PARAMETER) {
            return Ok(print(&help::script(&unit.sources.files[unit.main()].name, &parameters), say));
        }
        rights(&say)?;
    }
    let to = out::destination(options).map_err(|e| {
        let path = options.output.as_deref().unwrap_or("stdout");
        say.error(&codes::NO_FILE, format!("{path} cannot be written: {}", system_text(&e)), None);
        1
    })?;
    let wanted = testing::wanted(options, &image).map_err(|p| usage(&say, p))?;
    let config = runtime::Config {
        target,
        dwarf_pids: options.dwarf_pids.clone(),
        on_demand: options.on_demand,
        life: Life::Script,
    };
    let mut session = Session::new(&config).map_err(|e| refuse(&say, options, &e, None))?;
    let (image, added) = match session.add(image.clone(), world.as_ref()) {
        Ok(added) => (image, added),
        // A kernel that does not trust a pointer as we thought it would gets the program without direct reads.
        Err(LoadError::Program(_)) if !unit.config.indirect_reads => {
            unit.config.indirect_reads = true;
            let (image, _) = compiled(&unit, world.as_ref(), &say, |_, _, _| {})?;
            let added = session.add(image.clone(), world.as_ref());
            let added = added.map_err(|e| refuse(&say, options, &e, Some(&image)))?;
            (image, added)
        }
        Err(e) => return Err(refuse(&say, options, &e, Some(&image))),
    };
    missing_probes(&say, &image, &added);
    if options.debug.iter().any(|s| s == source::VERIFIER) {
        show_logs(&session, &added, world.as_ref(), (options, &image, say))?;
    }
    let mut out = Out::new(options, to, say, image.clone());
    out.attached(added.n_attached, options.quiet);
    if options.dry_run {
        return Ok(out.finish().unwrap_or(0));
    }
    session.release().map_err(|e| refuse(&say, options, &e, Some(&image)))?;
    notify::ready();
    if let Some(wanted) = wanted {
        let status = testing::run(&mut session, &mut out, (options, say), &image, &wanted);
        drop(session);
        return Ok(out.finish().unwrap_or(status));
    }
    let stop = watch(&mut session, &mut out, options);
    notify::stopping();
    let status = end(&mut session, &mut out, &image, stop, &say);
    signal::ignore_ends();
    drop(session);
    Ok(out.finish().unwrap_or(status))
}

/// `-d verifier`
fn show_logs(
    session: &Session,
    added: &Added,
    world: &dyn World,
    (options, image, say): (&Options, &Image, Say),
) -> Result<(), u8> {
    let logs = session.verifier_logs(added.id, world);
    for it in logs.map_err(|e| refuse(&say, options, &e, Some(image)))? {
        let title = &image.programs[it.program].title;
        print(&format!("; {title}\n{}\n", it.log.trim_end()), say);
    }
    Ok(())
}

/// Whether awl may trace; else the status after it was said.
fn rights(say: &Say) -> Result<(), u8> {
    match privilege::obstacle() {
        None => Ok(()),
        Some((text, hint)) => {
            say.error(&codes::PRIVILEGE, text, Some(hint));
            Err(1)
        }
    }
}

/// The image and the script's named parameters, or the status after the diagnostics were shown.
fn compiled(
    unit: &Unit,
    world: &dyn World,
    say: &Say,
    show: impl Fn(&Say, &SourceMap, Diags),
) -> Result<(Rc<Image>, Vec<ScriptOption>), u8> {
    let Compiled { image, diags, sources, options } =
        crate::compile(unit.sources.clone(), &unit.files, &unit.config, world);
    show(say, &sources, diags);
    image.map(|image| (Rc::new(image), options)).ok_or(1)
}

/// The process that `-p` or `-c` asks for.
pub fn target(options: &Options) -> Result<Target, Problem> {
    if let Some(pid) = options.pid {
        return Ok(Target::Pid(pid));
    }
    match &options.command {
        Some(text) => {
            split_command(text).map(Target::Command).map_err(|why| Problem::new(format!("-c: {why}")))
        }
        None => Ok(Target::None),
    }
}

/// Says why a script could not be loaded or attached; the exit status.
fn refuse(say: &Say, options: &Options, e: &LoadError, image: Option<&Image>) -> u8 {
    let none = SourceMap::new();
    let sources = image.map_or(&none, |i| &i.sources);
    for diag in explain(e, image) {
        say.diag(sources, diag);
    }
    match e {
        // A process or command that is not there is the caller's mistake.
        LoadError::System(p) if matches!(p.errno, libc::ESRCH | libc::ENOENT) => 1,
        LoadError::Program(r) if options.verbose && !r.log.is_empty() => {
            super::say::line(&format!("{}\n", r.log.trim_end()));
            FAILED_LOAD
        }
        LoadError::System(_) | LoadError::Map { .. } | LoadError::Program(_) | LoadError::Attach(_) => {
            FAILED_LOAD
        }
    }
}

/// Why a script could not be loaded or attached.
pub fn explain(e: &LoadError, image: Option<&Image>) -> Vec<Diag> {
    match e {
        LoadError::System(p) => {
            let hint = p.hint.clone().map(|h| with_suspects(h, p.errno));
            vec![Diag { hint, ..Diag::error(&codes::SYSTEM, Span::none(), e.to_string()) }]
        }
        LoadError::Map { name, problem } => {
            let text = format!("map {name}: {}: {}", problem.what, problem.errno_text());
            let hint = problem.hint.clone().map(|h| with_suspects(h, problem.errno));
            vec![Diag { hint, ..Diag::error(&codes::NO_MAP, Span::none(), text) }]
        }
        LoadError::Program(r) => vec![refusal(r)],
        LoadError::Attach(errors) => {
            let one = |e: &AttachError| {
                let diag = Diag::error(&codes::NO_ATTACH, span_of(image, e), attach_text(e));
                let hint = e.hint.clone().map(|h| with_suspects(h, e.errno));
                Diag { hint, ..diag }
            };
            errors.iter().map(one).collect()
        }
    }
}

fn refusal(r: &Refusal) -> Diag {
    let diag = Diag::error(&codes::REFUSED, r.span, format!("the kernel refuses {}: {}", r.title, r.reason));
    let hint = r.hint.clone().map(|h| with_suspects(h, r.errno));
    Diag { hint: hint.or_else(|| Some("-v shows the verifier's log".into())), ..diag }
}

/// A permission error may have causes besides capabilities.
fn with_suspects(hint: String, errno: i32) -> String {
    let suspects = privilege::suspects();
    if !matches!(errno, libc::EPERM | libc::EACCES) || suspects.is_empty() {
        return hint;
    }
    format!("{hint} ({})", suspects.join(", "))
}

fn attach_text(e: &AttachError) -> String {
    format!("cannot attach {}: {}", e.points.join(", "), e.reason)
}

/// The probe that an attach point is of.
fn span_of(image: Option<&Image>, e: &AttachError) -> Span {
    let is_its = |a: &Attach| e.points.contains(&a.name());
    let programs = image.map(|i| i.programs.iter()).into_iter().flatten();
    let found = programs.into_iter().find(|p| p.attach.iter().any(is_its));
    found.map_or(Span::none(), |p| p.span)
}

fn missing_probes(say: &Say, image: &Image, added: &Added) {
    for diag in missing(image, added) {
        say.diag(&image.sources, diag);
    }
    for e in &added.left_out {
        say.diag(&image.sources, Diag::remark(&codes::PROBE_ABSENT, span_of(Some(image), e), attach_text(e)));
    }
}

/// Warnings of attach points that are not attached.
pub fn missing(image: &Image, added: &Added) -> Vec<Diag> {
    let one = |e: &AttachError| {
        let diag = Diag::warning(&codes::NOT_ATTACHED, span_of(Some(image), e), attach_text(e));
        Diag { hint: e.hint.clone(), ..diag }
    };
    added.missing.iter().map(one).collect()
}

/// The longest wait between two looks at whether the output still has a reader.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// Prints events until something says stop; `None`: there is nothing to wait for, or no one to print for.
fn watch(session: &mut Session, out: &mut Out, options: &Options) -> Option<Stop> {
    let every = options.interval_ms.map(Duration::from_millis);
    let mut next = every.map(|e| Instant::now() + e);
    loop {
        let until = next.map(|n| n.saturating_duration_since(Instant::now()));
        let timeout =
            if session.is_idle() { Duration::ZERO } else { until.unwrap_or(LOOK_EACH).min(LOOK_EACH) };
        let stop = match session.poll(timeout, &mut |e| out.event(e)) {
            Ok(stop) => stop,
            Err(_) => return None,
        };
        out.idle();
        if stop.is_some() || session.is_idle() || out.broken() {
            return stop;
        }
        if let (Some(at), Some(every)) = (next, every)
            && at <= Instant::now()
        {
            // What cannot be read now can perhaps be read at the end; that is said then.
            let _ = session.print_maps(&mut |e| out.event(e));
            out.idle();
            next = Some((at + every).max(Instant::now()));
        }
    }
}

/// Detaches, runs `end`, prints the maps; the exit status.
fn end(session: &mut Session, out: &mut Out, image: &Image, stop: Option<Stop>, say: &Say) -> u8 {
    let mut result = session.finish(&mut |e| out.event(e));
    if image.config.print_maps_on_exit {
        out.end_of_run();
        let printed = session.print_maps(&mut |e| out.event(e));
        result = result.and(printed);
    }
    out.flush();
    if let Err(e) = result {
        say.error(&codes::SYSTEM, format!("the run could not be ended properly: {}", system_text(&e)), None);
        return 1;
    }
    match stop {
        Some(Stop::Exit(code)) => code as u8,
        Some(Stop::Signal(_) | Stop::TargetEnded(_)) | None => 0,
    }
}
