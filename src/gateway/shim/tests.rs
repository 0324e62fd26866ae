use super::super::{Installed, Settings, Version, installed, is_read_only};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A home directory with a package in it; in texts `@HOME` stands for its path.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.text(text)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn package(&self, dir: &str, version: &str) -> PathBuf {
        self.write(&format!("{dir}/package.json"), &format!(r#"{{"name":"openclaw","version":"{version}"}}"#));
        self.write(&format!("{dir}/dist/index.js"), "");
        self.write(&format!("{dir}/openclaw.mjs"), "");
        self.path(dir)
    }

    fn text(&self, text: &str) -> String {
        text.replace("@HOME", self.0.path().canonicalize().unwrap().to_str().unwrap())
    }

    fn link(&self, to: &str, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.text(to), path).unwrap();
    }

    fn settings(&self, program: &str) -> Settings {
        Settings { openclaw: Some(self.path(program)), home: Some(self.path("")), ..Settings::default() }
    }

    fn find(&self, program: &str) -> Option<Installed> {
        installed(&self.settings(program))
    }

    /// Finds this package behind `program`, and this Node.
    fn leads(&self, program: &str, package: &Path, node: Option<&str>) {
        let found = self.find(program).unwrap_or_else(|| panic!("{}", fs::read_to_string(self.path(program)).unwrap()));
        assert_eq!((found.package.as_path(), found.version), (package, Version(2026, 9, 6)));
        assert_eq!(found.program, self.path(program));
        assert_eq!(found.node, node.map(|node| self.path(node)));
        assert!(found.scripts.contains(&self.path(program)));
        assert_eq!(found.entry(), package.join("openclaw.mjs"));
        // By the search path as well.
        let dir = self.path(program).parent().unwrap().to_owned();
        let by_path = Settings { search_path: vec![dir], home: Some(self.path("")), ..Settings::default() };
        if program.ends_with("/openclaw") {
            assert_eq!(installed(&by_path), Some(found));
        }
    }
}

/// As pnpm 9.15 makes it for `pnpm add -g`.
const PNPM_9: &str = r#"#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\,/,g')")

case `uname` in
    *CYGWIN*) basedir=`cygpath -w "$basedir"`;;
esac

if [ -z "$NODE_PATH" ]; then
  export NODE_PATH="@HOME/pnpm/global/5/.pnpm/openclaw@2026.9.6/node_modules/openclaw/node_modules:@HOME/pnpm/global/5/.pnpm/openclaw@2026.9.6/node_modules:@HOME/pnpm/global/5/.pnpm/node_modules"
else
  export NODE_PATH="@HOME/pnpm/global/5/.pnpm/openclaw@2026.9.6/node_modules/openclaw/node_modules:@HOME/pnpm/global/5/.pnpm/openclaw@2026.9.6/node_modules:@HOME/pnpm/global/5/.pnpm/node_modules:$NODE_PATH"
fi
if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/global/5/node_modules/openclaw/openclaw.mjs" "$@"
else
  exec node  "$basedir/global/5/node_modules/openclaw/openclaw.mjs" "$@"
fi
"#;

/// As pnpm 10.34 makes it.
const PNPM_10: &str = r#"#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\,/,g')")

case `uname` in
    *CYGWIN*|*MINGW*|*MSYS*)
        if command -v cygpath > /dev/null 2>&1; then
            basedir=`cygpath -w "$basedir"`
        fi
    ;;
esac

if [ -z "$NODE_PATH" ]; then
  export NODE_PATH="@HOME/pnpm/global/5/.pnpm/node_modules"
else
  export NODE_PATH="@HOME/pnpm/global/5/.pnpm/node_modules:$NODE_PATH"
fi
if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/global/5/.pnpm/openclaw@2026.9.6/node_modules/openclaw/openclaw.mjs" "$@"
else
  exec node  "$basedir/global/5/.pnpm/openclaw@2026.9.6/node_modules/openclaw/openclaw.mjs" "$@"
fi
"#;

#[test]
fn the_wrappers_of_pnpm_lead_to_the_package_in_its_store() {
    for text in [PNPM_9, PNPM_10] {
        let host = Host::new();
        let package = host.package("pnpm/global/5/.pnpm/openclaw@2026.9.6/node_modules/openclaw", "2026.9.6");
        host.link("../.pnpm/openclaw@2026.9.6/node_modules/openclaw", "pnpm/global/5/node_modules/openclaw");
        host.write("pnpm/openclaw", text);
        host.leads("pnpm/openclaw", &package, None);
        host.write("pnpm/node", "");
        host.leads("pnpm/openclaw", &package, Some("pnpm/node"));
    }
}

#[test]
fn the_wrapper_of_npm_for_shells_on_windows_is_read_too() {
    let host = Host::new();
    let package = host.package("npm/node_modules/openclaw", "2026.9.6");
    // As cmd-shim 7 makes it.
    let text = r#"#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\,/,g')")

case `uname` in
    *CYGWIN*|*MINGW*|*MSYS*)
        if command -v cygpath > /dev/null 2>&1; then
            basedir=`cygpath -w "$basedir"`
        fi
    ;;
esac

if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/node_modules/openclaw/openclaw.mjs" "$@"
else 
  exec node  "$basedir/node_modules/openclaw/openclaw.mjs" "$@"
fi
"#;
    host.write("npm/openclaw", text);
    host.leads("npm/openclaw", &package, None);
}

#[test]
fn a_wrapper_of_nix_names_its_node_and_declares_the_configuration_immutable() {
    let host = Host::new();
    let package = host.package("store/openclaw/lib/node_modules/openclaw", "2026.9.6");
    host.link("node_modules/openclaw", "store/openclaw/lib/openclaw");
    host.write("store/nodejs/bin/node", "");
    // As makeWrapper makes it, in both of the forms that it has had.
    let now = r#"#! @HOME/store/bash/bin/bash -e
PATH=${PATH:+':'$PATH':'}
PATH=${PATH/':''@HOME/store/nodejs/bin'':'/':'}
PATH='@HOME/store/nodejs/bin'$PATH
PATH=${PATH#':'}
PATH=${PATH%':'}
export PATH
export OPENCLAW_NIX_MODE=${OPENCLAW_NIX_MODE-'1'}
export OPENCLAW_DISABLE_PERSISTED_PLUGIN_REGISTRY=${OPENCLAW_DISABLE_PERSISTED_PLUGIN_REGISTRY-'1'}
exec "@HOME/store/nodejs/bin/node"  @HOME/store/openclaw/lib/openclaw/dist/index.js "$@" 
"#;
    let later = r#"#! @HOME/store/bash/bin/bash -eu
declare -a extraFlagsArray=()
export PATH='@HOME/store/nodejs/bin'${PATH:+':'$PATH}
export OPENCLAW_NIX_MODE='1'
set +u
exec '@HOME/store/nodejs/bin/node' @HOME/store/openclaw/lib/openclaw/dist/index.js "${extraFlagsArray[@]}" "$@"
"#;
    for text in [now, later] {
        host.write("store/openclaw/bin/openclaw", text);
        host.leads("store/openclaw/bin/openclaw", &package, Some("store/nodejs/bin/node"));
        assert!(is_read_only(&host.settings("store/openclaw/bin/openclaw")));
        // A profile of a user is a chain of links to it.
        let _ = fs::remove_file(host.path("profile/bin/openclaw"));
        host.link("../../store/openclaw/bin/openclaw", "profile/bin/openclaw");
        host.leads("profile/bin/openclaw", &package, Some("store/nodejs/bin/node"));
    }
    for text in [now.replace("OPENCLAW_NIX_MODE-'1'", "OPENCLAW_NIX_MODE-'0'"), later.replace("MODE='1'", "MODE=''")] {
        host.write("store/openclaw/bin/openclaw", &text);
        assert!(!is_read_only(&host.settings("store/openclaw/bin/openclaw")));
    }
    let declared = Settings { read_only: true, ..host.settings("store/openclaw/bin/openclaw") };
    assert!(is_read_only(&declared));
}

#[test]
fn scripts_of_ones_own_are_followed_by_the_paths_in_them() {
    let host = Host::new();
    let package = host.package("opt/lib/node_modules/openclaw", "2026.9.6");
    host.link("../lib/node_modules/openclaw/openclaw.mjs", "opt/bin/openclaw");
    host.write("opt/node/bin/node", "");
    for (text, node) in [
        ("#!/bin/sh\nexec node @HOME/opt/lib/node_modules/openclaw/openclaw.mjs \"$@\"\n", None),
        ("exec @HOME/opt/bin/openclaw \"$@\"\n", None),
        ("#!/bin/bash\nPATH=\"@HOME/opt/node/bin:$PATH\" exec \"@HOME/opt/bin/openclaw\"  \"$@\"\n", None),
        ("exec ~/opt/node/bin/node ~/opt/bin/openclaw \"$@\"", Some("opt/node/bin/node")),
        ("export P=\"$HOME/opt\"\nBIN=\"${P}/bin/openclaw\"\n# it's the one\nexec \"$BIN\" \"$@\"\n", None),
        ("exec \"$(dirname \"$0\")/../opt/bin/openclaw\" \"$@\"", None),
        ("here=$(cd \"$(dirname \"$0\")\" && pwd)\nexec \"$here/../opt/bin/openclaw\" \"$@\"", None),
        ("exec \"${0%/*}\"/../opt/lib/node_modules/openclaw/dist/index.js \"$@\"", None),
    ] {
        host.write("mine/openclaw", text);
        host.leads("mine/openclaw", &package, node);
    }
    // One script behind another, but not without end.
    host.write("second/openclaw", "exec @HOME/mine/openclaw \"$@\"");
    assert_eq!(host.find("second/openclaw").unwrap().scripts.len(), 2);
    host.write("mine/openclaw", "exec @HOME/second/openclaw \"$@\"");
    assert_eq!(host.find("second/openclaw"), None);
}

#[test]
fn what_leads_to_no_package_of_the_gateway_is_none() {
    let host = Host::new();
    host.write("other/node_modules/tool/package.json", r#"{"name":"tool","version":"2026.9.6"}"#);
    host.write("other/node_modules/tool/openclaw.mjs", "");
    host.package("here", "2026.9.6");
    let long = format!("#{}\nexec node @HOME/here/openclaw.mjs\n", "x".repeat(super::MAX_SCRIPT));
    for text in [
        "exec node @HOME/other/node_modules/tool/openclaw.mjs",
        "exec node @HOME/nowhere/openclaw.mjs",
        "exec node $UNKNOWN/openclaw.mjs",
        "export NODE_PATH=@HOME/here/openclaw.mjs:/usr/lib",
        "exec openclaw.mjs",
        "exec '@HOME/here/openclaw.mjs",
        "\0exec node @HOME/here/openclaw.mjs",
        "",
        &long,
    ] {
        host.write("bin/openclaw", text);
        assert_eq!(host.find("bin/openclaw"), None, "{}", text.get(..40).unwrap_or(text));
    }
    assert_eq!(host.find("bin/none"), None);
}

#[test]
fn the_shims_of_version_managers_lead_to_the_version_that_has_the_gateway() {
    // Volta: a link to one program for all tools.
    let host = Host::new();
    let package = host.package(".volta/tools/image/packages/openclaw/lib/node_modules/openclaw", "2026.9.6");
    host.write("usr/bin/volta-shim", "\u{7f}ELF\0");
    host.link("@HOME/usr/bin/volta-shim", ".volta/bin/openclaw");
    host.leads(".volta/bin/openclaw", &package, None);
    let record = r#"{"name":"openclaw","version":"2026.9.6","platform":{"node":"24.16.0","npm":null,"pnpm":null,"yarn":null},"bins":["openclaw"],"manager":"Npm"}"#;
    host.write(".volta/tools/user/packages/openclaw.json", record);
    host.write(".volta/tools/image/node/24.16.0/bin/node", "");
    host.leads(".volta/bin/openclaw", &package, Some(".volta/tools/image/node/24.16.0/bin/node"));

    // asdf: a script that names the versions.
    let host = Host::new();
    let package = host.package(".asdf/installs/nodejs/24.16.0/lib/node_modules/openclaw", "2026.9.6");
    host.link("../lib/node_modules/openclaw/openclaw.mjs", ".asdf/installs/nodejs/24.16.0/bin/openclaw");
    for exec in [
        "exec asdf exec \"openclaw\" \"$@\"",
        "exec @HOME/.asdf/bin/asdf exec \"openclaw\" \"$@\" # asdf_allow: ' asdf '",
    ] {
        let text =
            format!("#!/usr/bin/env bash\n# asdf-plugin: nodejs 22.1.0\n# asdf-plugin: nodejs 24.16.0\n{exec}\n");
        host.write(".asdf/shims/openclaw", &text);
        host.leads(".asdf/shims/openclaw", &package, Some(".asdf/installs/nodejs/24.16.0/bin/node"));
    }
    // Which of two is meant depends on where it is started.
    host.package(".asdf/installs/nodejs/22.1.0/lib/node_modules/openclaw", "2026.4.27");
    host.link("../lib/node_modules/openclaw/openclaw.mjs", ".asdf/installs/nodejs/22.1.0/bin/openclaw");
    assert_eq!(host.find(".asdf/shims/openclaw"), None);

    // mise: a link to its program.
    let host = Host::new();
    let package = host.package("mise/installs/npm-openclaw/2026.9.6/lib/node_modules/openclaw", "2026.9.6");
    host.link("./2026.9.6", "mise/installs/npm-openclaw/latest");
    host.write("mise/installs/node/24.16.0/bin/node", "");
    host.link("./24.16.0", "mise/installs/node/24");
    host.write("bin/mise", "\u{7f}ELF\0");
    host.link("@HOME/bin/mise", "mise/shims/openclaw");
    host.leads("mise/shims/openclaw", &package, Some("mise/installs/node/24.16.0/bin/node"));
    host.package("mise/installs/node/24.16.0/lib/node_modules/openclaw", "2026.4.27");
    assert_eq!(host.find("mise/shims/openclaw"), None);
}
