//! A home of its own for every test, agevault run in it with a clean environment, and a look
//! at what is in it afterwards without the binary's help.

use agevault::model::{SecretId, Vault};
use agevault::seal::{self, Key, Passphrase};
use agevault::secret::SecretBuf;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const AGEVAULT: &str = env!("CARGO_BIN_EXE_agevault");
/// No command of a test may take longer: what hangs is ended and fails.
const DEADLINE: Duration = Duration::from_secs(30);
/// Id -> JSON text of the value.
pub type Entries = BTreeMap<String, String>;
/// Path below HOME -> content; `None` for a directory.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// How a command has ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// The exit code, or what else happened.
    pub fn expect(&self, code: i32) -> Result<(), String> {
        if self.code == Some(code) {
            return Ok(());
        }
        let Ran { code: got, signal, stderr, .. } = self;
        Err(format!("ended with {got:?} (signal {signal:?}) and not with {code}, saying: {stderr}"))
    }
}

pub struct World {
    _root: TempDir,
    home: PathBuf,
}

impl World {
    /// An empty home.
    pub fn new() -> Self {
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(scratch).unwrap();
        let root = TempDir::with_prefix_in("world-", scratch).unwrap();
        let home = root.path().canonicalize().unwrap().join("home");
        private_dir(&home);
        Self { _root: root, home }
    }

    /// A home with a vault that the identity at its usual place opens.
    pub fn with_vault() -> Self {
        let world = Self::new();
        world.ok(&["init", "--generate-identity", "-q"], b"");
        world
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.join(below)
    }

    pub fn vault(&self) -> PathBuf {
        self.path(".local/share/agevault/vault.age")
    }

    pub fn sealed(&self) -> Option<Vec<u8>> {
        fs::read(self.vault()).ok()
    }

    pub fn identity(&self) -> PathBuf {
        self.path(".config/agevault/identity.txt")
    }

    /// Writes a private file below HOME.
    pub fn write(&self, below: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(below);
        private_dir(path.parent().unwrap());
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A command in this home. Its environment is HOME and PATH: the test's plugins, then the caller's PATH.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let tools = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.home.with_file_name("plugins")).chain(std::env::split_paths(&tools));
        command.env_clear().env("HOME", &self.home).env("PATH", std::env::join_paths(all).unwrap());
        command.current_dir(&self.home);
        command
    }

    pub fn run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(AGEVAULT);
        command.args(args);
        run(command, stdin)
    }

    /// A command that prepares a test.
    pub fn ok(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let ran = self.run(args, stdin);
        ran.expect(0).unwrap_or_else(|why| panic!("{args:?} {why}"));
        ran
    }

    pub fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        collect(&self.home, Path::new(""), &mut tree);
        tree
    }

    /// Puts the home back to what it was.
    pub fn reset(&self, tree: &Tree) {
        fs::remove_dir_all(&self.home).unwrap();
        private_dir(&self.home);
        for (path, content) in tree {
            match content {
                None => private_dir(&self.home.join(path)),
                Some(bytes) => drop(self.write(path.to_str().unwrap(), bytes)),
            }
        }
    }

    /// The entries of the vault, opened by the library with the identity at its usual place.
    pub fn entries(&self) -> Result<Entries, String> {
        let sealed = self.sealed().ok_or("there is no vault file")?;
        entries(&sealed, identity_key(&self.identity()))
    }

    /// The kept generations, as files.
    pub fn generations(&self) -> Vec<PathBuf> {
        let dir = self.path(".local/share/agevault/vault.age.d");
        let names = fs::read_dir(dir).map(|names| names.map(|entry| entry.unwrap().path()).collect());
        names.unwrap_or_default()
    }

    /// Temp files that were left anywhere.
    pub fn temps(&self) -> Vec<PathBuf> {
        self.tree().into_keys().filter(|path| path.to_string_lossy().contains("-tmp")).collect()
    }
}

/// Runs to the end; a command that hangs is killed and shows as signal 9.
pub fn run(mut command: Command, stdin: &[u8]) -> Ran {
    let start = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name} ({error}): run tests/run"));
    let (stdout, stderr) = (drained(child.stdout.take().unwrap()), drained(child.stderr.take().unwrap()));
    // A command that ends without reading its input is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_micros(500));
    };
    let took = start.elapsed();
    let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
    Ran { code: status.code(), signal: status.signal(), stdout: stdout.join().unwrap(), stderr, took }
}

/// Reads a pipe while the command runs, so that it never waits for a reader.
fn drained(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub fn identity_key(path: &Path) -> Key {
    Key::Identities(seal::parse_file(&SecretBuf::new(fs::read(path).unwrap())).unwrap())
}

pub fn passphrase_key(text: &str) -> Key {
    Key::Passphrase(Passphrase::new(&SecretBuf::new(text.as_bytes().to_vec())).unwrap())
}

/// What sealed bytes hold for a key.
pub fn entries(sealed: &[u8], key: Key) -> Result<Entries, String> {
    let (plain, _) = seal::unlock(sealed, key).map_err(|error| format!("does not open: {error:?}"))?;
    let vault = Vault::parse(plain.text().ok_or("not text")?).map_err(|error| format!("no vault: {error:?}"))?;
    let text = |id: SecretId| Some((id.to_string(), vault.get(&id)?.get().to_owned()));
    Ok(vault.ids().filter_map(text).collect())
}

fn collect(root: &Path, below: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            tree.insert(path.clone(), None);
            collect(root, &path, tree);
        } else if entry.file_type().unwrap().is_file() {
            tree.insert(path.clone(), Some(fs::read(root.join(&path)).unwrap()));
        }
    }
}

fn private_dir(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}
