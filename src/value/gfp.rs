//! Flags of kernel allocations, by name: `%gr`.
//!
//! Always holds: in a table, combinations of flags stand before what they are made of, as the kernel's own trace output
//! orders them, so that the first that fits is taken. Which bit is which flag differs between kernels: the table is that
//! of the kernel that is compiled for.

/// Single flags, `__GFP_` left out, with their bits in kernels that do not tell them (include/linux/gfp_types.h, 6.8).
const BITS: &[(&str, u32)] = &[
    ("DMA", 0),
    ("HIGHMEM", 1),
    ("DMA32", 2),
    ("MOVABLE", 3),
    ("RECLAIMABLE", 4),
    ("HIGH", 5),
    ("IO", 6),
    ("FS", 7),
    ("ZERO", 8),
    ("DIRECT_RECLAIM", 10),
    ("KSWAPD_RECLAIM", 11),
    ("WRITE", 12),
    ("NOWARN", 13),
    ("RETRY_MAYFAIL", 14),
    ("NOFAIL", 15),
    ("NORETRY", 16),
    ("MEMALLOC", 17),
    ("COMP", 18),
    ("NOMEMALLOC", 19),
    ("HARDWALL", 20),
    ("THISNODE", 21),
    ("ACCOUNT", 22),
    ("ZEROTAGS", 23),
];

const RECLAIM: &[&str] = &["DIRECT_RECLAIM", "KSWAPD_RECLAIM"];
const NO_RECLAIM: &[&str] = &[];
/// What the names are made of: flags, and whether `RECLAIM` is among them.
type Parts = (&'static str, &'static [&'static str], &'static [&'static str]);

const NAMES: &[Parts] = &[
    (
        "GFP_TRANSHUGE",
        &["IO", "FS", "HARDWALL", "HIGHMEM", "MOVABLE", "COMP", "NOMEMALLOC", "NOWARN", "DIRECT_RECLAIM"],
        NO_RECLAIM,
    ),
    (
        "GFP_TRANSHUGE_LIGHT",
        &["IO", "FS", "HARDWALL", "HIGHMEM", "MOVABLE", "COMP", "NOMEMALLOC", "NOWARN"],
        NO_RECLAIM,
    ),
    ("GFP_HIGHUSER_MOVABLE", &["IO", "FS", "HARDWALL", "HIGHMEM", "MOVABLE"], RECLAIM),
    ("GFP_HIGHUSER", &["IO", "FS", "HARDWALL", "HIGHMEM"], RECLAIM),
    ("GFP_USER", &["IO", "FS", "HARDWALL"], RECLAIM),
    ("GFP_KERNEL_ACCOUNT", &["IO", "FS", "ACCOUNT"], RECLAIM),
    ("GFP_KERNEL", &["IO", "FS"], RECLAIM),
    ("GFP_NOFS", &["IO"], RECLAIM),
    ("GFP_ATOMIC", &["HIGH", "KSWAPD_RECLAIM"], NO_RECLAIM),
    ("GFP_NOIO", &[], RECLAIM),
    ("GFP_NOWAIT", &["KSWAPD_RECLAIM"], NO_RECLAIM),
    ("GFP_DMA", &["DMA"], NO_RECLAIM),
    ("GFP_DMA32", &["DMA32"], NO_RECLAIM),
];

/// The table of a kernel by the bits that it gives to flags (`__GFP_IO`); where it tells none, by the usual ones.
pub fn table(bit_of: &mut dyn FnMut(&str) -> Option<u32>) -> Vec<(u64, String)> {
    let told: Vec<Option<u32>> = BITS.iter().map(|(flag, _)| bit_of(&format!("__GFP_{flag}"))).collect();
    let tells = told.iter().any(Option::is_some);
    let bit = |flag: &str| {
        let i = BITS.iter().position(|(f, _)| *f == flag)?;
        if tells { told[i] } else { Some(BITS[i].1) }
    };
    let combined = NAMES.iter().filter_map(|(name, flags, reclaim)| {
        let bits = flags.iter().chain(*reclaim).map(|f| Some(1u64 << bit(f)?));
        Some((bits.collect::<Option<Vec<u64>>>()?.iter().sum(), (*name).to_owned()))
    });
    let single = BITS.iter().filter_map(|(flag, _)| Some((1u64 << bit(flag)?, format!("__GFP_{flag}"))));
    combined.chain(single).collect()
}

/// Names joined with `|`, what has no name as a number; `0` for none. An empty table is the usual one.
pub fn text(flags: u64, names: &[(u64, String)]) -> String {
    let usual = if names.is_empty() { table(&mut |_| None) } else { Vec::new() };
    let mut rest = flags;
    let mut shown = Vec::new();
    for (bits, name) in names.iter().chain(&usual) {
        if *bits != 0 && rest & bits == *bits {
            shown.push(name.clone());
            rest &= !bits;
        }
    }
    if rest != 0 || shown.is_empty() {
        shown.push(if rest == 0 { "0".into() } else { format!("{rest:#x}") });
    }
    shown.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_bits_of_a_kernel() {
        let mut bit_of = |flag: &str| match flag {
            "__GFP_IO" => Some(3),
            "__GFP_FS" => Some(5),
            "__GFP_DIRECT_RECLAIM" => Some(0),
            "__GFP_KSWAPD_RECLAIM" => Some(1),
            _ => None,
        };
        let names = table(&mut bit_of);
        assert_eq!(text(0b10_1011, &names), "GFP_KERNEL");
        assert_eq!(text(0b1011, &names), "GFP_NOFS");
        assert_eq!(text(0b10_0010, &names), "GFP_NOWAIT|__GFP_FS");
        assert_eq!(text(0x100, &names), "0x100");
        assert_eq!(text(0, &names), "0");
    }

    #[test]
    fn by_the_usual_bits() {
        assert_eq!(text(0xcc0, &[]), "GFP_KERNEL");
        assert_eq!(text(0x40, &[]), "__GFP_IO");
        assert_eq!(text(0x1, &[]), "GFP_DMA");
        assert_eq!(text(0x1c_20ca, &[]), "GFP_TRANSHUGE_LIGHT");
        assert_eq!(text(0x1c_24ca, &[]), "GFP_TRANSHUGE");
    }
}
