//! What appears above the prompt.
//!
//! Comes in: answers to what was typed, and output of probes, from the main thread. Goes out: text to the terminal,
//! by a thread of its own, so that a terminal that is slow, or busy with a list of completions, never stops the
//! reading of events. Always holds: answers are never dropped; of a flood of output only so much is shown that the
//! prompt can be used, and what was left out is counted and said; no output can move the cursor.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines of output that can be shown at once, after a pause.
const LINES_MAX: f64 = 1000.0;
/// And in the long run.
const LINES_EACH_SECOND: f64 = 200.0;
/// Bytes of one line of output; more are cut off.
const LINE_BYTES_MAX: usize = 64 << 10;
/// What was left out is said this often while a flood lasts.
const TELL_EACH: Duration = Duration::from_secs(1);
/// A line without its end is shown after this.
const LINE_WAITS: Duration = Duration::from_millis(100);
/// The prompt is drawn anew for output this often at most.
const DRAW_EACH: Duration = Duration::from_millis(40);

/// How text gets to the terminal: above the prompt while one is shown.
pub type Print = Box<dyn FnMut(String) + Send>;

/// See the module.
pub struct Screen {
    shared: Arc<Shared>,
    /// The line of output that has no end yet, and since when.
    open: Vec<u8>,
    open_since: Instant,
    /// Lines that may be shown now.
    budget: f64,
    budget_at: Instant,
    n_left_out: u64,
    told_at: Instant,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    news: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    texts: VecDeque<String>,
    /// What stands below all that was printed, drawn anew when it changes.
    block: String,
    /// Lines of it that stand there now.
    n_drawn: usize,
    /// An answer is among the texts: someone waits for it.
    is_urgent: bool,
    is_printing: bool,
    is_closed: bool,
}

impl Screen {
    /// Starts the thread that prints; it ends with the screen.
    pub fn new(print: Print) -> std::io::Result<Screen> {
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        std::thread::Builder::new().name("screen".into()).spawn(move || work(&theirs, print))?;
        let now = Instant::now();
        Ok(Screen {
            shared,
            open: Vec::new(),
            open_since: now,
            budget: LINES_MAX,
            budget_at: now,
            n_left_out: 0,
            told_at: now,
        })
    }

    /// Shows an answer, whole.
    pub fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.end_line();
        lock(&self.shared.queue).is_urgent = true;
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.push(format!("{text}{end}"));
    }

    /// Shows output of probes, as far as there is room.
    pub fn output(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if self.open.is_empty() {
                self.open_since = Instant::now();
            }
            let room = LINE_BYTES_MAX.saturating_sub(self.open.len());
            let (text, is_whole) = match line.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (line, false),
            };
            self.open.extend(&text[..text.len().min(room)]);
            if is_whole {
                self.show_line();
            }
        }
    }

    /// To be called now and then: shows lines that wait for their end, and says what was left out.
    pub fn tick(&mut self) {
        if !self.open.is_empty() && self.open_since.elapsed() >= LINE_WAITS {
            self.show_line();
        }
        if self.n_left_out > 0 && self.told_at.elapsed() >= TELL_EACH {
            self.tell();
        }
    }

    /// Whether [`Screen::tick`] has something to do soon.
    pub fn waits(&self) -> bool {
        !self.open.is_empty() || self.n_left_out > 0
    }

    /// Shows whole lines in place of those shown by the last call; output appears above them.
    pub fn set_block(&mut self, text: String) {
        lock(&self.shared.queue).block = text;
        self.push(String::new());
    }

    /// Leaves the block where it is: what comes next is printed below it.
    pub fn keep_block(&mut self) {
        self.flush();
        let mut queue = lock(&self.shared.queue);
        (queue.block, queue.n_drawn) = (String::new(), 0);
    }

    /// Waits until all that was said is on the terminal.
    pub fn flush(&mut self) {
        self.end_line();
        if self.n_left_out > 0 {
            self.tell();
        }
        let mut queue = lock(&self.shared.queue);
        while queue.is_printing || !queue.texts.is_empty() {
            queue = self.shared.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end_line(&mut self) {
        if !self.open.is_empty() {
            self.show_line();
        }
    }

    fn show_line(&mut self) {
        let line = std::mem::take(&mut self.open);
        let now = Instant::now();
        let since = now.duration_since(self.budget_at).as_secs_f64();
        self.budget = (self.budget + since * LINES_EACH_SECOND).min(LINES_MAX);
        self.budget_at = now;
        if self.budget < 1.0 {
            if self.n_left_out == 0 {
                self.told_at = now;
            }
            self.n_left_out += 1;
            return;
        }
        self.budget -= 1.0;
        let text = String::from_utf8_lossy(&line);
        self.push(format!("{}\n", harmless(&text)));
    }

    fn tell(&mut self) {
        let n = std::mem::take(&mut self.n_left_out);
        self.told_at = Instant::now();
        let s = if n == 1 { "" } else { "s" };
        self.push(format!("… {n} line{s} of output left out\n"));
    }

    fn push(&self, text: String) {
        lock(&self.shared.queue).texts.push_back(text);
        self.shared.news.notify_one();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.news.notify_one();
    }
}

/// What the printing thread does.
fn work(shared: &Shared, mut print: Print) {
    let mut last = Instant::now().checked_sub(DRAW_EACH).unwrap_or_else(Instant::now);
    loop {
        let mut queue = lock(&shared.queue);
        while queue.texts.is_empty() && !queue.is_closed {
            queue = shared.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.texts.is_empty() {
            return;
        }
        queue.is_printing = true;
        if !std::mem::take(&mut queue.is_urgent) {
            drop(queue);
            // Output that comes in quick succession is drawn together.
            std::thread::sleep(DRAW_EACH.saturating_sub(last.elapsed()));
            queue = lock(&shared.queue);
        }
        let texts: String = queue.texts.drain(..).collect();
        let text = match (queue.n_drawn, queue.block.as_str()) {
            (0, "") => texts,
            (0, block) => format!("{texts}{block}"),
            // Up to the first line of the block, and all below it cleared.
            (n, block) => format!("\x1b[{n}A\r\x1b[J{texts}{block}"),
        };
        queue.n_drawn = queue.block.matches('\n').count();
        drop(queue);
        print(text);
        last = Instant::now();
        lock(&shared.queue).is_printing = false;
        shared.done.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the data as good as it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text without what a terminal would obey, but for colors.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let n = color_bytes(rest).unwrap_or(0);
        if n > 0 {
            out.push_str(&rest[..n]);
            rest = &rest[n..];
            continue;
        }
        if is_bad(c) {
            out.push_str(&format!("\\x{:02x}", c as u32));
        } else {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    if out.contains('\x1b') {
        // A color ends with its line.
        out.push_str("\x1b[0m");
    }
    Cow::Owned(out)
}

/// Bytes of the color sequence at the start of the text, if one is there: `ESC [ 1;31 m`.
fn color_bytes(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\x1b[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (end <= 32 && rest[end..].starts_with('m')).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen() -> (Screen, Arc<Mutex<String>>) {
        let seen = Arc::<Mutex<String>>::default();
        let theirs = seen.clone();
        let print = Box::new(move |text: String| lock(&theirs).push_str(&text));
        (Screen::new(print).unwrap(), seen)
    }

    #[test]
    fn floods_are_cut_and_counted() {
        let (mut s, seen) = screen();
        for i in 0..50_000 {
            s.output(format!("line {i}\n").as_bytes());
        }
        s.say("answer");
        s.flush();
        let text = lock(&seen).clone();
        let n_shown = text.lines().filter(|l| l.starts_with("line ")).count();
        let left_out: usize =
            text.lines().filter_map(|l| l.strip_prefix("… ")?.split(' ').next()?.parse::<usize>().ok()).sum();
        assert!((1000..10_000).contains(&n_shown), "{n_shown}");
        assert_eq!(n_shown + left_out, 50_000);
        assert!(text.contains("\nanswer\n"));
    }

    #[test]
    fn lines_without_end_are_shown_after_a_while() {
        let (mut s, seen) = screen();
        s.output(b"a");
        s.output(b"b\nc");
        s.tick();
        assert!(s.waits());
        s.flush();
        assert_eq!(*lock(&seen), "ab\nc\n");
        assert!(!s.waits());
    }

    #[test]
    fn a_block_is_drawn_in_place() {
        let (mut s, seen) = screen();
        s.set_block("a\nb\n".into());
        s.flush();
        s.output(b"event\n");
        s.flush();
        s.set_block("c\n".into());
        s.keep_block();
        s.say("after");
        s.flush();
        let want = "a\nb\n\x1b[2A\r\x1b[Jevent\na\nb\n\x1b[2A\r\x1b[Jc\nafter\n";
        assert_eq!(*lock(&seen), want);
    }

    #[test]
    fn output_cannot_move_the_cursor() {
        assert_eq!(harmless("a\tb"), "a\tb");
        assert_eq!(harmless("\x1b[2Ja\rb\x07"), "\\x1b[2Ja\\x0db\\x07");
        assert_eq!(harmless("\x1b[1;31mred"), "\x1b[1;31mred\x1b[0m");
    }
}
