//! The proxies as child processes: started on one CPU, measured from outside, and never left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a proxy may take to accept its first connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Puts the calling thread, and what it starts from now on, onto one CPU.
pub fn pin_this_thread(cpu: Option<usize>) {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).expect("a CPU that this process may use");
    }
}

/// The CPUs that this process may use, in order.
pub fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).expect("Linux tells");
    (0..CpuSet::MAX_CPU)
        .filter(|&cpu| set.is_set(cpu))
        .collect()
}

/// What to run, and how.
#[derive(Debug)]
pub struct Plan {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    /// Where what it prints goes.
    pub log: PathBuf,
    /// Where it listens: it is up when it accepts there.
    pub address: SocketAddr,
}

/// A running child. Dropping it kills it, and so does the end of this process, however that comes.
#[derive(Debug)]
pub struct Process {
    child: Child,
    clock: ClockId,
    /// From the start of the process to the first connection that it accepted.
    pub started_in: Duration,
}

impl Process {
    /// Starts it on a CPU and waits until it accepts.
    pub fn start(plan: &Plan, cpu: Option<usize>) -> Result<Self, String> {
        Process::launch(plan, cpu, true)
    }

    /// The same without the small program in front that ties its life to ours, which would be part of the time that it takes.
    pub fn start_bare(plan: &Plan, cpu: Option<usize>) -> Result<Self, String> {
        Process::launch(plan, cpu, false)
    }

    fn launch(plan: &Plan, cpu: Option<usize>, tied: bool) -> Result<Self, String> {
        let log = File::create(&plan.log).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = match tied {
            true => tied_to_us(plan.program.as_os_str()),
            false => Command::new(&plan.program),
        };
        command
            .args(&plan.arguments)
            .envs(plan.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let begin = Instant::now();
        let child = on_cpu(cpu, || command.spawn());
        let child = child.map_err(|error| format!("{}: {error}", plan.program.display()))?;
        let pid = i32::try_from(child.id()).expect("a process id");
        let clock = clock_getcpuclockid(Pid::from_raw(pid)).map_err(|error| error.to_string());
        let mut process = Process {
            child,
            clock: clock?,
            started_in: Duration::ZERO,
        };
        while TcpStream::connect(plan.address).is_err() {
            let ended = process.child.try_wait();
            if ended.is_ok_and(|status| status.is_some()) || begin.elapsed() > PATIENCE {
                let said = fs::read_to_string(&plan.log).unwrap_or_default();
                return Err(format!("{} did not start: {said}", plan.program.display()));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        process.started_in = begin.elapsed();
        Ok(process)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of all its threads so far, of those that have ended, too.
    pub fn cpu(&self) -> Duration {
        self.clock.now().map_or(Duration::ZERO, Duration::from)
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        // The file with the sum is exact; VmRSS may be off by some pages for each CPU.
        let exact = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()));
        let roughly = || fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let text = exact.or_else(|_| roughly()).unwrap_or_default();
        let lines = text.lines();
        let mut values = lines.filter_map(|line| {
            let value = line
                .strip_prefix("Rss:")
                .or_else(|| line.strip_prefix("VmRSS:"))?;
            value.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        values.next().unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of this process: the client and the scripted broker, whose threads are all that run here.
pub fn own_cpu() -> Duration {
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().map_or(Duration::ZERO, Duration::from)
}

/// A command that the kernel kills when the thread that started it ends, where util-linux is there to say so.
pub fn tied_to_us(program: &OsStr) -> Command {
    if find("setpriv").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs something on a CPU, then goes back to where this thread was: children inherit it.
pub fn on_cpu<T>(cpu: Option<usize>, work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).expect("Linux tells");
    pin_this_thread(cpu);
    let result = work();
    sched_setaffinity(None, &before).expect("where it was before");
    result
}

/// Where a program is: in PATH, or where administrators' programs are.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let directories = std::env::split_paths(&path).chain(system);
    directories
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Free ports below those that the system gives to clients, so that no connection of the load takes one before it is bound.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().expect("nobody panicked here");
    if *next == 0 {
        *next = 16_000 + u16::try_from(std::process::id() % 14_000).expect("a small number");
    }
    std::array::from_fn(|_| {
        loop {
            *next = if *next < 32_000 { *next + 1 } else { 16_000 };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, *next)).is_ok() {
                return *next;
            }
        }
    })
}

/// Makes a file with this text and returns its path as an argument.
pub fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("the directory is ours");
    path.display().to_string()
}
