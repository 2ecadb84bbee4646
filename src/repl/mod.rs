//! The prompt: clauses come and go on a live kernel, expressions answer at once.
//!
//! Comes in: what is typed. Goes out: what it makes the kernel say. Two threads besides this one: the editor
//! ([`editor`]), which waits for keys, and the screen ([`screen`]), which prints above the prompt. This thread alone
//! has the session: it waits for events and for typed text at once, and answers one text before the next is asked
//! for. Always holds: whatever is typed, the prompt comes back; whatever way it ends, nothing stays attached.
//!
//! | file | what |
//! |---|---|
//! | `commands` | the commands, a row each |
//! | `input` | what a text is |
//! | `build` | a text compiled on top of what is there |
//! | `clauses` | numbered clauses: made, listed, taken out |
//! | `edit`, `undo` | clauses changed, and changes taken back |
//! | `list`, `maps`, `store`, `files` | tables; maps shown and watched; scripts and the user's files |
//! | `events` | output of probes on its way to the screen |
//! | `view` | what completion sees of all this |

mod build;
mod clauses;
mod commands;
pub mod complete;
mod edit;
mod editor;
mod eval;
mod events;
mod files;
mod find;
mod highlight;
mod input;
mod inspect;
pub mod lessons;
mod list;
mod maps;
mod meta;
mod screen;
mod store;
mod undo;
pub mod view;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::Base;
use crate::base::codes;
use crate::base::render::{self, Color};
use crate::base::{Diag, Diags, SourceMap, Span};
use crate::cli::options::Options;
use crate::cli::say::{Say, Warnings};
use crate::cli::{privilege, run as cli_run, source};
use crate::lang;
use crate::runtime::{self, Life, OnDemand, Session, Stop};
use crate::sys::wake::Waker;
use crate::world::World;
use clauses::Clause;
use editor::{Editor, Setup, Typed};
use input::Input;
use screen::Screen;
use view::SharedView;

/// All that a prompt knows.
pub struct Repl {
    pub world: Rc<dyn World>,
    /// Settings of the command line and the environment.
    pub config: lang::Config,
    /// `None` where nothing can be attached.
    pub session: Option<Session>,
    /// Why there is no session, and what to do.
    pub obstacle: Option<Obstacle>,
    /// Ends the sleep of this thread when something was typed.
    waker: Waker,
    pub screen: Screen,
    pub color: Color,
    pub view: SharedView,
    pub clauses: BTreeMap<u32, Clause>,
    /// The number of the next clause.
    pub next_number: u32,
    /// Macros, definitions, settings and imports entered so far, each as it was written.
    pub preamble: Vec<build::Part>,
    /// The maps that live, with their types.
    pub base: Base,
    pub course: lessons::Course,
    /// Keeps the kernel's statistics on.
    pub stats: Option<std::os::fd::OwnedFd>,
    /// What `:undo` goes back to, the oldest first.
    pub steps: Vec<undo::Step>,
    /// The image of the text at hand, where it can be attached as it is.
    pub ready: Option<Rc<crate::image::Image>>,
    /// Ctrl-C was pressed while an answer was made.
    pub is_interrupted: bool,
    history: files::History,
    /// The status to leave with, once that is decided.
    leaving: Option<u8>,
    /// What the next prompt is, where it is not the usual one.
    next_prompt: Option<Prompt>,
}

/// What is done with an answer.
pub type Then = Box<dyn FnOnce(&mut Repl, &str)>;

/// Why nothing can be attached, and what to do.
pub type Obstacle = (String, String);

/// A prompt that awaits something particular.
pub struct Prompt {
    pub text: String,
    /// What stands on the line already.
    pub initial: String,
    /// Gets what was typed; not called after Ctrl-C.
    pub then: Then,
    pub asks: view::Asks,
}

/// How long this thread sleeps when nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// And while something is to be shown soon.
const SOON: Duration = Duration::from_millis(100);

const PROMPT: &str = "awl> ";

/// Opens the prompt; the exit status.
pub fn run(options: &Options, say: Say) -> u8 {
    match try_run(options, say) {
        Ok(status) | Err(status) => status,
    }
}

/// `Err` is the status after something was said.
fn try_run(options: &Options, say: Say) -> Result<u8, u8> {
    let config = lang::Config { session: true, count_hits: true, ..source::settings(options, &say)? };
    let world: Rc<dyn World> = Rc::from(source::world(options, &say)?);
    let failed = |what: &str, e: &io::Error| {
        say.error(&codes::SYSTEM, format!("{what}: {e}"), None);
        1
    };
    let waker = Waker::new().map_err(|e| failed("eventfd", &e))?;
    let (session, obstacle) = session(options, &say, &waker)?;
    let user = files::User::current();
    let (history, lines, distrust) = files::History::open(user.as_ref());
    let (course, of_lessons) = lessons::Course::open(user.as_ref());
    let view = SharedView::default();
    let theirs = options.clone();
    let setup = Setup {
        view: view.clone(),
        waker: waker.clone(),
        color: say.color,
        history: lines,
        // What is wrong with it was said above.
        world: Arc::new(move || {
            let silent = Say { color: Color::Never, warnings: Warnings::Silent };
            source::world(&theirs, &silent).unwrap_or_else(|_| Box::new(crate::sys::world::LinuxWorld::new()))
        }),
    };
    let (editor, print) = Editor::start(setup).map_err(|e| failed("the prompt cannot be opened", &e))?;
    let screen = Screen::new(print).map_err(|e| failed("the prompt cannot be opened", &e))?;
    let mut repl = Repl {
        world,
        config,
        session,
        obstacle,
        waker,
        screen,
        color: say.color,
        view,
        clauses: BTreeMap::new(),
        next_number: 1,
        preamble: Vec::new(),
        base: Base::default(),
        course,
        stats: None,
        steps: Vec::new(),
        ready: None,
        is_interrupted: false,
        history,
        leaving: None,
        next_prompt: None,
    };
    repl.greet();
    distrust.into_iter().chain(of_lessons).for_each(|why| repl.complain(why, None));
    repl.start_up(user.as_ref());
    let status = repl.answer_all(&editor);
    repl.finish();
    Ok(status)
}

/// The session, or what is in its way.
fn session(options: &Options, say: &Say, waker: &Waker) -> Result<(Option<Session>, Option<Obstacle>), u8> {
    if let Some(obstacle) = privilege::obstacle() {
        return Ok((None, Some(obstacle)));
    }
    if options.world.is_some() {
        let why = "programs for another machine's snapshot cannot be attached here".to_owned();
        return Ok((None, Some((why, "start without --world to attach probes".to_owned()))));
    }
    let target = cli_run::target(options).map_err(|p| {
        say.problem(p);
        1
    })?;
    let config = runtime::Config {
        target,
        dwarf_pids: options.dwarf_pids.clone(),
        life: Life::Prompt,
        on_demand: OnDemand::Benches,
    };
    let refuse = |diags: Vec<Diag>| {
        say.diags(&SourceMap::new(), Diags { list: diags });
        1
    };
    let mut session = Session::new(&config).map_err(|e| refuse(cli_run::explain(&e, None)))?;
    session.woken_by(waker).map_err(|e| {
        say.error(&codes::SYSTEM, format!("epoll_ctl: {e}"), None);
        1
    })?;
    session.release().map_err(|e| refuse(cli_run::explain(&e, None)))?;
    Ok((Some(session), None))
}

impl Repl {
    fn greet(&mut self) {
        self.screen
            .say("awl: a clause attaches it, an expression shows it; :help lists commands, Ctrl-D leaves\n");
        if let Some((why, hint)) = self.obstacle.clone() {
            self.complain(format!("nothing can be attached: {why}"), Some(hint));
        }
    }

    /// Runs the user's `.awlrc`.
    fn start_up(&mut self, user: Option<&files::User>) {
        match user.and_then(files::startup) {
            Some((name, Ok(text))) => self.run_text(&name, &text),
            Some((name, Err(e))) => self.complain(format!("{name} is not used: {}", files::words(&e)), None),
            None => {}
        }
    }

    /// Asks and answers until it is time to leave; the exit status.
    fn answer_all(&mut self, editor: &Editor) -> u8 {
        let mut then = self.ask(editor);
        loop {
            self.wait();
            while let Some(typed) = editor.typed() {
                self.is_interrupted = false;
                if let (Typed::Text(text), None) = (&typed, &then) {
                    self.history.add(text);
                }
                match (typed, then.take()) {
                    (Typed::End, _) => self.leave(0),
                    (Typed::Interrupt, _) => {}
                    (Typed::Text(text), Some(then)) => then(self, &text),
                    (Typed::Text(text), None) => self.answer(&text),
                }
                if let Some(status) = self.leaving {
                    return status;
                }
                then = self.ask(editor);
            }
            if let Some(status) = self.leaving {
                return status;
            }
        }
    }

    /// Shows the next prompt; what is to be done with the answer, if it is a particular one.
    fn ask(&mut self, editor: &Editor) -> Option<Then> {
        self.renew_view();
        self.screen.flush();
        match self.next_prompt.take() {
            Some(p) => {
                self.view.change(|v| v.asks = p.asks);
                editor.ask(&p.text, &p.initial);
                Some(p.then)
            }
            None => {
                self.view.change(|v| v.asks = view::Asks::Anything);
                editor.ask(PROMPT, "");
                None
            }
        }
    }

    fn renew_view(&mut self) {
        let base = self.base.clone();
        let clauses = self.clauses.iter().map(|(n, c)| (*n, clauses::one_line(&c.text))).collect();
        let preamble = self.preamble.iter().map(|p| format!("{}\n", p.text)).collect();
        let config = self.config.clone();
        self.view.change(|v| (v.base, v.clauses, v.preamble, v.config) = (base, clauses, preamble, config));
    }

    /// Waits for events, typed text or a signal.
    fn wait(&mut self) {
        let timeout = if self.screen.waits() { SOON } else { IDLE };
        self.pump(timeout);
    }

    /// Answers a typed text.
    pub fn answer(&mut self, text: &str) {
        self.answer_from("prompt", text);
    }

    /// Answers a text that comes from a file of that name.
    pub fn answer_from(&mut self, name: &str, text: &str) {
        let mut sources = SourceMap::new();
        let (file, input) = input::read(&mut sources, name, text);
        match input {
            Input::Nothing => {}
            Input::Command(name, rest) => self.command(&name, &rest),
            Input::Script(script) => self.enter(name, text, &script),
            Input::Statements(script) => self.run_once(sources, file, script.items),
            Input::Expression(script) => self.evaluate(sources, file, script),
            Input::Bad(diags) => self.show(&sources, &diags),
        }
    }

    fn command(&mut self, name: &str, rest: &str) {
        match commands::find(name) {
            Ok(row) => (row.run)(self, rest),
            Err(several) => {
                let hint = match several.as_slice() {
                    [] => {
                        let names = commands::COMMANDS.iter().map(|c| c.name);
                        let near = crate::base::diag::nearest(name, names);
                        near.map_or(":help lists commands".to_owned(), |n| format!("did you mean :{n}?"))
                    }
                    several => format!("it could be {}", several.join(", ")),
                };
                self.complain(format!("there is no command :{name}"), Some(hint));
            }
        }
    }

    /// Says what is wrong with a text.
    pub fn show(&mut self, sources: &SourceMap, diags: &Diags) {
        let text = render::render(sources, diags, self.color);
        self.screen.say(&text);
    }

    /// Says what is wrong, where that is no place in a text.
    pub fn complain(&mut self, text: String, hint: Option<String>) {
        let diag = Diag { hint, ..Diag::error(&codes::USAGE, Span::none(), text) };
        self.show(&SourceMap::new(), &Diags { list: vec![diag] });
    }

    /// Says why nothing can be attached.
    pub fn complain_obstacle(&mut self) {
        if let Some((why, hint)) = self.obstacle.clone() {
            self.complain(why, Some(hint));
        }
    }

    /// Rows and columns of the terminal.
    pub fn size(&self) -> (usize, usize) {
        use std::os::fd::AsFd;
        let (rows, columns) = crate::sys::term::size(io::stdout().as_fd());
        (rows.into(), columns.into())
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Lets one key put this text on the prompt.
    pub fn offer_example(&mut self, text: &str) {
        self.view.change(|v| v.example = Some(text.to_owned()));
    }

    /// Ends the prompt after this answer.
    pub fn leave(&mut self, status: u8) {
        self.leaving = Some(status);
    }

    /// Detaches everything, runs the `end` probes, shows what they say.
    fn finish(&mut self) {
        if let Some(mut session) = self.session.take() {
            let mut events = events::Events::default();
            let result = session.finish(&mut |e| events.take(&e));
            self.absorb(events);
            drop(session);
            if let Err(e) = result {
                self.complain(format!("the end probes could not be run: {e}"), None);
            }
        }
        self.screen.flush();
    }

    /// Something asks the prompt to end, or only to stop what it is doing.
    fn stopped(&mut self, stop: Stop) {
        if let Some(session) = &self.session {
            session.resume();
        }
        match stop {
            // Ctrl-C while an answer is being made.
            Stop::Signal(libc::SIGINT) => self.is_interrupted = true,
            Stop::Signal(_) => self.leave(0),
            Stop::TargetEnded(_) => {
                self.screen.say("the process that is traced has ended; its clauses stay, without hits");
            }
            // A prompt's session tells of exit() by an event.
            Stop::Exit(code) => self.leave(code as u8),
        }
    }
}
