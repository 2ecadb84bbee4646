//! The line editor, in a thread of its own.
//!
//! Comes in: when to ask, and with what prompt. Goes out: what was typed. Always holds: between an answer and the
//! next question Ctrl-C is a signal, and other keys, Ctrl-D too, wait for the next question; the mode that the terminal
//! had at the start is put back at the end, whatever the thread is doing.

use std::borrow::Cow;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Context, Event, EventContext, EventHandler,
    ExternalPrinter as _, Helper, KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::complete::{self, Candidate, Index};
use super::highlight;
use super::input::Completeness;
use super::screen::Print;
use super::view::{Cx, SharedView};
use crate::base::render::Color;
use crate::sys::term::{self, Mode};
use crate::sys::wake::Waker;
use crate::world::World;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Text(String),
    /// Ctrl-C: the line is given up.
    Interrupt,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// A question.
struct Question {
    prompt: String,
    /// Stands on the line already.
    initial: String,
}

/// Makes the machine anew, in whatever thread.
pub type MakeWorld = Arc<dyn Fn() -> Box<dyn World> + Send + Sync>;

/// What the thread is made with.
pub struct Setup {
    pub view: SharedView,
    pub waker: Waker,
    pub color: Color,
    /// Lines of former sessions, the oldest first.
    pub history: Vec<String>,
    /// Makes the machine that completion looks at, in the editor's thread.
    pub world: MakeWorld,
}

/// See the module.
pub struct Editor {
    questions: Sender<Question>,
    typed: Receiver<Typed>,
    mode: Option<Mode>,
}

impl Editor {
    /// Starts the thread. The other value prints above the prompt.
    pub fn start(setup: Setup) -> io::Result<(Editor, Print)> {
        let mode = Mode::of(io::stdin().as_fd()).ok();
        // What is typed before the next question is neither shown twice nor taken for an end of file by the terminal.
        mode.iter().for_each(|m| drop(m.silent().set(io::stdin().as_fd())));
        let (questions, asked) = mpsc::channel();
        let (answer, typed) = mpsc::channel();
        let (started, is_started) = mpsc::channel();
        std::thread::Builder::new().name("editor".into()).spawn(move || {
            let waker = setup.waker.clone();
            match make(setup) {
                Ok((editor, print)) => {
                    // The main thread is gone: nothing is left to do.
                    if started.send(Ok(print)).is_ok() {
                        work(editor, &asked, &answer, &waker);
                    }
                }
                Err(e) => {
                    let _ = started.send(Err(e));
                }
            }
        })?;
        let print = is_started.recv().map_err(|_| io::Error::other("the editor has died"))??;
        Ok((Editor { questions, typed, mode }, print))
    }

    /// Shows a prompt; what is typed comes from [`Editor::typed`].
    pub fn ask(&self, prompt: &str, initial: &str) {
        // An editor that is gone has said so by its end.
        let _ = self.questions.send(Question { prompt: prompt.to_owned(), initial: initial.to_owned() });
    }

    /// What was typed, if anything was.
    pub fn typed(&self) -> Option<Typed> {
        match self.typed.try_recv() {
            Ok(typed) => Some(typed),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Typed::End),
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Some(mode) = &self.mode {
            let stdin = io::stdin();
            // The editor may be waiting for keys yet: pasted text is no longer marked. A terminal that is gone has
            // no mode.
            let _ = io::Write::write_all(&mut io::stdout(), b"\x1b[?2004l");
            let _ = mode.set(stdin.as_fd());
        }
    }
}

type Rustyline = rustyline::Editor<Assistant, DefaultHistory>;

fn make(setup: Setup) -> io::Result<(Rustyline, Print)> {
    let config = rustyline::Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .auto_add_history(false)
        .max_history_size(super::files::HISTORY_MAX)
        .map_err(other)?
        .history_ignore_dups(true)
        .map_err(other)?
        .bracketed_paste(true)
        .tab_stop(4)
        .color_mode(match setup.color {
            Color::Always => rustyline::ColorMode::Enabled,
            Color::Never => rustyline::ColorMode::Disabled,
        })
        .build();
    let mut editor = Rustyline::with_config(config).map_err(other)?;
    for line in setup.history {
        editor.add_history_entry(line).map_err(other)?;
    }
    let key = KeyEvent(KeyCode::Enter, Modifiers::ALT);
    let example = Box::new(ExampleKey { view: setup.view.clone() });
    editor.bind_sequence(key, EventHandler::Conditional(example));
    let world = (setup.world)();
    let index = Index::start(move || (setup.world)());
    editor.set_helper(Some(Assistant { view: setup.view, world, index, color: setup.color }));
    let mut printer = editor.create_external_printer().map_err(other)?;
    // A terminal that is gone shows nothing.
    let print = move |text: String| drop(printer.print(text));
    Ok((editor, Box::new(print)))
}

fn other(e: ReadlineError) -> io::Error {
    match e {
        ReadlineError::Io(e) => e,
        e => io::Error::other(e.to_string()),
    }
}

fn work(mut editor: Rustyline, asked: &Receiver<Question>, answer: &Sender<Typed>, waker: &Waker) {
    for question in asked {
        let typed = match editor.readline_with_initial(&question.prompt, (&question.initial, "")) {
            Ok(text) => {
                // What cannot be remembered is typed again.
                let _ = editor.add_history_entry(text.trim_end());
                Typed::Text(text)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupt,
            Err(_) => Typed::End,
        };
        let is_end = typed == Typed::End;
        if answer.send(typed).is_err() {
            return;
        }
        waker.wake();
        if is_end {
            return;
        }
    }
}

/// Alt-Enter: the example of the help shown last.
struct ExampleKey {
    view: SharedView,
}

impl ConditionalEventHandler for ExampleKey {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, cx: &EventContext) -> Option<Cmd> {
        let example = self.view.with(|v| v.example.clone()).filter(|_| cx.line().is_empty());
        Some(example.map_or(Cmd::Noop, |text| Cmd::Insert(1, text)))
    }
}

/// What rustyline calls while a line is typed.
struct Assistant {
    view: SharedView,
    world: Box<dyn World>,
    index: Index,
    color: Color,
}

impl Assistant {
    fn with<T>(&self, f: impl FnOnce(&Cx) -> T) -> T {
        self.view.with(|view| f(&Cx { world: self.world.as_ref(), index: &self.index, view }))
    }
}

impl Helper for Assistant {}

impl rustyline::completion::Candidate for Candidate {
    fn display(&self) -> &str {
        &self.shown
    }
    fn replacement(&self) -> &str {
        &self.text
    }
}

impl Completer for Assistant {
    type Candidate = Candidate;

    fn complete(&self, line: &str, pos: usize, _: &Context) -> rustyline::Result<(usize, Vec<Candidate>)> {
        let done = self.with(|cx| complete::complete(line, pos, cx));
        Ok((done.start, done.candidates))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context) -> Option<String> {
        let said = self.with(|cx| complete::hint::hint(line, pos, cx))?;
        let (_, columns) = term::size(io::stdout().as_fd());
        complete::hint::fitting(&said, line.rsplit('\n').next().unwrap_or(line), usize::from(columns))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, cursor: usize) -> Cow<'l, str> {
        match self.color {
            Color::Always => Cow::Owned(highlight::highlight(line, cursor)),
            Color::Never => Cow::Borrowed(line),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        match self.color {
            Color::Always => Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")),
            Color::Never => Cow::Borrowed(hint),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.color == Color::Always
    }
}

impl Validator for Assistant {
    fn validate(&self, cx: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match self.view.completeness(cx.input()) {
            Completeness::Whole => ValidationResult::Valid(None),
            Completeness::Half => ValidationResult::Incomplete,
        })
    }
}
