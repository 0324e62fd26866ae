//! What commands print with `--json`, and what else is shown under their help and in the manual.

/// Of `status`.
pub const STATUS: &str = "\
With --json, one object:
  version 1; vault, fingerprint, generation, updated (Unix seconds); recipients [{label, kind}];
  profiles [{id, provider, type, status, expires (Unix milliseconds)}], status one of ok, expiring,
  expired, missing, refreshable, static, reference; missing [{agent, provider, profile}]; env and
  config, how many; exposed, how many secrets removed keys could read; gateway {version, state_dir,
  references} or null; missing_views, the gateway's files behind which no view is; drift [{token,
  what, hint}], how the gateway differs from what connect left; left_out [{name, place, why (a
  token), since (Unix seconds)}], what captures do not take; session {ends_in
  (seconds, null for the next boot)} or null; served_behind {at, generation}, the older state that a
  gateway was served last, or null; kept {states, bytes, budget (bytes)}; conflict_copies, paths;
  verdict ok, expiring or missing";

/// Of `recipients exposed`.
pub const EXPOSED: &str = "\
With --json, one object:
  version 1; exposed [{label, kind, removed (Unix seconds), open, ids that are still the same, waived,
  ids, total, how many it could read}]";

/// Of `connect`.
pub const CONNECT: &str = "\
With --json, one object:
  version 1; gateway, its version; added and removed, ids of references; removed_there, ids that
  the gateway had removed and that come back; entry, the members written of the resolver's entry,
  or null; commands, places of commands that run under agevault run, and unwrapped, of those that
  do not any more; roads {id: road}; reload, one of done, degraded, refused, not-running;
  left [{file, at, ids, why}], what is in plaintext.
  With --dry-run: done false, dotenv, the names that would leave the .env, views, whether they would
  be written, and links, in the place of gateway and reload; left is what would stay.
  With --undo: version 1; put_back, ids; files that hold plaintext again; only_in_vault, ids; reload
A road says how a secret reaches the gateway:
  store      a reference in its store
  config     a reference in openclaw.json
  profile    a reference in a profile made for it; as a variable only under agevault run
  run        only to a gateway that was started with agevault run -- openclaw ...
  view       in a view in memory, beside references
  command    in the environment of its command, which runs under agevault run
  own        it stays with the gateway, in plaintext
  none       the gateway does not have it
  shadowed   out of use: the gateway takes a profile of the same provider before it
  no-target  it stays in openclaw.json: this gateway takes no reference there
  too-long   its id is too long for a reference
Why something is left in plaintext:
  kept          it was asked to stay: the exit code is 0 all the same
  no-reference  OpenClaw takes no reference there
  unused        OpenClaw does not use it, something else goes before it
  unnamed       a list element without an id or name, or a file that is included twice
  argument      an argument of a command
  twice         the configuration sets the variable twice, with different values
  needed        a variable that OpenClaw reads itself
  oauth         OAuth in a database of the gateway; --keep-oauth accepts it
  store-row     a row of openclaw secrets store
  service       a variable that the gateway's service is given
  command       a command that agevault cannot run
  too-long      its id is too long for a reference
  unparsed      lines that OpenClaw passes over
  refused       it is not taken for a secret
  written       the gateway wrote it meanwhile
  copy          a copy of a value, found by its bytes
  unread        a file that could not be read";

/// Of `resolve --check`.
pub const RESOLVE: &str = "\
With --check --json, one object:
  version 1; command, the program in the gateway's configuration; references, how many it is asked
  for; took_ms, timeout_ms; findings [{token, warning, what, hint, ids}], where what is not known is
  null and a warning keeps nobody from anything. Tokens:
  not-connected           the configuration has no entry secrets.providers.agevault
  entry-...               source, command, member, bounds, secret: that part of the entry
  command-...             gone, link, no-file, owner, writable, not-executable, untrusted, differs:
                          the program
  too-many-asked          more references than a gateway asks one program for
  resolver-...            no-answer, too-slow, slow, too-much: what came of asking it
  references-unresolved   it has no value for ids
  views-gone              no view is behind files of the gateway's
  references-gone         references that connect had put are not there any more
  plaintext               secrets are in the gateway's files again
  stores-unmigrated       openclaw doctor --fix has yet to take files of profiles into its store
  stores-moved            another release keeps profiles elsewhere than the one that was connected
  other-version           another release is installed than at the last connect (a warning)
Without --check the output is the answer of the protocol.";

/// Of `init`.
pub const INIT: &str = "\
Every key that is named opens the vault: those of --generate-identity and -r, a passphrase by
--passphrase-file, --passphrase-fd or --prompt, and each identity of -i: it becomes a recipient.
With --json, one object:
  version 1; vault, its path; fingerprint; identity, the path of the one that was made, or null";

/// Of `list`.
pub const LIST: &str = "\
With --json, one object:
  version 1; ids [id]";

/// Of `recipients list`.
pub const RECIPIENTS: &str = "\
With --json, one object:
  version 1; recipients [{label, kind, one of x25519, passphrase, ssh, plugin, public, added (Unix
  seconds), kdf {memory_kib, passes, lanes} or null, used, whether it has opened the vault now}]";

/// Of `unlock`.
pub const UNLOCK: &str = "\
With --json, one object:
  version 1; vault, its path; until (Unix seconds, null for the next boot); memory_locked, whether
  the key is in memory that is never swapped";

/// Of `lock`.
pub const LOCK: &str = "\
With --json, one object:
  version 1; locked, whether there was a session to end; if not, others, the vaults of other sessions,
  and silent, how many sessions do not answer";

/// Of `backup list`.
pub const BACKUPS: &str = "\
With --json, one object:
  version 1; backups [{name, size (bytes), written (Unix seconds), passphrase_memory_mib, one number
  for each passphrase, is_age}]";

/// Of `backup verify`.
pub const VERIFY: &str = "\
Of a directory the files that are named agevault-*.age are backups.
With --json, one object:
  version 1; backups [{name, entries, how many, known, whether this host knows its fingerprint,
  problem, null if it is fine}]; passed_over, how many files of the directory have other names";

/// Of `history list`.
pub const HISTORY: &str = "\
With --json, one object:
  version 1; generations [{generation, state (N-REV, its name), saved (Unix seconds), size (bytes, null
  if it is not kept), command, host, changes [text], more, how many are not named; these four are null
  where no record of the save is}], oldest first";
