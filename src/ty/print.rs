//! Types as messages show them: `int8`, `string[3]`, `(int8,string[3])`, `struct foo *`, `usum_t`.

use super::{AggKind, Space, StructKind, Ty, TypeTable};

/// The type's name as the language's users know it.
pub fn name(ty: &Ty, types: &TypeTable) -> String {
    match ty {
        Ty::Error => "unknown".into(),
        Ty::Void => "void".into(),
        Ty::Word => "word".into(),
        Ty::Bool => "bool".into(),
        Ty::Int { bits, signed } => format!("{}int{bits}", if *signed { "" } else { "u" }),
        Ty::Str { n } => format!("string[{n}]"),
        Ty::Buf { n } => format!("buffer[{n}]"),
        Ty::Inet => "inet".into(),
        Ty::Mac => "macaddr_t".into(),
        Ty::Ksym => "ksym_t".into(),
        Ty::Usym => "usym_t".into(),
        Ty::Stack(s) => {
            let space = match s.space {
                Space::User => 'u',
                Space::Kernel | Space::Any => 'k',
            };
            format!("{space}stack_{}_{}", s.mode.word(), s.limit)
        }
        Ty::Timestamp => "timestamp".into(),
        Ty::CgroupPath => "cgroup_path_t".into(),
        Ty::Username => "username_t".into(),
        Ty::Ptr { to, .. } => format!("{} *", name(to, types)).replace("* *", "**"),
        Ty::Array { elem, n } => format!("{}[{n}]", name(elem, types)),
        Ty::Struct(s) => {
            let d = &types.structs[*s];
            let kind = match d.kind {
                StructKind::Struct => "struct",
                StructKind::Union => "union",
            };
            if d.name.is_empty() { format!("{kind} {{…}}") } else { format!("{kind} {}", d.name) }
        }
        Ty::Enum(e) => format!("enum {}", types.enums[*e].name),
        Ty::Tuple(f) => format!("({})", f.iter().map(|t| name(t, types)).collect::<Vec<_>>().join(",")),
        Ty::Record(f) => {
            let f: Vec<_> = f.iter().map(|(n, t)| format!(".{n} = {}", name(t, types))).collect();
            format!("record {{ {} }}", f.join(", "))
        }
        Ty::Agg { kind, signed } => {
            let u = if *signed { "" } else { "u" };
            match kind {
                AggKind::Count => "count_t".into(),
                AggKind::Sum => format!("{u}sum_t"),
                AggKind::Min => format!("{u}min_t"),
                AggKind::Max => format!("{u}max_t"),
                AggKind::Avg => format!("{u}avg_t"),
                AggKind::Stats => format!("{u}stats_t"),
                AggKind::Hist { .. } => "hist_t".into(),
                AggKind::Lhist { .. } => "lhist_t".into(),
                AggKind::Tseries { .. } => "tseries_t".into(),
            }
        }
    }
}
