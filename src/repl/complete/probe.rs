//! Attach points: providers, then names part by part, or by any of their letters.

use super::super::view::Cx;
use super::fuzzy;
use super::words::fitting;
use super::{CANDIDATES_MAX, Candidate, cut};
use crate::lang::probes::{self, ProbeKind, Provider};

/// What an attach point can be; and where in `text` the part begins that is replaced.
pub fn point(cx: &Cx<'_>, text: &str) -> (usize, Vec<Candidate>) {
    let Some((provider, rest)) = text.split_once(':') else {
        let lower = text.to_ascii_lowercase();
        let mut types = providers(text);
        types.retain(|c| fuzzy::rank(&c.text, &lower) == Some(fuzzy::Rank::Prefix));
        return (0, if types.is_empty() { anywhere(cx, text) } else { types });
    };
    let at = provider.len() + 1;
    let Some(kind) = probes::find(provider) else { return (at, Vec::new()) };
    match kind.provider {
        Provider::Uprobe | Provider::Uretprobe | Provider::Usdt => user(cx, kind, rest, at),
        _ => (at, listed(cx, kind, rest)),
    }
}

/// Providers' names, with the colon where something follows.
pub fn providers(word: &str) -> Vec<Candidate> {
    let name = |kind: &&ProbeKind| match kind.syntax.contains(':') {
        true => format!("{}:", kind.name),
        false => kind.name.to_owned(),
    };
    let names: Vec<String> = probes::KINDS.iter().map(name).collect();
    fitting(names.iter().map(String::as_str), word)
}

/// Names of a kind by what was typed of them.
fn listed(cx: &Cx<'_>, kind: &ProbeKind, rest: &str) -> Vec<Candidate> {
    let Some(lists) = cx.index.lists() else { return Vec::new() };
    let Some(names) = lists.probes(kind.provider) else { return Vec::new() };
    let segments = names.segments(rest);
    if !segments.is_empty() {
        let more = segments.len().saturating_sub(CANDIDATES_MAX);
        let shown = segments.into_iter().take(CANDIDATES_MAX).map(Candidate::plain).collect();
        return cut(shown, more, rest);
    }
    let (best, more) = fuzzy::best(names.fitting(rest), CANDIDATES_MAX);
    cut(best.into_iter().map(Candidate::plain).collect(), more, rest)
}

/// Probes of all kinds that fit a bare word; the first kind that has a name is enough.
pub fn anywhere(cx: &Cx<'_>, word: &str) -> Vec<Candidate> {
    let Some(lists) = cx.index.lists() else { return Vec::new() };
    let mut full = Vec::new();
    for kind in probes::KINDS {
        let returns = matches!(kind.provider, Provider::Kretprobe | Provider::Fexit);
        let Some(names) = lists.probes(kind.provider).filter(|_| !returns) else { continue };
        full.extend(names.fitting(word).into_iter().map(|(rank, n)| (rank, format!("{}:{n}", kind.name))));
    }
    // A name that starts with the word is here one that has it after a colon.
    let fits = full.iter().map(|(rank, n)| ((*rank).max(fuzzy::Rank::Word), n.as_str())).collect();
    let (best, more) = fuzzy::best(fits, CANDIDATES_MAX);
    cut(best.into_iter().map(Candidate::plain).collect(), more, word)
}

/// `BINARY:FUNCTION`
fn user(cx: &Cx<'_>, kind: &ProbeKind, rest: &str, at: usize) -> (usize, Vec<Candidate>) {
    match rest.split_once(':') {
        None => (at, super::words::binaries(rest)),
        Some((target, symbol)) => {
            let target = target.trim_matches('"');
            let all = (kind.list)(cx.world, &[target.to_owned(), "*".to_owned()]);
            // What follows the path: a function, or a provider and a name.
            let after = |n: &String| n.splitn(3, ':').nth(2).map(str::to_owned);
            let names: Vec<String> = all.iter().filter_map(after).collect();
            (at + rest.len() - symbol.len(), fitting(names.iter().map(String::as_str), symbol))
        }
    }
}
