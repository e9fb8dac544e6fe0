//! The memory that Linux' control groups leave to this process.
//!
//! A process is in one group of a tree, and every group above it has a limit of its own; the tightest one counts. Version 2 has
//! `memory.max` and `memory.current` in one tree, version 1 `memory.limit_in_bytes` and `memory.usage_in_bytes` in a tree of its own.

use std::fs;
use std::path::Path;

/// Bytes left below the tightest limit; `None` if there is none.
pub(crate) fn available() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    below(Path::new("/sys/fs/cgroup"), &groups)
}

/// As [`available`], for the groups that a `/proc/*/cgroup` lists, `hierarchy:controllers:path` each.
fn below(root: &Path, groups: &str) -> Option<u64> {
    let of_group = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (tree, limit, usage) = match controllers {
            "" => (root.to_owned(), "memory.max", "memory.current"),
            list if list.split(',').any(|name| name == "memory") => (
                root.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => return None,
        };
        let own = tree.join(path.trim_start_matches('/'));
        // Within a container the path may be the host's: then only the tree's root exists, which is the container's group.
        let levels = own.ancestors().take_while(|level| level.starts_with(&tree));
        let left = levels.filter_map(|level| {
            let bytes = |name| -> Option<u64> {
                let text = fs::read_to_string(level.join(name)).ok()?;
                text.trim().parse().ok()
            };
            Some(bytes(limit)?.saturating_sub(bytes(usage)?))
        });
        left.min()
    };
    groups.lines().filter_map(of_group).min()
}

#[cfg(test)]
mod tests {
    use super::below;
    use std::fs;

    #[test]
    fn the_tightest_level_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, limit: &str, usage: &str| {
            let dir = root.path().join(path);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("memory.max"), limit).unwrap();
            fs::write(dir.join("memory.current"), usage).unwrap();
        };
        group("a/b/c", "max\n", "10\n");
        group("a/b", "1000\n", "400\n");
        group("a", "900\n", "500\n");
        assert_eq!(below(root.path(), "0::/a/b/c\n"), Some(400));
        assert_eq!(below(root.path(), "0::/elsewhere\n"), None);
        group("a", "max\n", "500\n");
        assert_eq!(below(root.path(), "0::/a/b/c\n"), Some(600));
        assert_eq!(below(root.path(), "0::/a/b/missing\n"), Some(600));
        group("a/b", "300\n", "400\n");
        assert_eq!(below(root.path(), "0::/a/b/c\n"), Some(0));
    }

    #[test]
    fn the_first_version_has_a_tree_for_memory() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("memory/job");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("memory.limit_in_bytes"), "4096\n").unwrap();
        fs::write(dir.join("memory.usage_in_bytes"), "96\n").unwrap();
        let groups = "9:cpu,cpuacct:/job\n4:memory:/job\n0::/job\n";
        assert_eq!(below(root.path(), groups), Some(4000));
    }
}
