//! A pass over the tokens of one item, between lexer and grammar.
//!
//! Comes in: an item's tokens, layout among them. Goes out: the tokens that the grammar sees. What a bracket
//! means is settled here by looking ahead (a cast, a record, a map's key), words after `.` become names, a
//! `;` forgotten at the end of a line is put in, and bytes that are no token are reported. Always holds:
//! places ascend; what this pass puts in is empty; a tree made of these tokens is at most
//! `DEPTH_MAX` levels deep, else there is no output but an error.

use super::errors;
use super::token::{Lexed, Token};
use crate::base::{Diags, FileId, Span};

/// How deep a tree may be: brackets and operators that enclose one place. Every later pass recurses over it.
///
/// A bracket counts twice.
pub const DEPTH_MAX: u32 = 400;

/// No bracket matches.
const NONE: u32 = u32::MAX;

/// A text, where it stands, and what was found wrong with it.
pub struct Input<'s> {
    pub text: &'s str,
    pub file: FileId,
    /// Where `text` starts in its file.
    pub base: u32,
}

impl Input<'_> {
    /// The character before byte `hi` of `text`, where something is missing.
    pub fn last_char(&self, hi: u32) -> Span {
        let before = self.text.get(..hi as usize).and_then(|s| s.chars().next_back());
        self.span(hi - before.map_or(0, |c| c.len_utf8() as u32), hi)
    }

    /// The place in the file of bytes of `text`.
    pub fn span(&self, lo: u32, hi: u32) -> Span {
        Span::new(self.file, (self.base + lo) as usize, (self.base + hi) as usize)
    }
}

/// The grammar's tokens for `tokens`; `None` if they nest too deeply, which is then reported.
pub fn retag(input: &Input, tokens: &[Lexed], diags: &mut Diags) -> Option<Vec<Lexed>> {
    let tokens = significant(input, tokens, diags);
    let (mates, too_deep) = brackets(&tokens);
    if let Some(at) = too_deep {
        errors::too_deep(diags, input.span(tokens[at].lo, tokens[at].hi));
        return None;
    }
    let mut pass = Pass {
        input,
        macro_params: macro_params(input, &tokens),
        tokens,
        mates,
        frames: vec![Frame::new(Context::Top)],
        out: Vec::new(),
    };
    pass.run(diags);
    Some(pass.out)
}

/// Without layout, and with what is no token reported; `=` `~` before a string become `=~`.
fn significant(input: &Input, tokens: &[Lexed], diags: &mut Diags) -> Vec<Lexed> {
    let mut out: Vec<Lexed> = Vec::with_capacity(tokens.len());
    for t in tokens {
        let span = input.span(t.lo, t.hi);
        match t.kind {
            Token::Layout | Token::Comment => continue,
            Token::UnclosedComment => {
                errors::unclosed_comment(diags, span);
                continue;
            }
            Token::UnclosedStr => errors::unclosed_string(diags, span),
            Token::CharLit => errors::char_literal(diags, span),
            Token::Error => errors::bad_bytes(diags, span, t.text(input.text)),
            Token::Str => {
                if let [.., a, b] = out.as_mut_slice()
                    && (a.kind, b.kind) == (Token::Assign, Token::Tilde)
                    && a.hi == b.lo
                {
                    *a = Lexed { kind: Token::Match, lo: a.lo, hi: b.hi };
                    out.pop();
                }
            }
            _ => {}
        }
        out.push(*t);
    }
    out
}

/// Which bracket closes which, and the first token at which the tree would be too deep.
fn brackets(tokens: &[Lexed]) -> (Vec<u32>, Option<usize>) {
    let mut mates = vec![NONE; tokens.len()];
    // Per open bracket its token and how many tokens since the last separator may deepen the tree.
    let mut open: Vec<(usize, u32)> = vec![(usize::MAX, 0)];
    let mut depth = 0u32;
    for (i, t) in tokens.iter().enumerate() {
        let deepens = match t.kind {
            k if k.opens() => {
                deepen(&mut open, &mut depth, 2);
                open.push((i, 0));
                0
            }
            k if k.closes() => {
                if let Some(at) =
                    open.iter().rposition(|(o, _)| *o != usize::MAX && pairs(tokens[*o].kind, k))
                    && (k == Token::RBrace || at == open.len() - 1)
                {
                    mates[open[at].0] = i as u32;
                    let first = open[at].0;
                    depth -= open.drain(at..).map(|(_, n)| n).sum::<u32>();
                    shallow(&mut open, &mut depth, 2 - u32::from(chains(tokens, first)));
                }
                if k == Token::RBrace && tokens.get(i + 1).is_some_and(|n| starts_statement(n.kind)) {
                    reset(&mut open, &mut depth);
                }
                0
            }
            Token::Semi | Token::Comma => {
                reset(&mut open, &mut depth);
                0
            }
            Token::If if i > 0 && tokens[i - 1].kind == Token::Else => 0,
            k => u32::from(is_operator(k)),
        };
        deepen(&mut open, &mut depth, deepens);
        if depth > DEPTH_MAX {
            return (mates, Some(i));
        }
    }
    (mates, None)
}

fn deepen(open: &mut [(usize, u32)], depth: &mut u32, by: u32) {
    if let Some(top) = open.last_mut() {
        top.1 += by;
        *depth += by;
    }
}

/// Whether brackets like the one at `open` can follow one another and deepen the tree: casts, indices.
fn chains(tokens: &[Lexed], open: usize) -> bool {
    let prev = open.checked_sub(1).map(|i| tokens[i].kind);
    match tokens[open].kind {
        Token::LBrace => false,
        Token::LParen => {
            !matches!(prev, Some(Token::If | Token::While | Token::For | Token::Unroll | Token::Ident))
        }
        _ => true,
    }
}

fn shallow(open: &mut [(usize, u32)], depth: &mut u32, by: u32) {
    if let Some(top) = open.last_mut() {
        let by = by.min(top.1);
        top.1 -= by;
        *depth -= by;
    }
}

fn reset(open: &mut [(usize, u32)], depth: &mut u32) {
    if let Some(top) = open.last_mut() {
        *depth -= top.1;
        top.1 = 0;
    }
}

fn pairs(open: Token, close: Token) -> bool {
    match close {
        Token::RParen => open == Token::LParen,
        Token::RBracket => open == Token::LBracket,
        _ => open == Token::LBrace,
    }
}

/// Tokens that put a level of the tree above their neighbours.
fn is_operator(k: Token) -> bool {
    use Token::*;
    matches!(
        k,
        If | Else
            | For
            | While
            | Unroll
            | Comptime
            | Question
            | Dot
            | Arrow
            | DotDot
            | Inc
            | Dec
            | Not
            | Tilde
            | Plus
            | Minus
            | Star
            | Slash
            | Percent
            | Amp
            | Pipe
            | Caret
            | Shl
            | Shr
            | EqEq
            | NotEq
            | Lt
            | Le
            | Gt
            | Ge
            | AndAnd
            | OrOr
            | Match
    )
}

/// Tokens that cannot continue an expression which ended in `}`.
fn starts_statement(k: Token) -> bool {
    use Token::*;
    (k.is_keyword() && k != Else)
        || matches!(
            k,
            Ident | Var | Map | Int | Str | Positional | Count | Semi | LBrace | RBrace | Not | Tilde
        )
}

/// What the innermost open bracket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Top,
    Block,
    /// Arguments of the call whose name is this token.
    Args(usize),
    Cast,
    Other,
}

struct Frame {
    context: Context,
    /// Between `if`, `for` or `while` and its block.
    in_head: bool,
}

impl Frame {
    fn new(context: Context) -> Frame {
        Frame { context, in_head: false }
    }
}

/// How much of a type a run of tokens is.
struct Scan {
    /// One past its last token.
    end: usize,
    /// Nothing but a type: `struct x`, `typeof(…)`, `x *`.
    only_type: bool,
    /// A name that is known to be a type's.
    known: bool,
    array: bool,
}

struct Pass<'i, 's> {
    input: &'i Input<'s>,
    tokens: Vec<Lexed>,
    mates: Vec<u32>,
    /// Names that stand for expressions in this macro.
    macro_params: Vec<&'s str>,
    frames: Vec<Frame>,
    out: Vec<Lexed>,
}

impl<'s> Pass<'_, 's> {
    fn text(&self, i: usize) -> &'s str {
        self.tokens[i].text(self.input.text)
    }

    fn kind(&self, i: usize) -> Option<Token> {
        self.tokens.get(i).map(|t| t.kind)
    }

    fn put_empty(&mut self, kind: Token, at: u32) {
        self.out.push(Lexed { kind, lo: at, hi: at });
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Context::Top));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn run(&mut self, diags: &mut Diags) {
        // Whether what precedes may end an operand.
        let mut ended = false;
        for i in 0..self.tokens.len() {
            let mut t = self.tokens[i];
            let prev = i.checked_sub(1).and_then(|p| self.kind(p));
            if t.kind.is_keyword() && is_name_after(prev) {
                t.kind = Token::Ident;
            }
            if self.semi_is_missing(i, t.kind, ended) {
                let at = self.tokens[i - 1].hi;
                // A string without end has swallowed it.
                if prev != Some(Token::UnclosedStr) {
                    errors::missing_semi(diags, self.input.last_char(at));
                }
                self.put_empty(Token::Semi, at);
                ended = false;
            }
            if self.type_arg_starts(i, prev) {
                self.put_empty(Token::TypeArg, t.lo);
            }
            match t.kind {
                Token::LParen => t.kind = self.open_paren(i, prev, ended),
                Token::LBracket => {
                    self.frames.push(Frame::new(Context::Other));
                    if prev == Some(Token::Map) {
                        t.kind = Token::KeyOpen;
                    }
                }
                Token::LBrace => {
                    self.frame().in_head = false;
                    self.frames.push(Frame::new(Context::Block));
                }
                Token::If | Token::For | Token::While | Token::Unroll => self.frame().in_head = true,
                Token::Semi => self.frame().in_head = false,
                _ => {}
            }
            ended = self.ends(t.kind, ended);
            self.out.push(t);
        }
    }

    /// Closes frames, and says whether an operand may have ended with this token.
    fn ends(&mut self, kind: Token, before: bool) -> bool {
        if kind.closes() {
            let was = self.close(kind);
            return was != Some(Context::Cast);
        }
        match kind {
            Token::Inc | Token::Dec => before,
            Token::Break | Token::Continue => true,
            k => k.ends_operand(),
        }
    }

    fn close(&mut self, kind: Token) -> Option<Context> {
        let is_block = |f: &Frame| f.context == Context::Block;
        if kind == Token::RBrace {
            let at = self.frames.iter().rposition(is_block)?;
            self.frames.truncate(at);
            return Some(Context::Block);
        }
        match self.frames.last() {
            Some(f) if f.context != Context::Top && !is_block(f) => self.frames.pop().map(|f| f.context),
            _ => None,
        }
    }

    /// A new line starts what can only be a new statement.
    fn semi_is_missing(&mut self, i: usize, kind: Token, ended: bool) -> bool {
        use Token::*;
        let starts = matches!(
            kind,
            Var | Map | Ident | If | For | While | Unroll | Let | Break | Continue | Return | Import
        );
        if !starts || !ended || i == 0 || self.kind(i - 1) == Some(RBrace) {
            return false;
        }
        let f = self.frame();
        f.context == Context::Block && !f.in_head && self.new_line_before(i)
    }

    fn new_line_before(&self, i: usize) -> bool {
        let (from, to) = (self.tokens[i - 1].hi as usize, self.tokens[i].lo as usize);
        self.input.text.get(from..to).is_some_and(|s| s.contains('\n'))
    }

    /// Opens a frame for the `(` at `i`, and says which kind of token it is.
    fn open_paren(&mut self, i: usize, prev: Option<Token>, ended: bool) -> Token {
        let is_call = matches!(prev, Some(Token::Ident | Token::Typeof));
        let (context, kind) = if is_call {
            (Context::Args(i - 1), Token::LParen)
        } else if ended && prev != Some(Token::RBrace) || prev == Some(Token::For) {
            (Context::Other, Token::LParen)
        } else if self.kind(i + 1) == Some(Token::Ident) && self.kind(i + 2) == Some(Token::Assign) {
            (Context::Other, Token::RecordOpen)
        } else if self.is_cast(i, prev) {
            (Context::Cast, Token::CastOpen)
        } else {
            (Context::Other, Token::LParen)
        };
        self.frames.push(Frame::new(context));
        kind
    }

    /// `(T)` before an operand, where `T` may be a type. A plain name in brackets before `*` or `(` is a
    /// type, unless it is a builtin's or a parameter's name.
    fn is_cast(&self, i: usize, prev: Option<Token>) -> bool {
        use Token::*;
        let Some(scan) = self.scan_type(i + 1) else { return false };
        if self.kind(scan.end) != Some(RParen) {
            return false;
        }
        let Some(next) = self.kind(scan.end + 1) else { return false };
        let sure = scan.only_type || scan.known;
        let is_head = matches!(prev, Some(If | While | Unroll));
        if !sure && (is_head || self.new_line_before(scan.end + 1)) {
            return false;
        }
        match next {
            Ident | Int | Str | UnclosedStr | Var | Positional | Count | Map | True | False | Not | Tilde
            | Typeof | Comptime => true,
            Minus | Amp | Inc | Dec => sure,
            Star | LParen => {
                let times_number = next == Star && self.kind(scan.end + 2) == Some(Int);
                sure || !scan.array && !times_number && !self.is_value_name(self.text(i + 1))
            }
            _ => false,
        }
    }

    fn is_value_name(&self, name: &str) -> bool {
        self.macro_params.contains(&name) || is_builtin(name)
    }

    /// Whether an argument starts at `i` that can only be a type.
    fn type_arg_starts(&mut self, i: usize, prev: Option<Token>) -> bool {
        if !matches!(prev, Some(Token::LParen | Token::Comma)) {
            return false;
        }
        let Context::Args(callee) = self.frame().context else { return false };
        let Some(scan) = self.scan_type(i) else { return false };
        if !matches!(self.kind(scan.end), Some(Token::RParen | Token::Comma)) {
            return false;
        }
        let of_types = matches!(self.text(callee), "sizeof" | "offsetof" | "typeof" | "typeinfo");
        scan.only_type || of_types && (scan.known || scan.array)
    }

    /// The longest type that starts at token `i`.
    fn scan_type(&self, i: usize) -> Option<Scan> {
        use Token::*;
        let mut scan = match self.kind(i)? {
            Struct | Union | Enum => {
                let named = self.kind(i + 1).is_some_and(|k| k == Ident || k.is_keyword());
                named.then_some(Scan { end: i + 2, only_type: true, known: false, array: false })?
            }
            Typeof => {
                let mate = self.mate(i + 1)?;
                Scan { end: mate + 1, only_type: true, known: false, array: false }
            }
            Ident => {
                let name = self.text(i);
                let known = is_type_name(name) && !self.macro_params.contains(&name);
                Scan { end: i + 1, only_type: false, known, array: false }
            }
            LParen => self.scan_tuple(i)?,
            _ => return None,
        };
        loop {
            match (self.kind(scan.end), self.kind(scan.end + 1), self.kind(scan.end + 2)) {
                (Some(Star), _, _) if self.star_is_pointer(scan.end, scan.only_type || scan.known) => {
                    scan.end += 1;
                    scan.only_type = true;
                }
                (Some(LBracket), Some(RBracket), _) => scan.end += 2,
                (Some(LBracket), Some(Int), Some(RBracket)) => scan.end += 3,
                _ => return Some(scan),
            }
            scan.array |= self.kind(scan.end - 1) == Some(RBracket);
        }
    }

    /// After a mere name, `*` makes a pointer only if no operand follows.
    fn star_is_pointer(&self, star: usize, sure: bool) -> bool {
        let stars = self.tokens[star..].iter().take_while(|t| t.kind == Token::Star).count();
        let after = self.kind(star + stars);
        sure || matches!(after, Some(Token::RParen | Token::Comma | Token::LBracket))
    }

    fn mate(&self, open: usize) -> Option<usize> {
        let is_paren = self.kind(open) == Some(Token::LParen);
        let mate = *self.mates.get(open)?;
        (is_paren && mate != NONE).then_some(mate as usize)
    }

    /// `(T, T)`: a type if one of them can be nothing else.
    fn scan_tuple(&self, i: usize) -> Option<Scan> {
        let close = self.mate(i)?;
        let mut out = Scan { end: close + 1, only_type: false, known: false, array: false };
        let mut at = i + 1;
        let mut n_commas = 0;
        while at < close {
            let scan = self.scan_type(at)?;
            out.only_type |= scan.only_type;
            out.known |= scan.known;
            if scan.end != close && self.kind(scan.end) != Some(Token::Comma) {
                return None;
            }
            n_commas += usize::from(scan.end != close);
            at = scan.end + 1;
        }
        // One in brackets is no tuple.
        (n_commas > 0).then_some(out)
    }
}

/// After these a keyword is a plain name.
fn is_name_after(prev: Option<Token>) -> bool {
    matches!(prev, Some(Token::Dot | Token::Arrow | Token::Struct | Token::Union | Token::Enum))
}

/// The parameters of a macro that stand for expressions; nothing for other items.
fn macro_params<'s>(input: &Input<'s>, tokens: &[Lexed]) -> Vec<&'s str> {
    match tokens {
        [m, _, _, params @ ..] if m.kind == Token::Macro => params
            .iter()
            .take_while(|t| t.kind != Token::RParen)
            .filter(|t| t.kind == Token::Ident)
            .map(|t| t.text(input.text))
            .collect(),
        _ => Vec::new(),
    }
}

/// Names that are types wherever they stand.
pub fn is_type_name(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "bool",
        "buffer",
        "char",
        "inet",
        "int",
        "int16",
        "int32",
        "int64",
        "int8",
        "long",
        "s16",
        "s32",
        "s64",
        "s8",
        "short",
        "signed",
        "string",
        "timestamp",
        "u16",
        "u32",
        "u64",
        "u8",
        "uint16",
        "uint32",
        "uint64",
        "uint8",
        "unsigned",
        "void",
        "__s16",
        "__s32",
        "__s64",
        "__s8",
        "__u16",
        "__u32",
        "__u64",
        "__u8",
    ];
    NAMES.contains(&name) || (name.len() > 2 && name.ends_with("_t"))
}

/// Builtins whose name in brackets is a value, so that `(pid)*2` multiplies.
fn is_builtin(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "args",
        "cgroup",
        "comm",
        "cpid",
        "cpu",
        "ctx",
        "curtask",
        "elapsed",
        "func",
        "gid",
        "jiffies",
        "kstack",
        "leader_comm",
        "leader_tid",
        "ncpus",
        "nsecs",
        "numaid",
        "pcomm",
        "pid",
        "ppid",
        "probe",
        "probetype",
        "rand",
        "retval",
        "tid",
        "uid",
        "username",
        "usermode",
        "ustack",
    ];
    NAMES.contains(&name)
        || name.strip_prefix("arg").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
