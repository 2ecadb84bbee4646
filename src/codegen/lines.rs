//! Line information from the spans of instructions.
//!
//! Always holds for what goes out, as the kernel wants it: it starts at the first instruction, its places
//! strictly increase, none is the second half of a 64-bit immediate load, and neighbours differ.

use crate::base::Span;
use crate::image::LineInfo;

/// Collects the lines of one function.
#[derive(Debug)]
pub struct Lines {
    list: Vec<LineInfo>,
    /// For code that no text stands for, before any that does.
    whole: Span,
}

impl Lines {
    /// `whole` is the function's own place in the script.
    pub fn new(whole: Span) -> Lines {
        Lines { list: Vec::new(), whole }
    }

    /// The next instruction is number `at` and stands for `span`; an empty span goes on with the one before.
    pub fn note(&mut self, at: u32, span: Span) {
        let span = match (span.lo == span.hi, self.list.last()) {
            (true, Some(_)) => return,
            (true, None) => self.whole,
            (false, _) => span,
        };
        // What made no code has no line.
        self.list.pop_if(|last| last.at == at);
        if self.list.last().is_none_or(|last| last.span != span) {
            self.list.push(LineInfo { at, span });
        }
    }

    pub fn finish(self) -> Vec<LineInfo> {
        self.list
    }
}

/// The kernel's rules for line information.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FileId;

    fn span(lo: usize, hi: usize) -> Span {
        Span::new(FileId(0), lo, hi)
    }

    #[test]
    fn places_increase_and_neighbours_differ() {
        let mut lines = Lines::new(span(0, 50));
        let noted = [(0, Span::none()), (1, span(3, 9)), (1, span(4, 8)), (2, Span::none()), (3, span(4, 8))];
        for (at, s) in noted.into_iter().chain([(5, span(9, 12))]) {
            lines.note(at, s);
        }
        let list: Vec<(u32, Span)> = lines.finish().iter().map(|l| (l.at, l.span)).collect();
        assert_eq!(list, [(0, span(0, 50)), (1, span(4, 8)), (5, span(9, 12))]);
    }
}
