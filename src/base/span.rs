//! Source files and places in them.

use super::index::IndexVec;
use crate::newtype_index;

newtype_index!(
    /// A source file of a script: the main text, an import, an embedded library file.
    FileId, "file"
);
newtype_index!(
    /// How a piece of text came to be where it is: see [`Origin`]. `OriginId(0)` is "written here".
    OriginId, "origin"
);

/// A half-open range of bytes of a file, with the expansion that produced it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Span {
    pub file: FileId,
    /// First byte.
    pub lo: u32,
    /// One past the last byte.
    pub hi: u32,
    /// The macro call or import that brought it here.
    pub origin: OriginId,
}

impl Span {
    /// A span as written in `file`.
    pub fn new(file: FileId, lo: usize, hi: usize) -> Span {
        Span { file, lo: lo as u32, hi: hi as u32, origin: OriginId(0) }
    }
    /// For what no text stands for.
    pub fn none() -> Span {
        Span::new(FileId(0), 0, 0)
    }
    /// The smallest span that covers both; `other` must be of the same file, else `self` is returned.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi), ..self }
    }
    pub fn range(self) -> std::ops::Range<usize> {
        self.lo as usize..self.hi as usize
    }
}

/// One step of an expansion chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the macro, `#define` or import.
    pub name: String,
    /// Where it was used (which may itself be in an expansion).
    pub used_at: Span,
}

/// One file's text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As shown in messages: a path, or `stdin` for `-e` and `-`.
    pub name: String,
    pub text: String,
    /// Byte offset of the start of each line.
    pub line_starts: Vec<u32>,
    pub by: By,
}

/// Whose text a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    User,
    /// The library that comes with awl: what is wrong there is said of the use of it.
    Library,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i as u32 + 1)).collect();
        Source { name: name.into(), text, line_starts, by: By::User }
    }
    /// A file of the library.
    pub fn library(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { by: By::Library, ..Source::new(name, text) }
    }
    /// Line (from 1) and column (from 1, in characters) of byte `at`.
    pub fn line_col(&self, at: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&s| s <= at).max(1) - 1;
        let start = self.line_starts[line] as usize;
        let at = (at as usize).min(self.text.len());
        let col = self.text.get(start..at).map_or(0, |s| s.chars().count());
        (line as u32 + 1, col as u32 + 1)
    }
    /// The text of line `line` (from 1), without its end.
    pub fn line(&self, line: u32) -> &str {
        let lo = self.line_starts[line as usize - 1] as usize;
        let hi = self.line_starts.get(line as usize).map_or(self.text.len(), |&h| h as usize);
        self.text[lo..hi].trim_end_matches(['\n', '\r'])
    }
}

/// All files of one compilation and the expansions between them.
#[derive(Clone, Debug)]
pub struct SourceMap {
    pub files: IndexVec<FileId, Source>,
    pub origins: IndexVec<OriginId, Origin>,
}

impl Default for SourceMap {
    fn default() -> Self {
        Self::new()
    }
}

impl SourceMap {
    pub fn new() -> SourceMap {
        let mut origins = IndexVec::new();
        origins.push(Origin { name: String::new(), used_at: Span::none() });
        SourceMap { files: IndexVec::new(), origins }
    }
    pub fn add(&mut self, source: Source) -> FileId {
        self.files.push(source)
    }
    pub fn text(&self, span: Span) -> &str {
        self.files.get(span.file).and_then(|f| f.text.get(span.range())).unwrap_or("")
    }
    /// Whether it is the library's own text.
    pub fn is_library(&self, span: Span) -> bool {
        self.files.get(span.file).is_some_and(|f| f.by == By::Library)
    }
    /// The place in the user's text that brought a place of the library's text about; others stay.
    pub fn of_user(&self, span: Span) -> Span {
        let mut at = span;
        while self.is_library(at) && at.origin != OriginId(0) {
            let Some(origin) = self.origins.get(at.origin) else { return at };
            at = origin.used_at;
        }
        at
    }
    /// File name, line and column (both from 1) of the span's start.
    pub fn place(&self, span: Span) -> (&str, u32, u32) {
        let f = &self.files[span.file];
        let (l, c) = f.line_col(span.lo);
        (&f.name, l, c)
    }
}
