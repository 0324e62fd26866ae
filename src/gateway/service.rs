//! What the service manager of this host does with a user's services.

use std::path::Path;

/// Whether the services of `user` end with the user's last session: systemd runs this host, below
/// `root`, and nobody has asked it to let them linger.
pub fn ends_with_logout(root: &Path, user: &str) -> bool {
    root.join("run/systemd/system").is_dir() && !root.join("var/lib/systemd/linger").join(user).exists()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn services_linger_where_the_user_is_listed_or_there_is_no_systemd() {
        let root = tempfile::tempdir().unwrap();
        assert!(!ends_with_logout(root.path(), "claw"));
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(ends_with_logout(root.path(), "claw"));
        fs::create_dir_all(root.path().join("var/lib/systemd/linger")).unwrap();
        fs::write(root.path().join("var/lib/systemd/linger/claw"), "").unwrap();
        assert!(!ends_with_logout(root.path(), "claw") && ends_with_logout(root.path(), "other"));
    }
}
