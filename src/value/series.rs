//! Values over time.
//!
//! Always holds: the points ascend in time and lie on whole intervals; `times`, once made, has a stamp a row.

/// `tseries`: the intervals that have a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub interval_ns: u64,
    pub points: Vec<Point>,
    /// Of each row, from the first point to the last, once the runtime has looked them up; before that, none.
    pub times: Vec<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Of the interval, ns since boot.
    pub start_ns: u64,
    pub value: i128,
}

/// A time as text, for people and with its date.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    pub clock: String,
    pub full: String,
}

/// How finely an interval is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// Rows between two points that are shown one by one; a longer gap is shown by this many.
const GAP_ROWS_MAX: u64 = 1_000_000;

impl Series {
    pub fn span(&self) -> Span {
        match self.interval_ns {
            1_000_000_000.. => Span::Seconds,
            1_000_000.. => Span::Millis,
            1_000.. => Span::Micros,
            _ => Span::Nanos,
        }
    }

    /// Makes the stamps; `text` yields a time, in ns since boot, by a format of `strftime`.
    pub fn name_times(&mut self, text: &mut dyn FnMut(u64, &str) -> String) {
        let clock = match self.span() {
            Span::Seconds => "%H:%M:%S",
            Span::Millis => "%H:%M:%S.%l",
            Span::Micros => "%H:%M:%S.%f",
            Span::Nanos => "%H:%M:%S.%k",
        };
        self.times = self
            .starts()
            .map(|ns| Stamp { clock: text(ns, clock), full: text(ns, "%Y-%m-%d %H:%M:%S.%k") })
            .collect();
    }

    /// The start of each row's interval.
    fn starts(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.points.first().map_or(0, |p| p.start_ns);
        let n = self.points.last().map_or(0, |p| (p.start_ns - first) / self.interval_ns + 1);
        let interval = self.interval_ns;
        (0..n.min(GAP_ROWS_MAX)).map(move |i| first + i * interval)
    }

    /// Each interval from the first to the last: its time for people, and its value if it has one.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Option<i128>)> {
        self.starts().enumerate().map(|(i, start)| {
            let at = self.points.binary_search_by_key(&start, |p| p.start_ns);
            let clock = self.times.get(i).map_or("", |t| t.clock.as_str());
            (clock, at.ok().map(|at| self.points[at].value))
        })
    }

    /// The points with their dates.
    pub fn dated(&self) -> impl Iterator<Item = (&str, i128)> {
        let first = self.points.first().map_or(0, |p| p.start_ns);
        self.points.iter().map(move |p| {
            let row = ((p.start_ns - first) / self.interval_ns) as usize;
            (self.times.get(row).map_or("", |t| t.full.as_str()), p.value)
        })
    }
}
