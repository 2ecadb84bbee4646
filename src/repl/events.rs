//! Output of probes on its way to the screen.
//!
//! Always holds: while the session hands on events nothing else of the prompt is touched; what they ask for is done
//! afterwards, by [`Repl::absorb`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Repl, maps};
use crate::base::codes::Code;
use crate::base::{Diag, SourceMap, Span, render};
use crate::cli::out::loss_text;
use crate::output::Printer;
use crate::output::text::Text;
use crate::runtime::{Body, ClauseId, Event, Loss};
use crate::value::format;

/// What came in one look at the session.
#[derive(Default)]
pub struct Events {
    pub text: Vec<u8>,
    /// Clauses that called `exit()`, with their codes.
    pub exits: Vec<(ClauseId, u32)>,
    pub losses: BTreeMap<ClauseId, u64>,
}

impl Events {
    pub fn take(&mut self, event: &Event) {
        let trailer = event.origin.map_or("..", |o| o.image.config.str_trunc_trailer.as_str());
        let printer = Text {
            percentiles: event.origin.map_or(Vec::new(), |o| o.image.config.percentiles.clone()),
            ..Text::plain(trailer)
        };
        let out = &mut self.text;
        match &event.body {
            Body::Printf { format, args } => format::write(out, format, args, trailer),
            Body::Errorf { format, args } => self.message("error", event, format, args),
            Body::Warnf { format, args } => self.message("warning", event, format, args),
            Body::Value(value) => printer.value(out, value),
            Body::Map(view) => maps::write(out, &printer, view),
            Body::Text { text, .. } => out.extend(*text),
            Body::Warning { text } => self.line(&format!("warning: {text}")),
            Body::Loss(loss) => self.loss(loss),
            Body::Exit { code } => self.exits.extend(event.origin.map(|o| (o.clause, *code))),
        }
    }

    fn message(&mut self, kind: &str, event: &Event, format: &format::Format, args: &[crate::value::Value]) {
        let mut text = Vec::new();
        format::write(&mut text, format, args, "..");
        let text = String::from_utf8_lossy(&text);
        let place = event.origin.map(|o| o.image.sources.place(o.span));
        let place = place.map_or(String::new(), |(file, line, col)| format!("{file}:{line}:{col}: "));
        self.line(&format!("{place}{kind}: {}", text.trim_end()));
    }

    fn loss(&mut self, loss: &Loss) {
        *self.losses.entry(loss.clause).or_default() += loss.count;
        let (code, text) = loss_text(loss);
        self.line(&short(code, text));
    }

    /// On a line of its own.
    fn line(&mut self, text: &str) {
        if self.text.last().is_some_and(|b| *b != b'\n') {
            self.text.push(b'\n');
        }
        self.text.extend(text.as_bytes());
        self.text.push(b'\n');
    }
}

fn short(code: &'static Code, text: String) -> String {
    render::render_short(&SourceMap::new(), &Diag::warning(code, Span::none(), text))
}

impl Repl {
    /// Waits so long for events, and shows those that came.
    pub fn pump(&mut self, timeout: Duration) {
        let Some(session) = &mut self.session else {
            self.waker.wait(timeout);
            return self.screen.tick();
        };
        let mut events = Events::default();
        let stop = session.poll(timeout, &mut |e| events.take(&e));
        self.absorb(events);
        self.screen.tick();
        match stop {
            Ok(None) => {}
            Ok(Some(stop)) => self.stopped(stop),
            Err(e) => {
                self.complain(format!("events cannot be waited for: {e}"), None);
                self.leave(1);
            }
        }
    }

    /// Shows and does what events say.
    pub fn absorb(&mut self, events: Events) {
        self.screen.output(&events.text);
        for (id, n) in events.losses {
            if let Some(clause) = self.clauses.values_mut().find(|c| c.live == Some(id)) {
                clause.n_lost += n;
            }
        }
        for (id, code) in events.exits {
            let is_clause = self.clauses.values().any(|c| c.live == Some(id));
            if is_clause { self.exited(id, code) } else { self.leave(code as u8) }
        }
    }
}
