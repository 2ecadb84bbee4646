//! What stands at the cursor.
//!
//! Comes in: the whole input, of one line or many, and the place of the cursor. Goes out: [`Place`]. Always
//! holds: `start` is where the word begins that a completion replaces; it ends at the cursor.

use crate::lang::probes;
use crate::syntax::lexer::{self, ItemKind, LexItem};
use crate::syntax::token::{Lexed, Token};

/// What is being written.
#[derive(Clone, Debug, PartialEq)]
pub enum Place<'t> {
    /// `:ar`
    Command { start: usize, word: &'t str },
    /// What follows a command, as far as it is written; `args` holds all of it.
    Argument { command: &'t str, start: usize, args: &'t str },
    /// An attach point.
    Point { start: usize, text: &'t str },
    /// The first word of an input: the name of a provider, or an expression.
    First { start: usize, word: &'t str },
    /// A setting's name in `config = { … }`.
    Setting { start: usize, word: &'t str },
    /// A setting's value.
    SettingValue { start: usize, setting: &'t str, word: &'t str },
    /// `struct na`
    Tag { start: usize, word: &'t str },
    /// `base.na`
    Member { start: usize, word: &'t str, base: &'t str, code: Code<'t> },
    /// `$na`, `@na`
    Sigil { start: usize, word: &'t str },
    /// A word of an expression or statement.
    Word { start: usize, word: &'t str, code: Code<'t> },
    /// In a string or comment, or where nothing can be said.
    Nothing,
}

/// The code around the cursor.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Code<'t> {
    /// The clause's attach points as written; `None` for an expression that stands alone.
    pub points: Option<&'t str>,
    /// The statements before the one at the cursor, with their open braces; empty in a predicate.
    pub before: &'t str,
    /// The call whose arguments are being written: its name, and how many commas stand before the cursor.
    pub call: Option<(&'t str, usize)>,
}

/// Finds out what stands at `pos`, which is a boundary of characters.
pub fn find(text: &str, pos: usize) -> Place<'_> {
    let left = &text[..pos];
    let blank = left.len() - left.trim_start().len();
    if left[blank..].starts_with(':') {
        return command(left, blank);
    }
    let lexemes = lexer::lex(left);
    let Some(item) = lexemes.items.last() else { return Place::First { start: pos, word: "" } };
    let tokens = &lexemes.tokens[item.tokens.clone()];
    if is_closed(item, tokens)
        && tokens.last().is_some_and(|t| t.kind == Token::RBrace || t.kind == Token::Semi)
    {
        return match left.ends_with(char::is_whitespace) || left.ends_with(['}', ';']) {
            true => Place::First { start: pos, word: "" },
            false => Place::Nothing,
        };
    }
    match item.kind {
        ItemKind::Probe => probe(left, tokens),
        ItemKind::Config => config(left, tokens),
        ItemKind::Macro | ItemKind::Func => {
            let open = tokens.iter().position(|t| t.kind == Token::LBrace);
            open.map_or(Place::Nothing, |open| code(left, tokens, open, None))
        }
        ItemKind::CDef | ItemKind::Import | ItemKind::MapDecl => Place::Nothing,
    }
}

/// Whether a text is an expression rather than the beginning of a script.
pub fn is_expression(text: &str) -> bool {
    let text = text.trim_start();
    let word = word_len(text);
    let rest = text[word..].trim_start();
    match &text[..word] {
        "" => !text.starts_with(['#', '}', '/', '{']),
        "config" | "macro" | "fn" | "import" | "let" | "struct" | "union" | "enum" | "typedef" => false,
        name if probes::find(name).is_some() => !(rest.is_empty() || rest.starts_with([':', '{', '/', ','])),
        _ => !(text[word..].starts_with(':') || rest.starts_with('{') || is_named(rest)),
    }
}

/// `name = provider:…`
fn is_named(rest: &str) -> bool {
    rest.strip_prefix('=').is_some_and(|r| {
        let r = r.trim_start();
        word_len(r) > 0 && r[word_len(r)..].starts_with(':')
    })
}

fn word_len(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

fn command(left: &str, at: usize) -> Place<'_> {
    let word = left[at + 1..].find(char::is_whitespace).map(|n| at + 1 + n);
    let Some(end) = word else { return Place::Command { start: at, word: &left[at..] } };
    let command = &left[at..end];
    let start = end + left[end..].len() - left[end..].trim_start().len();
    Place::Argument { command, start, args: &left[start..] }
}

fn is_closed(item: &LexItem, tokens: &[Lexed]) -> bool {
    item.unclosed.is_empty() && tokens.iter().any(|t| matches!(t.kind, Token::LBrace | Token::Semi))
}

/// A clause, or a lone expression, which the lexer takes for the head of one.
fn probe<'t>(left: &'t str, tokens: &[Lexed]) -> Place<'t> {
    let start = tokens.first().map_or(left.len(), |t| t.lo as usize);
    let opens = |t: &Lexed| matches!(t.kind, Token::LBrace | Token::PredOpen);
    if is_expression(&left[start..]) {
        return lone(left, start);
    }
    if let Some(open) = tokens.iter().position(opens) {
        let points = left[start..tokens[open].lo as usize].trim();
        // A predicate that is closed, before its body.
        let last = tokens.iter().rev().find(|t| !t.kind.is_layout());
        if last.is_some_and(|t| t.kind == Token::PredClose) {
            return Place::Nothing;
        }
        let body = tokens.iter().position(|t| t.kind == Token::LBrace && is_body(tokens, t));
        return code(left, tokens, body.unwrap_or(open), Some(points));
    }
    let at = left.rfind([',', ' ', '\n', '\t', '=']).map_or(start, |n| (n + 1).max(start));
    let text = &left[at..];
    // A colon inside the word says which provider; without one, the word may be anything.
    match text.contains(':') {
        true => Place::Point { start: at, text },
        false if at == start => Place::First { start: at, word: text },
        false if left[start..at].trim_end().ends_with([',', '=']) => Place::Point { start: at, text },
        false => Place::Nothing,
    }
}

/// Whether a brace opens the clause's body, and not a block in its predicate.
fn is_body(tokens: &[Lexed], brace: &Lexed) -> bool {
    let before = || tokens.iter().take_while(|t| t.lo < brace.lo);
    let opened = before().any(|t| t.kind == Token::PredOpen);
    !opened || before().any(|t| matches!(t.kind, Token::PredClose | Token::PredMissing))
}

fn lone(left: &str, start: usize) -> Place<'_> {
    let mut tokens = lexer::lex_expr(&left[start..]);
    for t in &mut tokens {
        t.lo += start as u32;
        t.hi += start as u32;
    }
    let ends = |t: &&Lexed| matches!(t.kind, Token::Semi | Token::LBrace | Token::RBrace);
    let before = tokens.iter().rev().find(ends).map_or("", |t| &left[start..t.hi as usize]);
    words(left, &tokens, start, Code { before, ..Code::default() })
}

/// The inside of `config = { … }`.
fn config<'t>(left: &'t str, tokens: &[Lexed]) -> Place<'t> {
    let Some(open) = tokens.iter().position(|t| t.kind == Token::LBrace) else { return Place::Nothing };
    let at = tokens.iter().rposition(|t| matches!(t.kind, Token::LBrace | Token::Semi)).unwrap_or(open);
    let inside = &left[tokens[at].hi as usize..];
    match inside.split_once('=') {
        None => {
            let word = inside.trim_start();
            Place::Setting { start: left.len() - word.len(), word }
        }
        Some((setting, value)) => {
            let word = value.trim_start();
            Place::SettingValue { start: left.len() - word.len(), setting: setting.trim(), word }
        }
    }
}

/// The inside of a body or predicate that `tokens[open]` begins.
fn code<'t>(left: &'t str, tokens: &[Lexed], open: usize, points: Option<&'t str>) -> Place<'t> {
    let inside: Vec<Lexed> = tokens[open + 1..].to_vec();
    let from = tokens[open].hi as usize;
    let is_body = tokens[open].kind == Token::LBrace;
    // The statement at the cursor starts after the last of these.
    let ends = |t: &&Lexed| matches!(t.kind, Token::Semi | Token::LBrace | Token::RBrace);
    let last = inside.iter().rev().find(ends).filter(|_| is_body);
    let before = &left[from..last.map_or(from, |t| t.hi as usize)];
    words(left, &inside, from, Code { points: Some(points.unwrap_or("begin")), before, call: None })
}

/// What the last of these tokens is.
fn words<'t>(left: &'t str, tokens: &[Lexed], from: usize, mut around: Code<'t>) -> Place<'t> {
    let end = left.len();
    if let Some(last) = tokens.last()
        && last.hi as usize == end
        && (matches!(last.kind, Token::UnclosedStr | Token::Str | Token::UnclosedComment)
            || last.kind == Token::Comment && last.text(left).starts_with("//"))
    {
        return Place::Nothing;
    }
    let tokens: Vec<Lexed> = tokens.iter().filter(|t| !t.kind.is_layout()).copied().collect();
    around.call = call(left, &tokens);
    let touches = tokens.last().filter(|t| t.hi as usize == end);
    let typed = touches.filter(|t| is_word(t, left));
    let (start, rest) = match typed {
        Some(t) => (t.lo as usize, &tokens[..tokens.len() - 1]),
        None => (end, &tokens[..]),
    };
    let word = &left[start..];
    if word.starts_with(['$', '@']) {
        return Place::Sigil { start, word };
    }
    match rest.last().map(|t| t.kind) {
        Some(Token::Dot | Token::Arrow) => {
            let chain = chain_start(&rest[..rest.len() - 1]);
            let lo = rest.get(chain).map_or(from, |t| t.lo as usize);
            let hi = rest[rest.len() - 1].lo as usize;
            Place::Member { start, word, base: left.get(lo..hi).unwrap_or(""), code: around }
        }
        Some(Token::Struct | Token::Union | Token::Enum) => Place::Tag { start, word },
        Some(_) if typed.is_none() && touches.is_some_and(|t| t.kind.ends_operand()) => Place::Nothing,
        Some(_) => Place::Word { start, word, code: around },
        None if around.points.is_none() && around.before.is_empty() => Place::First { start, word },
        None => Place::Word { start, word, code: around },
    }
}

fn is_word(t: &Lexed, left: &str) -> bool {
    matches!(t.kind, Token::Ident | Token::Var | Token::Map)
        || t.kind.is_keyword()
        || t.text(left).starts_with('$')
}

/// The index at which the postfix chain begins that ends with the last of these tokens: `a.b[c](d)`.
fn chain_start(tokens: &[Lexed]) -> usize {
    let mut i = tokens.len();
    loop {
        let Some(t) = i.checked_sub(1).map(|j| tokens[j]) else { return i };
        match t.kind {
            Token::RBracket | Token::RParen => {
                let Some(open) = opener(tokens, i - 1) else { return i };
                i = open;
                let is_primary = t.kind == Token::RParen
                    && !i.checked_sub(1).is_some_and(|j| tokens[j].kind == Token::Ident);
                if is_primary {
                    return i;
                }
            }
            Token::Ident | Token::Var | Token::Map | Token::Int | Token::Positional => {
                i -= 1;
                let before = i.checked_sub(1).map(|j| tokens[j].kind);
                if !matches!(before, Some(Token::Dot | Token::Arrow)) {
                    return i;
                }
                i -= 1;
            }
            _ => return i,
        }
    }
}

/// The bracket that the one at `close` closes.
fn opener(tokens: &[Lexed], close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for i in (0..=close).rev() {
        if tokens[i].kind.closes() {
            depth += 1;
        } else if tokens[i].kind.opens() {
            depth -= 1;
            if depth == 0 {
                return Some(i);
            }
        }
    }
    None
}

/// The innermost call that is open at the end.
fn call<'t>(left: &'t str, tokens: &[Lexed]) -> Option<(&'t str, usize)> {
    let (mut depth, mut commas) = (0usize, 0usize);
    for i in (0..tokens.len()).rev() {
        match tokens[i].kind {
            k if k.closes() => depth += 1,
            k if k.opens() && depth > 0 => depth -= 1,
            Token::LParen => {
                let name = i.checked_sub(1).map(|j| tokens[j]).filter(|t| t.kind == Token::Ident);
                if let Some(name) = name {
                    return Some((name.text(left), commas));
                }
            }
            Token::LBrace | Token::Semi => return None,
            Token::Comma if depth == 0 => commas += 1,
            k if k.opens() => commas = 0,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Place<'_> {
        find(text, text.len())
    }

    #[test]
    fn commands_and_their_arguments() {
        assert_eq!(at(":pr"), Place::Command { start: 0, word: ":pr" });
        assert_eq!(at("  :load a b"), Place::Argument { command: ":load", start: 8, args: "a b" });
    }

    #[test]
    fn the_first_word_may_be_anything() {
        assert_eq!(at(""), Place::First { start: 0, word: "" });
        assert_eq!(at("trac"), Place::First { start: 0, word: "trac" });
        assert_eq!(at("begin { } tra"), Place::First { start: 10, word: "tra" });
        assert_eq!(at("1 + cu"), Place::Word { start: 4, word: "cu", code: Code::default() });
    }

    #[test]
    fn attach_points() {
        assert_eq!(at("t:sched:sw"), Place::Point { start: 0, text: "t:sched:sw" });
        assert_eq!(at("begin, kprobe:vf"), Place::Point { start: 7, text: "kprobe:vf" });
        assert_eq!(at("begin, kpr"), Place::Point { start: 7, text: "kpr" });
        assert_eq!(at("uprobe:/bin/sh:ma"), Place::Point { start: 0, text: "uprobe:/bin/sh:ma" });
        assert_eq!(at("begin {}\nt:x"), Place::Point { start: 9, text: "t:x" });
    }

    #[test]
    fn members_take_the_whole_chain() {
        let base = |text: &'static str| match at(text) {
            Place::Member { base, code, .. } => (base, code.points, code.before),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(base("curtask.mm."), ("curtask.mm", None, ""));
        assert_eq!(base("1 + curtask.files.fdt.m"), ("curtask.files.fdt", None, ""));
        assert_eq!(
            base("begin { $x = (struct file *)1; if ($x.f_path."),
            ("$x.f_path", Some("begin"), " $x = (struct file *)1;")
        );
        assert_eq!(base("$x = curtask; $x."), ("$x", None, "$x = curtask;"));
        assert_eq!(base("t:a:b /args."), ("args", Some("t:a:b"), ""));
        assert_eq!(base("t:a:b /pid == 1/ { @[args.x[1]."), ("args.x[1]", Some("t:a:b"), ""));
        assert_eq!(base("f { g(((struct x *)$p)->"), ("((struct x *)$p)", Some("f"), ""));
        assert_eq!(base("f { task(1)."), ("task(1)", Some("f"), ""));
        assert_eq!(base("f { for ($k : @m) { $k."), ("$k", Some("f"), " for ($k : @m) {"));
    }

    #[test]
    fn the_middle_of_lines() {
        let text = "f { curtask.m; exit(); }";
        assert!(matches!(find(text, 13), Place::Member { start: 12, word: "m", base: "curtask", .. }));
        assert!(matches!(find(text, 18), Place::Word { start: 15, word: "exi", .. }));
        let two = "f {\n  $count = 1;\n  $co";
        assert!(matches!(at(two), Place::Sigil { word: "$co", .. }));
    }

    #[test]
    fn calls_and_words() {
        let code = |text: &'static str| match at(text) {
            Place::Word { word, code, .. } => (word, code.call),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(code("f { printf(\"%d\", str(a, "), ("", Some(("str", 1))));
        assert_eq!(code("f { printf(\"%d\", str(a), pi"), ("pi", Some(("printf", 2))));
        assert_eq!(code("f { @x[co"), ("co", None));
        assert_eq!(code("f { (1 + (co"), ("co", None));
    }

    #[test]
    fn strings_and_comments_are_left_alone() {
        for text in ["f { printf(\"cu", "f { // cu", "f { /* cu", "f { 12"] {
            assert_eq!(at(text), Place::Nothing, "{text}");
        }
    }

    #[test]
    fn settings_and_tags() {
        assert_eq!(at("config = { max_"), Place::Setting { start: 11, word: "max_" });
        let value = Place::SettingValue { start: 24, setting: "stack_mode", word: "pe" };
        assert_eq!(at("config = { stack_mode = pe"), value);
        assert_eq!(at("f { $x = (struct ta"), Place::Tag { start: 17, word: "ta" });
    }

    #[test]
    fn what_is_an_expression() {
        for text in ["curtask.mm", "1 + 2", "@x[1]", "sizeof(struct task_struct)", "pid", "$x", "-1", "(1)"] {
            assert!(is_expression(text), "{text}");
        }
        for text in
            ["begin", "t:x:y", "kprobe:a { }", "begin { }", "config = { }", "begin /1/ {", "n = k:vfs_read {"]
        {
            assert!(!is_expression(text), "{text}");
        }
    }

    #[test]
    fn no_cut_panics() {
        let text =
            "config = { a = 1; }\nt:a:b /x.y[1] == \"ü\"/ { @a[curtask.mm] = str(args.x, 4); /* é */ }\n:x y";
        for (i, _) in text.char_indices() {
            find(text, i);
        }
    }
}
