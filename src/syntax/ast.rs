//! The typed syntax tree, as written: nothing is resolved or desugared here.
//!
//! Always holds: every node has the span of its text; where text could not be parsed an `Error` node
//! stands, and a diagnostic has been reported.

use crate::base::Span;

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    pub name: String,
    pub span: Span,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub shebang: Option<Span>,
    pub items: Vec<Item>,
    /// Every comment, in order, for the formatter.
    pub comments: Vec<Comment>,
}

#[derive(Clone, Debug)]
pub struct Comment {
    /// With its `//` or `/* */`.
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Item {
    CDef(CDef),
    Config(Config),
    Import(Import),
    MapDecl(MapDecl),
    Macro(Macro),
    Func(Func),
    Probe(Probe),
    Error(Span),
}

/// C text taken as it stands: a preprocessor line, or a `struct`/`union`/`enum`/`typedef` definition.
#[derive(Clone, Debug)]
pub struct CDef {
    pub text: String,
    pub span: Span,
}

/// `config = { key = value; … }`
#[derive(Clone, Debug)]
pub struct Config {
    pub entries: Vec<ConfigEntry>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct ConfigEntry {
    pub key: Ident,
    pub value: Expr,
    pub span: Span,
}

/// `import "path";`
#[derive(Clone, Debug)]
pub struct Import {
    pub path: String,
    pub span: Span,
}

/// `let @m = hash(100);`
#[derive(Clone, Debug)]
pub struct MapDecl {
    pub map: Ident,
    pub kind: Ident,
    pub args: Vec<Expr>,
    pub span: Span,
}

/// `macro name($v, @m, e) { … }`
#[derive(Clone, Debug)]
pub struct Macro {
    pub name: Ident,
    pub params: Vec<MacroParam>,
    pub body: Block,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum MacroParam {
    /// `$v`
    Var(Ident),
    /// `@m`
    Map(Ident),
    /// `e`
    Expr(Ident),
}

/// `fn f($a : uint8) : int64 { … }`
#[derive(Clone, Debug)]
pub struct Func {
    pub name: Ident,
    pub params: Vec<(Ident, TypeExpr)>,
    pub ret: TypeExpr,
    pub body: Block,
    pub span: Span,
}

/// `[name =] ap, ap … [/pred/] { … }`
#[derive(Clone, Debug)]
pub struct Probe {
    pub name: Option<Ident>,
    pub points: Vec<AttachPoint>,
    pub pred: Option<Expr>,
    pub body: Block,
    pub span: Span,
}

/// Whether an attach point has to exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// It must.
    Needed,
    /// `optional`: it may be missing, and all alternatives to it, too.
    Optional,
    /// `||`: taken only if the one before it in the list is missing.
    Instead,
}

/// One attach point, split at `:` outside quotes. `uprobe:"/a b":f` has the parts `uprobe`, `/a b`, `f`.
/// Positional parameters in it stay as `$1` until `expand`.
#[derive(Clone, Debug)]
pub struct AttachPoint {
    pub parts: Vec<ApPart>,
    pub want: Want,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct ApPart {
    /// Without quotes.
    pub text: String,
    /// Where a part or a piece of it was quoted, `*`, `$1` in it are literal.
    pub quoted: bool,
    pub span: Span,
}

/// `{ stmt; stmt; expr }`
#[derive(Clone, Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    /// A last expression without `;`: the value of a block expression, else a plain statement. A last `if`
    /// with `else`, or a last block, is here too if all its branches have a tail and no `;` follows.
    pub tail: Option<Box<Expr>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum StmtKind {
    Expr(Expr),
    /// `_ = e;`
    Discard(Expr),
    /// `let $x`, `let $x: T = e`
    Let {
        var: Ident,
        ty: Option<TypeExpr>,
        init: Option<Expr>,
    },
    /// `target op= value`; `op` is `None` for plain `=`. The target is checked later.
    Assign {
        target: Expr,
        op: Option<BinOp>,
        value: Expr,
    },
    If(If),
    While {
        cond: Expr,
        body: Block,
    },
    /// `for ($kv : @m) {}`, `for $i : a..b {}`
    For {
        var: Ident,
        over: ForOver,
        body: Block,
    },
    Unroll {
        count: Expr,
        body: Block,
    },
    Break,
    Continue,
    Return(Option<Expr>),
    Import(Import),
    /// A block that stands as a statement.
    Block(Block),
    Error,
}

#[derive(Clone, Debug)]
pub enum ForOver {
    Map(Expr),
    Range { from: Expr, to: Expr },
}

#[derive(Clone, Debug)]
pub struct If {
    /// `if comptime c`
    pub comptime: bool,
    pub cond: Box<Expr>,
    pub then: Block,
    pub els: Option<Box<Else>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Else {
    If(If),
    Block(Block),
}

/// An expression. Brackets around it leave no node, but its span includes them.
#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal without its sign. Durations are already nanoseconds.
    Int(u64),
    Bool(bool),
    /// Escapes are already replaced.
    Str(Vec<u8>),
    /// `pid`, `AF_INET`, a macro parameter: whatever a bare name turns out to be.
    Ident(String),
    /// `$x`, without the `$`.
    Var(String),
    /// `@x` or `@x[k, …]`, without the `@` (`@` itself is the empty name).
    Map {
        name: String,
        key: Option<Vec<Expr>>,
    },
    /// `$1`
    Positional(u32),
    /// `$#`
    PositionalCount,
    Unary {
        op: UnOp,
        e: Box<Expr>,
    },
    /// `++x`, `x--`
    IncDec {
        op: IncDec,
        fix: Fix,
        e: Box<Expr>,
    },
    Binary {
        op: BinOp,
        l: Box<Expr>,
        r: Box<Expr>,
        op_span: Span,
    },
    /// `c ? a : b`; `c ?: b` has no `then`.
    Cond {
        cond: Box<Expr>,
        then: Option<Box<Expr>>,
        els: Box<Expr>,
    },
    Cast {
        ty: TypeExpr,
        e: Box<Expr>,
    },
    /// `e.name`, `e->name`
    Field {
        e: Box<Expr>,
        name: Ident,
        arrow: bool,
    },
    /// `e.0`
    TupleIndex {
        e: Box<Expr>,
        index: u64,
        index_span: Span,
    },
    /// `e[i]` on anything but a map.
    Index {
        e: Box<Expr>,
        index: Box<Expr>,
    },
    /// `f(a, b)`; also `sizeof`, `offsetof`, `typeof` and friends, whose arguments may be types.
    Call {
        name: Ident,
        args: Vec<Arg>,
    },
    Tuple(Vec<Expr>),
    /// `(a = 1, b = 2)`
    Record(Vec<(Ident, Expr)>),
    If(Box<If>),
    Block(Block),
    /// `comptime e`
    Comptime(Box<Expr>),
    Error,
}

/// A call's argument: an expression, or a type where only a type can be meant (`sizeof(struct x)`).
#[derive(Clone, Debug)]
pub enum Arg {
    Expr(Expr),
    Type(TypeExpr),
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `uint64`, `string`, a typedef's name
    Name(String),
    Struct(String),
    Union(String),
    Enum(String),
    Ptr(Box<TypeExpr>),
    /// `T[4]`; `T[]` has no length. `string[64]` is an array of `string` here.
    Array(Box<TypeExpr>, Option<u64>),
    Tuple(Vec<TypeExpr>),
    Record(Vec<(Ident, TypeExpr)>),
    /// `typeof(e)` or `typeof(T)`
    Typeof(Box<Arg>),
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnOp {
    Neg,
    /// `!`
    Not,
    /// `~`
    BitNot,
    /// `*`
    Deref,
    /// `&`
    AddrOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncDec {
    Inc,
    Dec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    Prefix,
    Postfix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// `&&`
    LogAnd,
    /// `||`
    LogOr,
    /// `=~`, only before a string literal
    Match,
}

impl BinOp {
    /// As written.
    pub fn text(self) -> &'static str {
        match self {
            BinOp::Add => "+",
            BinOp::Sub => "-",
            BinOp::Mul => "*",
            BinOp::Div => "/",
            BinOp::Rem => "%",
            BinOp::And => "&",
            BinOp::Or => "|",
            BinOp::Xor => "^",
            BinOp::Shl => "<<",
            BinOp::Shr => ">>",
            BinOp::Eq => "==",
            BinOp::Ne => "!=",
            BinOp::Lt => "<",
            BinOp::Le => "<=",
            BinOp::Gt => ">",
            BinOp::Ge => ">=",
            BinOp::LogAnd => "&&",
            BinOp::LogOr => "||",
            BinOp::Match => "=~",
        }
    }
}
