//! The output of a run: events on their way to the printer, messages on theirs to stderr.
//!
//! Always holds: what was printed before a message has left before it, so that both are in order on a terminal; in JSON
//! a message is a record like all others, and said there alone.

use super::options::{Format, Options};
use super::say::{self, Say};
use crate::base::codes::{self, Code};
use crate::base::{Diag, Severity, SourceMap, Span};
use crate::image::Image;
use crate::image::unwind::Cut;
use crate::output::json::Json;
use crate::output::sink::Broken;
use crate::output::text::Text;
use crate::output::{Buffering, Keyed, MapText, Message, MessageKind, Printer, Sink, TextCall};
use crate::runtime::{Body, Event, Loss, LossCause, MapView, TextKind};
use crate::value::format;
use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;

/// See the module.
pub struct Out {
    printer: Box<dyn Printer>,
    format: Format,
    sink: Sink,
    say: Say,
    image: Rc<Image>,
    text: Vec<u8>,
    n_lost: u64,
}

/// Opens where `-o` says.
pub fn destination(options: &Options) -> io::Result<Box<dyn Write>> {
    Ok(match &options.output {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(io::stdout()),
    })
}

impl Out {
    pub fn new(options: &Options, to: Box<dyn Write>, say: Say, image: Rc<Image>) -> Out {
        let trailer = image.config.str_trunc_trailer.clone();
        let printer: Box<dyn Printer> = match options.format {
            Format::Text => Box::new(Text { trailer, percentiles: image.config.percentiles.clone() }),
            Format::Json => Box::new(Json { trailer }),
        };
        let buffering = match options.buffering.as_deref() {
            Some("line") => Buffering::Line,
            Some("full") => Buffering::Full,
            Some("none") => Buffering::None,
            _ => Buffering::Idle,
        };
        let sink = Sink::new(to, buffering);
        Out { printer, format: options.format, sink, say, image, text: Vec::new(), n_lost: 0 }
    }

    /// Writes by the printer, beside the events.
    pub fn print(&mut self, print: impl FnOnce(&dyn Printer, &mut Vec<u8>)) {
        self.sink.print(|out| print(self.printer.as_ref(), out));
    }

    pub fn attached(&mut self, n: usize, is_quiet: bool) {
        self.sink.print(|out| self.printer.attached(out, n));
        self.sink.flush();
        // A run of tests may attach nothing.
        if n > 0 && !is_quiet && self.format == Format::Text {
            let plural = if n == 1 { "" } else { "s" };
            say::line(&format!("Attached {n} probe{plural}\n"));
        }
    }

    /// Prints an event.
    pub fn event(&mut self, event: Event<'_>) {
        match event.body {
            Body::Printf { format, args } => {
                self.fill(format, args);
                self.sink.print(|out| self.printer.text(out, TextCall::Printf, &self.text));
            }
            Body::Errorf { format, args } => {
                self.fill(format, args);
                self.script_message(&codes::SCRIPT_ERROR, MessageKind::Errorf, event.origin.map(|o| o.span));
            }
            Body::Warnf { format, args } => {
                self.fill(format, args);
                self.script_message(&codes::SCRIPT_WARNING, MessageKind::Warnf, event.origin.map(|o| o.span));
            }
            Body::Value(v) => self.sink.print(|out| self.printer.value(out, v)),
            Body::Map(view) => self.map(&view),
            Body::Text { kind, text } => {
                let call = match kind {
                    TextKind::Time => TextCall::Time,
                    TextKind::Join => TextCall::Join,
                    TextKind::Cat => TextCall::Cat,
                    TextKind::System => TextCall::System,
                };
                self.sink.print(|out| self.printer.text(out, call, text));
            }
            Body::Warning { text } => {
                let span = event.origin.map(|o| o.span);
                self.message(&codes::ACTION, MessageKind::Runtime, text.to_owned(), span);
            }
            Body::Loss(loss) => self.loss(loss),
            // The session says it again when it stops.
            Body::Exit { .. } => {}
        }
    }

    fn fill(&mut self, format: &format::Format, args: &[crate::value::Value]) {
        self.text.clear();
        format::write(&mut self.text, format, args, &self.image.config.str_trunc_trailer);
    }

    fn map(&mut self, view: &MapView<'_>) {
        let unset: Vec<_> = view.unset.iter().map(|v| (crate::value::Value::None, v.clone())).collect();
        let is_keyed = view.schema.key.is_some();
        let entries = if view.entries.is_empty() && !is_keyed { &unset } else { &view.entries };
        let map = MapText {
            name: &view.schema.name,
            keyed: if is_keyed { Keyed::Yes } else { Keyed::No },
            value: &view.schema.value,
            entries,
            div: view.div,
        };
        self.sink.print(|out| self.printer.map(out, &map));
    }

    /// What `errorf` and `warnf` made, which is in `text`.
    fn script_message(&mut self, code: &'static Code, kind: MessageKind, span: Option<Span>) {
        let text = String::from_utf8_lossy(&self.text).trim_end_matches('\n').to_owned();
        self.message(code, kind, text, span);
    }

    fn message(&mut self, code: &'static Code, kind: MessageKind, text: String, span: Option<Span>) {
        let severity = if code.id.starts_with('E') { Severity::Error } else { Severity::Warning };
        if !self.say.shows(severity) {
            return;
        }
        let span = span.unwrap_or_else(Span::none);
        let sources: &SourceMap = &self.image.sources;
        if self.format == Format::Json {
            let place = (span != Span::none()).then(|| sources.place(span));
            let message = Message { severity, kind, text: &text, place };
            self.sink.print(|out| self.printer.message(out, &message));
            return;
        }
        let diag = match severity {
            Severity::Error => Diag::error(code, span, text),
            Severity::Warning => Diag::warning(code, span, text),
            Severity::Note => Diag::remark(code, span, text),
        };
        self.sink.flush();
        self.say.short(sources, &diag);
    }

    fn loss(&mut self, loss: &Loss) {
        let (code, text) = loss_text(loss);
        if loss.cause == LossCause::Event {
            self.n_lost += loss.count;
            self.sink.print(|out| self.printer.lost_events(out, loss.count));
            if self.format == Format::Text {
                self.sink.flush();
                say::line(&format!("{text}\n"));
            }
            return;
        }
        let kind = match &loss.cause {
            LossCause::MapFull(_) => helper("map_update_elem", E2BIG),
            LossCause::NoSuchKey(_) => helper("map_delete_elem", ENOENT),
            LossCause::NoElement(_) => helper("map_lookup_elem", 0),
            LossCause::Read(name) => helper(name, EFAULT),
            LossCause::Event
            | LossCause::Scratch
            | LossCause::DivByZero
            | LossCause::Stack
            | LossCause::Cut(_)
            | LossCause::Rounds
            | LossCause::NoSuchTask
            | LossCause::Index
            | LossCause::Skipped => MessageKind::Runtime,
        };
        self.message(code, kind, text, loss.span);
    }

    /// Before the maps at the end.
    pub fn end_of_run(&mut self) {
        self.sink.print(|out| self.printer.end_of_run(out));
    }

    pub fn flush(&mut self) {
        self.sink.flush();
    }

    /// Nothing more is waiting.
    pub fn idle(&mut self) {
        self.sink.idle();
    }

    pub fn broken(&self) -> bool {
        self.sink.broken().is_some()
    }

    /// Sends what is left. Says what was lost, and yields the exit status if output could not be written.
    pub fn finish(&mut self) -> Option<u8> {
        self.sink.flush();
        if self.n_lost > 0 && self.format == Format::Text {
            say::line(&format!("WARNING: Total lost event count: {}\n", self.n_lost));
        }
        match self.sink.broken() {
            None | Some(Broken::Pipe) => None,
            Some(Broken::Failed(e)) => {
                let text = format!("output cannot be written: {}", super::system_text(e));
                self.say.error(&codes::NO_OUTPUT, text, None);
                Some(1)
            }
        }
    }
}

/// What helpers return where they fail (include/uapi/asm-generic/errno-base.h).
const ENOENT: i32 = -2;
const E2BIG: i32 = -7;
const EFAULT: i32 = -14;

fn helper(name: &'static str, retcode: i32) -> MessageKind {
    MessageKind::Helper { name, retcode }
}

/// What a loss is called.
pub fn loss_text(loss: &Loss) -> (&'static Code, String) {
    let (n, probe) = (loss.count, &loss.probe);
    let times = if n == 1 { "once".to_owned() } else { format!("{n} times") };
    let s = if n == 1 { "" } else { "s" };
    match &loss.cause {
        LossCause::Event => {
            (&codes::UPDATES_LOST, format!("Lost {n} event{s}: {probe}: the ring buffer was full"))
        }
        LossCause::MapFull(map) => {
            (&codes::UPDATES_LOST, format!("{n} update{s} lost in {probe}: {map} was full, or busy"))
        }
        LossCause::Scratch => {
            (&codes::NO_SCRATCH, format!("{n} run{s} of {probe} lost: no scratch memory was free"))
        }
        LossCause::DivByZero => {
            (&codes::DIV_BY_ZERO, format!("division by zero in {probe}, {times}: 1 is the result"))
        }
        LossCause::NoSuchKey(map) => {
            (&codes::NO_SUCH_KEY, format!("delete() of a key that is not in {map}, {times}, in {probe}"))
        }
        LossCause::Rounds => (
            &codes::ROUNDS_LOST,
            format!("a loop of {probe} ended early, {times}: the kernel does 8388608 rounds"),
        ),
        LossCause::Cut(cut) => {
            let why = match cut {
                Cut::Process => "no DWARF unwind data is available for the process",
                Cut::Code => "no DWARF unwind data is available for the code",
                Cut::Rule => "the code's DWARF unwind data is of a kind that is not followed",
                Cut::Memory => "the stack could not be read",
            };
            (&codes::STACK_CUT, format!("{n} stack{s} cut short in {probe}: {why}"))
        }
        LossCause::Stack => (&codes::STACK_LOST, format!("{n} stack{s} lost in {probe}")),
        LossCause::NoSuchTask => {
            (&codes::NO_SUCH_TASK, format!("comm() of a task that is not there, {times}, in {probe}"))
        }
        LossCause::Index => {
            (&codes::OUT_OF_BOUNDS, format!("index out of bounds, {times}, in {probe}: 0 is the result"))
        }
        LossCause::Read(helper) => {
            (&codes::READ_FAILED, format!("{helper} failed, {times}, in {probe}: bad address"))
        }
        LossCause::NoElement(map) => {
            (&codes::NO_ELEMENT, format!("lookup of a key that is not in {map}, {times}, in {probe}"))
        }
        LossCause::Skipped => (&codes::SKIPPED, format!("the kernel skipped {probe} {times}")),
    }
}

#[cfg(test)]
mod tests;
