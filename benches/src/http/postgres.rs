//! A PostgreSQL of the bench's own, from the programs that are installed.

use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that Debian makes for it. PostgreSQL does not run as root.
const ACCOUNT: &str = "postgres";
const START: Duration = Duration::from_secs(30);

/// A running PostgreSQL. It ends with it.
pub(crate) struct Postgres {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown: nothing of it is needed any more.
        let _ = Command::new("kill").arg("-QUIT").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Postgres {
    /// Starts one in a folder on this processor; none if the programs are not there.
    pub(crate) fn start(folder: &Path, processor: &str) -> Option<Self> {
        let programs = programs()?;
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).expect("a folder");
        let account = (std::fs::metadata("/proc/self").expect("a process").uid() == 0).then_some(ACCOUNT);
        if let Some(account) = account {
            chown(&folder, Some(user_id(account)?), None).expect("root may do this");
        }
        let data = folder.join("data");
        let mut make = as_account(account, &programs.join("initdb"));
        make.arg("--pgdata").arg(&data).args(["--auth=trust", "--username=bench", "--no-sync"]);
        assert!(quiet(&mut make).status().is_ok_and(|status| status.success()), "initdb");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port").port();
        // Not through runuser, which would stand between us and the server's process.
        let mut serve = Command::new("taskset");
        serve.args(["-c", processor]);
        if let Some(account) = account {
            serve.args(["setpriv", "--init-groups", "--reuid", account, "--regid", account]);
        }
        serve.arg(programs.join("postgres")).arg("-D").arg(&data).arg("-p").arg(port.to_string());
        serve.args(["-c", "listen_addresses=127.0.0.1", "-c"]);
        serve.arg(format!("unix_socket_directories={}", folder.display()));
        let child = quiet(&mut serve).spawn().expect("postgres");
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "PostgreSQL did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { child, url: format!("postgres://bench@127.0.0.1:{port}/postgres") })
    }
}

/// The folder of the newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter(|path| path.join("bin/postgres").exists()).max_by_key(version)?;
    Some(newest.join("bin"))
}

fn user_id(account: &str) -> Option<u32> {
    let output = Command::new("id").args(["-u", account]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn as_account(account: Option<&str>, program: &Path) -> Command {
    let Some(account) = account else { return Command::new(program) };
    let mut command = Command::new("runuser");
    command.args(["-u", account, "--"]).arg(program);
    command
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/")
}
