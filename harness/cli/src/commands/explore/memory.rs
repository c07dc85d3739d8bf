//! What the program needed of memory.

/// The most that it had at a time, in bytes, where the system tells it.
pub(super) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    of_status(&status)
}

fn of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_what_linux_says() {
        let status = "Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t   12 kB\n";
        assert_eq!(of_status(status), Some(12 * 1024));
        assert_eq!(of_status("Name:\tx\n"), None);
    }
}
