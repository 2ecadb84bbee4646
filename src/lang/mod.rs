//! The language's facts as rows: builtins, functions, probe types, aggregations, formats, settings.
//!
//! A row tells a name, a signature, docs and an example, how it is checked and how it is lowered. Checking and
//! lowering go through the traits [`CheckCx`] and [`LowerCx`], which `sema` and `lower` implement. Help texts,
//! completion and the README's tables are made from the rows.

pub mod additions;
pub mod aggs;
pub mod builtins;
pub mod config;
pub mod constants;
pub mod formats;
pub mod library;
pub mod lowering;
pub mod probes;
pub mod sig;
pub mod traits;

pub use config::Config;
pub use sig::{Builtin, CallData, Form, Needs, Param, ParamKind, Ret};
pub use traits::{ArgView, CheckCx, LowerCx, Operand, ReadSpace};
