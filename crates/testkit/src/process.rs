//! A program that runs while a test does.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether something has come.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a program may take to say what is waited for. Its first start hashes passwords, perhaps without
/// optimisation, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running program. It is killed at the end of the test, if it has not ended before.
#[derive(Debug)]
pub struct Process {
    child: Child,
    out: Output,
    err: Output,
}

/// What a program has written so far.
#[derive(Debug)]
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).append(&mut line);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until everything has been read.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: Output::of(out), err: Output::of(err) }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }

    /// Waits until `find` finds what it looks for in what the program has written.
    ///
    /// # Panics
    /// The program ended first, or took too long.
    pub fn wait_for<T>(&mut self, mut find: impl FnMut(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("the state of the program");
            if ended.is_some() {
                self.finish();
            }
            if let Some(found) = find(self) {
                return found;
            }
            let told = || format!("standard output:\n{}\nstandard error:\n{}", self.out(), self.err());
            assert!(ended.is_none(), "the program ended ({ended:?})\n{}", told());
            assert!(began.elapsed() < PATIENCE, "the program did not get ready\n{}", told());
            sleep(PAUSE);
        }
    }

    /// Asks it to end (SIGTERM), and waits until it has. Returns how it ended and how long that took.
    ///
    /// # Panics
    /// It does not end.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a signal");
        (self.wait(), began.elapsed())
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// It does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of the program") {
                self.finish();
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the program does not end\n{}", self.err());
            sleep(PAUSE);
        }
    }

    /// Ends it at once (SIGKILL), as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.finish();
    }

    fn finish(&mut self) {
        self.out.finish();
        self.err.finish();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("-- what the program wrote to standard error:\n{}", self.err());
        }
    }
}
