//! Runs one kernel case: the load held back, awl attached, the load let go, awl ended, the output compared.
//!
//! Always holds: when [`run`] returns, everything that it started has ended, by its own process group.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::expect::{self, Printed};
use super::kernel_case::{End, KernelCase, Load};
use super::tools;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub awl: PathBuf,
    pub workload: PathBuf,
    /// Times are multiplied by it, for slow machines.
    pub slowness: u64,
}

/// What awl says when the kernel skipped a program because it was running already: kernels preempt programs, and
/// the other tasks of the CPU go without. A run that fails then says nothing, and is repeated.
const SKIPPED: &str = "warning[W0607]";
/// Runs of a case at most.
const N_TRIES: usize = 5;

/// Runs a case and says why it fails.
pub fn run(case: &KernelCase, programs: &Programs) -> Result<(), String> {
    let mut n_left = N_TRIES;
    loop {
        n_left -= 1;
        let dir = scratch_dir(&case.name)?;
        let result = run_in(case, programs, &dir);
        let _ = std::fs::remove_dir_all(&dir);
        let Err(failure) = result else { return Ok(()) };
        if !failure.printed.contains(SKIPPED) || n_left == 0 {
            return Err(failure.why);
        }
    }
}

/// Why a run failed.
struct Failure {
    why: String,
    /// What awl printed, where it came to an end.
    printed: String,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure { why, printed: String::new() }
    }
}

fn run_in(case: &KernelCase, programs: &Programs, dir: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(case.timeout_s * programs.slowness);
    let mut variables = Variables::new(programs, dir);
    let mut load = Held::start(&case.load, &variables, dir)?;
    if let Some(load) = &load {
        variables.set("PID", load.process.child.id().to_string());
    }
    let mut awl = start_awl(case, &variables, dir)?;

    let is_attached = awl.wait_for_mark(deadline)?;
    if let Some(load) = load.as_mut().filter(|_| is_attached) {
        load.let_go()?;
        // A lingering load has not ended yet: its facts are read below.
        let is_done = matches!(case.load, Load::Lingering(_)) && load.process.wait_for_mark(deadline)?;
        if !is_done {
            load.finish(deadline, &mut variables)?;
        }
    } else if load.is_some() {
        return Err(format!("awl ended before it attached\n{}", awl.printed().shown()).into());
    }
    if let (End::InterruptAfterMs(ms), true) = (case.end, is_attached) {
        std::thread::sleep(Duration::from_millis(ms));
        awl.signal("INT");
    }
    if awl.wait(deadline).is_none() {
        let why = format!("awl does not end within {} s\n{}", case.timeout_s, awl.printed().shown());
        return Err(why.into());
    }
    if let (Some(load), Load::Lingering(_)) = (&mut load, &case.load) {
        load.finish(deadline, &mut variables)?;
    }
    let printed = awl.printed();
    compare(case, &variables, &printed)
        .map_err(|why| Failure { why, printed: printed.stdout + &printed.stderr })
}

/// Checks every expectation, and what holds for every case.
fn compare(case: &KernelCase, variables: &Variables, printed: &Printed) -> Result<(), String> {
    let mut problems = Vec::new();
    for field in &case.expects {
        if let Err(why) = expect::check(&field.key, &variables.fill(&field.value), printed) {
            problems.push(format!("line {}: {why}", field.line));
        }
    }
    let expects = |key: &str| case.expects.iter().any(|field| field.key == key);
    if !expects("expect-exit") {
        problems.extend(expect::check("expect-exit", "0", printed).err());
    }
    if !expects("expect-stderr") {
        problems.extend(expect::stderr_is_quiet(printed, &case.allowed_stderr).err());
    }
    if problems.is_empty() { Ok(()) } else { Err(format!("{}\n{}", problems.join("\n"), printed.shown())) }
}

impl Printed {
    /// As a failure shows it.
    fn shown(&self) -> String {
        let status = self.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
        format!("--- stdout\n{}--- stderr\n{}--- {status}", self.stdout, self.stderr)
    }
}

/// An empty folder for one case.
fn scratch_dir(name: &str) -> Result<PathBuf, String> {
    let dir = std::env::temp_dir().join(format!("awl-case-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir)
}

/// What a case may write in braces.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn new(programs: &Programs, dir: &Path) -> Variables {
        let mut variables = Variables(BTreeMap::new());
        variables.set("AWL", programs.awl.display().to_string());
        variables.set("WORK", programs.workload.display().to_string());
        variables.set("DIR", dir.display().to_string());
        variables.set("SCRIPT", dir.join("script.bt").display().to_string());
        variables.set("EXAMPLES", tools::folder().display().to_string());
        variables
    }
    fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }
    /// Takes the lines `key=value` that the load printed.
    fn read_facts(&mut self, text: &str) {
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            self.set(key, value.to_owned());
        }
    }
    /// Replaces `{NAME}` where NAME is known; other braces belong to the script.
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// Starts awl on the script, which stands in a file where the arguments name `{SCRIPT}`.
fn start_awl(case: &KernelCase, variables: &Variables, dir: &Path) -> Result<Running, String> {
    let script = variables.fill(&case.script);
    let mut command;
    if case.run.is_empty() {
        command = Command::new(&variables.0["AWL"]);
        command.args(case.args.iter().map(|arg| variables.fill(arg)));
        if case.args.iter().any(|arg| arg.contains("{SCRIPT}")) {
            std::fs::write(dir.join("script.bt"), &script).map_err(|e| e.to_string())?;
        } else if !script.is_empty() {
            command.args(["-e", &script]);
        }
    } else {
        command = Command::new("sh");
        command.args(["-c", &variables.fill(&case.run)]);
    }
    command.current_dir(dir).env("TZ", "UTC").env_remove("RUST_BACKTRACE");
    let mut awl = Running::spawn(command)?;
    if let Some(mut stdin) = awl.child.stdin.take() {
        // awl may end without reading it all.
        let _ = stdin.write_all(case.stdin.as_bytes());
    }
    Ok(awl)
}

/// A load that has started and waits for a line on its input before it does its work.
struct Held {
    process: Running,
    stdin: Option<ChildStdin>,
}

impl Held {
    fn start(load: &Load, variables: &Variables, dir: &Path) -> Result<Option<Held>, String> {
        let mut command = match load {
            Load::None => return Ok(None),
            Load::Workload(args) | Load::Lingering(args) => {
                let mut command = Command::new(&variables.0["WORK"]);
                command.arg("--hold").args(matches!(load, Load::Lingering(_)).then_some("--linger"));
                command.args(super::cases::words(&variables.fill(args))?);
                command
            }
            Load::Shell(lines) => {
                let mut command = Command::new("sh");
                command.args(["-ec", &format!("read -r go\n{}", variables.fill(lines))]);
                command
            }
        };
        command.current_dir(dir);
        let mut process = Running::spawn(command)?;
        let stdin = process.child.stdin.take();
        Ok(Some(Held { process, stdin }))
    }

    fn let_go(&mut self) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("the load was let go before")?;
        stdin.write_all(b"go\n").map_err(|e| format!("the load does not listen: {e}"))
    }

    /// Waits for the load's end, and takes the facts that it printed.
    fn finish(&mut self, deadline: Instant, variables: &mut Variables) -> Result<(), String> {
        // The end of its input ends one that lingers.
        self.stdin = None;
        if self.process.wait(deadline).is_none() {
            return Err(format!("the load does not end\n{}", self.process.printed().shown()));
        }
        let printed = self.process.printed();
        variables.read_facts(&printed.stdout);
        if printed.status == Some(0) { Ok(()) } else { Err(format!("the load failed\n{}", printed.shown())) }
    }
}

/// A child in a process group of its own, its output being collected.
struct Running {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    readers: Vec<JoinHandle<String>>,
    /// Told when awl says that its probes are attached, or a lingering load that it is done.
    mark: Receiver<()>,
    printed: Option<(String, String)>,
}

impl Running {
    fn spawn(mut command: Command) -> Result<Running, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        let (tell, mark) = channel();
        let mut readers = Vec::new();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            readers = vec![collect(stdout, tell.clone()), collect(stderr, tell)];
        }
        let name = command.get_program().display().to_string();
        Ok(Running { name, child, status: None, readers, mark, printed: None })
    }

    /// Waits for the mark; false if the process ended without it.
    fn wait_for_mark(&mut self, deadline: Instant) -> Result<bool, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.mark.recv_timeout(left) {
            Ok(()) => Ok(true),
            // Both ends of output are closed.
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(false),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let name = self.name.clone();
                Err(format!("{name} neither gets ready nor ends\n{}", self.printed().shown()))
            }
        }
    }

    /// Waits for the end; none if the deadline comes first.
    fn wait(&mut self, deadline: Instant) -> Option<ExitStatus> {
        while self.status.is_none() && Instant::now() < deadline {
            self.status = self.child.try_wait().ok().flatten();
            if self.status.is_none() {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
        self.status
    }

    /// Sends a signal to the process itself, if it has not ended.
    fn signal(&mut self, name: &str) {
        if self.wait(Instant::now()).is_none() {
            let _ = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        }
    }

    /// Ends the process and what it started.
    fn end(&mut self) {
        // The group has the number of its first process, which is not reaped before the group is ended.
        let group = format!("-{}", self.child.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        if self.status.is_none() {
            if killed.is_err() {
                let _ = self.child.kill();
            }
            self.status = self.child.wait().ok();
        }
    }

    /// Everything that was printed; ends the process if it still runs.
    fn printed(&mut self) -> Printed {
        self.end();
        let mut texts = self.readers.drain(..).map(|reader| reader.join().unwrap_or_default());
        if let (Some(stdout), Some(stderr)) = (texts.next(), texts.next()) {
            self.printed = Some((stdout, stderr));
        }
        let (stdout, stderr) = self.printed.clone().unwrap_or_default();
        Printed { stdout, stderr, status: self.status.and_then(|status| status.code()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.end();
        }
    }
}

/// The lines that are a mark: awl's, as text and as JSON, and the workload's.
const MARKS: &[&str] = &["Attached ", "{\"type\": \"attached_probes\"", "done=1"];

/// Reads all of `from`, and tells when a line is a mark.
fn collect(from: impl Read + Send + 'static, tell: Sender<()>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let shown = String::from_utf8_lossy(&line);
            if MARKS.iter().any(|mark| shown.starts_with(mark)) {
                let _ = tell.send(());
            }
            text.push_str(&shown);
            line.clear();
        }
        text
    })
}
