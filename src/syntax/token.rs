//! The kinds of token, and the table by which logos finds those of a body.
//!
//! Kinds below the line "made by a mode" have no pattern: the lexer makes them where its mode knows better
//! (attach points, the slashes of a predicate), or `retag` does, which sees what follows.

use logos::Logos;

/// A token's kind; its text is found by its place.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    #[regex(r"[ \t\r\n\x0b\x0c]+")]
    Layout,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    #[regex(r"/\*([^*]|\*+[^*/])*\*+/")]
    Comment,
    #[regex(r"/\*([^*]|\*+[^*/])*\**")]
    UnclosedComment,

    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Ident,
    #[regex(r"[0-9][A-Za-z0-9_]*")]
    Int,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Str,
    #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#)]
    UnclosedStr,
    /// `$x`
    #[regex(r"\$[A-Za-z_][A-Za-z0-9_]*")]
    Var,
    /// `$1`
    #[regex(r"\$[0-9]+")]
    Positional,
    /// `$#`
    #[token("$#")]
    Count,
    /// `@x`, `@`
    #[regex(r"@[A-Za-z0-9_]*")]
    Map,

    #[token("if")]
    If,
    #[token("else")]
    Else,
    #[token("for")]
    For,
    #[token("while")]
    While,
    #[token("unroll")]
    Unroll,
    #[token("let")]
    Let,
    #[token("break")]
    Break,
    #[token("continue")]
    Continue,
    #[token("return")]
    Return,
    #[token("import")]
    Import,
    #[token("comptime")]
    Comptime,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("struct")]
    Struct,
    #[token("union")]
    Union,
    #[token("enum")]
    Enum,
    #[token("typeof")]
    Typeof,

    #[token("(")]
    LParen,
    #[token(")")]
    RParen,
    #[token("[")]
    LBracket,
    #[token("]")]
    RBracket,
    #[token("{")]
    LBrace,
    #[token("}")]
    RBrace,
    #[token(";")]
    Semi,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token("?")]
    Question,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("->")]
    Arrow,

    #[token("=")]
    Assign,
    #[token("+=")]
    AddAssign,
    #[token("-=")]
    SubAssign,
    #[token("*=")]
    MulAssign,
    #[token("/=")]
    DivAssign,
    #[token("%=")]
    RemAssign,
    #[token("&=")]
    AndAssign,
    #[token("|=")]
    OrAssign,
    #[token("^=")]
    XorAssign,
    #[token("<<=")]
    ShlAssign,
    #[token(">>=")]
    ShrAssign,

    #[token("++")]
    Inc,
    #[token("--")]
    Dec,
    #[token("!")]
    Not,
    #[token("~")]
    Tilde,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("&")]
    Amp,
    #[token("|")]
    Pipe,
    #[token("^")]
    Caret,
    #[token("<<")]
    Shl,
    #[token(">>")]
    Shr,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<")]
    Lt,
    #[token("<=")]
    Le,
    #[token(">")]
    Gt,
    #[token(">=")]
    Ge,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,

    /// `'c'`, which the language does not have, and text in the quotes of word processors.
    #[regex(r"'[^'\n]*'?")]
    #[regex("[“”„][^“”„\"\n]*[“”„\"]?")]
    CharLit,
    /// A byte that starts nothing.
    Error,

    // Made by a mode.
    /// `#!…` in the first line.
    Shebang,
    /// A preprocessor line or a C definition, as it stands.
    CDef,
    /// `config`, `macro`, `fn` at the start of an item.
    Config,
    Macro,
    Fn,
    /// A probe's own name, before `=`.
    ProbeName,
    /// `optional` before an attach point.
    Optional,
    /// One attach point.
    Point,
    /// The slashes around a predicate.
    PredOpen,
    PredClose,
    /// Stands where the closing slash is missing; empty.
    PredMissing,

    // Made by `retag`.
    /// `(` of a cast.
    CastOpen,
    /// `(` of a record.
    RecordOpen,
    /// `[` of a map's key.
    KeyOpen,
    /// Empty; says that a type follows as an argument.
    TypeArg,
    /// `=~`
    Match,
    /// Empty; the start symbol of a lone expression.
    StartExpr,
}

impl Token {
    /// White space or a comment: nothing that the grammar sees.
    pub fn is_layout(self) -> bool {
        matches!(self, Token::Layout | Token::Comment | Token::UnclosedComment)
    }

    /// A word of a body that cannot be a plain name there.
    pub fn is_keyword(self) -> bool {
        use Token::*;
        matches!(
            self,
            If | Else
                | For
                | While
                | Unroll
                | Let
                | Break
                | Continue
                | Return
                | Import
                | Comptime
                | True
                | False
                | Struct
                | Union
                | Enum
                | Typeof
        )
    }

    /// May end an operand: what follows is an operator, a separator or a mistake.
    pub fn ends_operand(self) -> bool {
        use Token::*;
        matches!(
            self,
            Ident
                | Int
                | Str
                | UnclosedStr
                | Var
                | Positional
                | Count
                | Map
                | True
                | False
                | RParen
                | RBracket
                | RBrace
                | CharLit
        )
    }

    /// Opens a bracket of any kind.
    pub fn opens(self) -> bool {
        use Token::*;
        matches!(self, LParen | CastOpen | RecordOpen | LBracket | KeyOpen | LBrace)
    }

    /// Closes a bracket of any kind.
    pub fn closes(self) -> bool {
        matches!(self, Token::RParen | Token::RBracket | Token::RBrace)
    }
}

/// A token with its place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexed {
    pub kind: Token,
    pub lo: u32,
    pub hi: u32,
}

impl Lexed {
    /// Its text within the text that was lexed.
    pub fn text<'s>(&self, text: &'s str) -> &'s str {
        text.get(self.lo as usize..self.hi as usize).unwrap_or("")
    }
}
