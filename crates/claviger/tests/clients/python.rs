//! Python with packages from PyPI, in a virtual environment that is made once and kept in the target folder.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Fetching the packages, over a slow line.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
/// How often it is looked whether a program has ended.
const POLL: Duration = Duration::from_millis(50);

/// A virtual environment with some packages.
pub struct Python(PathBuf);

impl Python {
    /// The environment with these packages, which is made if there is none yet. Another list of packages makes
    /// another environment.
    pub fn with(name: &str, requirements: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        requirements.hash(&mut hasher);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{:016x}", hasher.finish()));
        // Tests run side by side, and so may two runs of them.
        let lock = File::create(folder.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let complete = folder.join("complete");
        if !complete.exists() {
            // What a start that was cut short has left.
            let _ = std::fs::remove_dir_all(&folder);
            make(&folder, requirements);
            File::create(complete).unwrap();
        }
        Self(folder)
    }

    /// A program of the environment.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.0.join("bin").join(program))
    }
}

fn make(folder: &Path, requirements: &str) {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    if let Err(error) =
        venv.stdin(Stdio::null()).output().map_err(|error| error.to_string()).and_then(|done| {
            let told = || String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
            if done.status.success() { Ok(()) } else { Err(told()) }
        })
    {
        panic!(
            "This test needs Python 3 with `venv` and `pip` (on Debian: apt-get install python3-venv): {error}"
        );
    }
    let list = folder.join("requirements.txt");
    std::fs::write(&list, requirements).unwrap();
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&list);
    let (success, output) = run(pip, "", INSTALL_TIMEOUT);
    assert!(success, "the packages in {} could not be installed from PyPI: {output}", list.display());
}

/// Runs a program with this standard input; says whether it succeeded, and what it printed.
pub fn run(mut command: Command, input: &str, timeout: Duration) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without having read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = thread::spawn(move || text(&mut out));
    let err = thread::spawn(move || text(&mut err));
    let deadline = Instant::now() + timeout;
    let mut late = "";
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            late = "\n(it took too long and was ended)";
            let _ = child.kill();
        }
        thread::sleep(POLL);
    };
    (status.success(), format!("{}{}{late}", out.join().unwrap(), err.join().unwrap()))
}

fn text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
