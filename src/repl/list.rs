//! Tables: the clauses with what they did, and what they cost.

use super::Repl;
use super::clauses::{Clause, one_line};
use crate::runtime::Cost;
use crate::sys::bpf;

/// A clause's line of a table.
struct Row {
    number: u32,
    state: &'static str,
    n_hits: u64,
    n_lost: u64,
    cost: Option<Cost>,
    text: String,
}

/// `:ls`
pub fn ls(repl: &mut Repl, _: &str) {
    if repl.clauses.is_empty() {
        repl.offer_example("interval:s:1 { printf(\"hello\\n\"); }");
        let hint = "enter one: interval:s:1 { printf(\"hello\\n\"); } (Alt-Enter puts it on the prompt)";
        return repl.screen.say(&format!("there is no clause; {hint}"));
    }
    let rows: Vec<Row> = repl.clauses.iter().map(|(n, c)| row(repl, *n, c)).collect();
    let with_cost = repl.stats.is_some();
    let (_, columns) = repl.size();
    let mut text = match with_cost {
        true => {
            format!("{:>3} {:3} {:>9} {:>7} {:>9} {:>6}  clause\n", "N", "", "hits", "lost", "runs", "ns/run")
        }
        false => format!("{:>3} {:3} {:>9} {:>7}  clause\n", "N", "", "hits", "lost"),
    };
    for r in &rows {
        let mut line = format!("{:>3} {:3} {:>9} {:>7}", r.number, r.state, r.n_hits, r.n_lost);
        if with_cost {
            let cost = r.cost.unwrap_or_default();
            line.push_str(&format!(" {:>9} {:>6}", cost.n_runs, per_run(&cost)));
        }
        line.push_str("  ");
        line.push_str(&r.text);
        text.push_str(&cut(&line, columns));
        text.push('\n');
    }
    repl.screen.say(&text);
}

fn row(repl: &Repl, number: u32, clause: &Clause) -> Row {
    let now = clause.live.map_or(0, |id| repl.hits_of(id));
    let cost = match (&repl.session, clause.live) {
        // What cannot be read is shown as nothing.
        (Some(session), Some(id)) => session.cost(id).ok(),
        _ => None,
    };
    Row {
        number,
        state: match (clause.is_on, clause.live) {
            (true, Some(_)) => "on",
            (true, None) => "-",
            (false, _) => "off",
        },
        n_hits: clause.n_hits_before + now,
        n_lost: clause.n_lost,
        cost,
        text: one_line(&clause.text),
    }
}

fn per_run(cost: &Cost) -> String {
    cost.time_ns.checked_div(cost.n_runs).map_or("-".to_owned(), |ns| ns.to_string())
}

/// The line, cut to so many columns.
pub fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// `:cost [on|off]`
pub fn cost(repl: &mut Repl, arg: &str) {
    match arg {
        "on" if repl.session.is_none() => repl.complain_obstacle(),
        "on" => match bpf::enable_stats() {
            Ok(fd) => {
                repl.stats = Some(fd);
                repl.screen
                    .say("counting runs and time of all BPF programs, at some 30 ns a run; :ls shows them");
            }
            Err(e) => repl.complain(format!("this kernel's statistics cannot be switched on: {e}"), None),
        },
        "off" => {
            repl.stats = None;
            repl.screen.say("no longer counting");
        }
        "" if repl.stats.is_none() => {
            repl.screen
                .say("nothing is counted; :cost on starts it (some 30 ns for each run of any BPF program)");
        }
        "" => table(repl),
        _ => repl.complain(format!(":cost takes on or off, not {arg}"), None),
    }
}

fn table(repl: &mut Repl) {
    let rows: Vec<Row> = repl.clauses.iter().map(|(n, c)| row(repl, *n, c)).collect();
    let (_, columns) = repl.size();
    let mut text =
        format!("{:>3} {:>9} {:>6} {:>9} {:>10}  clause\n", "N", "runs", "ns/run", "total ms", "code bytes");
    for r in &rows {
        let cost = r.cost.unwrap_or_default();
        let ms = cost.time_ns as f64 / 1e6;
        let line = format!(
            "{:>3} {:>9} {:>6} {ms:>9.2} {:>10}  {}",
            r.number,
            cost.n_runs,
            per_run(&cost),
            cost.code_bytes,
            r.text
        );
        text.push_str(&cut(&line, columns));
        text.push('\n');
    }
    repl.screen.say(&text);
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn lines_are_cut_to_the_terminal() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("äöü", 2), "ä…");
    }
}
