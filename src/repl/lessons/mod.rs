//! The course: short lessons, each with a task that is checked by what happens on the kernel.
//!
//! Comes in: `:learn` and its kin, and each clause that is attached while a lesson is open. Goes out: text. A lesson's
//! program works whenever a clause has been attached; then what the session's maps hold and what was printed is
//! held against what the program did. Always holds: what was typed plays no part; numbers are drawn anew each time;
//! a lesson takes with it what was attached in it.

mod check;
mod lesson;
pub mod load;
mod progress;
mod puzzle;

use super::Repl;
use super::events::Events;
use super::files::{User, words};
use crate::base::render::Color;
use crate::sys::process;
use crate::world::World;
use check::Seen;
use lesson::{Lesson, Words, fill, wrap};
use progress::Progress;
use std::process::Child;
use std::time::{Duration, Instant};

/// The lessons in their order: the name under which one is remembered, and its text.
static FILES: &[(&str, &str)] = &[
    ("probes", include_str!("../../../stdlib/lessons/probes.txt")),
    ("predicates", include_str!("../../../stdlib/lessons/predicates.txt")),
    ("maps", include_str!("../../../stdlib/lessons/maps.txt")),
    ("histograms", include_str!("../../../stdlib/lessons/histograms.txt")),
    ("latency", include_str!("../../../stdlib/lessons/latency.txt")),
    ("stacks", include_str!("../../../stdlib/lessons/stacks.txt")),
    ("types", include_str!("../../../stdlib/lessons/types.txt")),
    ("verifier", include_str!("../../../stdlib/lessons/verifier.txt")),
];

/// Text is wrapped at this, so that it fits 80 columns.
const WIDTH: usize = 78;
/// The program works for less than a second; one that takes longer is ended.
const LOAD_MAX: Duration = Duration::from_secs(10);
/// How long events of the program may be under way after its end.
const SETTLE: Duration = Duration::from_millis(60);

/// Where the learner is.
#[derive(Default)]
pub struct Course {
    progress: Progress,
    active: Option<Active>,
}

/// The lesson that is open.
struct Active {
    /// Index in `FILES`.
    index: usize,
    lesson: Lesson,
    words: Words,
    n_hints: usize,
    /// The number of the first clause that is this lesson's.
    first_clause: u32,
    /// Of the last try at the puzzle.
    accepted: Option<bool>,
    is_solved: bool,
}

impl Course {
    /// With what the user has solved; and why that is not known.
    pub fn open(user: Option<&User>) -> (Course, Option<String>) {
        let (progress, distrust) = Progress::open(user);
        (Course { progress, active: None }, distrust)
    }

    fn list(&self) -> String {
        let mut out =
            String::from("Lessons; :learn N opens one, :learn next the next that is not solved yet.\n\n");
        for (i, (name, text)) in FILES.iter().enumerate() {
            let mark = if self.progress.is_solved(name) { "done" } else { "" };
            out.push_str(&format!("  {}  {mark:4}  {}\n", i + 1, parsed(text).title));
        }
        out
    }

    /// The first lesson after `after` that is not solved, else the first of all.
    fn next(&self, after: Option<usize>) -> Option<usize> {
        let is_open = |i: &usize| !self.progress.is_solved(FILES[*i].0);
        let from = after.map_or(0, |i| i + 1);
        (from..FILES.len()).find(is_open).or_else(|| (0..from).find(is_open))
    }
}

/// A lesson of ours: the tests read them all.
fn parsed(text: &str) -> Lesson {
    lesson::parse(text).unwrap_or_else(|why| crate::bug!("a lesson cannot be read: {why}"))
}

/// What one could answer to a lesson.
#[derive(Clone, Debug)]
pub struct Answers {
    pub title: String,
    /// Inputs that solve it.
    pub model: Vec<String>,
    /// Inputs that do not.
    pub wrong: Vec<String>,
}

/// Answers to the lesson at an index, on a machine; `None` if there is no such lesson, or the machine has none of its
/// probes.
pub fn answers(index: usize, world: &dyn World) -> Option<Answers> {
    let lesson = parsed(FILES.get(index)?.1);
    let words = lesson.pick(world)?;
    let filled = |lines: &[String]| lines.iter().map(|l| fill(l, &words)).collect();
    let (model, wrong) = (filled(&lesson.model), filled(&lesson.wrong));
    Some(Answers { title: lesson.title, model, wrong })
}

/// `:learn [N|next|quit]`
pub fn learn(repl: &mut Repl, arg: &str) {
    let current = repl.course.active.as_ref().map(|a| a.index);
    match arg {
        "" => match &repl.course.active {
            Some(active) => {
                let text = active.text(repl.color);
                repl.screen.say(&text);
            }
            None => {
                let text = repl.course.list();
                repl.screen.say(&text);
            }
        },
        "list" => {
            let text = repl.course.list();
            repl.screen.say(&text);
        }
        "quit" => {
            if repl.close_lesson() {
                repl.screen.say("the lesson is closed; :learn lists all lessons");
            } else {
                repl.complain("no lesson is open".into(), Some(":learn lists them".into()));
            }
        }
        "next" => match repl.course.next(current) {
            Some(index) => repl.open_lesson(index),
            None => repl
                .screen
                .say("all lessons are solved; :learn N opens one again, :help lists what else there is"),
        },
        word => {
            let by_number =
                word.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|i| *i < FILES.len());
            match by_number.or_else(|| FILES.iter().position(|(name, _)| *name == word)) {
                Some(index) => repl.open_lesson(index),
                None => {
                    let n = FILES.len();
                    repl.complain(
                        format!("there is no lesson {word}"),
                        Some(format!("they are 1 to {n}; :learn lists them")),
                    );
                }
            }
        }
    }
}

/// `:hint`
pub fn hint(repl: &mut Repl, _: &str) {
    let Some(active) = &mut repl.course.active else {
        return repl.complain("no lesson is open".into(), Some(":learn lists them".into()));
    };
    let hints = &active.lesson.hints;
    let at = active.n_hints.min(hints.len().saturating_sub(1));
    active.n_hints += 1;
    let text = wrap(&fill(hints.get(at).map_or("", String::as_str), &active.words), WIDTH);
    let is_last = at + 1 == hints.len();
    let model = active.lesson.model.iter().map(|m| fill(m, &active.words)).collect::<Vec<_>>().join("\n");
    if is_last {
        repl.offer_example(&model);
    }
    let key = if is_last { "(Alt-Enter puts this on the prompt.)\n" } else { "" };
    repl.screen.say(&format!("{text}{key}"));
}

/// `:try INSTRUCTION`
pub fn try_instruction(repl: &mut Repl, arg: &str) {
    let Some(active) = repl.course.active.as_mut().filter(|a| !a.lesson.program.is_empty()) else {
        let n = FILES.iter().position(|(name, _)| *name == "verifier").map_or(0, |i| i + 1);
        return repl.complain(
            ":try belongs to the lesson about the verifier".into(),
            Some(format!(":learn {n} opens it")),
        );
    };
    let (accepted, text) = match puzzle::load(&active.lesson.program, Some(arg)) {
        Err(e) => (None, format!("the program could not be loaded: {e}")),
        Ok(Err(why)) => (None, format!("{why}\n")),
        Ok(Ok(answer)) => {
            let program = puzzle::shown(&active.lesson.program, Some(arg));
            let log = super::inspect::code::readable(&answer.log).join("\n");
            let meaning = answer.meaning.map_or(String::new(), |m| wrap(&format!("That is: {m}."), WIDTH));
            (Some(answer.accepted), format!("{program}\n{log}\n\n{meaning}"))
        }
    };
    active.accepted = accepted.or(active.accepted);
    repl.screen.say(&text);
    if accepted.is_some() {
        repl.judge(&[]);
    }
}

impl Active {
    /// What the lesson says, its task at the end.
    fn text(&self, color: Color) -> String {
        let title = format!("{}. {}", self.index + 1, self.lesson.title);
        let title = match color {
            Color::Always => format!("\x1b[1m{title}\x1b[0m"),
            Color::Never => title,
        };
        let text = wrap(&fill(&self.lesson.text, &self.words), WIDTH);
        let task = wrap(&format!("Task: {}", fill(&self.lesson.task, &self.words)), WIDTH);
        format!(
            "{title}\n\n{text}\n{task}\n:hint helps, :learn shows this again, :learn quit closes the lesson.\n"
        )
    }
}

/// Words that every lesson has: a folder that is nowhere, and the name of this process.
fn common_words() -> Words {
    let dir = format!("/lesson-{:04x}", process::random_u64() & 0xffff);
    let me = std::fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
    [("dir".to_owned(), dir), ("me".to_owned(), me.trim_end().to_owned())].into()
}

/// The program of a puzzle, and what the kernel says of it as it is.
fn puzzle_words(lesson: &Lesson) -> Words {
    let log = match puzzle::load(&lesson.program, None) {
        Ok(Ok(answer)) => {
            let lines = super::inspect::code::readable(&answer.log).into_iter();
            // The objection comes last; statistics after it would only hide it.
            lines.filter(|l| !l.starts_with("processed ")).map(|l| format!("  {l}\n")).collect()
        }
        Ok(Err(why)) => format!("  {why}\n"),
        Err(e) => {
            let said: String = lesson.recorded.lines().map(|l| format!("  {l}\n")).collect();
            format!("  (This kernel cannot be asked: {}. Another one said:)\n{said}", words(&e))
        }
    };
    [("program".to_owned(), puzzle::shown(&lesson.program, None)), ("log".to_owned(), log)].into()
}

impl Repl {
    fn open_lesson(&mut self, index: usize) {
        self.close_lesson();
        let (name, text) = FILES[index];
        let lesson = parsed(text);
        let Some(mut words) = lesson.pick(self.world.as_ref()) else {
            let why = format!("this machine has none of the probes that the lesson {name} can use");
            return self.complain(why, Some(":learn lists the others".into()));
        };
        words.extend(common_words());
        if !lesson.program.is_empty() {
            words.extend(puzzle_words(&lesson));
        }
        let first_clause = self.next_number;
        let (n_hints, accepted, is_solved) = (0, None, false);
        let active = Active { index, lesson, words, n_hints, first_clause, accepted, is_solved };
        let text = active.text(self.color);
        self.course.active = Some(active);
        self.screen.say(&text);
        if let Some((why, hint)) = self.obstacle.clone() {
            self.complain(format!("the lesson can be read, but not done: {why}"), Some(hint));
        }
    }

    /// Takes out what the open lesson has attached; whether there was one.
    fn close_lesson(&mut self) -> bool {
        let Some(active) = self.course.active.take() else { return false };
        self.take_out_since(active.first_clause);
        true
    }

    /// Takes out the clauses from a number on, and their maps; those that were there.
    fn take_out_since(&mut self, first: u32) -> Vec<u32> {
        let numbers: Vec<u32> = self.clauses.keys().copied().filter(|n| *n >= first).collect();
        let is_theirs = |m: &str| numbers.iter().any(|n| self.clauses[n].image.uses(m));
        let names = self.base.maps.iter().map(|m| m.name.clone());
        let mut maps: Vec<String> = names.filter(|m| is_theirs(m)).collect();
        for n in &numbers {
            self.take_out(*n);
        }
        maps.retain(|m| !self.clauses.values().any(|c| c.image.uses(m)));
        self.forget_maps(&maps);
        numbers
    }

    /// A clause has been attached: while a lesson is open, its program works now, and what happened is judged.
    pub fn lesson_attempt(&mut self) {
        let Some(active) = self.course.active.as_mut().filter(|a| !a.is_solved && !a.lesson.load.is_empty())
        else {
            return;
        };
        let mut random = |from: u64, to: u64| from + process::random_u64() % (to - from + 1);
        active.lesson.draw(&mut active.words, &mut random);
        let steps: Vec<String> = active.lesson.load.iter().map(|l| fill(l, &active.words)).collect();
        let maps: Vec<String> = map_names(&active.lesson.checks);
        if let Some(session) = &self.session {
            for map in maps {
                // One that cannot be cleared is found to hold too much.
                let _ = session.clear_map(&map);
            }
        } else {
            return;
        }
        let said = load::said(&steps.iter().filter_map(|s| load::step(s)).collect::<Vec<_>>());
        match load::start(&steps) {
            Ok(child) => {
                let lines = self.watch_load(child);
                self.screen.say(&format!("\n{said}."));
                self.judge(&lines);
            }
            Err(e) => self.complain(format!("the lesson's program cannot be started: {e}"), None),
        }
    }

    /// Shows events until the program has ended; the lines that were printed meanwhile.
    fn watch_load(&mut self, mut child: Child) -> Vec<String> {
        let mut text = Vec::new();
        let end = Instant::now() + LOAD_MAX;
        let mut settled: Option<Instant> = None;
        while settled.is_none_or(|at| at.elapsed() < SETTLE) && Instant::now() < end {
            let Some(session) = &mut self.session else { break };
            let mut events = Events::default();
            // A session that fails is told of by the next look at it.
            let _ = session.poll(Duration::from_millis(5), &mut |e| events.take(&e));
            text.extend(&events.text);
            self.absorb(events);
            if settled.is_none() && !matches!(child.try_wait(), Ok(None)) {
                settled = Some(Instant::now());
            }
        }
        if settled.is_none() {
            // It is ours, and it hangs.
            let _ = child.kill();
            let _ = child.wait();
        }
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    /// Says whether the task is solved.
    fn judge(&mut self, lines: &[String]) {
        let Some(active) = &self.course.active else { return };
        let checks: Vec<String> = active.lesson.checks.iter().map(|c| fill(c, &active.words)).collect();
        let session = self.session.as_ref();
        let map = |name: &str| session.and_then(|s| s.read_map(name).ok().flatten()).map(|view| view.entries);
        let missing = check::missing(&checks, &Seen { lines, map: &map, accepted: active.accepted });
        match missing {
            None => self.lesson_solved(),
            Some(why) => self.not_yet(&why),
        }
    }

    fn lesson_solved(&mut self) {
        let Some(active) = &mut self.course.active else { return };
        active.is_solved = true;
        let text = wrap(&fill(&active.lesson.solved, &active.words), WIDTH);
        let next = "Solved. :learn next goes on, and takes out what this lesson has attached.\n";
        let (name, _) = FILES[active.index];
        self.screen.say(&format!("\n{text}\n{next}"));
        if let Err(e) = self.course.progress.solved(name) {
            self.complain(format!("this is remembered for this session alone: {}", words(&e)), None);
        }
    }

    fn not_yet(&mut self, why: &str) {
        let Some(active) = &self.course.active else { return };
        let (first, n_wanted) = (active.first_clause, active.lesson.model.len());
        let is_puzzle = !active.lesson.program.is_empty();
        let numbers: Vec<u32> = self.clauses.keys().copied().filter(|n| *n >= first).collect();
        // Of several clauses that belong together, the first cannot be wrong yet.
        if is_puzzle || numbers.len() < n_wanted {
            return self.screen.say(&format!("Not yet: {why}."));
        }
        self.take_out_since(first);
        let names: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let (s, are) = if names.len() == 1 { ("", "is") } else { ("s", "are") };
        let text =
            format!("Not yet: {why}. Clause{s} {} {are} taken out again, for a new try.", names.join(", "));
        self.screen.say(&wrap(&text, WIDTH));
    }
}

/// The maps that checks name.
fn map_names(checks: &[String]) -> Vec<String> {
    let words = checks.iter().flat_map(|c| c.split_whitespace().nth(1));
    let mut names: Vec<String> = words.filter(|w| w.starts_with('@')).map(str::to_owned).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    #[test]
    fn all_lessons_can_be_read() {
        assert_eq!(FILES.len(), 8);
        for (name, text) in FILES {
            let lesson = lesson::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(
                !lesson.title.is_empty() && !lesson.solved.is_empty() && !lesson.task.is_empty(),
                "{name}"
            );
            assert!(
                lesson.hints.len() >= 2 && !lesson.model.is_empty() && !lesson.wrong.is_empty(),
                "{name}"
            );
            assert!(!lesson.checks.is_empty(), "{name}");
            assert_eq!(lesson.recorded.is_empty(), lesson.program.is_empty(), "{name}");
            assert_eq!(lesson.load.is_empty(), !lesson.program.is_empty(), "{name}");
            // All ways have the same words.
            let keys = |w: &Words| w.keys().cloned().collect::<Vec<_>>();
            assert!(lesson.picks.windows(2).all(|w| keys(&w[0]) == keys(&w[1])), "{name}");
        }
    }

    #[test]
    fn no_word_is_left() {
        for (name, text) in FILES {
            let lesson = parsed(text);
            let mut words = lesson.picks.first().cloned().unwrap_or_default();
            words.extend(common_words());
            words.extend([("program", "p"), ("log", "l")].map(|(k, v)| (k.to_owned(), v.to_owned())));
            lesson.draw(&mut words, &mut |from, _| from);
            let all = [&lesson.text, &lesson.task, &lesson.solved].into_iter().cloned();
            let lists = [&lesson.hints, &lesson.model, &lesson.wrong, &lesson.checks, &lesson.load];
            for text in all.chain(lists.into_iter().flatten().cloned()) {
                let filled = fill(&text, &words);
                let open = filled.match_indices('<').map(|(i, _)| &filled[i + 1..]);
                let is_word = |rest: &str| {
                    rest.split_once('>').is_some_and(|(w, _)| w.chars().all(|c| c.is_ascii_lowercase()))
                };
                assert!(!open.into_iter().any(is_word), "{name}: {filled}");
            }
            for l in &lesson.load {
                assert!(load::step(&fill(l, &words)).is_some(), "{name}: {l}");
            }
        }
    }

    #[test]
    fn text_fits_the_screen() {
        for (name, text) in FILES {
            let lesson = parsed(text);
            for pick in lesson.picks.iter().chain([&Words::new()]) {
                let all = [&lesson.text, &lesson.task, &lesson.solved].into_iter().chain(&lesson.hints);
                for text in all {
                    let wrapped = wrap(&fill(text, pick), WIDTH);
                    // A line of code cannot be broken; it must be near enough.
                    let long = wrapped.lines().find(|l| l.chars().count() > 80);
                    assert_eq!(long, None, "{name}");
                }
            }
        }
    }

    #[test]
    fn the_next_lesson_is_one_that_is_not_solved() {
        let mut course = Course::default();
        assert_eq!(course.next(None), Some(0));
        course.progress.solved("predicates").unwrap();
        assert_eq!(course.next(Some(0)), Some(2));
        assert_eq!(course.next(Some(7)), Some(0), "round the end");
        FILES.iter().for_each(|(name, _)| course.progress.solved(name).unwrap());
        assert_eq!(course.next(Some(3)), None);
        assert!(course.list().contains("8  done  What the verifier refuses"));
    }

    #[test]
    fn a_machine_without_tracepoints_gets_other_probes() {
        let lesson = parsed(FILES[2].1);
        // The fixture has the tracepoint; its kprobes would be next.
        let words = lesson.pick(&FixtureWorld::new()).unwrap();
        assert_eq!(words["open"], "tracepoint:syscalls:sys_enter_openat");
        let other = Lesson { picks: lesson.picks[1..].to_vec(), ..lesson };
        assert_eq!(other.pick(&FixtureWorld::new()), None, "it has no do_sys_open");
    }
}
